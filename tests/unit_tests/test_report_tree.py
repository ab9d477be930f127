"""The tree of runs in a report: chains, what is in them, and model calls with their verdict."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda
from situation_stage import Stage, ask
from wire import CLAUDE

from langchain_bedrock_cache.json_lines import read_report
from langchain_bedrock_cache.record_lines import record_to_line
from langchain_bedrock_cache.records import CallRecord, OuterRun
from langchain_bedrock_cache.report import CacheReport
from langchain_bedrock_cache.report.tree import RunNode, outline
from langchain_bedrock_cache.usage import CacheUsage

ROOT = UUID(int=7)


def _desk(stage: Stage) -> Any:
    """Return a chain with a chain in it that calls the model twice, and one call of its own."""
    prompt = ChatPromptTemplate([MessagesPlaceholder("messages")])
    asking = (prompt | stage.model()).with_config(run_name="asking")

    def twice(_: Any) -> str:
        for question in ("What is rule 1?", "What is rule 2?"):
            asking.invoke({"messages": ask(question)})
        return "done"

    research = RunnableLambda(twice, name="research")
    last = RunnableLambda(lambda _: ask("What is rule 3?"), name="question") | stage.model()
    return (research | last).with_config(run_name="desk")


def _names(node: RunNode) -> list[tuple[int, str, int, str]]:
    return [(depth, one.row.name, one.row.calls, one.verdict) for depth, one in node.walk()]


def test_a_run_has_what_is_in_it_down_to_the_calls() -> None:
    """Chains inside chains are nodes with their sums, and model calls leaves with a verdict."""
    stage = Stage()
    _desk(stage).invoke("go", {"callbacks": [stage.handler]})
    (run,) = stage.handler.report().tree()
    assert _names(run) == [
        (0, "desk", 3, ""),
        (1, "research", 2, ""),
        (2, "asking", 1, ""),
        (3, CLAUDE, 1, "first write"),
        (2, "asking", 1, ""),
        (3, CLAUDE, 1, "hit"),
        (1, CLAUDE, 1, "hit"),
    ]
    assert run.run_id == stage.handler.records[0].root_run_id
    usages = [one.row.usage for _, one in run.walk() if one.is_call]
    assert sum(usages, CacheUsage()) == run.row.usage == stage.handler.total


def test_the_path_of_a_call_survives_json_lines() -> None:
    """A report read back from lines has the same tree."""
    stage = Stage()
    _desk(stage).invoke("go", {"callbacks": [stage.handler]})
    back = read_report([record_to_line(record) for record in stage.handler.records])
    assert back.tree() == stage.handler.report().tree()


def test_a_model_called_directly_is_a_tree_of_one() -> None:
    """Without a chain, the outermost run is the call."""
    stage = Stage()
    stage.model().invoke(ask(), {"callbacks": [stage.handler]})
    (run,) = stage.handler.report().tree()
    assert run.is_call
    assert (run.verdict, run.nodes) == ("first write", ())


def test_json_has_the_tree() -> None:
    """Nodes nest in JSON as they do in the application, calls with verdict and place."""
    stage = Stage()
    _desk(stage).invoke("go", {"callbacks": [stage.handler]})
    (run,) = json.loads(stage.handler.report().to_json())["tree"]
    research, call = run["nodes"]
    assert (run["name"], research["name"]) == ("desk", "research")
    assert [node["nodes"][0]["verdict"] for node in research["nodes"]] == ["first write", "hit"]
    assert (call["verdict"], call["place"]) == ("hit", "")


def test_text_and_html_have_the_tree() -> None:
    """A run with one thing in it shares its row; the others are indented below it."""
    stage = Stage()
    _desk(stage).invoke("go", {"callbacks": [stage.handler]})
    report = stage.handler.report()
    (run,) = report.tree()
    assert [(row.depth, row.name, row.verdict) for row in outline(run)] == [
        (0, "desk", ""),
        (1, "research", ""),
        (2, "asking", "first write"),
        (2, "asking", "hit"),
        (1, CLAUDE, "hit"),
    ]
    lines = str(report).splitlines()
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("Runs")) :]
    assert [line.split("  ")[0] or line.strip().split("  ")[0] for line in table[1:4]] == [
        "desk",
        "research",
        "asking",
    ]
    assert table[3].startswith("    asking ")
    assert table[3].endswith("first write")
    assert "\u21b3 research" in report._repr_html_()


def test_a_chain_of_single_runs_is_one_row() -> None:
    """What a run has nothing else in it shares its row, names from the outside in."""
    record = _call(0, path=(OuterRun(ROOT, "graph"), OuterRun(UUID(int=8), "agent")))
    (run,) = CacheReport([record]).tree()
    assert [row.name for row in outline(run)] == ["desk / agent"]


def test_many_runs_are_told_short() -> None:
    """Of many runs, those with the most to mend are there, then the latest; the rest is counted."""
    records = [_call(n, root_run_id=uuid4()) for n in range(1_000)]
    report = CacheReport(records)
    assert [node.run_id for node in report.tree(most_runs=3)] == [
        record.root_run_id for record in records[-3:]
    ]
    data = json.loads(report.to_json())
    assert (len(data["tree"]), data["runs_not_in_tree"]) == (50, 950)
    assert "… and 990 more runs" in str(report)
    assert "By run (20 of 1,000)" in report._repr_html_()


def test_a_run_of_many_calls_is_told_short() -> None:
    """Calls beyond the limit are counted where they would be, and are in the sums."""
    records = [_call(n, path=(OuterRun(ROOT, "agent"),)) for n in range(500)]
    (run,) = CacheReport(records).tree(most_calls=4)
    assert (len(run.nodes), run.more_calls, run.row.calls) == (4, 496, 500)
    said = str(CacheReport(records))
    assert "  … and 490 more calls" in said
    assert len(said.splitlines()) < 40
    (short,) = CacheReport(records[:5]).tree(most_calls=4)
    assert [row.name for row in outline(short)][-1] == "… and 1 more call"


def test_calls_without_a_path_hang_on_their_run() -> None:
    """Lines that older versions wrote know the outermost run only."""
    (run,) = CacheReport([_call(0), _call(1)]).tree()
    assert _names(run) == [(0, "desk", 2, ""), (1, CLAUDE, 1, ""), (1, CLAUDE, 1, "")]


def _call(number: int, **values: Any) -> CallRecord:
    fields: dict[str, Any] = {"root_run_id": ROOT, "root_name": "desk", "model_id": CLAUDE} | values
    usage = CacheUsage(uncached_input_tokens=number + 1)
    return CallRecord(run_id=UUID(int=1_000 + number), usage=usage, **fields)
