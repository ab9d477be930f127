"""The cache points of a body, however they are written, and what is wrong with how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from langchain_bedrock_cache.profiles import CacheTTL, Section
from langchain_bedrock_cache.wrong_forms.bodies import Api, BlockList, kind_of
from langchain_bedrock_cache.wrong_forms.found import Form, WrongForm, wrong_form

POINT = "cachePoint"
CONTROL = "cache_control"
# Arguments of tools, their schemas and their results as JSON: whatever is in there is data.
OPAQUE = frozenset({"input", "inputSchema", "input_schema", "json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A cache point where it stands, well written or not.

    Attributes:
        place: In the body, such as `system[1]`.
        section: Part of the prefix.
        ttl: Its lifetime; five minutes if what is written is not known.
        states_ttl: Whether the lifetime is written, even if it is the default.
        before: Kind of the block that it follows (or is written in), `None` if there is none.
        follows_mark: Whether only another cache point stands right before it.
    """

    place: str
    section: Section
    ttl: CacheTTL
    states_ttl: bool
    before: str | None
    follows_mark: bool


def is_point_name(name: object) -> bool:
    """Whether a member's name is `cachePoint`, in any spelling."""
    return str(name).replace("_", "").replace("-", "").lower() == "cachepoint"


def is_mark_name(name: object) -> bool:
    """Whether a member's name is that of a cache point in any dialect."""
    return name == CONTROL or is_point_name(name)


def ttl_of(value: Any) -> CacheTTL:
    """Return the lifetime that a cache point asks for; five minutes if it is not known."""
    return "1h" if isinstance(value, Mapping) and value.get("ttl") == "1h" else "5m"


def read_list(held: BlockList, api: Api) -> tuple[list[Mark], list[WrongForm]]:
    """Return the cache points of a list, and what is wrong with how they are written."""
    marks: list[Mark] = []
    found: list[WrongForm] = []
    before: str | None = None
    follows = False
    for n, block in enumerate(held.blocks):
        if not isinstance(block, Mapping):
            continue
        place = f"{held.place}[{n}]"
        found += _written(block, place, api)
        names = [name for name in block if is_mark_name(name) and block[name] is not None]
        rest = {name: value for name, value in block.items() if not is_mark_name(name)}
        if rest:
            before, follows = kind_of(rest), False
        if names or any(map(is_mark_name, block.keys() - {CONTROL})):
            value = block[names[0]] if names else None
            marks.append(
                Mark(
                    place=place,
                    section=held.section,
                    ttl=ttl_of(value),
                    states_ttl=isinstance(value, Mapping) and "ttl" in value,
                    before=before,
                    follows_mark=follows,
                )
            )
            follows = True
    return marks, found


def _written(block: Mapping[str, Any], place: str, api: Api) -> Iterator[WrongForm]:
    """Yield what is wrong with how a block marks itself, and with marks inside it."""
    rest = [str(name) for name in block if not is_mark_name(name)]
    for name, value in block.items():
        if name == CONTROL:
            if api != "claude":
                yield wrong_form("foreign_dialect", place, api=api)
            elif value is not None:
                yield from _valued(value, place, api, expected="ephemeral")
        elif not is_point_name(name):
            continue
        elif api == "claude":
            yield wrong_form("foreign_dialect", place, api=api, member=name)
        elif name != POINT:
            yield wrong_form("other_spelling", place, api=api, member=name)
        else:
            if rest and api == "converse":
                yield wrong_form("same_block", place, api=api, members=" and ".join(rest))
            yield from _valued(value, place, api, expected="default")
    for name in rest:
        yield from _inside(block[name], f"{place}.{name}", api)


def _valued(value: Any, place: str, api: Api, *, expected: str) -> Iterator[WrongForm]:
    """Yield what is wrong with the value of a cache point."""
    if not isinstance(value, Mapping) or "type" not in value:
        yield wrong_form("no_type", place, api=api)
        return
    if value["type"] != expected:
        kind = value["type"]
        yield wrong_form(
            "unknown_type",
            place,
            api=api,
            outcome=None if isinstance(kind, str) else "boto3_refuses",
            value=repr(kind),
            expected=expected,
        )
    for name in value:
        if name not in ("type", "ttl"):
            yield wrong_form("unknown_member", place, api=api, member=name)
    ttl = value.get("ttl", "5m")
    if ttl not in get_args(CacheTTL):
        yield wrong_form(
            "unknown_ttl",
            place,
            api=api,
            outcome=None if isinstance(ttl, str) else "boto3_refuses",
            value=repr(ttl),
        )


def _inside(value: Any, place: str, api: Api) -> Iterator[WrongForm]:
    """Yield the cache points in the depths of a block, where none can stand."""
    if isinstance(value, list | tuple):
        for n, item in enumerate(value):
            yield from _inside(item, f"{place}[{n}]", api)
    elif isinstance(value, Mapping):
        for name, held in value.items():
            if api == "claude" and is_point_name(name):
                yield wrong_form("foreign_dialect", place, api=api, member=name)
            elif api != "claude" and is_mark_name(name):
                in_result = "toolResult.content[" in place
                form: Form = "inside_tool_result" if in_result else "inside_block"
                yield wrong_form(form, place, api=api)
            elif name not in OPAQUE:
                yield from _inside(held, f"{place}.{name}", api)
