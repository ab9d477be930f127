"""`simulate`: from files on disk to figures."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from wire import CLAUDE, HAIKU, NOVA, POINT, PROFILE_ARN, ask, text, user

from langchain_bedrock_cache.exceptions import CachePolicyError, UnsupportedModelError
from langchain_bedrock_cache.pricing import Rates
from langchain_bedrock_cache.profiles import find_profile, register_profile, unregister_profile
from langchain_bedrock_cache.simulate import (
    DEFAULT_POLICIES,
    ReadOptions,
    Traffic,
    TrafficResult,
    read_sources,
    simulate,
    simulate_traffic,
)
from langchain_bedrock_cache.simulate.adversaries import adversary_traffic
from langchain_bedrock_cache.simulate.reading import DEFAULT_MODEL

LONG = "word " * 3000  # 5,000 tokens


def conversation(turns: int, *, name: str = "s") -> dict[str, Any]:
    """Return a session file's row: a chat with a long first question, a call every 10 s."""
    messages: list[dict[str, Any]] = []
    for n in range(turns):
        messages.append({"role": "user", "content": f"{name} {n} {LONG if n == 0 else ''}"})
        messages.append({"role": "assistant", "content": f"Answer {n}."})
    calls = [{"n": 2 * n + 1, "t": 10.0 * n} for n in range(turns)]
    return {"id": name, "messages": messages, "calls": calls}


def write_lines(file: Path, documents: list[Any], *, packed: bool = False) -> Path:
    """Write JSON lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(document) + "\n" for document in documents).encode()
    file.write_bytes(gzip.compress(data) if packed else data)
    return file


def log_record(second: int, request: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a log record of a Converse call."""
    record = {
        "timestamp": f"2026-11-01T12:{second // 60:02d}:{second % 60:02d}Z",
        "accountId": "123456789012",
        "region": "us-east-1",
        "operation": "Converse",
        "requestId": f"r{second}",
        "modelId": request["modelId"],
        "input": {"inputBodyJson": {k: v for k, v in request.items() if k != "modelId"}},
        "output": {},
    }
    return record | more


def questions(count: int, *blocks: Any, model: str = CLAUDE) -> list[dict[str, Any]]:
    """Return requests with a long system prompt and different questions."""
    return [
        ask(user(text(20, f"question{n}")), system=[text(3000), *blocks], model=model)
        for n in range(count)
    ]


def test_a_session_file_becomes_a_table(tmp_path: Path) -> None:
    """A chat whose every turn is read again: figures by hand, for tail and for no caching."""
    file = write_lines(tmp_path / "chat.jsonl.gz", [conversation(3)], packed=True)
    result = simulate([file], policies=("none", "head:5m+tail:5m", "auto"))
    [traffic] = result.traffics
    assert (traffic.source, traffic.model_id) == ("chat", DEFAULT_MODEL)
    assert (traffic.calls, traffic.sessions) == (3, 1)
    first, second, third = (
        int(chars / 3.0)
        for chars in (len(f"s 0 {LONG}"), len(f"s 0 {LONG}Answer 0.s 1 "),
                      len(f"s 0 {LONG}Answer 0.s 1 Answer 1.s 2 "))
    )  # fmt: skip
    tail = traffic.policy("head:5m+tail:5m")
    assert traffic.prompt_tokens == first + second + third
    assert tail.usage.cache_read_tokens == first + second
    assert tail.usage.cache_write_5m_tokens == third
    assert tail.cost_tokens == pytest.approx(1.25 * third + 0.1 * (first + second))
    assert tail.over_no_caching == pytest.approx(tail.cost_tokens / traffic.prompt_tokens)
    assert traffic.policy("none").over_no_caching == 1.0
    assert traffic.best_fixed is tail
    with pytest.raises(KeyError):
        traffic.policy("head:1h")


