"""One call through the planner, without I/O: what is prepared, reported, learned and taken back."""

from __future__ import annotations

import copy
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from wire import (
    CLAUDE,
    HAIKU,
    LLAMA,
    NOVA,
    POINT,
    PROFILE_ARN,
    ask,
    assistant,
    points,
    text,
    tool,
    user,
    words,
)

from langchain_bedrock_cache import converse
from langchain_bedrock_cache.caching import CallOptions, CallPlanner
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.exceptions import CacheSkippedWarning, UnsupportedModelError
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.refusals import Refusal
from langchain_bedrock_cache.uncached_calls import SWITCH

NOTHING = CallOptions()
LONG = ask(user(text(2000), "?"), system=[text(2000)], tools=[tool()])
USAGE = {"inputTokens": 10, "outputTokens": 1, "cacheReadInputTokens": 0}


@pytest.fixture
def planner(memory: PrefixMemory) -> CallPlanner:
    """A planner with the default policy, on the test's clock."""
    return CallPlanner(policy=CachePolicy(), memory=memory)


def test_a_prepared_request_is_a_new_one(planner: CallPlanner) -> None:
    """The given request is not changed; the new one differs in cache points only."""
    before = copy.deepcopy(LONG)
    call = planner.prepare(LONG, NOTHING)
    assert before == LONG
    assert points(call.request)
    assert converse.strip_points(call.request) == LONG
    assert call.original == LONG


def test_the_report_is_plain_data_without_text(planner: CallPlanner) -> None:
    """The plan goes into response metadata, and so into traces: places and reasons, no prompt."""
    request = ask(user(words(2000, "secret"), "?"), system=[text(100, "secret")])
    report = planner.prepare(request, NOTHING).report()
    assert json.loads(json.dumps(report)) == report
    assert "secret" not in json.dumps(report)
    assert report["points"] == [
        {"section": "messages", "message": 0, "block": 0, "ttl": "5m", "origin": "planner"}
    ]
    assert report["refused"] is None
    assert {s["section"]: s["reason"] for s in report["skipped"]} == {"system": "too_short"}


def test_the_report_lists_the_applications_points(planner: CallPlanner) -> None:
    """Points say who placed them."""
    report = planner.prepare(ask(user(text(2000), POINT, "?")), NOTHING).report()
    assert [(p["block"], p["origin"]) for p in report["points"]] == [(0, "application")]


SILENT = CachePolicy(unsupported_model_behavior="ignore")
UNPLANNED: dict[str, tuple[dict[str, Any], CachePolicy, str]] = {
    "off": (LONG, CachePolicy.off(), "off"),
    "a model without caching": ({**LONG, "modelId": "zai.glm-5.3"}, SILENT, "unsupported_model"),
    "an unknown model": ({**LONG, "modelId": LLAMA}, SILENT, "unsupported_model"),
}


@pytest.mark.parametrize("case", UNPLANNED)
def test_a_request_that_is_not_planned_says_why(planner: CallPlanner, case: str) -> None:
    """Every section of such a request is reported as skipped, with the reason."""
    request, policy, reason = UNPLANNED[case]
    report = planner.prepare(request, CallOptions(policy=policy)).report()
    assert [(s["section"], s["reason"]) for s in report["skipped"]] == [
        ("tools", reason),
        ("system", reason),
        ("messages", reason),
    ]


def test_points_that_are_sent_are_reported_with_the_policy_off(planner: CallPlanner) -> None:
    """The report has all points of the request as it is sent, whoever decided."""
    request = ask(user(text(2000), POINT, "?"))
    call = planner.prepare(request, CallOptions(policy=CachePolicy.off()))
    assert call.request == request
    assert [p["origin"] for p in call.report()["points"]] == ["application"]


@pytest.mark.parametrize(
    ("value", "planned"),
    [("off", False), ("OFF", False), ("Off", False), ("on", True), ("", True), ("1", True)],
)
def test_the_switch(
    planner: CallPlanner, monkeypatch: pytest.MonkeyPatch, value: str, *, planned: bool
) -> None:
    """The environment can turn caching off for a whole process, whatever the policies say."""
    monkeypatch.setenv(SWITCH, value)
    assert bool(points(planner.prepare(LONG, NOTHING).request)) is planned


def test_the_policy_of_the_call_counts(planner: CallPlanner) -> None:
    """A call may bring a policy of its own, for itself only."""
    policy = CachePolicy.fixed(system="5m")
    assert points(planner.prepare(LONG, CallOptions(policy=policy)).request) == ["system[0]"]
    assert len(points(planner.prepare(LONG, NOTHING).request)) == 3


ODD_REQUESTS: dict[str, Any] = {
    "nothing": {},
    "no messages": {"modelId": CLAUDE},
    "content that is text": {"modelId": CLAUDE, "messages": [{"role": "user", "content": "hi"}]},
    "messages that are text": {"modelId": CLAUDE, "messages": ["hi"]},
    "blocks that are text": ask({"role": "user", "content": ["hi"]}),
    "no role": ask({"content": [{"text": "hi"}]}),
    "a number": ask({"role": "user", "content": [3]}),
    "text that is a number": ask(user({"text": 3})),
    "a model that is a number": {**LONG, "modelId": 3},
    "tools that are text": ask(user("?"), toolConfig={"tools": "look_up"}),
}


