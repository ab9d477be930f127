"""Failures on order, as real exceptions of a real client."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from langchain_bedrock_cache.emulator import BedrockEmulator

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
POINT = {"cachePoint": {"type": "default"}}
REQUEST: dict[str, Any] = {
    "modelId": CLAUDE,
    "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
    "system": [{"text": "s" * 6_000}, POINT],
}
STATUSES = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}


@pytest.mark.parametrize("code", STATUSES)
def test_ordered_failure_is_the_real_exception(code: str) -> None:
    """Every error of Converse arrives with its class, status and message, once."""
    emulator = BedrockEmulator()
    client = emulator.client()
    emulator.fail_next(code, "as ordered")
    with pytest.raises(getattr(client.exceptions, code)) as caught:
        client.converse(**REQUEST)
    assert caught.value.response["Error"]["Message"] == "as ordered"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == STATUSES[code]
    assert client.converse(**REQUEST)["usage"]["cacheWriteInputTokens"] == 2_000


def test_failures_have_usual_texts_and_counts() -> None:
    """The default is a throttled call; `times` repeats it, and the queue keeps its order."""
    emulator = BedrockEmulator()
    client = emulator.client()
    emulator.fail_next(times=2)
    emulator.fail_next("InternalServerException")
    codes = []
    for _ in range(4):
        try:
            client.converse(**REQUEST)
        except client.exceptions.ClientError as error:
            codes.append(error.response["Error"]["Code"])
    assert codes == ["ThrottlingException"] * 2 + ["InternalServerException"]
    assert [record.status for record in emulator.ledger] == [429, 429, 500, 200]


def test_failure_can_wait_for_an_operation() -> None:
    """A failure meant for streams does not hit other calls."""
    emulator = BedrockEmulator()
    client = emulator.client()
    emulator.fail_next(operation="ConverseStream")
    client.converse(**REQUEST)
    with pytest.raises(client.exceptions.ThrottlingException):
        client.converse_stream(**REQUEST)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_stream_can_break_off(count: int) -> None:
    """After so many events the stream raises; what it wrote stays, as its response had begun."""
    emulator = BedrockEmulator()
    client = emulator.client()
    emulator.fail_next("ModelStreamErrorException", "broken", after_events=count)
    client.converse(**REQUEST | {"system": [{"text": "short"}]})  # not a stream: not hit
    events = []
    with pytest.raises(EventStreamError, match=r"modelStreamErrorException.*broken"):
        events += iter(client.converse_stream(**REQUEST)["stream"])
    assert client.converse(**REQUEST)["usage"]["cacheReadInputTokens"] == 2_000
    assert emulator.ledger[-2].error_code == "ModelStreamErrorException"
    assert emulator.ledger[-2].cache_write_tokens == 2_000


def test_broken_stream_yields_its_first_events() -> None:
    """What came before the failure is delivered."""
    emulator = BedrockEmulator()
    emulator.fail_next(after_events=2)
    stream = iter(emulator.client().converse_stream(**REQUEST)["stream"])
    assert [next(iter(next(stream))) for _ in range(2)] == ["messageStart", "contentBlockDelta"]
    with pytest.raises(EventStreamError):
        next(stream)


def test_refused_stream_leaves_the_failure_waiting() -> None:
    """A stream that never starts does not use up the failure meant for its middle."""
    emulator = BedrockEmulator()
    client = emulator.client()
    emulator.fail_next(after_events=1)
    with pytest.raises(client.exceptions.ValidationException):
        client.converse_stream(**REQUEST | {"system": [POINT]})
    with pytest.raises(EventStreamError):
        list(client.converse_stream(**REQUEST)["stream"])


@pytest.mark.parametrize(
    ("code", "options"),
    [("TeapotException", {}), ("ModelTimeoutException", {"after_events": 1})],
    ids=["unknown", "not in a stream"],
)
def test_impossible_failures_are_refused(code: str, options: dict[str, Any]) -> None:
    """Only errors that Bedrock has (there) can be ordered, and the choices are listed."""
    with pytest.raises(ValueError, match=f"{code}.*Choose one of .*ThrottlingException"):
        BedrockEmulator().fail_next(code, **options)


def test_failure_of_an_unknown_operation_is_refused() -> None:
    """A failure that could never happen is a mistake, and the operations are listed."""
    with pytest.raises(ValueError, match=r"no operation 'Stream'.*ConverseStream"):
        BedrockEmulator().fail_next(operation="Stream")


def test_cache_points_can_be_refused() -> None:
    """An account without caching refuses every request with points, and only those."""
    emulator = BedrockEmulator()
    client = emulator.client()
    emulator.refuse_cache_points()
    for _ in range(2):
        with pytest.raises(client.exceptions.AccessDeniedException, match="unsupported model"):
            client.converse(**REQUEST)
    client.converse(**REQUEST | {"system": [{"text": "s" * 6_000}]})
    emulator.clear_faults()
    assert client.converse(**REQUEST)["usage"]["cacheWriteInputTokens"] == 2_000


def test_refusal_can_be_narrow_and_short() -> None:
    """A predicate picks the requests, a number limits them, and the words are free."""
    emulator = BedrockEmulator()
    client = emulator.client()
    emulator.refuse_cache_points(
        "Malformed input request: #/system/0: extraneous key [cachePoint] is not permitted",
        code="ValidationException",
        when=lambda request: POINT in request.get("system", []),
        times=1,
    )
    in_message = {"role": "user", "content": [{"text": "m" * 6_000}, POINT]}
    client.converse(modelId=CLAUDE, messages=[in_message])
    with pytest.raises(client.exceptions.ValidationException, match="extraneous key"):
        client.converse(**REQUEST)
    client.converse(**REQUEST)
    assert [record.status for record in emulator.ledger] == [200, 400, 200]


def test_refusal_with_an_unknown_code_is_refused() -> None:
    """A mistyped code is named when it is given, not when it is used."""
    with pytest.raises(ValueError, match="TeapotException"):
        BedrockEmulator().refuse_cache_points(code="TeapotException")
