"""Requests that were recorded against Amazon Bedrock, sent to the emulator.

Token counts cannot agree without Claude's and Nova's tokenizers. Which of them are zero must, and
so must the sums and the errors. Two adjustments, both to the size of texts and not to what is
tested: the characters per token of each recording are set so that its first prompt has the
recorded length, and a long text that was trimmed before publication is padded to that length.

Not modelled: on Nova Lite the fourth request of the tool-choice recording reads 2,098 of the 2,492
tokens that the second one wrote, at no cache point of anybody; here it reads all of them.
The InvokeModel recording has lost its text; `test_invoke_client_answers` replays its answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.eventstream import EventStreamBuffer

from langchain_bedrock_cache.emulator import BedrockEmulator, HttpRequest
from langchain_bedrock_cache.emulator.accounting import measure
from langchain_bedrock_cache.emulator.service_model import decode_request

FOLDER = os.environ.get("BEDROCK_CACHE_RECORDED", "")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="BEDROCK_CACHE_RECORDED does not name the folder of recorded traffic"
)
NAMES = [
    "ddtrace_converse_claude_3_7.yaml",
    "ddtrace_converse_stream_claude_3_7.yaml",
    "pydantic_tool_choice_claude_sonnet_4_5.yaml",
    "pydantic_tool_choice_nova_lite.yaml",
    "pydantic_write_and_read_claude_sonnet_4_5.yaml",
    "pydantic_write_nova_lite.yaml",
    "req_llm_converse_1h_claude_haiku_4_5.json",
    "req_llm_converse_nova_pro.json",
]
COUNTS = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
TRIMMED = "<trimmed"


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One recorded request and its response."""

    path: str
    body: dict[str, Any]
    status: int
    events: list[str]
    answer: dict[str, Any]

    @property
    def usage(self) -> dict[str, Any]:
        """Usage as recorded, whatever the operation."""
        return dict(self.answer["usage"])

    @property
    def prompt_tokens(self) -> int:
        """All input tokens as recorded."""
        return int(self.usage["totalTokens"] - self.usage["outputTokens"])


def read(name: str) -> list[Exchange]:
    """Read a recording of either kind."""
    text = (Path(FOLDER) / name).read_text(encoding="utf-8")
    if name.endswith(".json"):
        return [read_excerpt(json.loads(text))]
    return [read_interaction(item) for item in yaml.safe_load(text)["interactions"]]


def read_excerpt(data: dict[str, Any]) -> Exchange:
    """Read an excerpt in JSON."""
    response = data["response"]
    path, body = data["request"]["url"], data["request"]["json"]
    return Exchange(
        path=path, body=body, status=response["status"], events=[], answer=response["body"]
    )


def read_interaction(item: dict[str, Any]) -> Exchange:
    """Read an interaction of a cassette, with its event stream if it has one."""
    request, response = item["request"], item["response"]
    content = response.get("parsed_body") or response["body"]["string"]
    events: list[str] = []
    if isinstance(content, bytes):
        payloads = dict(read_events(content))
        events, content = [name for name, _ in read_events(content)], payloads["metadata"]
    answer = json.loads(content) if isinstance(content, str) else content
    return Exchange(
        path=request["uri"],
        body=json.loads(request["body"]),
        status=response["status"]["code"],
        events=events,
        answer=answer,
    )


def read_events(content: bytes) -> Iterator[tuple[str, Any]]:
    """Yield names and payloads of a binary event stream."""
    buffer = EventStreamBuffer()
    buffer.add_data(content)
    for message in buffer:
        headers: Any = message.headers
        yield headers[":event-type"], json.loads(message.payload)