@pytest.mark.parametrize("case", ODD_REQUESTS)
def test_planning_is_no_reason_to_fail(
    planner: CallPlanner, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A request we cannot read is sent as it is: boto3 says what is wrong with it."""
    request = ODD_REQUESTS[case]
    with caplog.at_level(logging.CRITICAL), warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheSkippedWarning)
        call = planner.prepare(request, NOTHING)
    assert call.request == request
    planner.succeeded(call, USAGE)
    planner.failed(call)


def test_usage_teaches_the_length_of_tokens(planner: CallPlanner, memory: PrefixMemory) -> None:
    """Input tokens of the answer, cached ones included, set the ratio of characters to tokens."""
    call = planner.prepare(ask(user(words(2000))), NOTHING)
    planner.succeeded(call, {"inputTokens": 500, "cacheReadInputTokens": 2500})
    assert call.profile is not None
    assert memory.chars_per_token(call.profile) == pytest.approx(2.0)


@pytest.mark.parametrize("usage", [None, {}, {"inputTokens": 0}, {"inputTokens": "many"}])
def test_a_useless_usage_teaches_nothing(
    planner: CallPlanner, memory: PrefixMemory, usage: Any
) -> None:
    """An answer without usage is no error."""
    call = planner.prepare(LONG, NOTHING)
    planner.succeeded(call, usage)
    assert call.profile is not None
    assert memory.chars_per_token(call.profile) == 3.0


def refuse(planner: CallPlanner, request: dict[str, Any], refusal: Refusal) -> Any:
    """Let Bedrock refuse a request; return what is sent instead."""
    call = planner.prepare(request, NOTHING)
    with pytest.warns(CacheSkippedWarning, match="Bedrock refused a cache point"):
        return planner.without_points(call, refusal)


def test_a_refused_request_is_sent_without_added_points(planner: CallPlanner) -> None:
    """The second attempt has the application's points only, and says what was refused."""
    request = ask(user(text(2000), POINT, "?"), system=[text(2000)], tools=[tool()])
    refusal = Refusal("tools", "extraneous key [cachePoint] is not permitted")
    request = {**request, "messages": [*request["messages"], assistant("a"), user(text(2000))]}
    retry = refuse(planner, request, refusal)
    assert points(retry.request) == ["messages[0][0]"]
    assert retry.report()["refused"] == refusal.message
    assert [p["origin"] for p in retry.report()["points"]] == ["application"]


def test_a_refused_request_is_sent_again_where_warnings_are_errors(
    planner: CallPlanner, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning is logged instead of raised, so that the call is not lost."""
    call = planner.prepare(ask(user("?"), system=[text(9000)], tools=[tool()]), NOTHING)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        retry = planner.without_points(call, Refusal("system", "not permitted"))
    assert retry is not None
    assert points(retry.request) == []
    assert "Bedrock refused a cache point" in caplog.text


def test_an_error_about_the_applications_own_points_is_not_ours(planner: CallPlanner) -> None:
    """Without added points there is nothing to leave out, and the error is the caller's."""
    call = planner.prepare(ask(user("short", POINT)), NOTHING)
    assert planner.without_points(call, Refusal("messages", "refused")) is None


def test_a_refused_section_stays_closed_for_an_hour(
    memory: PrefixMemory, clock: SimulatedClock
) -> None:
    """After a refusal in tools there are none there, but elsewhere, until it is tried again."""
    planner = CallPlanner(policy=CachePolicy(mode="fixed"), memory=memory)

    def sections() -> list[str]:
        return [p.split("[")[0] for p in points(planner.prepare(LONG, NOTHING).request)]

    refuse(planner, LONG, Refusal("tools", "cachePoint is not permitted"))
    for seconds in (0, 1800, 1799):
        clock.advance(seconds)
        assert set(sections()) == {"system", "messages"}
    clock.advance(301)  # the hour is over, and so are the entries of the last request
    assert sections()[0] == "tools"


def test_other_models_are_not_closed(planner: CallPlanner) -> None:
    """A refusal says nothing about other models."""
    refuse(planner, LONG, Refusal(None, "did not allow prompt caching"))
    assert points(planner.prepare(LONG, NOTHING).request) == []
    long_enough = ask(user(text(5000), "?"), model=HAIKU)
    assert points(planner.prepare(long_enough, NOTHING).request)


def test_a_refusal_is_warned_of_once(planner: CallPlanner) -> None:
    """Two refusals of one kind warn once."""
    first = planner.prepare(LONG, NOTHING)
    second = planner.prepare(LONG, NOTHING)
    refusal = Refusal("tools", "cachePoint is not permitted")
    with pytest.warns(CacheSkippedWarning) as caught:
        assert [planner.without_points(call, refusal) for call in (first, second)]
    assert len(caught) == 1


WARNINGS: dict[str, tuple[str, str]] = {
    "known to refuse": ("zai.glm-5.3", "takes no cache points on Converse"),
    "unknown": (LLAMA, "No prompt-caching facts are known for model .*register_profile"),
    "an opaque ARN": (PROFILE_ARN, "does not name its model, .*base_model_id="),
    "a router": (
        "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1",
        "does not name its model",
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_a_model_without_caching_is_warned_of_once(planner: CallPlanner, case: str) -> None:
    """The warning says what to do, comes once per model, and no points are added."""
    model, message = WARNINGS[case]
    request = {**LONG, "modelId": model}
    with pytest.warns(CacheSkippedWarning, match=message) as caught:
        calls = [planner.prepare(request, NOTHING) for _ in range(3)]
    assert len(caught) == 1
    assert [points(call.request) for call in calls] == [[], [], []]


@pytest.mark.parametrize("case", WARNINGS)
def test_a_model_without_caching_raises_if_told_to(planner: CallPlanner, case: str) -> None:
    """With "raise", the same text is an error, every time."""
    model, message = WARNINGS[case]
    options = CallOptions(policy=CachePolicy(unsupported_model_behavior="raise"))
    for _ in range(2):
        with pytest.raises(UnsupportedModelError, match=message):
            planner.prepare({**LONG, "modelId": model}, options)


def test_a_model_without_caching_is_ignored_if_told_to(planner: CallPlanner) -> None:
    """With "ignore" nothing is said."""
    for model in (LLAMA, PROFILE_ARN):
        planner.prepare({**LONG, "modelId": model}, CallOptions(policy=SILENT))


OWN_POINTS: dict[str, tuple[str, list[str]]] = {
    "stripped for a model that refuses them": ("zai.glm-5.3", []),
    "stripped for an unknown model of another provider": (LLAMA, []),
    "kept for a new Claude": ("us.anthropic.claude-opus-9", ["messages[0][0]"]),
    "kept for a new Nova": ("amazon.nova-9-v1:0", ["messages[0][0]"]),
    "kept for an ARN that may be anything": (PROFILE_ARN, ["messages[0][0]"]),
}


@pytest.mark.parametrize("case", OWN_POINTS)
def test_points_in_the_history_of_another_model(planner: CallPlanner, case: str) -> None:
    """A fallback to a model that would answer 403 loses the points; others get them as they are."""
    model, expected = OWN_POINTS[case]
    request = ask(user(text(2000), POINT, "?"), model=model)
    before = copy.deepcopy(request)
    call = planner.prepare(request, CallOptions(policy=SILENT))
    assert points(call.request) == expected
    assert request == before


@pytest.mark.parametrize("model", [PROFILE_ARN, "anything"])
def test_the_base_model_of_an_arn(planner: CallPlanner, model: str) -> None:
    """Told what model it is, the planner treats an ARN like that model."""
    request = {**LONG, "modelId": model}
    nova = planner.prepare(request, CallOptions(base_model="amazon.nova-pro-v1:0"))
    assert points(nova.request)[0] == "system[0]"
    claude = planner.prepare(request, CallOptions(base_model="anthropic.claude-opus-4-8"))
    assert points(claude.request)[0] == "tools[0] 1h"
    llama = planner.prepare(
        request, CallOptions(base_model="meta.llama3-3-70b-instruct-v1:0", policy=SILENT)
    )
    assert points(llama.request) == []


def test_the_warning_names_the_line_of_the_caller(planner: CallPlanner) -> None:
    """A warning points at the code that called the model, not at this package."""
    line = sys._getframe().f_lineno
    with pytest.warns(CacheSkippedWarning) as caught:
        planner.prepare({**LONG, "modelId": LLAMA}, NOTHING)
    assert Path(caught[0].filename).samefile(__file__)
    assert caught[0].lineno == line + 2


def test_planners_that_share_a_memory(memory: PrefixMemory) -> None:
    """What one client sent is known to all that share its memory."""
    first, second = (CallPlanner(policy=CachePolicy(), memory=memory) for _ in range(2))
    first.succeeded(first.prepare(LONG, NOTHING), {"inputTokens": 1, "cacheWriteInputTokens": 5500})
    assert second.prepare(LONG, NOTHING).plan.expected_read_tokens > 5000


def test_logs_hold_no_text(planner: CallPlanner, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that is logged on the way contains what the prompt says."""
    secret = "the-secret-ingredient"
    broken = ask(user({"text": secret}, {"image": secret}, secret), system=[{"text": secret}])
    broken["messages"][0]["content"][0] = secret
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheSkippedWarning)
        for model in (CLAUDE, NOVA, LLAMA):
            for request in (ask(user(words(2000, secret))), broken):
                call = planner.prepare({**request, "modelId": model}, NOTHING)
                planner.succeeded(call, USAGE)
    assert caplog.records
    assert secret not in caplog.text
