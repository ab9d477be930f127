"""Refused cache points are told from every other error, and remembered for a while."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from hypothesis import given
from hypothesis import strategies as st
from refusal_texts import OTHER_ERRORS, REFUSALS
from situation_stage import Stage
from situation_stage import ask as messages
from wire import CLAUDE, NOVA, POINT, ask, text, user

from langchain_bedrock_cache import (
    CachePolicy,
    CacheSkippedWarning,
    PrefixMemory,
    cached_client,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.profiles import ModelProfile, Section, find_profile
from langchain_bedrock_cache.refusals import Refusal, RefusalBook, refusal_of, refuser


@pytest.fixture
def stage_of_refusals() -> Stage:
    """An emulator that refuses cache points, and a handler."""
    stage = Stage()
    stage.emulator.refuse_cache_points()
    return stage


def client_error(code: str, message: str) -> ClientError:
    """Return what boto3 raises for an error response."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "Converse")


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_recognized(case: str) -> None:
    """Every text that Bedrock is known to refuse a cache point with, and the section it names."""
    code, message, section = REFUSALS[case]
    assert refusal_of(client_error(code, message)) == Refusal(section, message)


@pytest.mark.parametrize("case", OTHER_ERRORS)
def test_other_errors_are_not_refusals(case: str) -> None:
    """An error about anything else is left alone."""
    assert refusal_of(client_error(*OTHER_ERRORS[case])) is None


@pytest.mark.parametrize("error", [ValueError("cachePoint"), KeyError("cache point"), OSError()])
def test_errors_of_others_are_not_refusals(error: Exception) -> None:
    """Only what the client raises can be a refusal, whatever the text of an error says."""
    assert refusal_of(error) is None


def validation_error(request: dict[str, Any]) -> ParamValidationError:
    """Return what botocore itself raises for a request."""
    with pytest.raises(ParamValidationError) as caught:
        BedrockEmulator().client().converse(**request)
    return caught.value


TYPOS: dict[str, dict[str, Any]] = {
    "a block": ask(user({"txet": "hello"})),
    "no block": ask(user({})),
    "a system block": ask(user("?"), system=[{"txt": "hello"}]),
    "a tool": ask(user("?"), toolConfig={"tools": [{"toolSpecs": {}}]}),
    "a point in a tool result": ask(
        user({"toolResult": {"toolUseId": "1", "content": [{"text": "a"}, POINT]}})
    ),
    "two keys": ask(user({"text": "hello", **POINT})),
    "an argument": ask(user("?"), messagess=[]),
    "a point without type": ask(user("?", {"cachePoint": {}})),
}


@pytest.mark.parametrize("case", TYPOS)
def test_mistakes_of_the_caller_are_not_refusals(case: str) -> None:
    """What botocore complains of is the caller's mistake, though it names `cachePoint`, too."""
    assert refusal_of(validation_error(TYPOS[case])) is None


OLD_BOTOCORE = {
    "no cachePoint, before 1.37.24": 'Unknown parameter in {}: "cachePoint", must be one of: text',
    "no ttl, before 1.42.31": 'Unknown parameter in {}.cachePoint: "ttl", must be one of: type',
}


@pytest.mark.parametrize("case", OLD_BOTOCORE)
@pytest.mark.parametrize("where", ["messages[0].content[1]", "system[1]", "toolConfig.tools[3]"])
def test_a_botocore_too_old_for_cache_points(case: str, where: str) -> None:
    """A client that does not know the points is one that refuses them."""
    error = ParamValidationError(report=OLD_BOTOCORE[case].format(where))
    assert refusal_of(error) is not None


def profile(model: str) -> ModelProfile:
    """Return the profile of a model that has one."""
    found = find_profile(model)
    assert found is not None
    return found


BOTH: set[Section] = {"tools", "messages"}


