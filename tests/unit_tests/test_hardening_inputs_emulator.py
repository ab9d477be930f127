"""Every bad input of the emulator: an error with the value and the remedy, at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from wire import CLAUDE, ask, user

from langchain_bedrock_cache.emulator import (
    BedrockEmulator,
    Point,
    PromptCache,
    PromptRouter,
    Reply,
    ToolUse,
    scripted,
)
from langchain_bedrock_cache.emulator.cli import run
from langchain_bedrock_cache.profiles import find_profile

ROUTER = "arn:aws:bedrock:us-east-1:123456789012:prompt-router/abc123"


def made(**settings: Any) -> Callable[[BedrockEmulator], Any]:
    """Return what makes an emulator with these settings."""
    return lambda _: BedrockEmulator(**settings)


def fails(*words: Any, **order: Any) -> Callable[[BedrockEmulator], Any]:
    """Return what orders a failure."""
    return lambda bedrock: bedrock.fail_next(*words, **order)


def refuses(*words: Any, **order: Any) -> Callable[[BedrockEmulator], Any]:
    """Return what orders a refusal of cache points."""
    return lambda bedrock: bedrock.refuse_cache_points(*words, **order)


def used(**request: Any) -> Callable[[BedrockEmulator], Any]:
    """Return what asks the prompt cache itself."""
    asked: dict[str, Any] = {
        "digests": "ab",
        "cumulative_tokens": (2_000, 4_000),
        "points": [],
        "now": 0.0,
    }
    asked |= {"profile": find_profile(CLAUDE), **request}
    return lambda _: PromptCache().request(**asked)


BAD: dict[str, tuple[Callable[[BedrockEmulator], Any], str]] = {
    "clock": (made(clock=5.0), "clock is 5.0, but must be a function that returns seconds"),
    "responder": (
        made(responder="Hello."),
        "responder is 'Hello.', but must be a function of a request, or None",
    ),
    "responder: an empty text": (made(responder=""), "responder is '', but must be a function"),
    "latency": (
        made(first_byte_latency_seconds="1s"),
        "first_byte_latency_seconds is '1s', but must be a number, 0 or more",
    ),
    "latency: endless": (
        made(first_byte_latency_seconds=float("inf")),
        "first_byte_latency_seconds is inf, but must be a number, 0 or more",
    ),
    "chars_per_token: none": (
        made(chars_per_token=None),
        "chars_per_token is None, but must be a number, more than 0",
    ),
    "chars_per_token: negative": (made(chars_per_token=-3), "chars_per_token is -3"),
    "chars_per_token: endless": (made(chars_per_token=float("inf")), "chars_per_token is inf"),
    "region": (made(region=""), "region is blank, but must be an AWS Region"),
    "region: none": (made(region=None), "region is None, but must be an AWS Region"),
    "account": (
        made(account=123456789012),
        "account is 123456789012, but must be the ID of an AWS account",
    ),
    "model_arns": (
        made(model_arns=[ROUTER]),
        "model_arns is a list, but must be a dict of model IDs by ARN, or None",
    ),
    "model_arns: none": (
        made(model_arns={ROUTER: None}),
        "is None, but must be a model ID or a PromptRouter",
    ),
    "model_arns: several": (
        made(model_arns={ROUTER: [CLAUDE]}),
        "is a list, but must be a model ID or a PromptRouter",
    ),
    "model_arns: an ARN": (
        made(model_arns={5: CLAUDE}),
        "an ARN in model_arns is 5, but must be a string",
    ),
    "cache_details": (
        made(cache_details="no"),
        "cache_details is 'no', but must be True or False",
    ),
    "require_alternating_roles": (
        made(require_alternating_roles=None),
        "require_alternating_roles is None, but must be True or False",
    ),
    "capture_requests": (
        made(capture_requests=10),
        "capture_requests is 10, but must be True or False",
    ),
    "on_record": (
        made(on_record=[]),
        "on_record is a list, but must be a function of a LedgerRecord, or None",
    ),
    "client: region": (
        lambda bedrock: bedrock.client(region=""),
        "region is blank, but must be an AWS Region, or None",
    ),
    "client: account": (
        lambda bedrock: bedrock.client(account=""),
        "account is blank, but must be the ID of an AWS account, or None",
    ),
    "control_client: region": (
        lambda bedrock: bedrock.control_client(region=["us-east-1"]),  # type: ignore[arg-type]
        "region is a list, but must be an AWS Region, or None",
    ),
    "attach: client": (
        lambda bedrock: bedrock.attach("us-east-1"),
        "client is 'us-east-1', but must be a boto3 `bedrock-runtime` or `bedrock` client",
    ),
    "serve: port": (
        lambda bedrock: bedrock.serve(port=70_000),
        "port is 70000, but must be a whole number, 0 to 65,535",
    ),
    "serve: port as a text": (
        lambda bedrock: bedrock.serve(port="8790"),  # type: ignore[arg-type]
        "port is '8790', but must be a whole number",
    ),
    "serve: host": (
        lambda bedrock: bedrock.serve(host=None),  # type: ignore[arg-type]
        "host is None, but must be a loopback address such as '127.0.0.1'",
    ),
    "serve: another host": (
        lambda bedrock: bedrock.serve(host="0.0.0.0"),  # noqa: S104 # refused
        "'0.0.0.0' is no IPv4 loopback address. Use '127.0.0.1'",
    ),
    "command: port": (lambda _: run(port=-1), "port is -1, but must be a whole number, 0 to"),
    "command: chars_per_token": (lambda _: run(chars_per_token=0), "chars_per_token is 0"),
    "command: region": (lambda _: run(region=" "), "region is blank"),
    "fail_next: code": (fails(503), "code is 503, but must be an AWS error code"),
    "fail_next: message": (fails(message=5), "message is 5, but must be a string, or None"),
    "fail_next: times": (fails(times=0), "times is 0, but must be a whole number, 1 or more"),
    "fail_next: part of a time": (fails(times=0.5), "times is 0.5, but must be a whole number"),
    "fail_next: operation": (fails(operation="converse"), "no operation 'converse'. Choose one of"),
    "fail_next: after_events": (
        fails(after_events=-1),
        "after_events is -1, but must be a whole number, 0 or more",
    ),
    "fail_next: no stream": (
        fails(operation="Converse", after_events=2),
        "after_events is 2, but Converse has no stream to break. Name a streaming operation",
    ),
    "refuse_cache_points: times": (refuses(times=0), "times is 0, but must be a whole number"),
    "refuse_cache_points: when": (
        refuses(when=CLAUDE),
        f"when is '{CLAUDE}', but must be a function of the decoded request, or None",
    ),
    "refuse_cache_points: code": (refuses(code=403), "code is 403, but must be an AWS error code"),
    "refuse_cache_points: message": (refuses(403), "message is 403, but must be a string"),
    "router: no models": (
        lambda _: PromptRouter(models=()),
        "models is empty, but a prompt router chooses among models: name at least one",
    ),
    "router: one model": (
        lambda _: PromptRouter(models=CLAUDE),  # type: ignore[arg-type]
        f"models is '{CLAUDE}', but must be a tuple of model IDs",
    ),
    "router: a blank model": (lambda _: PromptRouter(models=("",)), "a model is blank"),
    "router: choose": (
        lambda _: PromptRouter(models=(CLAUDE,), choose=CLAUDE),  # type: ignore[arg-type]
        "choose is .* but must be a function of a request, or None",
    ),
    "reply: text": (
        lambda _: Reply(text=None),  # type: ignore[arg-type]
        "text is None, but must be a string",
    ),
    "reply: tool_uses": (
        lambda _: Reply(tool_uses=ToolUse(name="add")),  # type: ignore[arg-type]
        "tool_uses is a ToolUse, but must be a list of ToolUse",
    ),
    "reply: a tool use": (
        lambda _: Reply(tool_uses=[{"name": "add"}]),  # type: ignore[list-item]
        "a tool use is a dict, but must be a ToolUse",
    ),
    "reply: reasoning": (
        lambda _: Reply(reasoning=["Hm."]),  # type: ignore[arg-type]
        "reasoning is a list, but must be a string",
    ),
    "reply: stop_reason": (
        lambda _: Reply(stop_reason=5),  # type: ignore[arg-type]
        "stop_reason is 5, but must be a string, or None",
    ),
    "reply: output_tokens": (
        lambda _: Reply(output_tokens=-1),
        "output_tokens is -1, but must be a whole number, 0 or more",
    ),
    "tool use: name": (
        lambda _: ToolUse(name=""),
        "name is blank, but must be the name of a tool",
    ),
    "tool use: input": (
        lambda _: ToolUse(name="add", input="{}"),  # type: ignore[arg-type]
        "input is '{}', but must be a dict of arguments",
    ),
    "tool use: id": (
        lambda _: ToolUse(name="add", id=1),  # type: ignore[arg-type]
        "id is 1, but must be a string, or None",
    ),
    "scripted: one text": (
        lambda _: scripted("Hello."),
        "replies is 'Hello.', but must be a list of texts and Replies",
    ),
    "scripted: a reply": (
        lambda _: scripted(["Hello.", None]),  # type: ignore[list-item]
        "a reply is None, but must be a text or a Reply",
    ),
    "point: position": (lambda _: Point(0), "position is 0, but must be a whole number, 1 or"),
    "point: ttl": (
        lambda _: Point(1, "2h"),  # type: ignore[arg-type]
        "ttl is '2h'; choose one of '5m', '1h'",
    ),
    "prompt cache: lengths": (
        used(digests="abc"),
        "There are 3 digests, but 2 token counts. Give one of each for every content block",
    ),
    "prompt cache: points": (
        used(points=[Point(1), Point(3)]),
        "A cache point stands behind block 3, but there are only 2",
    ),
    "prompt cache: profile": (
        used(profile=CLAUDE),
        f"profile is '{CLAUDE}', but must be a ModelProfile",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_at_once(case: str, emulator: BedrockEmulator) -> None:
    """The message has the argument, the value and what it must be; nothing was asked for."""
    given, message = BAD[case]
    with pytest.raises((ValueError, TypeError), match=message):
        given(emulator)
    client = emulator.client()
    assert client.converse(**ask(user("?")))["stopReason"] == "end_turn"  # no failure is left over


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chars_per_token": lambda _model: 0}, "chars_per_token is 0, but must be a number"),
        (
            {"responder": lambda _request: None},
            "what the responder returned is None, but must be a text or a Reply",
        ),
    ],
)
def test_what_a_function_returns_is_named_as_well(settings: dict[str, Any], message: str) -> None:
    """A function that returns nonsense is the caller's mistake, not an answer of Bedrock."""
    client = BedrockEmulator(**settings).client()
    with pytest.raises((ValueError, TypeError), match=message):
        client.converse(**ask(user("?")))


def test_a_router_that_chooses_no_model_is_named() -> None:
    """So is a router whose function forgets to return."""
    router = PromptRouter(models=(CLAUDE,), choose=lambda _request: None)  # type: ignore[arg-type, return-value]
    client = BedrockEmulator(model_arns={ROUTER: router}).client()
    with pytest.raises(TypeError, match="what choose returned is None, but must be a model ID"):
        client.converse(**ask(user("?"), model=ROUTER))


def test_good_settings_stay_good(emulator: BedrockEmulator) -> None:
    """Lists for tuples, empty scripts and the edges of ranges are no mistakes."""
    assert PromptRouter(models=[CLAUDE]).models == [CLAUDE]  # type: ignore[arg-type, comparison-overlap]
    assert Reply(tool_uses=(ToolUse(name="add"),), output_tokens=0).output_tokens == 0
    emulator.fail_next("ThrottlingException", operation="ConverseStream", after_events=0)
    with emulator.serve(port=0) as server:
        assert server.url
    with pytest.raises(LookupError):
        scripted(())({})
