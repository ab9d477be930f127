"""`explain` on two files: exact places, other Regions and APIs, and points that nobody placed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import (
    CLAUDE,
    IMAGE,
    NOVA,
    POINT,
    ask,
    assistant,
    document,
    tool,
    tool_use,
    user,
    words,
)

from langchain_bedrock_cache.__main__ import main
from langchain_bedrock_cache.explain import explain, explain_log

RULES = "".join(f"Rule {n}: be kind to caller {n}, and listen first.\n" for n in range(1_000))
MODEL = "anthropic.claude-opus-4-8"


def arn(region: str, kind: str = "foundation-model/", account: str = "") -> str:
    """Return the ARN of the model in a Region."""
    return f"arn:aws:bedrock:{region}:{account}:{kind}{MODEL}"


def ruled(rules: str, question: str = "Why?", **more: Any) -> dict[str, Any]:
    """Return a request with a system prompt, and no cache points."""
    return ask(user(question), system=[{"text": rules}], **more)


def native(**more: Any) -> dict[str, Any]:
    """Return a body of InvokeModel for Claude with the same prompt."""
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 10,
        "system": [{"type": "text", "text": RULES}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}],
        **more,
    }


@settings(max_examples=30, deadline=None)
@given(at=st.integers(0, len(RULES) - 40), word=st.from_regex("[B-D][a-z]{3}", fullmatch=True))
def test_the_place_is_exact(at: int, word: str) -> None:
    """Wherever a word changes, the character is the one that differs, and it is text."""
    before, now = (f"{RULES[:at]} On 2027-01-01 {who}. {RULES[at:]}" for who in ("Anna", word))
    change = explain(ruled(now), ruled(before)).diagnosis.change
    assert change is not None
    assert change.offset_chars == at + len(" On 2027-01-01 ")
    assert change.kind == "text"


def test_tools_say_which_field_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The path inside the tool, in text and in JSON."""
    before, now = ([tool(1_500, "a"), tool(1_500, "b")] for _ in range(2))
    now[1] = copy.deepcopy(now[1])
    now[1]["toolSpec"]["inputSchema"]["json"]["properties"]["n"]["type"] = "number"
    paths = []
    for name, tools in (("now", now), ("before", before)):
        paths.append(tmp_path / name)
        paths[-1].write_text(json.dumps(ruled(RULES, tools=tools)))
    assert main(["explain", *map(str, paths)]) == 1
    field = "toolSpec.inputSchema.json.properties.n.type"
    assert f"tools[1] {field}, character 0 (the definition of a tool)" in capsys.readouterr().out
    main(["explain", *map(str, paths), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (said["place"], said["field"], said["offset_chars"]) == ("tools[1]", field, 0)


def test_a_tool_that_is_missing_has_no_field() -> None:
    """What stands at the place now is another tool, in which nothing has changed."""
    tools = [tool(1_500, name) for name in ("a", "b", "c")]
    found = explain(ruled(RULES, tools=tools[:2]), ruled(RULES, tools=tools))
    assert str(found.diagnosis.change) == "tools[2] (a tool that is missing)"
    assert found.as_dict()["field"] == ""


def test_ids_of_tool_calls_made_anew() -> None:
    """A history whose tool calls have other IDs each time: an identifier, and where."""
    turns = [ruled(RULES, tools=[tool()])["messages"][0]]
    for n in range(2):
        result = {"toolUseId": f"call-{n}", "content": [{"text": words(400, f"r{n}")}]}
        turns += [assistant(tool_use(n)), user({"toolResult": result})]
    before = ask(*turns, system=[{"text": RULES}], tools=[tool()])
    now = json.loads(json.dumps(before).replace("call-", "made-anew-"))
    found = explain({**now, "messages": [*now["messages"], assistant("So."), user("And?")]}, before)
    assert found.diagnosis.verdict == "prefix_changed"
    assert found.as_dict()["field"] == "toolUse.toolUseId"
    assert found.diagnosis.place == "messages[1][0]"
    assert found.diagnosis.change is not None
    assert found.diagnosis.change.kind == "identifier"


def test_a_document_under_another_name() -> None:
    """The same bytes with a new name: the name is part of the prompt."""
    file = document("pdf", 9_000)
    renamed = copy.deepcopy(file)
    renamed["document"]["name"] = "upload 2"
    before, now = (ask(user(one, "Sum it up for me, please.")) for one in (file, renamed))
    found = explain(now, before)
    assert found.diagnosis.verdict == "prefix_changed"
    assert (found.diagnosis.place, found.as_dict()["field"]) == ("messages[0][0]", "document.name")


def test_another_image_in_the_last_result() -> None:
    """A tool's result whose image is exchanged is a change, in the result."""

    def looked(image: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
        result = user({"toolResult": {"toolUseId": "call-0", "content": [image]}})
        return ask(
            user("Look."),
            assistant(tool_use()),
            result,
            *more,
            system=[{"text": RULES}],
            tools=[tool()],
        )

    other = {"image": {"format": "png", "source": {"bytes": b"\x89PNG" + bytes(range(32))}}}
    found = explain(looked(other, assistant("A harbor."), user("And?")), looked(IMAGE))
    assert found.diagnosis.verdict == "prefix_changed"
    assert found.diagnosis.place == "messages[2][0]"
    assert found.as_dict()["field"] == "toolResult.content[0].image.source.bytes"


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (arn("us-east-1"), arn("eu-west-1"), "us-east-1 before, eu-west-1 now"),
        (f"us.{MODEL}", f"eu.{MODEL}", "us before, eu now"),
        (
            arn("us-east-1", "inference-profile/us.", "123456789012"),
            arn("us-west-2", "inference-profile/us.", "123456789012"),
            "us-east-1 before, us-west-2 now",
        ),
    ],
)
def test_other_regions_share_nothing(before: str, now: str, said: str) -> None:
    """Regions of ARNs, and the geographies of inference profiles, are compared."""
    found = explain(ruled(RULES, model=now), ruled(RULES, model=before))
    assert found.diagnosis.verdict == "prefix_changed"
    assert found.diagnosis.change is not None
    assert (found.diagnosis.change.kind, found.diagnosis.change.detail) == ("region", said)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (f"global.{MODEL}", f"us.{MODEL}"),
        (arn("us-east-1"), f"us.{MODEL}"),
        (arn("us-east-1"), arn("us-east-1")),
        (arn("", account=""), MODEL),
    ],
)
def test_what_may_be_the_same_region_is(before: str, now: str) -> None:
    """Addresses that do not say that they are in different Regions read each other's writes."""
    found = explain(ruled(RULES, model=now), ruled(RULES, model=before))
    assert found.diagnosis.verdict == "hit"


