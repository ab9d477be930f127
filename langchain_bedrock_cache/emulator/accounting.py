"""A request as a flat prefix: one position a content block, digests only.

Order: tools, system, messages. What is not a block but changes the prefix enters the digests:

* `additionalModelRequestFields` and `outputConfig` (thinking, effort, schema) at the very start,
  sampling settings aside: measured on Bedrock, a change of them misses everything;
* the kind of `toolChoice` (a tool is forced, or not) where the profile says: at the messages for
  Claude, at the start for Nova (both recorded).

`inferenceConfig` never enters. Two messages of one role are the same prefix as one message with
the blocks of both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.emulator.blocks import CACHE_POINT, block_lists
from langchain_bedrock_cache.emulator.tokens import TURN_TOKENS, block_tokens
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile, Section

_SAMPLING_FIELDS = frozenset(
    {"temperature", "top_p", "topP", "top_k", "topK", "max_tokens", "inferenceConfig"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPoint:
    """A cache point as a request placed it.

    Attributes:
        section: Where it stands.
        position: Number of content blocks before it in the whole request.
        ttl: Its lifetime; `"5m"` if the request does not say.
    """

    section: Section
    position: int
    ttl: CacheTTL


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """A request as the cache sees it, without its content.

    Attributes:
        digests: Digest of the prefix up to and including each block.
        cumulative_tokens: Estimated tokens of the same prefixes.
        points: Every cache point, in order; two in a row share a position.
        turn_tokens: What the model adds behind the last block; never cached.
    """

    digests: tuple[bytes, ...]
    cumulative_tokens: tuple[int, ...]
    points: tuple[PlacedPoint, ...]
    turn_tokens: int

    @property
    def tokens(self) -> int:
        """Estimated tokens of the whole prompt."""
        return sum(self.cumulative_tokens[-1:]) + self.turn_tokens


def measure(
    request: Mapping[str, Any], *, profile: ModelProfile | None, chars_per_token: float
) -> Prefix:
    """Read a request into a prefix, hashing each block once.

    Args:
        request: Decoded parameters of Converse; not modified.
        profile: Of the model; `None` if it is not known.
        chars_per_token: Characters a token.
    """
    tool_choice_scope = profile.tool_choice_scope if profile else "messages"
    digest = hashlib.blake2b(digest_size=16)
    _update(digest, _settings(request))
    tool_choice_pending = True
    digests: list[bytes] = []
    cumulative: list[int] = []
    points: list[PlacedPoint] = []
    total = 0
    for place in block_lists(request):
        if tool_choice_pending and place.section == tool_choice_scope:
            _update(digest, _forces_tool(request))
            tool_choice_pending = False
        for block in place.blocks:
            if CACHE_POINT in block:
                ttl = block[CACHE_POINT].get("ttl", "5m")
                point = PlacedPoint(section=place.section, position=len(digests), ttl=ttl)
                points.append(point)
                continue
            _update(digest, [place.role, block])
            digests.append(digest.copy().digest())
            total += block_tokens(block, chars_per_token=chars_per_token)
            cumulative.append(total)
    return Prefix(
        digests=tuple(digests),
        cumulative_tokens=tuple(cumulative),
        points=tuple(points),
        turn_tokens=TURN_TOKENS.get(profile.provider, 0) if profile else 0,
    )


def _settings(request: Mapping[str, Any]) -> Any:
    fields = request.get("additionalModelRequestFields") or {}
    if isinstance(fields, Mapping):
        fields = {key: fields[key] for key in sorted(fields) if key not in _SAMPLING_FIELDS}
    return [fields, request.get("outputConfig") or {}]


def _forces_tool(request: Mapping[str, Any]) -> bool:
    choice = request.get("toolConfig", {}).get("toolChoice", {})
    return "any" in choice or "tool" in choice


def _update(digest: hashlib.blake2b, value: Any) -> None:
    """Add a value; JSON ends where it ends, so a separator is all the framing that is needed.

    The key order is kept: a reordered tool schema is another prompt. Structures come in the order
    of the service model, so only free-form JSON can differ.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_digest_of)
    digest.update(text.encode("utf-8", "surrogatepass") + b"\n")


def _digest_of(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
