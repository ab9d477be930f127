"""`explain`: verdicts from request bodies and invocation logs, and the exit status for CI."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from wire import CLAUDE, LLAMA, NOVA, POINT, ask, assistant, text, tool, user, words

from langchain_bedrock_cache.__main__ import main
from langchain_bedrock_cache.explain import UnreadableRequestError, explain, explain_log

RULES = words(2_000, "rules")


def body(day: str = "Monday", **more: Any) -> dict[str, Any]:
    """Return a request whose system prompt begins with a day."""
    system = [{"text": f"Today is {day}. {RULES}"}, POINT]
    return ask(user("What is it about?"), system=system, **more)


def claude_body(day: str, *, control: bool = True) -> dict[str, Any]:
    """Return the same as a body of InvokeModel."""
    block: dict[str, Any] = {"type": "text", "text": f"Today is {day}. {RULES}"}
    if control:
        block["cache_control"] = {"type": "ephemeral"}
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "system": [block],
        "messages": [{"role": "user", "content": "What is it about?"}],
        "max_tokens": 100,
    }


def record(number: int, request: dict[str, Any], *, read: int, written: int) -> dict[str, Any]:
    """Return a log record of a Converse call."""
    usage = {
        "inputTokens": 10,
        "outputTokens": 5,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": written,
    }
    return {
        "schemaType": "ModelInvocationLog",
        "timestamp": f"2026-11-20T10:{number:02}:00Z",
        "requestId": f"call-{number}",
        "region": "us-east-1",
        "operation": "Converse",
        "modelId": CLAUDE,
        "input": {"inputBodyJson": {k: v for k, v in request.items() if k != "modelId"}},
        "output": {"outputBodyJson": {"usage": usage}},
    }


def _file(folder: Path, name: str, *documents: Any) -> str:
    path = folder / name
    path.write_text("\n".join(map(json.dumps, documents)))
    return str(path)


def test_the_change_is_found() -> None:
    """Two bodies that differ in the weekday: section, block, character and a guess."""
    found = explain(body("Monday"), body("Wednesday"))
    assert found.diagnosis.verdict == "prefix_changed"
    assert str(found.diagnosis.change) == "system[0], character 9 (a date, perhaps)"
    assert not found.is_fine


def test_the_same_prefix_is_fine() -> None:
    """Nothing changed: the second would read what the first wrote."""
    found = explain(body(), body())
    assert (found.diagnosis.verdict, found.is_fine, found.shared_blocks) == ("hit", True, 2)
    assert explain(body()).diagnosis.verdict == "first_write"


def test_the_name_of_the_model_is_no_setting() -> None:
    """Claude's bodies with a `modelId` beside them: another address of a model changes nothing."""
    found = explain(
        {**claude_body("Monday"), "modelId": f"global.{CLAUDE.removeprefix('us.')}"},
        {**claude_body("Monday"), "modelId": CLAUDE},
    )
    assert found.is_fine
    assert found.diagnosis.verdict == "hit"


