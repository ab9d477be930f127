"""Wrong forms of cache points: `explain` finds each, and says what comes of it and the fix."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from converse_strategies import marked, requests
from hypothesis import given, settings
from hypothesis import strategies as st
from migration.wrong_form_cases import CASES, RIGHT, Case
from wire import CLAUDE, NOVA, POINT, ask, text, user, words

from langchain_bedrock_cache import PrefixMemory, cached_client
from langchain_bedrock_cache.__main__ import main
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.explain import explain
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.wrong_forms import Form, WrongForm, find_wrong_forms, mended

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def found_in(request: dict[str, Any], **more: Any) -> list[WrongForm]:
    """Return the wrong forms in a request, by the rules of its model."""
    return find_wrong_forms(request, find_profile(str(request.get("modelId"))), **more)


def outcome_of(client: Any, request: dict[str, Any]) -> str:
    """Return what becomes of a request."""
    try:
        client.converse(**request)
    except ParamValidationError:
        return "boto3_refuses"
    except ClientError:
        return "bedrock_refuses"
    return "no_effect"


def test_there_is_a_case_for_every_form() -> None:
    """No form is said to be recognized without a request that shows it."""
    assert {case.form for case in CASES} == set(get_args(Form))


@each_case
def test_found(case: Case) -> None:
    """Each wrong form is the only thing found, at its place, and the request is not touched."""
    before = copy.deepcopy(case.request)
    found = found_in(case.request)
    assert [(wrong.form, wrong.place) for wrong in found] == [(case.form, case.place)]
    assert found[0].fix
    assert "{" not in found[0].problem
    assert case.request == before


@each_case
def test_what_it_costs_today(emulator: BedrockEmulator, case: Case) -> None:
    """The outcome that is named is what boto3 and Bedrock really do with the request."""
    assert outcome_of(emulator.client(), case.request) == case.outcome
    assert found_in(case.request)[0].outcome == case.outcome


@each_case
def test_what_the_cached_client_does(
    emulator: BedrockEmulator, memory: PrefixMemory, case: Case
) -> None:
    """boto3's complaints stay boto3's; what Bedrock would refuse is refused before it is sent."""
    client = cached_client(emulator.client(), memory=memory)
    if case.cached in ("sent", "mended"):
        got = outcome_of(client, case.request)
        assert got == ("no_effect" if case.cached == "mended" else case.outcome)
        return
    if isinstance(case.cached, type):
        with pytest.raises(case.cached):
            client.converse(**case.request)
    else:
        assert outcome_of(client, case.request) == "boto3_refuses"
    assert emulator.requests == ()


@pytest.mark.parametrize("request_", RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_left_alone(emulator: BedrockEmulator, request_: dict[str, Any]) -> None:
    """Points that Bedrock takes are not complained about."""
    assert found_in(request_) == []
    assert outcome_of(emulator.client(), request_) == "no_effect"


@each_case
def test_mended_requests_are_well_written(case: Case) -> None:
    """What is left after mending is at most what the model minds: number, order, neighbors."""
    left = {wrong.form for wrong in found_in(mended(case.request, api="converse"))}
    of_the_model = {"after_reasoning", "after_document", "not_after_text", "closed_section"}
    assert left <= of_the_model | {"too_many", "ttl_order", "ttl_not_offered", "after_empty_text"}


@each_case
def test_explain_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: Case) -> None:
    """`explain` names form and fix, in text and as JSON, and exits with 1 for CI."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(case.request, default=lambda raw: raw.decode("latin-1")))
    assert main(["explain", str(path)]) == 1
    (wrong,) = found_in(case.request)
    assert str(wrong) in capsys.readouterr().out
    assert main(["explain", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["wrong_forms"] == [wrong.as_dict()]


def test_the_rest_is_judged_as_if_it_were_right() -> None:
    """A wrong form does not hide why a request reads nothing."""
    now, before = (
        ask(user({"text": f"Today is {day}. {words(2_000)}", **POINT}, "?"))
        for day in ("Monday", "Friday")
    )
    found = explain(now, before)
    assert (found.diagnosis.verdict, found.diagnosis.place) == ("prefix_changed", "messages[0][0]")
    assert [wrong.form for wrong in found.wrong_forms] == ["same_block"]
    assert not explain(before, before).is_fine


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_no_refusal_comes_unannounced(data: st.DataObject) -> None:
    """What Bedrock refuses because of a cache point has a wrong form, and the other way round."""
    bare = data.draw(requests(models=(CLAUDE, NOVA)))
    request = data.draw(marked(bare))
    client = BedrockEmulator().client()
    refused = outcome_of(client, request) != "no_effect"
    announced = {wrong.form for wrong in found_in(request) if wrong.outcome != "no_effect"}
    assert refused == bool(announced), announced


# Any of these on any block, or in a list by itself.
_SCRIBBLES = st.sampled_from(
    [
        {"cachePoint": {}},
        {"cachePoint": None},
        {"cachePoint": {"type": "default", "ttl": "9h"}},
        {"CachePoint": {"type": "default"}},
        {"cache_control": {"type": "ephemeral"}},
        {"cachePoint": {"type": "default", "ttl": "1h", "more": 1}},
        POINT,
    ]
)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_whatever_is_scribbled_can_be_explained(data: st.DataObject) -> None:
    """Any marks anywhere: mended, boto3 takes the request, and its own content is all there."""
    bare = data.draw(requests(models=(CLAUDE,)))
    request = copy.deepcopy(bare)
    lists = [message["content"] for message in request["messages"]]
    lists += [request["system"]] if "system" in request else []
    for _ in range(data.draw(st.integers(1, 4))):
        blocks = data.draw(st.sampled_from(lists))
        block = data.draw(st.sampled_from(blocks))
        scribble = copy.deepcopy(data.draw(_SCRIBBLES))
        where = data.draw(st.sampled_from(["on", "in", "behind"]))
        if where == "on":
            block.update(scribble)
        elif where == "in" and "toolResult" in block:
            block["toolResult"]["content"].append(scribble)
        else:
            blocks.append(scribble)
    explain(request)
    fixed = mended(request, api="converse")
    assert outcome_of(BedrockEmulator().client(), fixed) != "boto3_refuses"
    for key in ("messages", "system"):
        assert _without_points(fixed.get(key)) == bare.get(key)


def _without_points(value: Any) -> Any:
    if isinstance(value, list):
        return [
            _without_points(item) for item in value if item != POINT and "cachePoint" not in item
        ]
    if isinstance(value, dict):
        return {name: _without_points(held) for name, held in value.items()}
    return value


def test_garbage_has_no_wrong_forms() -> None:
    """Bodies that are no requests at all are left to the reader to complain about."""
    for body in ({}, {"messages": 3}, {"messages": [3]}, {"messages": [{"content": [3]}]}):
        assert find_wrong_forms(body) == []
        assert mended(body, api="converse") == body


def test_unknown_models_are_held_to_what_all_have_in_common() -> None:
    """Without a profile the number, the order and empty beginnings are still checked."""
    request = ask(user(POINT, text(10)), model="someone.new-model")
    assert [wrong.form for wrong in find_wrong_forms(request)] == ["first_in_list"]