@pytest.mark.parametrize(
    ("section", "placed", "closed"),
    [
        ("tools", BOTH, {"tools"}),
        ("messages", BOTH, {"messages"}),
        ("tools", {"system"}, {"tools", "system", "messages"}),
        (None, BOTH, {"tools", "system", "messages"}),
    ],
)
def test_a_refused_section_is_closed(
    clock: SimulatedClock, section: Section | None, placed: set[Section], closed: set[str]
) -> None:
    """The named section is closed for who refused; all are if nothing was placed in that one."""
    book = RefusalBook(clock)
    book.add("a", Refusal(section, "refused"), placed=placed)
    sections: tuple[Section, ...] = ("tools", "system", "messages")
    assert set(book.closed("a", sections)) == closed
    assert not book.closed("b", sections)


def test_a_refusal_is_forgotten_after_an_hour(clock: SimulatedClock) -> None:
    """Placement is tried again when accounts and models may have changed."""
    book = RefusalBook(clock)
    book.add("a", Refusal("tools", "refused"), placed=BOTH)
    clock.advance(3599)
    assert book.closed("a", ["tools"])
    clock.advance(1)
    assert not book.closed("a", ["tools"])


@given(message=st.text(), code=st.sampled_from(["ValidationException", "ThrottlingException", ""]))
def test_any_text_can_be_judged(message: str, code: str) -> None:
    """No error text, however odd, makes the judgment itself fail."""
    refusal = refusal_of(client_error(code, message))
    assert refusal is None or code == "ValidationException"


def test_an_error_without_the_usual_parts() -> None:
    """A response without code and message is not a refusal."""
    assert refusal_of(ClientError({}, "Converse")) is None


def test_tool_results_are_not_named_like_tools() -> None:
    """`tool_result` in a pointer is a place in messages."""
    message = "messages.2.content.0.tool_result.cache_control: not allowed"
    assert refusal_of(client_error("ValidationException", message)) == Refusal("messages", message)


@pytest.mark.parametrize(
    ("found", "placed", "about_points"), [(2, 2, True), (2, 4, True), (3, 2, False)]
)
def test_counted_violations(found: int, placed: int, *, about_points: bool) -> None:
    """Nova may mean our points if it finds no more violations than we placed points."""
    message = (
        f"Malformed input request: {found} schema violations found, please reformat your input and "
        "try again."
    )
    error = client_error("ValidationException", message)
    assert refusal_of(error) is None
    assert refusal_of(error, placed=placed) == (Refusal(None, message) if about_points else None)


def _through_boto3(stage: Stage) -> Callable[[], object]:
    client = cached_client(stage.emulator.client(), memory=stage.memory, recorder=stage.handler)
    return partial(client.converse, **ask(user("Why?"), system=[text(2_000)]))


def _through_langchain(stage: Stage) -> Callable[[], object]:
    model = stage.model(cache_policy=CachePolicy())
    return partial(stage.call, messages(), model=model, after=0)


def _through_invoke_model(stage: Stage) -> Callable[[], object]:
    model = stage.invoke_model(cache_policy=CachePolicy())
    return partial(stage.call, messages(), model=model, after=0)


WAYS = {
    "boto3": _through_boto3,
    "Converse": _through_langchain,
    "InvokeModel": _through_invoke_model,
}


@pytest.mark.filterwarnings("ignore::langchain_bedrock_cache.CacheSkippedWarning")
@pytest.mark.parametrize("way", WAYS)
def test_calls_after_a_refusal_say_that_it_was_one(way: str, stage_of_refusals: Stage) -> None:
    """They have no points since Bedrock refused some, and until when: the policy has no part."""
    stage = stage_of_refusals
    call = WAYS[way](stage)
    call()
    stage.clock.advance(1_790)
    call()
    refused, after = stage.handler.records
    assert refused.diagnosis is not None
    assert after.diagnosis is not None
    assert (refused.diagnosis.verdict, after.diagnosis.verdict) == ("refused", "no_points")
    assert after.plan is not None
    assert {skipped["reason"] for skipped in after.plan["skipped"]} == {"refused_before"}
    model, through = profile(CLAUDE).id, " through InvokeModel" if way == "InvokeModel" else ""
    assert after.diagnosis.detail == (
        f"refused before: Bedrock refused a cache point for {model} in us-east-1{through} "
        "(not tried for 31 more min)"
    )


