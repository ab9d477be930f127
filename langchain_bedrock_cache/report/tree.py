"""The tree of runs: what the cache did for a chain, for the chains and nodes in it, for calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from uuid import UUID

from langchain_bedrock_cache.records import CallRecord, OuterRun
from langchain_bedrock_cache.report.rows import ReportRow, row_of
from langchain_bedrock_cache.report.worth import Mending
from langchain_bedrock_cache.wording import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNode:
    """A run with what is in it: further runs, and model calls as its leaves.

    Attributes:
        run_id: LangChain's ID of it.
        row: The calls in it added up; named as the run, or as the model of a call.
        verdict: On a call; empty for other runs.
        place: Where the request of the call changed; empty if it did not, and for other runs.
        nodes: What is in it, in the order in which the first calls ended.
        more_calls: Calls in it that none of `nodes` has, because there are too many.
    """

    run_id: UUID
    row: ReportRow
    verdict: str = ""
    place: str = ""
    nodes: tuple[RunNode, ...] = ()
    more_calls: int = 0

    @property
    def is_call(self) -> bool:
        """Whether it is a model call: a leaf, with a verdict where there is one."""
        return not self.nodes

    def walk(self, depth: int = 0) -> Iterator[tuple[int, RunNode]]:
        """Yield the node and all that is in it, each with its depth, top down."""
        yield depth, self
        for node in self.nodes:
            yield from node.walk(depth + 1)

    def as_dict(self) -> dict[str, Any]:
        """Return the node and what is in it as plain data."""
        said: dict[str, Any] = {"run_id": str(self.run_id), **self.row.as_dict()}
        if self.is_call:
            return {**said, "verdict": self.verdict or None, "place": self.place}
        nodes = [node.as_dict() for node in self.nodes]
        return {**said, "nodes": nodes, "more_calls": self.more_calls}


def run_tree(
    records: Sequence[CallRecord], mending: Mending, *, most_runs: int, most_calls: int
) -> tuple[RunNode, ...]:
    """Return outermost runs as trees: those with the most to mend, then the latest.

    Args:
        records: The calls.
        mending: What mending them is worth.
        most_runs: How many runs.
        most_calls: How many calls of each run; those that end first, as they end.

    Returns:
        The runs in the order in which their first calls ended.
    """
    runs: dict[UUID, list[CallRecord]] = {}
    for record in records:
        runs.setdefault(record.root_run_id, []).append(record)
    numbered = list(enumerate(runs.values()))
    if len(numbered) > most_runs:
        numbered.sort(
            key=lambda run: (sum(mending.worth(call).tokens for call in run[1]), run[0]),
            reverse=True,
        )
    shown = sorted(numbered[:most_runs], key=lambda run: run[0])
    return tuple(_tree(calls, mending, most_calls) for _, calls in shown)


def _tree(calls: Sequence[CallRecord], mending: Mending, most: int) -> RunNode:
    first = calls[0]
    if first.run_id == first.root_run_id:
        return _leaf(first, mending, name=first.root_name)
    outermost = OuterRun(first.root_run_id, first.root_name)
    return _node(outermost, calls, mending, depth=1, wanted=frozenset(map(id, calls[:most])))


def _node(
    run: OuterRun,
    calls: Sequence[CallRecord],
    mending: Mending,
    depth: int,
    wanted: frozenset[int],
) -> RunNode:
    """Return a run; `depth` is how many runs of the paths of its calls are around what is in it."""
    inside: dict[UUID, list[CallRecord]] = {}
    for call in calls:
        key = call.path[depth].run_id if depth < len(call.path) else call.run_id
        inside.setdefault(key, []).append(call)
    nodes = []
    for group in inside.values():
        if not any(id(call) in wanted for call in group):
            continue
        if depth < len(group[0].path):
            nodes.append(_node(group[0].path[depth], group, mending, depth + 1, wanted))
        else:
            nodes += [_leaf(call, mending) for call in group]
    shown = sum(node.row.calls for node in nodes)
    name = run.name or "run"
    is_one = len(nodes) == 1 and shown == len(calls)
    return RunNode(
        run_id=run.run_id,
        row=replace(nodes[0].row, name=name) if is_one else row_of(name, calls, mending),
        nodes=tuple(nodes),
        more_calls=len(calls) - shown,
    )


def _leaf(call: CallRecord, mending: Mending, *, name: str | None = None) -> RunNode:
    found = call.diagnosis
    return RunNode(
        run_id=call.run_id,
        row=row_of(name or call.model_name, [call], mending),
        verdict=found.verdict.replace("_", " ") if found else (call.error or ""),
        place=found.place if found else "",
    )


class OutlineRow(NamedTuple):
    """A row of a table of runs.

    Attributes:
        depth: 0 for an outermost run, one more for what is in it.
        name: Of the run; of several, outside first, where each has nothing but the next in it.
        row: The calls in it; `None` where calls are left out.
        verdict: Of a run with a single call, and of calls; empty for others.
        run_id: Of the run.
    """

    depth: int
    name: str
    row: ReportRow | None
    verdict: str
    run_id: UUID


def outline(node: RunNode, *, depth: int = 0, around: str = "") -> Iterator[OutlineRow]:
    """Yield the rows of a run, top down: a run with a single thing in it shares its row."""
    name = around + node.row.name
    inside = node.nodes if not node.more_calls else ()
    if len(inside) == 1 and not inside[0].is_call:
        yield from outline(inside[0], depth=depth, around=f"{name} / ")
        return
    call = inside[0] if len(inside) == 1 else node
    verdict = f"{call.verdict}: {call.place}" if call.place else call.verdict
    yield OutlineRow(depth, name, node.row, verdict, call.run_id)
    for one in node.nodes if len(inside) != 1 else ():
        yield from outline(one, depth=depth + 1)
    if node.more_calls:
        yield OutlineRow(
            depth + 1, f"… and {counted(node.more_calls, 'more call')}", None, "", node.run_id
        )
