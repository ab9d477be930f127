"""The demonstration: its figures come from its runs, and its claims from its figures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from langchain_bedrock_cache.demo import cli
from langchain_bedrock_cache.demo.agent import AgentWorkload
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.demo.comparison import Comparison, Run, Workload, compare
from langchain_bedrock_cache.demo.documents import (
    MAX_DOCUMENT_CHARS,
    Document,
    language_reference,
    read_documents,
)
from langchain_bedrock_cache.demo.rag import QUESTIONS
from langchain_bedrock_cache.demo.recorder import Step
from langchain_bedrock_cache.demo.remarks import remarks
from langchain_bedrock_cache.demo.script import responder_for
from langchain_bedrock_cache.demo.stage import Stage, emulated_stage
from langchain_bedrock_cache.demo.tables import steps_table, totals_table
from langchain_bedrock_cache.demo.tools import tools_for
from langchain_bedrock_cache.demo.ways import CACHED, NO_CACHING, OWN_CACHING, TRANSFORMER, Way
from langchain_bedrock_cache.emulator import BedrockEmulator, LedgerRecord
from langchain_bedrock_cache.usage import CacheUsage

NOVA = "us.amazon.nova-pro-v1:0"
SMALL = cli.Size(subjects=2, questions=3, conversations=2)


@pytest.fixture(scope="module")
def comparisons() -> dict[str, Comparison]:
    """The demonstration as it is run by default."""
    planned = cli.workloads(None, cli.EMULATED_SIZE)
    return {c.title: c for c in compare(planned, cli.DEFAULT_MODEL, stage_for=_emulated)}


def _emulated(workload: Workload) -> Stage:
    return emulated_stage(responder_for(workload))


def _run(comparison: Comparison, way: Way) -> Run:
    return next(run for run in comparison.runs if run.way is way)


def _arguments(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(argv)


def test_rag_pays_for_each_document_once(comparisons: dict[str, Comparison]) -> None:
    """langchain-aws's own caching costs more than none, ours a fraction, by either way in."""
    rag = comparisons["RAG chain"]
    ratio = {run.way.title: rag.cost_ratio(run) or 0.0 for run in rag.runs}
    assert ratio[OWN_CACHING.title] > 1.2
    assert ratio[CACHED.title] < 0.45
    assert _run(rag, TRANSFORMER).usage == _run(rag, CACHED).usage


def test_agent_costs_no_more_than_with_langchain_aws(comparisons: dict[str, Comparison]) -> None:
    """On conversations, where langchain-aws's points are right, ours are no dearer."""
    agent = comparisons["Agent with tools"]
    own, ours = _run(agent, OWN_CACHING).cost_usd, _run(agent, CACHED).cost_usd
    assert own is not None
    assert ours is not None
    assert ours < own


def test_every_way_takes_every_step(comparisons: dict[str, Comparison]) -> None:
    """Each way makes the calls that the script says, and all send the same input."""
    planned = cli.workloads(None, cli.EMULATED_SIZE)
    for workload in planned:
        runs = comparisons[workload.title].runs
        assert [len(run.steps) for run in runs] == [workload.calls] * len(workload.ways)
        per_step = [[step.usage.input_tokens for step in run.steps] for run in runs]
        assert all(tokens == per_step[0] for tokens in per_step)


def test_steps_are_what_bedrock_billed() -> None:
    """Tokens of the steps are those in the emulator's own ledger, call by call."""
    billed: list[LedgerRecord] = []

    def stage_for(workload: Workload) -> Stage:
        clock = SimulatedClock()
        emulator = BedrockEmulator(
            clock=clock, responder=responder_for(workload), on_record=billed.append
        )
        return Stage(client=emulator.client(), clock=clock, wait=clock.advance, label="Test.")

    compared = compare(cli.workloads(None, SMALL), NOVA, stage_for=stage_for)
    steps = [step for comparison in compared for run in comparison.runs for step in run.steps]
    assert len(steps) == len(billed)
    for step, record in zip(steps, billed, strict=True):
        assert step.usage.cache_read_tokens == record.cache_read_tokens
        assert step.usage.cache_write_tokens == record.cache_write_tokens
        assert step.usage.uncached_input_tokens == record.uncached_input_tokens