def test_usd_is_the_list_price_of_the_model(tmp_path: Path) -> None:
    """Cost in USD is exact, by the price list: tokens by their kind times their price."""
    rates = Rates(
        input_usd_per_mtok=Decimal(10),
        output_usd_per_mtok=Decimal(50),
        cache_read_usd_per_mtok=Decimal(1),
        cache_write_5m_usd_per_mtok=Decimal("12.5"),
        cache_write_1h_usd_per_mtok=Decimal(20),
    )
    file = write_lines(tmp_path / "chat.jsonl", [conversation(2)])
    [traffic] = simulate([file], policies=("tail:5m",), rates=rates).traffics
    usage = traffic.policies[0].usage
    read, written = usage.cache_read_tokens, usage.cache_write_5m_tokens
    expected = (Decimal(read) + written * Decimal("12.5")) / 1_000_000
    assert traffic.policies[0].cost_usd == expected
    assert traffic.no_caching_usd == Decimal(traffic.prompt_tokens * 10) / 1_000_000
    [listed] = simulate([file], policies=("tail:5m",), model="global." + DEFAULT_MODEL).traffics
    assert listed.policies[0].cost_usd == expected / 2  # Opus 4.8, global: 5 USD per million


def test_a_model_without_a_price_has_no_usd(tmp_path: Path) -> None:
    """Unknown is not zero; ratios still come out, at the usual ones of the family."""
    profile = find_profile(CLAUDE)
    assert profile is not None
    file = write_lines(tmp_path / "chat.jsonl", [conversation(2)])
    name = "anthropic.claude-next-9"
    register_profile(replace(profile, id=name))
    try:
        [traffic] = simulate([file], policies=("tail:5m",), model=name).traffics
    finally:
        unregister_profile(name)
    assert traffic.policies[0].cost_usd is traffic.bound_usd is traffic.no_caching_usd is None
    assert traffic.policies[0].over_no_caching < 1


def test_limit_skip_and_gap_choose_the_sessions(tmp_path: Path) -> None:
    """Sessions are counted from the first one simulated, and begin a gap apart."""
    rows = [conversation(n + 1, name=f"s{n}") for n in range(4)]
    file = write_lines(tmp_path / "chat.jsonl", rows)
    [source] = read_sources([file], options=ReadOptions(limit=2, skip=1, gap_seconds=1000.0))
    [traffic] = source.traffics
    assert [call.at_seconds for call in traffic.calls] == [0.0, 10.0, 1000.0, 1010.0, 1020.0]
    [traffic_result] = simulate([file], limit=1, skip=3, policies=("none",)).traffics
    assert traffic_result.calls == 4


def test_all_log_files_of_a_folder_are_one_traffic(tmp_path: Path) -> None:
    """Hours and forms of delivery do not matter: one application, one table, in time order."""
    requests = questions(4)
    folder = tmp_path / "AWSLogs"
    write_lines(folder / "12" / "a.json.gz", [log_record(60, requests[1])], packed=True)
    write_lines(folder / "11" / "b.json", [[log_record(0, requests[0])]])
    events = [{"message": json.dumps(log_record(120, requests[2]))}, {"message": "START"}]
    write_lines(folder / "cloudwatch.log", [{"events": events}])
    line = f"2026-11-01T12:03:00.000Z {json.dumps(log_record(180, requests[3]))}\n"
    (folder / "000000.gz").write_bytes(gzip.compress(line.encode()))
    (folder / "README.md").write_text("not a log")
    [source] = read_sources([folder])
    assert source.name == "AWSLogs"
    assert source.skipped == {"garbled": 1}
    assert source.calls == 4
    [traffic] = source.traffics
    assert [call.session for call in traffic.calls] == ["r0", "r60", "r120", "r180"]
    assert traffic.scope == "123456789012 us-east-1"


def test_limit_and_skip_count_the_calls_of_a_log_in_time_order(tmp_path: Path) -> None:
    """In a log every call is a session of its own."""
    records = [log_record(10 * n, request) for n, request in enumerate(questions(5))]
    file = write_lines(tmp_path / "log.json", records[::-1])
    [source] = read_sources([file], options=ReadOptions(skip=1, limit=2))
    assert [call.session for call in source.traffics[0].calls] == ["r10", "r20"]


