"""A view of an InvokeModel body in the shape of a Converse request, and the way back.

The planner reads the view, whose blocks stand one to one for the body's; what it did to the view is
then done to the body. Blocks are told by identity, so whatever moves them without copying them
(added points, removed points, a tenant's salt) finds its way back, and nothing else can change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_bedrock_cache.profiles import CacheTTL

Body = Mapping[str, Any]
Block = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a family of models spells blocks and cache points in the bodies of InvokeModel.

    Attributes:
        tools_in: Path of the tools in the body.
        mark: Returns a block that has no point with one, of the given lifetime; it says so even
            of the default one if the second argument is true.
        unmark: Returns a block without its points; the same object if it has none.
        new_text: Returns a block of text.
    """

    tools_in: tuple[str, ...]
    mark: Callable[[Any, CacheTTL, bool], Any]
    unmark: Callable[[Any], Any]
    new_text: Callable[[str], Block]


@dataclass(frozen=True, slots=True)
class _Origin:
    """The blocks of the body that a block of the view stands for, and the points on them."""

    blocks: tuple[Any, ...]
    points: tuple[Block, ...]


@dataclass(slots=True)
class Blocks:
    """Collects the blocks of a view, and what they stand for."""

    origins: dict[int, _Origin] = field(default_factory=dict)

    def listed(
        self, entries: Sequence[tuple[Block, tuple[Any, ...], Sequence[Block]]]
    ) -> list[Any]:
        """Return a list of the view.

        Args:
            entries: For each of its blocks: the block, made for it alone; what it stands for in the
                body; the points on that, as blocks of their own.
        """
        listed: list[Any] = []
        for block, stands_for, points in entries:
            self.origins[id(block)] = _Origin(stands_for, tuple(points))
            listed += [block, *points]
        return listed


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeView:
    """An InvokeModel body as a Converse request.

    Attributes:
        body: The decoded body; never modified.
        request: `system`, `messages`, `toolConfig` and what else enters the prompt.
        dialect: That of the body's model family.
        origins: What the blocks of `request` stand for, by their identity.
        hint: `cache_control` beside the blocks, which Bedrock refuses and which is taken as a hint.
    """

    body: Body
    request: dict[str, Any]
    dialect: Dialect
    origins: Mapping[int, _Origin]
    hint: Mapping[str, Any] | None = None

    def body_of(
        self, planned: Mapping[str, Any], *, states_ttl: bool = False
    ) -> dict[str, Any] | None:
        """Return the body for a request that was made from `request`.

        Args:
            planned: `request` with points added or removed, or blocks of text.
            states_ttl: Whether to spell out the default lifetime.

        Returns:
            A new body that shares what did not change; `None` if nothing did.
        """
        changed: dict[str, Any] = {}
        if (tools := _tools(planned)) is not (before := _tools(self.request)):
            self._put(changed, self.dialect.tools_in, self._list(tools, before, states_ttl))
        if (system := planned.get("system")) is not (was := self.request.get("system")):
            self._put(changed, ("system",), self._list(system or (), was or (), states_ttl))
        if planned["messages"] is not self.request["messages"]:
            pairs = zip(planned["messages"], self.request["messages"], strict=True)
            contents = [self._list(m["content"], old["content"], states_ttl) for m, old in pairs]
            if any(content is not None for content in contents):
                changed["messages"] = [
                    message if content is None else {**message, "content": content}
                    for message, content in zip(self.body["messages"], contents, strict=True)
                ]
        return {**self.body, **changed} if changed else None

    def _put(self, changed: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
        if value is None:
            return
        name, *inner = path
        changed[name] = {**self.body[name], inner[0]: value} if inner else value

    def _list(
        self,
        planned: Sequence[Any],
        before: Sequence[Any],
        states_ttl: bool,  # noqa: FBT001
    ) -> list[Any] | None:
        """Return a list of the body; `None` if it stays as it is."""
        if len(planned) == len(before) and all(
            a is b for a, b in zip(planned, before, strict=True)
        ):
            return None
        out: list[Any] = []
        for block, points in _with_points(planned):
            origin = self.origins.get(id(block))
            if origin is None:
                origin = _Origin((self.dialect.new_text(block["text"]),), ())
            if len(points) == len(origin.points) and all(map(_is, points, origin.points)):
                out += origin.blocks
                continue
            bare = self.dialect.unmark(origin.blocks[0])
            mark = self.dialect.mark
            out.append(mark(bare, _longest(points), states_ttl) if points else bare)
        return out


def conversation_of(body: Body, listed: Callable[[Any], list[Any]]) -> dict[str, Any]:
    """Return `messages` and `system` of a view; all families have them at the top of a body.

    Args:
        body: Decoded JSON; not modified.
        listed: Returns the blocks of the view for system, or for the content of a message.

    Raises:
        KeyError, TypeError: If a message is none.
    """
    request: dict[str, Any] = {
        "messages": [
            {"role": message["role"], "content": listed(message["content"])}
            for message in body["messages"]
        ]
    }
    if body.get("system"):
        request["system"] = listed(body["system"])
    return request


def _is(a: object, b: object) -> bool:
    return a is b


def _tools(request: Mapping[str, Any]) -> Sequence[Any]:
    tools: Sequence[Any] = (request.get("toolConfig") or {}).get("tools") or ()
    return tools


def _with_points(blocks: Sequence[Any]) -> list[tuple[Any, list[Block]]]:
    """Return the blocks of a list, each with the points that follow it."""
    grouped: list[tuple[Any, list[Block]]] = []
    for block in blocks:
        if "cachePoint" in block:
            grouped[-1][1].append(block)
        else:
            grouped.append((block, []))
    return grouped


def _longest(points: Sequence[Block]) -> CacheTTL:
    hour = any(point["cachePoint"].get("ttl") == "1h" for point in points)
    return "1h" if hour else "5m"