def test_regions_may_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--region` and `--previous-region` for bodies that do not say; alone, both went there."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(ruled(RULES)))
    files = ["explain", str(path), str(path)]
    assert main([*files, "--region", "us-east-1"]) == 0
    assert main([*files, "--region", "us-east-1", "--previous-region", "us-west-2"]) == 1
    assert "another Region: us-west-2 before, us-east-1 now" in capsys.readouterr().out
    assert main([*files, "--previous-region", "us-west-2"]) == 0  # where this one went, who knows


def test_an_application_profile_says_its_region() -> None:
    """With `model` beside an ARN that does not name it, the ARN still says the Region."""
    before, now = (
        ruled(RULES, model=f"arn:aws:bedrock:{region}:1:application-inference-profile/abc")
        for region in ("us-east-1", "eu-west-1")
    )
    assert explain(now, before, model=CLAUDE).diagnosis.place == "region"
    assert explain(now, now, model=CLAUDE).is_fine


def test_converse_and_invoke_model_share_nothing() -> None:
    """The same prompt through the other API is not read, as far as is known."""
    found = explain(native(), ruled(RULES), model=CLAUDE)
    assert found.diagnosis.verdict == "prefix_changed"
    assert "Converse before, InvokeModel now" in str(found)
    assert explain(native(), native(), model=CLAUDE).is_fine


def test_novas_bodies_look_alike() -> None:
    """Without a schema version, a body for Nova may be of either API: nothing is said."""
    body = ruled(RULES, model=NOVA)
    schema = {"schemaVersion": "messages-v1"}
    assert explain(body | schema, body).is_fine
    assert explain(body | schema, body | schema).is_fine


def test_another_question_after_the_same_rules() -> None:
    """Without points in the files, the system prompt is read, or has expired."""
    before, now = (ruled(RULES, question) for question in ("Why?", "What for, then?"))
    assert explain(now, before).diagnosis.verdict == "hit"
    found = explain(now, before, gap_seconds=400)
    assert (found.diagnosis.verdict, found.diagnosis.age_seconds) == ("expired", 400)


def test_another_question_about_the_same_document() -> None:
    """Without points in the files, what both share counts as cached: the planner finds it."""
    shared = {"text": RULES}
    before, now = (ask(user(shared, question)) for question in ("Why?", "What for, then?"))
    assert explain(now, before).diagnosis.verdict == "hit"
    marked = [ask(user(shared, question, POINT)) for question in ("Why?", "What for, then?")]
    assert not explain(marked[1], marked[0]).is_fine  # the point is behind the question


def test_a_log_has_exact_places() -> None:
    """Both requests are in the log, so that the place is known to the character."""
    log = [
        {
            "timestamp": f"2026-11-20T10:0{n}:00Z",
            "requestId": f"call-{n}",
            "region": "us-east-1",
            "operation": "Converse",
            "modelId": CLAUDE,
            "input": {
                "inputBodyJson": {
                    "system": [{"text": f"{RULES}It is {day}. {RULES}"}, POINT],
                    "messages": [user("Why?")],
                }
            },
            "output": {
                "outputBodyJson": {
                    "usage": {
                        "inputTokens": 10,
                        "outputTokens": 5,
                        "cacheReadInputTokens": 0,
                        "cacheWriteInputTokens": 30_000,
                    }
                }
            },
        }
        for n, day in enumerate(("Monday", "Friday"))
    ]
    _, found = explain_log(log)
    assert found.diagnosis.change is not None
    assert found.diagnosis.change.offset_chars == len(f"{RULES}It is ")
    assert found.diagnosis.change.kind == "date"
    assert not found.is_estimated
    assert "about" not in str(found)


def test_a_log_without_requests_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records whose bodies are elsewhere, or whose model nobody names, cannot be explained."""
    record = {"timestamp": "2026-11-20T10:00:00Z", "modelId": CLAUDE, "input": {}}
    unnamed = {**record, "modelId": "arn:aws:bedrock:us-east-1:1:provisioned-model/abc"}
    unnamed["input"] = {"inputBodyJson": {"messages": [user("Why?")]}}
    path = tmp_path / "log.jsonl"
    path.write_text(f"{json.dumps(record)}\n{json.dumps(unnamed)}\n")
    assert main(["explain", str(path)]) == 2
    assert "No record of this log can be explained." in capsys.readouterr().err


def test_a_record_may_be_the_request_before(tmp_path: Path) -> None:
    """Either file may be a log record instead of a body."""
    body = ruled(RULES)
    record = {
        "timestamp": "2026-11-20T10:00:00Z",
        "modelId": CLAUDE,
        "input": {"inputBodyJson": {k: v for k, v in body.items() if k != "modelId"}},
    }
    now, before = tmp_path / "now.json", tmp_path / "before.json"
    now.write_text(json.dumps(body))
    before.write_text(json.dumps(record))
    assert main(["explain", str(now), str(before)]) == 0


def test_one_of_a_thing_is_no_plural(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One block is `1 block`."""
    path, other = tmp_path / "now.json", tmp_path / "before.json"
    path.write_text(json.dumps(ruled(RULES)))
    other.write_text(json.dumps(ruled(RULES, "And why not?")))
    main(["explain", str(path), str(other)])
    assert "shared with the request before: 1 block, about " in capsys.readouterr().out


def test_what_is_no_chat_names_all_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says which forms can be read, Nova's among them."""
    path = tmp_path / "request.json"
    path.write_text('{"inputText": "Hi"}')
    assert main(["explain", str(path), "--model", NOVA]) == 2
    assert "of Converse, nor of Claude or Nova on InvokeModel" in capsys.readouterr().err
