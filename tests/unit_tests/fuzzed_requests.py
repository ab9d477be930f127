"""Sessions of requests of every shape, sent through a cached client to the emulator's validation.

No boto3 and no HTTP in between, so that hundreds of thousands fit into minutes: a client that
speaks to `BedrockEmulator.handle`, with the service model's checks and all rules of the emulator.
"""

from __future__ import annotations

import copy
import io
import json
import random
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError
from native_bodies import native

from langchain_bedrock_cache import BedrockCacheError, CachePolicy, PrefixMemory, cached_client
from langchain_bedrock_cache.batch_context import current_batch
from langchain_bedrock_cache.calls import CallOptions
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.emulator.http import HttpRequest
from langchain_bedrock_cache.profiles import ModelProfile, find_profile, shipped_profiles
from langchain_bedrock_cache.shared_prefixes import SharedPrefixes

Blocks = list[dict[str, Any]]
Linter = Callable[[dict[str, Any]], list[str]]

POLICIES = (
    CachePolicy(),
    CachePolicy(),
    CachePolicy(ttl="1h"),
    CachePolicy(ttl="5m"),
    CachePolicy.fixed(tools="1h", system="1h", messages="5m"),
    CachePolicy.fixed(messages="5m"),
    CachePolicy(sections=("tools", "system")),
    CachePolicy(section_ttls={"system": "1h"}),
    CachePolicy(tenant="acme"),
    CachePolicy(rollout=0.5),
    CachePolicy(min_tokens=3_000),
    CachePolicy(single_flight_seconds=0.01),
)
HINTS = (None, None, None, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"})
_WORDS = ("alpha ", "beta ", "gamma\n", "ünï ", "日本語 ", "delta, ", "2026-11-22 ", "{x} ")
_SIZES = (1, 1, 3, 3, 40, 40, 300, 300, 700, 700, 2_000)
_PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(32)


class DirectClient:
    """What `cached_client` needs of a boto3 client, without boto3.

    Attributes:
        refused: What the emulator said of calls that it refused.
        sent: Arguments of the last call.
    """

    def __init__(self, emulator: BedrockEmulator) -> None:
        self.emulator = emulator
        self.refused: list[str] = []
        self.sent: dict[str, Any] = {}

    def converse(self, **request: Any) -> dict[str, Any]:
        """Call Converse."""
        body = {name: value for name, value in request.items() if name != "modelId"}
        raw = json.dumps(body, default=lambda value: b64encode(value).decode()).encode()
        answer, _ = self._send("converse", request, raw)
        return {**json.loads(answer), "ResponseMetadata": {}}

    def invoke_model(self, **request: Any) -> dict[str, Any]:
        """Call InvokeModel."""
        body = request["body"]
        raw = body.encode() if isinstance(body, str) else body
        answer, headers = self._send("invoke", request, raw)
        return {"body": io.BytesIO(answer), "ResponseMetadata": {"HTTPHeaders": headers}}

    def _send(
        self, action: str, request: dict[str, Any], raw: bytes
    ) -> tuple[bytes, dict[str, str]]:
        self.sent = request
        path = f"/model/{quote(request['modelId'], safe='')}/{action}"
        response = self.emulator.handle(HttpRequest(method="POST", path=path, body=raw))
        content = b"".join(response.body)
        if response.status != 200:
            message = str(json.loads(content)["message"])
            self.refused.append(message)
            code = response.headers["x-amzn-ErrorType"].partition(":")[0]
            raise ClientError({"Error": {"Code": code, "Message": message}}, action)
        return content, {name.lower(): value for name, value in response.headers.items()}


@dataclass(slots=True)
class Found:
    """What came of the requests.

    Attributes:
        counts: Requests by what became of them.
        models: Requests a model.
        wrong: What must not be, with an example.
    """

    counts: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, other: Found) -> None:
        """Add what others found."""
        self.counts += other.counts
        self.models += other.models
        self.wrong += other.wrong


def fuzz(seed: int, requests: int, *, lint: Linter | None = None) -> Found:
    """Send so many requests, or a few more, and return what came of them.

    Args:
        seed: Decides everything.
        requests: How many.
        lint: Returns the errors of another checker in a Converse request or body.
    """
    rng = random.Random(seed)
    found = Found()
    while found.models.total() < requests:
        _Session(rng, found, lint).run()
    return found


