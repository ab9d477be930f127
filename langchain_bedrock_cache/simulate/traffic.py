"""Traffic: the calls of an application in time order, as the prompt cache sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from langchain_bedrock_cache.emulator.prompt_cache import Point
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import ModelProfile

DEFAULT_CHARS_PER_TOKEN = 3.0
"""Claude takes 2.9 to 3.2 characters a token on real prompts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCall:
    """One call as a reader found it; its size in tokens is not known yet.

    Attributes:
        at_seconds: When it was made, on any clock.
        session: What it belongs to: a conversation, a document, or just itself.
        model_id: What was sent as `modelId`, or what the call is to be simulated with.
        profile: What that model allows.
        scope: Account and Region, as far as known: each has a prompt cache of its own.
        prefix: The request, without cache points.
        logged_points: The cache points it was sent with.
        input_tokens: What Bedrock counted, cached tokens included; 0 if that is not known.
    """

    at_seconds: float
    session: str
    model_id: str
    profile: ModelProfile
    prefix: Prefix
    scope: str = ""
    logged_points: tuple[Point, ...] = ()
    input_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a traffic.

    Attributes:
        at_seconds: When it is made, on the clock of the simulation.
        session: What it belongs to.
        prefix: The request, without cache points.
        tokens: Tokens of the prefix up to and including each block; never empty.
        logged_points: The cache points it was sent with.
    """

    at_seconds: float
    session: str
    prefix: Prefix
    tokens: Sequence[int]
    logged_points: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """All calls that share one prompt cache: one source, model, account and Region.

    Attributes:
        source: Where it was read, such as a file name.
        model_id: What is sent as `modelId`; decides the prices.
        profile: What the model allows.
        calls: In time order.
        scope: Account and Region; empty if the source does not say.
        chars_per_token: What sizes were converted with.
        is_calibrated: Whether that comes from the traffic's own token counts.
    """

    source: str
    model_id: str
    profile: ModelProfile
    calls: tuple[Call, ...]
    scope: str = ""
    chars_per_token: float = DEFAULT_CHARS_PER_TOKEN
    is_calibrated: bool = False

    @property
    def sessions(self) -> int:
        """Number of conversations, documents or single requests."""
        return len({call.session for call in self.calls})

    @property
    def prompt_tokens(self) -> int:
        """Input tokens of all calls: what no caching is charged for."""
        return sum(call.tokens[-1] for call in self.calls)


def to_traffics(
    calls: Sequence[ReadCall], *, source: str, chars_per_token: float | None = None
) -> list[Traffic]:
    """Sort calls into the prompt caches they share.

    Args:
        calls: Of one source, in any order; those without content are left out.
        source: Where they were read.
        chars_per_token: Converts sizes; default: what the token counts in the calls say, and 3.0
            where there are none.

    Returns:
        One traffic for each model, account and Region, in the order of their first calls.
    """
    groups: dict[tuple[str, str], list[ReadCall]] = {}
    for call in sorted(calls, key=lambda c: c.at_seconds):
        if len(call.prefix):
            groups.setdefault((call.model_id, call.scope), []).append(call)
    return [_to_traffic(group, source, chars_per_token) for group in groups.values()]


def begin(prefix: Prefix, position: int) -> Prefix:
    """Return the first `position` blocks of a prefix: an earlier call of a conversation."""
    lists = sum(start < position for start in prefix.list_starts)
    return replace(
        prefix,
        digests=prefix.digests[:position],
        chars=prefix.chars[:position],
        kinds=prefix.kinds[:position],
        list_starts=prefix.list_starts[:lists],
        list_messages=prefix.list_messages[:lists],
        roles=prefix.roles[:lists],
        marks=[mark for mark in prefix.marks if mark.position <= position],
        tools=min(prefix.tools, position),
        head=min(prefix.head, position),
    )


def _to_traffic(group: Sequence[ReadCall], source: str, ratio: float | None) -> Traffic:
    counted = [call for call in group if call.input_tokens]
    is_calibrated = ratio is None and bool(counted)
    if is_calibrated:
        ratio = sum(c.prefix.chars[-1] for c in counted) / sum(c.input_tokens for c in counted)
    # A log whose bodies were masked has counts, but no characters.
    ratio = ratio or DEFAULT_CHARS_PER_TOKEN
    return Traffic(
        source=source,
        model_id=group[0].model_id,
        profile=group[0].profile,
        scope=group[0].scope,
        calls=tuple(_to_call(call, ratio) for call in group),
        chars_per_token=ratio,
        is_calibrated=is_calibrated,
    )


def _to_call(call: ReadCall, chars_per_token: float) -> Call:
    return Call(
        at_seconds=call.at_seconds,
        session=call.session,
        prefix=call.prefix,
        tokens=[max(1, int(chars / chars_per_token)) for chars in call.prefix.chars],
        logged_points=call.logged_points,
    )