@pytest.mark.parametrize("control", [True, False])
def test_claude_bodies_are_read(control: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Bodies of InvokeModel are compared like Converse bodies, with or without cache points."""
    now, before = (claude_body(day, control=control) for day in ("Monday", "Friday"))
    found = explain(now, before, model=CLAUDE)
    assert (found.diagnosis.verdict, found.diagnosis.place) == ("prefix_changed", "system[0]")
    assert found.are_points_assumed is not control


def test_other_verdicts() -> None:
    """Too short, too far away, expired and not supported are told from a change."""
    assert explain(ask(user(text(100), POINT))).diagnosis.verdict == "too_short"
    assert explain(body(), body(), gap_seconds=301).diagnosis.verdict == "expired"
    assert explain(body(model=LLAMA)).diagnosis.verdict == "unsupported"
    results = [text(5, f"b{n}") for n in range(25)]
    far = [user(text(2_000)), assistant("Yes."), user(*results, POINT)]
    near = [user(text(2_000), POINT)]
    assert explain(ask(*far), ask(*near)).diagnosis.verdict == "out_of_lookback"
    moved = [user(text(2_000)), assistant("Yes."), user("And?", POINT)]
    assert explain(ask(*moved, model=NOVA), ask(*near, model=NOVA)).diagnosis.blocks == 2


def test_a_conversation_that_goes_on_is_judged_without_points() -> None:
    """Requests on which the planner has still to place points are judged as if it had."""
    first = ask(user(text(2_000)), tools=[tool()])
    second = ask(user(text(2_000)), assistant("Yes."), user("And?"), tools=[tool()])
    found = explain(second, first)
    assert (found.diagnosis.verdict, found.are_points_assumed) == ("hit", True)


@pytest.mark.parametrize(
    "wrong", [{}, {"inputText": "Hi"}, {"messages": [3]}, ask(user("Hi"), model="")]
)
def test_what_cannot_be_read_is_an_error(wrong: dict[str, Any]) -> None:
    """Something that is no chat request of a known model says so."""
    with pytest.raises(UnreadableRequestError):
        explain(wrong)


def test_logs_are_explained_with_their_own_counts() -> None:
    """Logged calls are judged in the order of time, by what Bedrock reported."""
    calls = [
        record(0, body(), read=0, written=2_000),
        record(2, body("Friday"), read=0, written=2_000),
        record(1, body(), read=2_000, written=0),
        record(20, body("Friday"), read=0, written=2_000),
    ]
    failed = {**record(5, body(), read=0, written=0), "errorCode": "ThrottlingException"}
    found = list(explain_log([*calls, failed, {"no": "record"}]))
    assert [f.name for f in found] == ["call-0", "call-1", "call-2", "call-20"]
    verdicts = [f.diagnosis.verdict for f in found]
    assert verdicts == ["first_write", "hit", "prefix_changed", "expired"]
    assert found[3].diagnosis.age_seconds == pytest.approx(18 * 60)


def uncounted(number: int, request: dict[str, Any], **counts: int) -> dict[str, Any]:
    """Return a log record whose answer lies in S3, with counts beside the request."""
    kept = record(number, request, read=0, written=0)
    kept["output"] = {"outputBodyS3Path": "s3://bucket/answer", "outputTokenCount": 7}
    return {**kept, "input": {**kept["input"], **counts}}


@pytest.mark.parametrize("counts", [{"inputTokenCount": 2}, {}])
def test_missing_counts_are_unknown(counts: dict[str, int]) -> None:
    """What no count in the log tells is unreported, not too short, and nothing is wrong with it."""
    found = list(explain_log([uncounted(n, body(), **counts) for n in range(2)]))
    assert [f.diagnosis.verdict for f in found] == ["unreported"] * 2
    assert "the log does not say" in str(found[1])
    assert all(f.is_fine for f in found)
    assert found[1].shared_tokens > 1_000


def test_counts_beside_the_request_are_enough() -> None:
    """A record that counts cached tokens needs no answer; nor one of a request without points."""
    written = {"inputTokenCount": 10, "cacheWriteInputTokenCount": 2_000}
    read = {"inputTokenCount": 10, "cacheReadInputTokenCount": 2_000}
    calls = [uncounted(0, body(), **written), uncounted(1, body(), **read)]
    assert [f.diagnosis.verdict for f in explain_log(calls)] == ["first_write", "hit"]
    (plain,) = explain_log([uncounted(0, ask(user("Hi")), inputTokenCount=9)])
    assert plain.diagnosis.verdict == "too_short"


def test_short_calls_in_the_log_are_fine() -> None:
    """Turns before the minimum are too short by the log's own counts, with points or without."""
    marked = ask(user("Hi"), system=[{"text": "Be kind."}, POINT])
    calls = [ask(user("Hi")), ask(user("Hi"), assistant("Hello."), user("Well?")), marked]
    found = list(explain_log([record(n, c, read=0, written=0) for n, c in enumerate(calls)]))
    assert [f.diagnosis.verdict for f in found] == ["too_short"] * 3
    assert "10 tokens, and this model caches from" in str(found[0])
    assert all(f.is_fine for f in found)


def _plain(number: int, question: str, rules: str) -> dict[str, Any]:
    """Return a log record of a call without cache points."""
    kept = record(number, ask(user(question), system=[{"text": rules}]), read=0, written=0)
    kept["output"]["outputBodyJson"]["usage"]["inputTokens"] = 2_010
    return kept


def test_calls_without_points_are_wrong_where_they_share_a_prefix() -> None:
    """One-off prompts need no cache points; a long prompt that comes back within minutes does."""
    once = [_plain(n, "What?", words(2_000, f"document{n}")) for n in range(3)]
    assert [f.diagnosis.verdict for f in explain_log(once)] == ["no_points"] * 3
    assert all(f.is_fine for f in explain_log(once))
    shared = [_plain(n, f"What is {n}?", RULES) for n in range(3)]
    assert [f.is_fine for f in explain_log(shared)] == [True, False, False]


def test_pauses_beyond_every_lifetime_are_fine_in_the_log() -> None:
    """An entry that expired within the hour is wrong; after more than one, none could be left."""
    calls = [record(n, body(), read=0, written=2_000) for n in (0, 10, 59)]
    late = {**record(0, body(), read=0, written=2_000), "timestamp": "2026-11-20T13:00:00Z"}
    found = list(explain_log([*calls, late]))
    assert [f.diagnosis.verdict for f in found] == ["first_write", *["expired"] * 3]
    assert [f.is_fine for f in found] == [True, False, False, True]


def test_points_that_do_nothing_are_wrong_in_the_log() -> None:
    """A model without caching is wrong with cache points in its requests, and fine without."""
    calls = [body(model=LLAMA), ask(user("Hi"), system=[{"text": RULES}], model=LLAMA)]
    logged = [
        {**record(n, call, read=0, written=0), "modelId": LLAMA} for n, call in enumerate(calls)
    ]
    found = list(explain_log(logged))
    assert [f.diagnosis.verdict for f in found] == ["unsupported"] * 2
    assert [f.is_fine for f in found] == [False, True]


def failed(number: int, request: dict[str, Any], code: str, **more: Any) -> dict[str, Any]:
    """Return a log record of a call that was not answered."""
    kept = record(number, request, read=0, written=0)
    del kept["output"]
    return {**kept, "errorCode": code, **more}


def test_refused_calls_are_explained_by_their_wrong_forms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A logged refusal names the cache point it is about, and how to write it."""
    first = ask(user("What is it about?"), system=[POINT, {"text": RULES}])
    log = [record(0, body(), read=0, written=2_000), failed(1, first, "ValidationException")]
    fine, refused = explain_log(log)
    assert fine.is_fine
    assert not refused.is_fine
    assert (refused.name, refused.diagnosis.verdict) == ("call-1", "failed")
    (wrong,) = refused.wrong_forms
    assert (wrong.form, wrong.place) == ("first_in_list", "system[0]")
    assert main(["explain", _file(tmp_path, "log.json", *log)]) == 1
    printed = capsys.readouterr().out
    assert "call-1: failed: ValidationException\n  system[0]: " in printed
    assert wrong.fix in printed
    assert "judged as if" not in printed
    assert printed.endswith("2 calls: 1 first write, 1 failed; 1 to mend\n")


def test_a_model_without_caching_refuses_in_the_log() -> None:
    """A 403 of a model that takes no cache points says so, where the request has some."""
    refused = failed(0, body(model=LLAMA), "AccessDeniedException", modelId=LLAMA)
    (found,) = explain_log([refused])
    assert found.diagnosis.verdict == "failed"
    assert f"{LLAMA} is not known to take cache points" in found.diagnosis.detail
    plain = ask(user("Hi"), system=[{"text": RULES}], model=LLAMA)
    assert not list(explain_log([failed(0, plain, "AccessDeniedException", modelId=LLAMA)]))


def test_other_failures_in_the_log_are_not_about_the_cache() -> None:
    """Throttling, and a refusal of a request whose cache points are right, are left out."""
    first = ask(user("What is it about?"), system=[POINT, {"text": RULES}])
    log = [failed(0, first, "ThrottlingException"), failed(1, body(), "ValidationException")]
    assert not list(explain_log(log))


def test_the_other_api_in_the_log_is_said_to_be_that() -> None:
    """The same prompt through InvokeModel, not read: the API is what differs, not the Region."""
    before = record(0, body(), read=0, written=2_000)
    now = record(1, claude_body("Monday"), read=0, written=2_000) | {"operation": "InvokeModel"}
    now["output"] = {
        "outputBodyJson": {"usage": {"input_tokens": 10, "cache_creation_input_tokens": 2_000}}
    }
    _, found = explain_log([before, now])
    assert found.diagnosis.verdict == "prefix_changed"
    assert found.diagnosis.change is not None
    assert found.diagnosis.change.kind == "api"
    assert "Converse before, InvokeModel now" in str(found)


def test_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 if nothing is wrong, 1 if something is, 2 if a file cannot be read."""
    monday = _file(tmp_path, "monday.json", body())
    friday = _file(tmp_path, "friday.json", body("Friday"))
    assert main(["explain", monday, monday]) == 0
    assert capsys.readouterr().out.startswith("request: hit\n")
    assert main(["explain", friday, monday]) == 1
    assert "system[0], character 9 (a date, perhaps)" in capsys.readouterr().out
    assert main(["explain", _file(tmp_path, "empty.json", []), monday]) == 2
    assert "holds no JSON object" in capsys.readouterr().err
    assert main(["explain", str(tmp_path / "missing.json")]) == 2


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` prints one object for a request, with everything that the text says."""
    monday = _file(tmp_path, "monday.json", claude_body("Monday"))
    friday = _file(tmp_path, "friday.json", claude_body("Friday"))
    assert main(["explain", friday, monday, "--model", CLAUDE, "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "prefix_changed"
    assert (said["place"], said["offset_chars"], said["change"]) == ("system[0]", 9, "date")


def test_a_log_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A gzipped log of several calls is explained call by call, with a summary."""
    lines = [record(n, body(), read=2_000 * (n > 0), written=2_000 * (n == 0)) for n in range(3)]
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    assert main(["explain", str(path)]) == 0
    assert capsys.readouterr().out.endswith("3 calls: 2 hit, 1 first write\n")


def test_no_prompt_text_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed has places and guesses, and not a word of the prompt."""
    files = [_file(tmp_path, f"{day}.json", body(day)) for day in ("Monday", "Friday")]
    for extra in ([], ["--json"]):
        main(["explain", *files, *extra])
        printed = capsys.readouterr().out
        assert not any(word in printed for word in ("Monday", "Friday", "Today", "What is"))