def pad(exchange: Exchange, chars_per_token: float) -> dict[str, Any]:
    """Return the body with a trimmed text brought back to the recorded length."""
    sentence = "This sentence stands for a text that was trimmed before publication. "
    missing = round(exchange.prompt_tokens * chars_per_token) - len(json.dumps(exchange.body))
    system = [
        {"text": (block["text"] + sentence * (missing // len(sentence) + 5))}
        if TRIMMED in block.get("text", "")
        else block
        for block in exchange.body.get("system", [])
    ]
    return {**exchange.body, "system": system}


def calibrate(exchange: Exchange) -> float:
    """Return the characters per token that give a prompt its recorded length."""
    if TRIMMED in json.dumps(exchange.body):
        return 3.0
    request = decode_request("Converse", "any", json.dumps(exchange.body).encode())
    return measure(request, profile=None, chars_per_token=1.0).tokens / exchange.prompt_tokens


def send(emulator: BedrockEmulator, path: str, body: dict[str, Any]) -> tuple[int, list[str], Any]:
    """Send a body as it is, and return status, event names and the answer."""
    content = json.dumps(body).encode()
    response = emulator.handle(HttpRequest(method="POST", path=path, body=content))
    received = b"".join(response.body)
    if "eventstream" not in response.headers["Content-Type"]:
        return response.status, [], json.loads(received)
    events = list(read_events(received))
    return response.status, [name for name, _ in events], dict(events)["metadata"]


def without_repeats(names: list[str]) -> list[str]:
    """Drop an event that follows one of its kind."""
    return [name for i, name in enumerate(names) if names[i - 1 : i] != [name]]


@pytest.mark.parametrize("name", NAMES)
def test_recorded_usage_is_matched(name: str) -> None:
    """Each recorded request reads, writes and leaves uncached something where Bedrock did."""
    exchanges = read(name)
    assert exchanges
    chars_per_token = calibrate(exchanges[0])
    emulator = BedrockEmulator(
        clock=lambda: 0.0,
        chars_per_token=chars_per_token,
        cache_details=any("cacheDetails" in exchange.usage for exchange in exchanges),
    )
    if exchanges[0].usage["cacheReadInputTokens"]:  # written by a session that was not recorded
        send(emulator, exchanges[0].path, exchanges[0].body)
    for exchange in exchanges:
        status, events, answer = send(emulator, exchange.path, pad(exchange, chars_per_token))
        usage = answer["usage"]
        assert status == exchange.status == 200
        assert without_repeats(events) == without_repeats(exchange.events)
        assert {key: usage[key] > 0 for key in COUNTS} == {
            key: exchange.usage[key] > 0 for key in COUNTS
        }
        assert usage["totalTokens"] == sum(usage[key] for key in COUNTS)
        assert exchange.usage["totalTokens"] == sum(exchange.usage[key] for key in COUNTS)
        assert [part["ttl"] for part in usage.get("cacheDetails", [])] == [
            part["ttl"] for part in exchange.usage.get("cacheDetails", [])
        ]


@pytest.mark.parametrize("name", NAMES)
def test_recorded_lengths_are_near(name: str) -> None:
    """With its length calibrated, the first prompt of a recording is split as Bedrock did."""
    [first, *_] = read(name)
    if first.usage["cacheReadInputTokens"]:
        pytest.skip("its first request reads what was not recorded")
    chars_per_token = calibrate(first)
    emulator = BedrockEmulator(clock=lambda: 0.0, chars_per_token=chars_per_token)
    _, _, answer = send(emulator, first.path, pad(first, chars_per_token))
    written = answer["usage"]["cacheWriteInputTokens"]
    assert written == pytest.approx(first.usage["cacheWriteInputTokens"], rel=0.05)


def test_recorded_response_members_are_ours() -> None:
    """Every usage member that Bedrock was seen to send is sent by the emulator too."""
    recorded = {key for name in NAMES for exchange in read(name) for key in exchange.usage}
    body = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    path = "/model/us.anthropic.claude-haiku-4-5-20251001-v1:0/converse"
    _, _, answer = send(BedrockEmulator(), path, body)
    assert set(answer["usage"]) == recorded


def test_recorded_error_is_matched() -> None:
    """An unknown model is answered with the recorded status and body."""
    [exchange] = read("pydantic_validation_error.yaml")
    status, _, answer = send(BedrockEmulator(), exchange.path, exchange.body)
    assert status == exchange.status == 400
    assert answer == exchange.answer
