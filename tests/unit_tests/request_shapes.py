"""Generated requests of every shape, as applications make them, and some that few would."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle
from typing import Any

from langchain_bedrock_cache.profiles import ModelProfile

Blocks = list[dict[str, Any]]
_WORDS = ("alpha ", "beta ", "gamma\n", "ünï ", "日本語 ", "delta, ", "2026-11-22 ", "{x} ")
_SIZES = (1, 1, 3, 3, 40, 40, 300, 300, 700, 700, 2_000)
_REASONING = {"text": "Let me see.", "signature": "c2ln"}
_PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(32)


def _copied(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request whose lists of blocks can be changed; the blocks are the same."""
    copied = {
        **request,
        "messages": [{**m, "content": [*m["content"]]} for m in request["messages"]],
    }
    if "system" in request:
        copied["system"] = [*request["system"]]
    if "toolConfig" in request:
        copied["toolConfig"] = {**request["toolConfig"], "tools": [*request["toolConfig"]["tools"]]}
    return copied


class RequestShapes:
    """Requests as applications make them, and some that few would."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def request(self, model: str) -> dict[str, Any]:
        """Return a new request without cache points."""
        rng = self._rng
        has_tools = rng.random() < 0.5
        request: dict[str, Any] = {"modelId": model, "messages": []}
        if rng.random() < 0.6:
            request["system"] = [{"text": self._text()} for _ in range(rng.randint(1, 3))]
        if has_tools:
            names = rng.sample(("look_up", "add", "search", "send", "stop"), rng.randint(1, 4))
            request["toolConfig"] = {"tools": [self._tool(name) for name in names]}
            if rng.random() < 0.2:
                request["toolConfig"]["toolChoice"] = rng.choice(({"any": {}}, {"auto": {}}))
        request["messages"] = [self._user()]
        for _ in range(rng.choice((0, 0, 1, 3, 12))):
            request["messages"] += self._turn(request)
        return request

    def following(self, request: dict[str, Any], model: str) -> dict[str, Any]:
        """Return what comes after a request: the next turn, another branch, or something new."""
        rng = self._rng
        way = rng.random()
        if way < 0.15:
            return self.request(model)
        request = _copied(request)
        if way < 0.3:
            request["messages"][0]["content"][-1] = {"text": self._text()}
        elif way < 0.4 and "system" in request:
            request["system"][-1] = {"text": self._text()}
        else:
            request["messages"] += self._turn(request)
        return request

    def marked(self, request: dict[str, Any], profile: ModelProfile) -> dict[str, Any]:
        """Return a request with points of the application: mostly where the model takes them."""
        rng = self._rng
        request = _copied(request)
        lists = [m["content"] for m in request["messages"]]
        lists += [request["system"]] if "system" in request else []
        if "tools" in profile.sections and "toolConfig" in request:
            lists.append(request["toolConfig"]["tools"])
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            blocks = rng.choice(lists)
            place = rng.randint(1, len(blocks))
            around = blocks[place - 1 : place + 1]
            if not any("cachePoint" in block for block in around):
                ttl = rng.choice(({}, {}, {"ttl": "5m"}, {"ttl": "1h"}))
                blocks.insert(place, {"cachePoint": {"type": "default", **ttl}})
        return request

    def _text(self) -> str:
        return self._rng.choice(_WORDS) * self._rng.choice(_SIZES) + "."

    def _tool(self, name: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"q": {"type": "string"}}}
        return {
            "toolSpec": {
                "name": name,
                "description": self._text(),
                "inputSchema": {"json": schema},
            }
        }

    def _user(self) -> dict[str, Any]:
        first: dict[str, Any] = {"text": self._text()}
        more = [self._block() for _ in range(self._rng.choice((0, 0, 1, 2, 6)))]
        blocks = [first, *more]
        self._rng.shuffle(blocks)
        return {"role": "user", "content": blocks}

    def _block(self) -> dict[str, Any]:
        kind = self._rng.choice(("text", "text", "text", "blank", "document", "document", "image"))
        if kind == "blank":
            return {"text": self._rng.choice((" ", "\n", "\t "))}
        if kind == "image":
            return {"image": {"format": "png", "source": {"bytes": _PIXEL}}}
        if kind == "document":
            source = {"bytes": b"%PDF" * self._rng.choice((10, 2_000))}
            form = self._rng.choice(("pdf", "txt", "csv", "md"))
            return {"document": {"name": "doc", "format": form, "source": source}}
        return {"text": self._text()}

    def _turn(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what the model says, and what is answered."""
        rng = self._rng
        said: Blocks = []
        if rng.random() < 0.3:
            said.append({"reasoningContent": {"reasoningText": _REASONING}})
        if "toolConfig" not in request or rng.random() < 0.4:
            said.append({"text": self._text()})
            if rng.random() < 0.1:
                said.append({"reasoningContent": {"reasoningText": _REASONING}})
            yield {"role": "assistant", "content": said}
            yield self._user()
            return
        number = len(request["messages"])
        ids = [f"call-{number}-{n}" for n in range(rng.choice((1, 1, 2, 25)))]
        if rng.random() < 0.5:
            said.append({"text": self._text()})
        name = request["toolConfig"]["tools"][0]["toolSpec"]["name"]
        said += [{"toolUse": {"toolUseId": i, "name": name, "input": {"q": i}}} for i in ids]
        yield {"role": "assistant", "content": said}
        results: Blocks = [
            {"toolResult": {"toolUseId": i, "content": [{"text": result}]}}
            for i, result in zip(ids, cycle((self._text(), f"{number}", "ok")), strict=False)
        ]
        if rng.random() < 0.3:
            results.append({"text": self._text()})
        yield {"role": "user", "content": results}