def test_agent_looks_things_up() -> None:
    """The emulated model calls the real tools, and what they return is sent with the next call."""
    workload = cli.workloads(None, SMALL)[1]
    assert isinstance(workload, AgentWorkload)
    clock = SimulatedClock()
    emulator = BedrockEmulator(
        clock=clock, responder=responder_for(workload), capture_requests=True
    )
    stage = Stage(client=emulator.client(), clock=clock, wait=clock.advance, label="Test.")
    compare([replace(workload, ways=(CACHED,))], NOVA, stage_for=lambda _workload: stage)
    sent = [
        result["text"]
        for message in emulator.requests[-1]["messages"]
        for block in message["content"]
        for result in block.get("toolResult", {}).get("content", ())
    ]
    assert any(text.startswith("formatstrings, part 1 of ") for text in sent)


def test_reference_has_every_topic_that_is_asked_about() -> None:
    """The topics exist in this Python, and are long enough to be cached by any model."""
    documents = {document.name: document for document in language_reference()}
    assert QUESTIONS
    for name in QUESTIONS:
        assert len(documents[name].text) > 4_096 * 4


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("search", {"words": "PETS garden"}, "house: Pets may use the garden."),
        ("search", {"words": "helicopter"}, "No line has 'helicopter'."),
        ("read", {"name": "house"}, "house, part 1 of 1:\nRules.\n Pets may use the garden."),
        ("read", {"name": "long", "part": 2}, "long, part 2 of 2:\nx"),
        ("read", {"name": "long", "part": 3}, "long has parts 1 to 2."),
        ("read", {"part": "first"}, "Tool input validation error"),
        ("read", {"name": "boat"}, "There is no document 'boat'. The catalog lists all names."),
    ],
)
def test_tools_answer_from_the_documents(
    tool: str, arguments: dict[str, Any], expected: str
) -> None:
    """Tools return text of the documents, or say what is wrong."""
    documents = [
        Document(name="house", text="Rules.\n Pets may use the garden."),
        Document(name="long", text="x" * 9_001),
    ]
    tools = {each.name: each for each in tools_for(documents)}
    assert tools[tool].invoke(arguments) == expected


def test_files_and_folders_become_documents(tmp_path: Path) -> None:
    """Text files are read by name, also from folders, cut to a length that models can take."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.md").write_text("A", encoding="utf-8")
    (tmp_path / "sub" / "b.txt").write_text("B" * (MAX_DOCUMENT_CHARS + 1), encoding="utf-8")
    (tmp_path / "c.bin").write_bytes(b"\xff")
    (tmp_path / "a.rst").write_text("another A", encoding="utf-8")
    documents = read_documents([tmp_path])
    assert [d.name for d in documents] == ["a", str(tmp_path / "a.rst"), "b"]
    assert len(documents[2].text) == MAX_DOCUMENT_CHARS


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("a.txt", b"\xff\xfe", "is not UTF-8 text"), ("a.txt", b" \n", "is empty")],
)
def test_unusable_documents_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, message: str
) -> None:
    """A file that is no text ends the command with a message, not with a traceback."""
    (tmp_path / name).write_bytes(content)
    assert cli.run(_arguments("--documents", str(tmp_path / name))) == 1
    assert message in capsys.readouterr().err


def test_a_folder_without_text_is_refused(tmp_path: Path) -> None:
    """A folder with nothing to read is named."""
    with pytest.raises(ValueError, match=r"holds no \.md, \.rst, \.txt files"):
        read_documents([tmp_path])


def test_own_documents_are_asked_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command runs on the user's own files and prints steps and totals of both workloads."""
    (tmp_path / "rules.md").write_text("Rule: pets may use the garden. " * 800, encoding="utf-8")
    assert cli.run(_arguments("--documents", str(tmp_path), "--model", NOVA)) == 0
    printed = capsys.readouterr().out
    assert "over your documents, on an emulator of" in printed.replace("\n", " ")
    assert printed.count("totals") == 2
    assert "Conversations: 1, 6 minutes apart. Turns: 40 to 90 seconds apart." in printed
    assert "rules\n  question 1" in printed
    assert "turn 3, call 1" in printed


