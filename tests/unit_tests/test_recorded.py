"""Traffic that was recorded against Amazon Bedrock, replayed through the cached client.

The recorded request goes out through our client, the recorded bytes come back: the application's
points must still be there, and the usage that is reported and learned from must be the recorded
one. Some long texts were trimmed before publication; that changes no place of a point.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from wire import points

from langchain_bedrock_cache import PrefixMemory, cached_client
from langchain_bedrock_cache.converse import read_converse, strip_points
from langchain_bedrock_cache.emulator.client import new_client
from langchain_bedrock_cache.emulator.service_model import decode_request
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.usage import CacheUsage

FOLDER = os.environ.get("BEDROCK_CACHE_RECORDED", "")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="BEDROCK_CACHE_RECORDED does not name the folder of recorded traffic"
)
CONVERSE = {
    "ddtrace_converse_claude_3_7.yaml": 2,
    "ddtrace_converse_stream_claude_3_7.yaml": 2,
    "pydantic_tool_choice_claude_sonnet_4_5.yaml": 4,
    "pydantic_tool_choice_nova_lite.yaml": 4,
    "pydantic_write_and_read_claude_sonnet_4_5.yaml": 2,
    "pydantic_write_nova_lite.yaml": 1,
    "req_llm_converse_1h_claude_haiku_4_5.json": 1,
    "req_llm_converse_nova_pro.json": 1,
}
REFUSED = "pydantic_validation_error.yaml"
INVOKE_MODEL = "openllmetry_invoke_model_claude_3_5_haiku.yaml"
ONE_BY_ONE = [(name, n) for name, count in CONVERSE.items() for n in range(count)]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One recorded request and its response."""

    model: str
    operation: str
    request: bytes
    status: int
    answer: bytes
    headers: dict[str, str]

    @property
    def is_stream(self) -> bool:
        """Whether the answer is a binary event stream."""
        return self.operation == "converse-stream"

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `client.converse` that made the recorded request."""
        return decode_request("Converse", self.model, self.request)


@cache
def exchanges(name: str) -> list[Exchange]:
    """Read a recording."""
    document = yaml.safe_load((Path(FOLDER) / name).read_text(encoding="utf-8"))
    return [_exchange(item) for item in document.get("interactions", [document])]


def _exchange(item: dict[str, Any]) -> Exchange:
    request, response = item["request"], item["response"]
    *_, model, operation = unquote(request.get("uri") or request["url"]).split("/")
    sent = request.get("body") or json.dumps(request["json"])
    answer = response.get("parsed_body") or response["body"]
    answer = answer.get("string", answer)
    if not isinstance(answer, bytes):
        answer = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
    status = response["status"]
    return Exchange(
        model=model,
        operation=operation,
        request=sent.encode(),
        status=status["code"] if isinstance(status, dict) else status,
        answer=answer,
        headers={k: v[0] for k, v in response.get("headers", {}).items() if k[0] in "Xx"},
    )


class _Bytes(io.BytesIO):
    """What botocore expects of a response of urllib3."""

    def stream(self, amount: int = 1024, **_kwargs: Any) -> Iterator[bytes]:
        """Return the bytes in pieces."""
        while piece := self.read(amount):
            yield piece


class Replay:
    """A cached client whose requests are answered with recorded bytes."""

    def __init__(self, exchange: Exchange) -> None:
        self.sent: list[dict[str, Any]] = []
        self.memory = PrefixMemory(clock=lambda: 0.0)
        client = new_client(region="us-east-1")
        client.meta.events.register("before-send.bedrock-runtime", self._answer)
        self.client = cached_client(client, memory=self.memory)
        self.exchange = exchange

    def _answer(self, request: Any, **_kwargs: Any) -> AWSResponse:
        exchange = self.exchange
        self.sent.append(json.loads(request.body))
        kind = "vnd.amazon.eventstream" if exchange.is_stream else "json"
        headers = HTTPHeaders.from_dict({"content-type": f"application/{kind}", **exchange.headers})
        return AWSResponse(request.url, exchange.status, headers, _Bytes(exchange.answer))

    def send(self) -> dict[str, Any]:
        """Send the recorded request; return the response, with `usage` for a stream too."""
        arguments = self.exchange.arguments()
        if not self.exchange.is_stream:
            response: dict[str, Any] = self.client.converse(**arguments)
            return response
        response = self.client.converse_stream(**arguments)
        (usage,) = [e["metadata"]["usage"] for e in response["stream"] if "metadata" in e]
        return {**response, "usage": usage}


def test_every_recording_is_replayed() -> None:
    """The folder holds what the tables above name, and no more."""
    files = {path.name for path in Path(FOLDER).iterdir() if path.suffix in (".yaml", ".json")}
    assert files == {*CONVERSE, REFUSED, INVOKE_MODEL}
    assert {name: len(exchanges(name)) for name in CONVERSE} == CONVERSE


@pytest.mark.parametrize(("name", "n"), ONE_BY_ONE)
def test_the_recorded_request_keeps_its_points(name: str, n: int) -> None:
    """What Bedrock accepted goes out again with its points, and at most ours beside them."""
    exchange = exchanges(name)[n]
    replay = Replay(exchange)
    replay.send()
    (sent,) = replay.sent
    recorded = json.loads(exchange.request)
    assert points(recorded)
    assert [p for p in points(sent) if p in points(recorded)] == points(recorded)
    assert len(points(sent)) <= 4
    assert strip_points(sent)["messages"] == strip_points(recorded)["messages"]


@pytest.mark.parametrize(("name", "n"), ONE_BY_ONE)
def test_the_recorded_usage_is_reported(name: str, n: int) -> None:
    """Usage and response metadata have the recorded counts, and these add up."""
    response = Replay(exchanges(name)[n]).send()
    usage = response["ResponseMetadata"]["ConverseUsage"]
    assert usage == response["usage"]
    if not exchanges(name)[n].is_stream:
        recorded = json.loads(exchanges(name)[n].answer)["usage"]
        assert usage == {key: recorded[key] for key in usage}
        assert {"inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"} <= set(usage)
    counts = CacheUsage.from_converse(usage)
    assert counts.total_tokens == usage["totalTokens"]
    assert counts.cache_read_tokens + counts.cache_write_tokens > 1_000


@pytest.mark.parametrize(("name", "n"), ONE_BY_ONE)
def test_the_recorded_usage_is_learned(name: str, n: int) -> None:
    """The memory takes the length of a token from the recorded counts."""
    exchange = exchanges(name)[n]
    replay = Replay(exchange)
    usage = CacheUsage.from_converse(replay.send()["usage"])
    profile = find_profile(exchange.model)
    assert profile is not None
    chars = read_converse(exchange.arguments(), profile).chars[-1]
    assert replay.memory.chars_per_token(profile) == pytest.approx(chars / usage.input_tokens)


WHOLE = [(name, n) for name, n in ONE_BY_ONE if name.startswith(("ddtrace", "pydantic"))]


@pytest.mark.parametrize(("name", "n"), WHOLE)
def test_sizes_are_about_right(name: str, n: int) -> None:
    """Untrimmed prompts have 2 to 7 characters a token: nothing is left out or counted twice."""
    exchange = exchanges(name)[n]
    usage = CacheUsage.from_converse(Replay(exchange).send()["usage"])
    chars = read_converse(exchange.arguments(), find_profile(exchange.model)).chars[-1]
    assert 2.0 < chars / usage.input_tokens < 7.0


def test_the_recorded_error_passes_through() -> None:
    """An error that is not about caching comes back as recorded, after one request."""
    (exchange,) = exchanges(REFUSED)
    replay = Replay(exchange)
    request = {
        "modelId": "us.anthropic.claude-opus-4-8",
        "messages": exchange.arguments()["messages"],
    }
    with pytest.raises(ClientError, match="The provided model identifier is invalid"):
        replay.client.converse(**request)
    assert len(replay.sent) == 1


@pytest.mark.parametrize("n", [0, 1])
def test_invoke_model_passes_through(n: int) -> None:
    """A recorded InvokeModel call is sent and answered byte for byte."""
    exchange = exchanges(INVOKE_MODEL)[n]
    replay = Replay(exchange)
    response = replay.client.invoke_model(modelId=exchange.model, body=exchange.request)
    body = json.loads(response["body"].read())
    assert replay.sent == [json.loads(exchange.request)]
    assert body == json.loads(exchange.answer)
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    assert CacheUsage.from_invoke_model(body, headers=headers) == CacheUsage(
        uncached_input_tokens=4,
        cache_read_tokens=18131 * n,
        cache_write_5m_tokens=18131 * (1 - n),
        output_tokens=50,
    )