@pytest.mark.filterwarnings("ignore::langchain_bedrock_cache.CacheSkippedWarning")
def test_what_is_too_short_was_not_refused(stage_of_refusals: Stage) -> None:
    """After a refusal as before it, a request that is too short to be cached is just that."""
    stage = stage_of_refusals
    client = cached_client(stage.emulator.client(), memory=stage.memory, recorder=stage.handler)
    client.converse(**ask(user("Why?"), system=[text(2_000)]))
    client.converse(**ask(user("Why?"), system=[text(300)]))
    last = stage.handler.records[-1].diagnosis
    assert last is not None
    assert last.verdict == "too_short"


@pytest.mark.filterwarnings("ignore::langchain_bedrock_cache.CacheSkippedWarning")
def test_what_to_do_about_a_refusal(stage_of_refusals: Stage) -> None:
    """The report does not recommend the policy that is in use, where an entry goes unread."""
    stage = stage_of_refusals
    client = cached_client(stage.emulator.client(), memory=stage.memory, recorder=stage.handler)
    own = ask(user("Why?"), system=[text(2_000), POINT])
    prompt = ask(user("Why?"), system=[text(2_000)])
    client.converse(**prompt)
    stage.emulator.clear_faults()
    for request in (own, prompt, prompt):
        client.converse(**request)
    (problem,) = stage.handler.report().problems
    assert problem.verdict == "no_points"
    assert "Correct what Bedrock refused" in problem.remedy


PROVISIONED = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc"
APPLICATION = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"


@pytest.mark.parametrize(
    ("model_id", "locality", "same"),
    [
        (CLAUDE.partition(".")[2], "us-east-1", True),
        (APPLICATION, "us-east-1", True),
        (PROVISIONED, "us-east-1", False),
        (CLAUDE, "eu-west-1", False),
    ],
)
def test_for_whom_a_refusal_speaks(model_id: str, locality: str, *, same: bool) -> None:
    """For a model on demand in one place, however it is addressed; not for other capacity."""
    on_demand = refuser(CLAUDE, profile(CLAUDE), locality="us-east-1")
    assert (refuser(model_id, profile(CLAUDE), locality=locality) == on_demand) == same


def test_provisioned_throughput_refuses_for_itself_alone(clock: SimulatedClock) -> None:
    """The same model on demand goes on caching after its provisioned twin refused a point."""
    emulator = BedrockEmulator(clock=clock, model_arns={PROVISIONED: CLAUDE})
    emulator.refuse_cache_points(when=lambda request: request["modelId"] == PROVISIONED)
    client = cached_client(emulator.client(), memory=PrefixMemory(clock=clock))
    prompt = ask(user(text(9_000), "?"))
    provisioned = {**prompt, "modelId": PROVISIONED, "base_model_id": CLAUDE}
    with pytest.warns(CacheSkippedWarning, match="refused a cache point"):
        client.converse(**provisioned)
    client.converse(**prompt)
    client.converse(**provisioned)
    sent = [(len(record.cache_points), record.error_code) for record in emulator.ledger]
    assert sent == [(0, "AccessDeniedException"), (0, None), (1, None), (0, None)]


def test_points_that_nova_only_counts(emulator: BedrockEmulator, clock: SimulatedClock) -> None:
    """A call on Nova that is refused with nothing but a count is answered all the same."""
    message = "Malformed input request: 2 schema violations found, please reformat your input."
    emulator.refuse_cache_points(code="ValidationException", message=message, times=1)
    client = cached_client(
        emulator.client(),
        policy=CachePolicy.fixed(system="5m", messages="5m"),
        memory=PrefixMemory(clock=clock),
    )
    request = {**ask(user(text(2_000)), system=[text(2_000)]), "modelId": NOVA}
    with pytest.warns(CacheSkippedWarning, match="2 schema violations"):
        response = client.converse(**request)
    assert response["ResponseMetadata"]["CachePlan"]["refused"] == message
    assert [record.error_code for record in emulator.ledger] == ["ValidationException", None]