def test_bodies_in_s3_are_found_in_the_folder_or_counted(tmp_path: Path) -> None:
    """A downloaded body is used, a missing one reported, and neither is taken for a log."""
    request = questions(1)[0]
    here, missing = log_record(0, request), log_record(10, request)
    here["input"] = {"inputBodyS3Path": "s3://bucket/x/data/one_input.json.gz"}
    missing["input"] = {"inputBodyS3Path": "s3://bucket/x/data/two_input.json.gz"}
    write_lines(tmp_path / "x" / "log.json", [here, missing])
    body = {name: value for name, value in request.items() if name != "modelId"}
    write_lines(tmp_path / "x" / "data" / "one_input.json.gz", [body], packed=True)
    [from_folder] = read_sources([tmp_path])
    [from_file] = read_sources([tmp_path / "x" / "log.json"])
    for source in (from_folder, from_file):
        assert source.calls == 1
        assert source.skipped == {"body_in_s3": 1}


def test_sessions_and_logs_may_lie_in_one_folder(tmp_path: Path) -> None:
    """Each session file is a source of its own, the log files together are another."""
    write_lines(tmp_path / "a.jsonl", [conversation(1), {"unknown": 1}])
    write_lines(tmp_path / "b.jsonl", [conversation(2), {"messages": [], "calls": 7}])
    write_lines(tmp_path / "c.json", [log_record(0, questions(1)[0])])
    sources = read_sources([tmp_path])
    assert [(s.name, s.calls, dict(s.skipped)) for s in sources] == [
        ("a", 1, {"garbled": 1}),
        ("b", 2, {"garbled": 1}),
        (tmp_path.name, 1, {}),
    ]


def test_every_model_of_a_log_has_its_own_table(tmp_path: Path) -> None:
    """Models share no cache; one that is not known is reported, not guessed."""
    calls = [*questions(2), *questions(2, model=NOVA), *questions(1, model=PROFILE_ARN)]
    records = [log_record(10 * n, request) for n, request in enumerate(calls)]
    file = write_lines(tmp_path / "log.json", records)
    result = simulate([file], policies=("none",))
    assert [(t.model_id, t.calls) for t in result.traffics] == [(CLAUDE, 2), (NOVA, 2)]
    assert result.sources[0].skipped == {"unknown_model": 1}
    [together] = simulate([file], policies=("none",), model=HAIKU).traffics
    assert (together.model_id, together.calls) == (HAIKU, 5)


def test_as_logged_is_what_the_log_really_did(tmp_path: Path) -> None:
    """Logged points are replayed under their own name and stripped for everybody else."""
    with_points = questions(3, POINT)
    file = write_lines(
        tmp_path / "log.json", [log_record(10 * n, r) for n, r in enumerate(with_points)]
    )
    [result] = simulate([file], policies=("none", "as-logged", "head:5m")).traffics
    assert result.policy("as-logged").usage == result.policy("head:5m").usage
    assert result.policy("as-logged").usage.cache_read_tokens == 6000
    assert result.policy("none").usage.cache_read_tokens == 0


def test_a_policy_that_is_not_possible_is_named(tmp_path: Path) -> None:
    """Nova takes no hour: the policy is listed as impossible instead of simulated."""
    file = write_lines(tmp_path / "chat.jsonl", [conversation(2)])
    [result] = simulate([file], policies=("head:1h", "none", "as-logged"), model=NOVA).traffics
    assert result.impossible == ("head:1h", "as-logged")
    assert [policy.policy for policy in result.policies] == ["none"]


def test_nothing_fixed_was_asked_for(tmp_path: Path) -> None:
    """Without a fixed policy there is no best one."""
    file = write_lines(tmp_path / "chat.jsonl", [conversation(2)])
    [result] = simulate([file], policies=("auto",)).traffics
    assert result.best_fixed is None