def test_printed_totals_are_those_of_the_run(
    comparisons: dict[str, Comparison], capsys: pytest.CaptureFixture[str]
) -> None:
    """The default command prints the very figures that a comparison in code has."""
    assert cli.run(_arguments()) == 0
    printed = capsys.readouterr().out
    for comparison in comparisons.values():
        assert steps_table(comparison, width=200) in printed
        assert totals_table(comparison) in printed
        for run in comparison.runs:
            assert f"{run.usage.cache_read_tokens:,}" in totals_table(comparison)


def test_narrow_tables_stand_below_each_other(comparisons: dict[str, Comparison]) -> None:
    """No line is longer than the terminal is wide, and no figure gets lost."""
    agent = comparisons["Agent with tools"]
    narrow, wide = steps_table(agent, width=70), steps_table(agent, width=200)
    assert max(map(len, narrow.splitlines())) <= 70
    assert sorted(_figures(narrow)) == sorted(_figures(wide))


def _figures(table: str) -> list[str]:
    return [word for word in table.split() if "." in word]


def test_runs_of_different_steps_are_not_put_side_by_side() -> None:
    """A row never shows figures of different steps."""
    runs = [_made(NO_CACHING, uncached=10, calls=1), _made(CACHED, read=10, written=1, calls=2)]
    assert steps_table(_comparison(*runs), width=200).count("call 1") == 2


def _made(
    way: Way,
    *,
    read: int = 0,
    written: int = 0,
    written_1h: int = 0,
    uncached: int = 0,
    calls: int = 1,
) -> Run:
    usage = CacheUsage(
        uncached_input_tokens=uncached,
        cache_read_tokens=read,
        cache_write_5m_tokens=written,
        cache_write_1h_tokens=written_1h,
    )
    return Run(
        way=way,
        steps=tuple(
            Step(group="all", label=f"call {number}", usage=usage, cost=None)
            for number in range(1, calls + 1)
        ),
    )


def _comparison(*runs: Run) -> Comparison:
    return Comparison(title="Made up", why_unread="For this reason.", runs=runs)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([_made(CACHED)], "Nothing was written: no prefix was long enough"),
        ([_made(OWN_CACHING, written=9)], "9 tokens written, none read. For this reason."),
        ([_made(CACHED, written=4, read=6)], "1.5 tokens read for each one written."),
        ([_made(CACHED, written_1h=4, read=6)], "4 tokens were written for an hour"),
        (
            [_made(CACHED, written=4, read=6), _made(TRANSFORMER, written=4, read=6)],
            "The very same tokens",
        ),
        (
            [_made(CACHED, written=4, read=6), _made(TRANSFORMER, written=4, read=5)],
            "1.2 tokens read for each one written.",
        ),
    ],
)
def test_remarks_say_what_the_figures_show(runs: Sequence[Run], expected: str) -> None:
    """Each remark follows from the tokens, and an unknown price is said to be unknown."""
    said = remarks(_comparison(_made(NO_CACHING, uncached=10), *runs))
    assert len(said) == len(runs)
    assert expected in said[-1]
    assert "price unknown" in said[-1]


def test_a_model_without_caching_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names models to try."""
    with pytest.raises(SystemExit):
        _arguments("--model", "us.meta.llama4-maverick-17b-instruct-v1:0")
    assert "try us.anthropic.claude-sonnet-5" in capsys.readouterr().err


def test_a_missing_path_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the path."""
    with pytest.raises(SystemExit):
        _arguments("--documents", "no-such-file.txt")
    assert "there is no 'no-such-file.txt'" in capsys.readouterr().err