class _Session:
    """One application for some minutes: a model, a policy, conversations that go on and branch."""

    def __init__(self, rng: random.Random, found: Found, lint: Linter | None) -> None:
        self._rng = rng
        self._found = found
        self._lint = lint
        self._profile = rng.choice(shipped_profiles())
        geography = rng.choice(("", "us.", "global."))
        self._model = f"{geography}{self._profile.id}"
        self._is_native = rng.random() < 0.4 and self._profile.supports_caching
        self._policy = rng.choice(POLICIES)
        self._hint = rng.choice(HINTS)
        self._is_batch = rng.random() < 0.1
        self._marks = rng.random() < 0.3
        self._clock = SimulatedClock()
        chars = rng.choice((2.0, 3.0, 4.5))
        self._direct = DirectClient(BedrockEmulator(clock=self._clock, chars_per_token=chars))
        self._client = cached_client(
            self._direct, policy=self._policy, memory=PrefixMemory(clock=self._clock)
        )

    def run(self) -> None:
        """Send some requests, each after one of the earlier ones, or new."""
        shapes = _Shapes(self._rng)
        history = [shapes.request(self._model)]
        for _ in range(self._rng.randint(3, 9)):
            request = history[-1]
            if self._marks:
                request = shapes.marked(request, self._profile)
            self._check(request)
            self._clock.advance(self._rng.choice((0.0, 5.0, 200.0, 400.0, 4_000.0)))
            history.append(shapes.following(self._rng.choice(history), self._model))

    def _check(self, request: dict[str, Any]) -> None:
        self._found.models[self._profile.id] += 1
        given = native(request) if self._is_native else request
        before = copy.deepcopy(given) if self._rng.random() < 0.1 else given
        self._direct.refused.clear()
        outcome = "answered"
        try:
            self._call(self._client, given)
        except BedrockCacheError:
            outcome = "our error about points of the application"
            if self._is_accepted(before):
                self._found.wrong[f"we raised, Bedrock would not: {self._model}"] += 1
        except ClientError:
            outcome = "refused, with and without us"
            if self._is_accepted(before):
                self._found.wrong[f"failed because of us: {self._direct.refused[-1]}"] += 1
        if self._direct.refused and self._is_accepted(before):
            self._found.wrong[f"point of ours refused: {self._direct.refused[0]}"] += 1
        if given != before:
            self._found.wrong["the request was changed"] += 1
        if outcome == "answered":
            self._look_at(before)
        self._found.counts[("InvokeModel " if self._is_native else "Converse ") + outcome] += 1

    def _call(self, client: Any, given: dict[str, Any]) -> None:
        send = client.invoke_model if self._is_native else client.converse
        token = current_batch.set(self._shared(given))
        try:
            send(**given, cache_control=self._hint)
        finally:
            current_batch.reset(token)

    def _shared(self, given: dict[str, Any]) -> SharedPrefixes | None:
        """Return places that a batch would share; any will do."""
        if not self._is_batch or self._is_native:
            return None
        prefix = self._client.planner.read(given, CallOptions())
        if prefix is None or not len(prefix):
            return None
        return SharedPrefixes(frozenset(self._rng.choices(prefix.digests, k=3)))

    def _look_at(self, given: dict[str, Any]) -> None:
        points = _count_points(self._direct.sent)
        self._found.counts["with points of ours"] += points > _count_points(given)
        self._found.counts["with points of the application"] += _count_points(given) > 0
        if self._lint is None or "anthropic" not in self._model:
            return
        own = self._lint(given)
        for error in self._lint(self._direct.sent):
            if error in own:
                own.remove(error)
            else:
                self._found.wrong[f"the linter says: {error}"] += 1
        self._found.counts["linted"] += 1

    def _is_accepted(self, given: dict[str, Any]) -> bool:
        """Whether Bedrock takes the request as the application made it."""
        client = DirectClient(BedrockEmulator(clock=self._clock))
        try:
            (client.invoke_model if self._is_native else client.converse)(**given)
        except ClientError:
            return False
        return True


def _count_points(request: dict[str, Any]) -> int:
    body = request.get("body")
    if body is not None:
        text = body.decode() if isinstance(body, bytes) else str(body)
        return text.count('"cachePoint"') + text.count('"cache_control"')
    lists = [message["content"] for message in request["messages"]]
    lists += [request.get("system", []), request.get("toolConfig", {}).get("tools", [])]
    return sum("cachePoint" in block for blocks in lists for block in blocks)


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


class _Shapes:
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


_REASONING = {"text": "Let me see.", "signature": "c2ln"}


def known_models() -> int:
    """Count the models of the profile table, each of which has a profile under its own ID."""
    profiles = shipped_profiles()
    assert all(find_profile(profile.id) for profile in profiles)
    return len(profiles)
