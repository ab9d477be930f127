"""`cached_client` and answers of InvokeModel: their bodies, streams, usage and lifetimes."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody
from client_calls import LONG
from echoing_client import echo
from native_bodies import MODELS, native
from wire import CLAUDE, ask, text, user

from langchain_bedrock_cache import CachePolicy, PrefixMemory, cached_client
from langchain_bedrock_cache.emulator import BedrockEmulator

HAIKU_35 = "anthropic.claude-3-5-haiku-20241022-v1:0"


@MODELS
def test_the_body_of_the_answer_can_be_read_once(
    emulator: BedrockEmulator, client: Any, model: str
) -> None:
    """It is boto3's kind of body with the bytes that came, and then it is empty."""
    request = native({**LONG, "modelId": model})
    response = client.invoke_model(**request)
    plain = emulator.client().invoke_model(**request)
    assert isinstance(response["body"], StreamingBody)
    lines = b"".join(response["body"].iter_chunks(7))
    expected = plain["body"].read()
    assert json.loads(lines).keys() == json.loads(expected).keys()
    assert response["body"].read() == b""
    length = response["ResponseMetadata"]["HTTPHeaders"]["content-length"]
    assert len(lines) == int(length)


def test_an_answer_that_breaks_off_breaks_off_for_the_caller(client: Any) -> None:
    """An error while the body is read is raised where the caller reads it."""

    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise ReadTimeoutError(endpoint_url="https://x")

    raw = client.wrapped.invoke_model
    response = raw(**native(LONG))
    response["body"] = StreamingBody(Broken(), 3)

    class Stub:
        meta = client.wrapped.meta

        @staticmethod
        def invoke_model(**_: Any) -> Any:
            return response

    answer = cached_client(Stub(), memory=PrefixMemory()).invoke_model(**native(LONG))
    with pytest.raises(ReadTimeoutError):
        answer["body"].read()


USAGES: dict[str, tuple[Any, dict[str, str], tuple[int, int, int]]] = {
    "body": (
        {"usage": {"input_tokens": 4, "cache_creation_input_tokens": 9, "output_tokens": 5}},
        {"x-amzn-bedrock-input-token-count": "77"},
        (4, 0, 9),
    ),
    "headers": (
        {"content": []},
        {
            "x-amzn-bedrock-input-token-count": "4",
            "x-amzn-bedrock-cache-read-input-token-count": "18131",
        },
        (4, 18131, 0),
    ),
    "metrics": (
        {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "cacheReadInputTokenCount": 2}},
        {},
        (3, 2, 0),
    ),
}


@pytest.mark.parametrize(("body", "headers", "expected"), USAGES.values(), ids=USAGES)
def test_usage_comes_from_wherever_it_is(body: Any, headers: Any, expected: Any) -> None:
    """From the body, the invocation metrics in it, or the headers."""

    class Stub:
        class meta:  # noqa: N801 # as boto3 spells it
            region_name = "us-east-1"

        @staticmethod
        def invoke_model(**_: Any) -> Any:
            raw = json.dumps(body).encode()
            stream = StreamingBody(io.BytesIO(raw), len(raw))
            return {"body": stream, "ResponseMetadata": {"HTTPHeaders": headers}}

    response = cached_client(Stub(), memory=PrefixMemory()).invoke_model(**native(LONG))
    usage = response["ResponseMetadata"]["ConverseUsage"]
    names = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    assert tuple(usage[name] for name in names) == expected
    assert json.loads(response["body"].read()) == body


RECORDED = os.environ.get("BEDROCK_CACHE_RECORDED", "")


@pytest.mark.skipif(
    not RECORDED, reason="BEDROCK_CACHE_RECORDED does not name the folder of recorded traffic"
)
def test_recorded_answers_are_read() -> None:
    """What Bedrock answered in 2025 says what was written, then read; body and headers agree."""
    path = Path(RECORDED) / "openllmetry_invoke_model_claude_3_5_haiku.yaml"
    usages = []
    for interaction in yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"]:
        raw = interaction["response"]["body"]["string"].encode()
        counted = {
            name.lower(): values[0]
            for name, values in interaction["response"]["headers"].items()
            if name.startswith("X-Amzn-Bedrock")
        }
        body = interaction["request"]["body"]
        for answer, headers in ((raw, {}), (raw, counted), (b"{}", counted)):
            client = cached_client(echo(answer, **headers)[0], memory=PrefixMemory())
            response = client.invoke_model(modelId=HAIKU_35, body=body)
            assert response["body"].read() == answer
            usages.append(response["ResponseMetadata"]["ConverseUsage"])
    assert len(usages) == 6
    written, read = usages[0], usages[3]
    assert usages == [written] * 3 + [read] * 3
    assert (written["cacheWriteInputTokens"], written["cacheReadInputTokens"]) == (18131, 0)
    assert (read["cacheWriteInputTokens"], read["cacheReadInputTokens"]) == (0, 18131)


def test_the_lifetime_of_writes_is_known(client: Any) -> None:
    """Claude's bodies say what was written for how long, streamed or not."""
    policy = CachePolicy.fixed(system="1h", messages="5m")
    for operation in (client.invoke_model, client.invoke_model_with_response_stream):
        response = operation(
            modelId=CLAUDE,
            body=native(ask(user(text(900, str(operation))), system=[text(1500, str(operation))]))[
                "body"
            ],
            cache_policy=policy,
        )
        list(response["body"])
        details = response["ResponseMetadata"]["ConverseUsage"]["cacheDetails"]
        assert [entry["ttl"] for entry in details] == ["1h", "5m"]


def test_a_stream_that_has_begun_is_not_restarted(emulator: BedrockEmulator, client: Any) -> None:
    """What breaks off in the middle breaks off, refused point or not."""
    emulator.fail_next("ValidationException", "cache_control: no", after_events=2)
    response = client.invoke_model_with_response_stream(**native(LONG))
    with pytest.raises(ClientError, match="cache_control"):
        list(response["body"])
    assert len(emulator.ledger) == 1
    assert "ConverseUsage" not in response["ResponseMetadata"]


def test_a_stream_left_early_is_learned_from(client: Any, memory: PrefixMemory) -> None:
    """Readers that stop at Claude's last event, before the stream ends, are usual."""
    response = client.invoke_model_with_response_stream(**native(LONG))
    for event in response["body"]:
        if b"message_stop" in event["chunk"]["bytes"]:
            break
    response["body"].close()
    usage = response["ResponseMetadata"]["ConverseUsage"]
    assert usage["cacheWriteInputTokens"] == 4000
    assert usage["outputTokens"] > 1