def test_more_workers_know_less(tmp_path: Path) -> None:
    """Sessions spread over processes with a memory each learn slower, and cost no less."""
    rows = [conversation(1, name=f"s{n}") for n in range(30)]
    for row in rows:
        row["system"] = LONG
    file = write_lines(tmp_path / "chat.jsonl", rows)
    costs = [
        simulate([file], policies=("auto",), workers=workers, gap_seconds=30.0)
        .traffics[0]
        .policies[0]
        .cost_tokens
        for workers in (1, 30)
    ]
    assert costs[0] < costs[1]


def test_progress_counts_files_and_calls(tmp_path: Path) -> None:
    """The bar moves while files are read and calls replayed, and ends full."""
    for name in ("a", "b"):
        write_lines(tmp_path / f"{name}.jsonl", [conversation(2)])
    steps: list[tuple[str, int, int]] = []
    simulate(
        [tmp_path],
        policies=("none", "head:1h", "auto"),
        model=NOVA,
        on_progress=lambda *step: steps.append(step),
    )
    assert steps[:2] == [("reading", 0, 2), ("reading", 1, 2)]
    assert steps[-1] == ("replaying", 12, 12)
    assert [done for step, done, _ in steps if step == "replaying"] == sorted(
        done for step, done, _ in steps if step == "replaying"
    )


def test_results_are_plain_data_for_json(tmp_path: Path) -> None:
    """Everything survives JSON; USD stay exact as strings, unknown ones null."""
    file = write_lines(tmp_path / "chat.jsonl", [conversation(2), "garbled"])
    result = simulate([file])
    data = json.loads(json.dumps(result.as_dict()))
    assert data["sources"] == [{"name": "chat", "calls": 2, "skipped": {"garbled": 1}}]
    [traffic] = data["traffics"]
    found = result.traffics[0]
    assert traffic["best_fixed"] == "langchain-aws"
    assert traffic["impossible"] == ["as-logged"]
    names = [policy["policy"] for policy in traffic["policies"]]
    assert names == [name for name in DEFAULT_POLICIES if name != "as-logged"]
    for policy, original in zip(traffic["policies"], found.policies, strict=True):
        assert Decimal(policy["cost_usd"]) == original.cost_usd
        assert policy["over_bound"] == original.over_bound
        assert policy["cache_read_tokens"] == original.usage.cache_read_tokens


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"policies": ("auto", "magic")}, CachePolicyError, "No policy is called 'magic'"),
        ({"model": "meta.llama3"}, UnsupportedModelError, "'meta.llama3' is no model with"),
        ({"model": "moonshotai.kimi-k3"}, UnsupportedModelError, "is no model with"),
        ({"workers": 0}, ValueError, "workers is 0"),
        ({"chars_per_token": 0.0}, ValueError, "chars_per_token is 0.0"),
    ],
)
def test_arguments_that_make_no_sense_are_errors(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """What cannot be done is said before anything long begins."""
    file = write_lines(tmp_path / "chat.jsonl", [conversation(1)])
    with pytest.raises(error, match=message):
        simulate([file], **options)


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    """A typo in a path is not an empty result."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        simulate([tmp_path / "nowhere"])


def test_an_empty_folder_has_nothing(tmp_path: Path) -> None:
    """No files, no sources, no error."""
    result = simulate([tmp_path])
    assert not result.traffics
    assert not result.sources


def test_a_traffic_of_ones_own_can_be_simulated() -> None:
    """Made-up traffic needs no file."""
    profile = find_profile(CLAUDE)
    assert profile is not None
    traffic: Traffic = adversary_traffic("never repeats", calls=3, model_id=CLAUDE, profile=profile)
    seen: list[int] = []
    result: TrafficResult = simulate_traffic(
        traffic, policies=("none", "tail:5m"), on_progress=lambda _s, done, _t: seen.append(done)
    )
    assert result.policy("tail:5m").over_no_caching == pytest.approx(1.25)
    assert seen[-1] == 6
