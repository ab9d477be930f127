"""Headers that event handlers add to a call are in every request that the call becomes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from wire import CLAUDE, ask, points, text, user, words

from langchain_bedrock_cache import PrefixMemory, cached_client
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.regions import Route
from langchain_bedrock_cache.resent_headers import watch_headers

REQUEST = ask(user("?"), system=[text(5_000)])
BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 10,
    "system": words(5_000),
    "messages": [{"role": "user", "content": "?"}],
}
NATIVE = {"modelId": CLAUDE, "body": json.dumps(BODY)}

pytestmark = pytest.mark.filterwarnings(
    "ignore:Bedrock refused:langchain_bedrock_cache.CacheSkippedWarning"
)


class Wire:
    """What a client sends under one header, request by request; `None` where it is missing."""

    def __init__(self, client: Any, header: str = "X-Team") -> None:
        self.sent: list[str | None] = []
        self._header = header
        client.meta.events.register_first("before-send.bedrock-runtime", self._see)

    def _see(self, request: Any, **_event: Any) -> None:
        value = request.headers.get(self._header)
        self.sent.append(value.decode() if isinstance(value, bytes) else value)


Blue = tuple[Any, Wire]


def add_headers(client: Any, values: Callable[[], str | None], name: str = "X-Team") -> None:
    """Let a client add a header to each request for which there is a value."""

    def add(params: dict[str, Any], **_event: Any) -> None:
        value = values()
        if value is not None:
            params["headers"][name] = value

    client.meta.events.register("before-call.bedrock-runtime", add)


def once(value: str) -> Callable[[], str | None]:
    """Return a value for the first request only."""
    values = itertools.chain([value], itertools.repeat(None))
    return lambda: next(values)


@pytest.fixture
def blue(emulator: BedrockEmulator) -> Blue:
    """A client that adds a header to its first request, and what it sends under that header."""
    plain = emulator.client()
    add_headers(plain, once("blue"))
    return plain, Wire(plain)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("converse", REQUEST),
        ("converse_stream", REQUEST),
        ("invoke_model", NATIVE),
        ("invoke_model_with_response_stream", NATIVE),
    ],
)
def test_a_resent_request_has_the_headers_of_the_first(
    emulator: BedrockEmulator,
    memory: PrefixMemory,
    blue: Blue,
    operation: str,
    request_: dict[str, Any],
) -> None:
    """A handler that acts once a call is enough, through every operation."""
    plain, wire = blue
    emulator.refuse_cache_points()
    getattr(cached_client(plain, memory=memory), operation)(**request_)
    assert wire.sent == ["blue", "blue"]
    assert [record.error_code for record in emulator.ledger] == ["AccessDeniedException", None]


def test_what_a_handler_says_of_the_second_request_counts(
    emulator: BedrockEmulator, memory: PrefixMemory
) -> None:
    """Names of requests, say, stay different; upper and lower case are the same header."""
    plain = emulator.client()
    names = map(str, itertools.count(1))
    spellings = iter(["X-Request", "x-request"])
    plain.meta.events.register(
        "before-call.bedrock-runtime",
        lambda params, **_: params["headers"].update({next(spellings): next(names)}),
    )
    wire = Wire(plain, "X-Request")
    emulator.refuse_cache_points()
    cached_client(plain, memory=memory).converse(**REQUEST)
    assert wire.sent == ["1", "2"]


def test_headers_of_one_call_are_not_in_the_next(memory: PrefixMemory, blue: Blue) -> None:
    """Neither in a call through the cached client nor in one that goes past it."""
    plain, wire = blue
    client = cached_client(plain, memory=memory)
    for caller in (client, client, plain):
        caller.converse(**REQUEST)
    assert wire.sent == ["blue", None, None]


def test_a_call_that_another_profile_answers_keeps_them(
    emulator: BedrockEmulator, memory: PrefixMemory, blue: Blue
) -> None:
    """A route with another model ID is the same client, so the same headers."""
    plain, wire = blue
    elsewhere = Route(client=plain, model_id=CLAUDE.replace("us.", "global."))
    emulator.fail_next("ThrottlingException")
    cached_client(plain, memory=memory, fallbacks=[elsewhere]).converse(**REQUEST)
    assert wire.sent == ["blue", "blue"]


def test_no_header_goes_to_another_client(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """What one client sends may be a secret of the gateway that it talks to."""
    home, away = emulator.client(), emulator.client(region="us-west-2")
    add_headers(home, once("secret"))
    wires = Wire(home), Wire(away)
    emulator.fail_next("ThrottlingException")
    cached_client(home, memory=memory, fallbacks=[away]).converse(**REQUEST)
    assert [wire.sent for wire in wires] == [["secret"], [None]]


def test_other_operations_inside_a_call_are_left_alone(
    emulator: BedrockEmulator, memory: PrefixMemory, blue: Blue
) -> None:
    """A handler that counts tokens on the same client sends no headers of the call."""
    plain, wire = blue
    small: dict[str, Any] = {"modelId": "anthropic.claude-sonnet-4-6"}
    small["input"] = {"converse": {"messages": [user("?")]}}
    plain.meta.events.register(
        "before-sign.bedrock-runtime.Converse", lambda **_: plain.count_tokens(**small) and None
    )
    cached_client(plain, memory=memory).converse(**REQUEST)
    assert [record.operation for record in emulator.ledger] == ["CountTokens", "Converse"]
    assert wire.sent == [None, "blue"]


def test_a_failed_call_leaves_no_headers_behind(
    emulator: BedrockEmulator, memory: PrefixMemory, blue: Blue
) -> None:
    """An error ends the call as an answer does."""
    plain, wire = blue
    client = cached_client(plain, memory=memory)
    emulator.fail_next("ThrottlingException")
    with pytest.raises(ClientError):
        client.converse(**REQUEST)
    client.converse(**REQUEST)
    assert wire.sent == ["blue", None]


def test_wrapping_a_client_again_adds_no_handler(emulator: BedrockEmulator) -> None:
    """A cached client for each request costs the given client nothing that stays."""
    plain = emulator.client()
    cached_client(plain)
    handlers = plain.meta.events._emitter._unique_id_handlers
    before = dict(handlers)
    cached_client(plain)
    assert dict(handlers) == before


def test_stand_ins_without_events_are_left_alone() -> None:
    """Clients of somebody's tests need neither `meta` nor events."""
    watch_headers(object())


def test_no_point_is_in_the_resent_request(
    emulator: BedrockEmulator, memory: PrefixMemory, blue: Blue
) -> None:
    """Only headers are carried over: the body is the one without cache points."""
    plain, _ = blue
    emulator.refuse_cache_points()
    cached_client(plain, memory=memory).converse(**REQUEST)
    assert [bool(points(request)) for request in emulator.requests] == [True, False]
