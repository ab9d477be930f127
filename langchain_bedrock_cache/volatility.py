"""Notice system prompts and tool lists that change from call to call, and say where.

A date in the system prompt makes every call a new prefix: nothing after it is ever read from the
cache. The planner stops paying for such prefixes by itself; this module finds the place, so that
the user can move it. Kept are hashes of short chunks, keyed per process; never text.
"""

from __future__ import annotations

import secrets
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import xxhash

from langchain_bedrock_cache.guesses import guess

# Places are found to within this many characters.
_CHUNK_CHARS = 8
# This many different versions of one prompt are no accident.
_VERSIONS = 3
# Two prompts are versions of one if at least half of the text is the same at both ends.
_COMMON_SHARE = 0.5
_MAX_FAMILIES = 512
_SEED = secrets.randbits(64)


class HeadChange(NamedTuple):
    """Where the tools or the system prompt of one kind of request change.

    Attributes:
        place: Such as `system[0]`, or `toolConfig.tools`.
        detail: What changes there: characters and a guess, or the order of the tools.
        stable_chars: Characters of tools and system before the change, system part only.
    """

    place: str
    detail: str
    stable_chars: int

    def message(self) -> str:
        """Return the warning for the user."""
        return (
            f"{self.place} changes from call to call ({self.detail}), so nothing from there on is "
            "read from the prompt cache again. Keep what changes out of it: put it into the last "
            "user message, or into a system block of its own after the stable ones; send tools "
            "always the same, in the same order."
        )


class _Fingerprint(NamedTuple):
    tools: tuple[int, ...]
    texts: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]  # chunks from both ends
    sizes: tuple[int, ...]


@dataclass(slots=True)
class _Family:
    kinds: set[Hashable] = field(default_factory=set)
    last: _Fingerprint | None = None
    versions: int = 1
    reported: bool = False


class HeadWatch:
    """Watches the tools and system prompts of each family of requests; bounded."""

    def __init__(self) -> None:
        self._families: dict[Hashable, _Family] = {}

    def see(
        self,
        family: Hashable,
        kind: Hashable,
        request: Mapping[str, Any],
        *,
        chars_after_tools: int,
        min_chars: float,
    ) -> HeadChange | None:
        """Take in a request; return where its head changes, once per family, when that is clear.

        Args:
            family: Requests alike in tools and system prompt.
            kind: Requests exactly equal in them.
            request: Converse keyword arguments.
            chars_after_tools: Size of the request without its tools.
            min_chars: Changes with less than this after them are not worth a word.
        """
        seen = self._families.get(family)
        if seen is None:
            seen = self._families[family] = _Family()
            if len(self._families) > _MAX_FAMILIES:
                del self._families[next(iter(self._families))]
        if seen.reported or kind in seen.kinds:
            return None
        seen.kinds.add(kind)
        previous, seen.last = seen.last, _fingerprint(request)
        change = _compare(previous, seen.last, request) if previous else None
        if change is None:
            return None
        seen.versions += 1
        if seen.versions < _VERSIONS or chars_after_tools - change.stable_chars < min_chars:
            return None
        seen.reported = True
        seen.kinds.clear()
        return change


def _fingerprint(request: Mapping[str, Any]) -> _Fingerprint:
    tools = (request.get("toolConfig") or {}).get("tools") or ()
    texts = [_text(block) for block in request.get("system") or ()]
    return _Fingerprint(
        tuple(_hash(repr(tool)) for tool in tools),
        tuple((_chunks(text), _chunks(text[::-1])) for text in texts),
        tuple(len(text) for text in texts),
    )


def _compare(old: _Fingerprint, new: _Fingerprint, request: Mapping[str, Any]) -> HeadChange | None:
    """Return how two versions of a head differ; `None` if they are not versions of one."""
    if old.tools != new.tools:
        return _compare_tools(old.tools, new.tools)
    if len(old.texts) != len(new.texts):
        return None
    for i, (before, after) in enumerate(zip(old.texts, new.texts, strict=True)):
        if before != after:
            change = _compare_texts(i, before, after, _text(request["system"][i]))
            stable = sum(new.sizes[:i])
            return change and change._replace(stable_chars=stable + change.stable_chars)
    return None


def _compare_tools(old: Sequence[int], new: Sequence[int]) -> HeadChange | None:
    first = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    if sorted(old) == sorted(new):
        return HeadChange("toolConfig.tools", f"the order of the tools, from tool {first} on", 0)
    if len(old) == len(new) and sum(a == b for a, b in zip(old, new, strict=True)) * 2 >= len(new):
        return HeadChange(f"toolConfig.tools[{first}]", "the definition of the tool", 0)
    return None


def _compare_texts(
    block: int,
    before: tuple[Sequence[int], Sequence[int]],
    after: tuple[Sequence[int], Sequence[int]],
    text: str,
) -> HeadChange | None:
    start, tail = (_common(a, b) * _CHUNK_CHARS for a, b in zip(before, after, strict=True))
    if start + tail < _COMMON_SHARE * len(text):
        return None
    end = max(len(text) - tail, start + 1)
    kind, _ = guess(text, start=start, end=end)
    detail = f"characters {start} to {end} of {len(text)}"
    detail += "" if kind == "text" else f", {'an' if kind == 'identifier' else 'a'} {kind} perhaps"
    return HeadChange(f"system[{block}]", detail, start)


def _text(block: Any) -> str:
    text = block.get("text") if isinstance(block, Mapping) else None
    return text if isinstance(text, str) else ""


def _chunks(text: str) -> tuple[int, ...]:
    return tuple(_hash(text[i : i + _CHUNK_CHARS]) for i in range(0, len(text), _CHUNK_CHARS))


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Count the equal chunks at the beginning."""
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"), seed=_SEED)
