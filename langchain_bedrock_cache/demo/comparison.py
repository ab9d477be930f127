"""Every workload in every way: what each step used and cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from langchain_bedrock_cache.demo.agent import AgentWorkload
from langchain_bedrock_cache.demo.rag import RagWorkload
from langchain_bedrock_cache.demo.recorder import Recorder, Step
from langchain_bedrock_cache.demo.stage import Stage
from langchain_bedrock_cache.demo.ways import NO_CACHING, Way
from langchain_bedrock_cache.usage import CacheUsage

Workload = RagWorkload | AgentWorkload


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One workload in one way.

    Attributes:
        way: How the model cached.
        steps: Its calls, in order.
    """

    way: Way
    steps: tuple[Step, ...]

    @property
    def usage(self) -> CacheUsage:
        """Tokens of all steps."""
        return sum((step.usage for step in self.steps), CacheUsage())

    @property
    def cost_usd(self) -> Decimal | None:
        """Cost of all steps, output included; `None` if the price of any is not known."""
        costs = [step.cost for step in self.steps if step.cost is not None]
        if len(costs) < len(self.steps):
            return None
        return sum((cost.total_usd for cost in costs), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One workload in several ways.

    Attributes:
        title: Name of the workload.
        why_unread: Why, in this workload, a way may write and never read.
        runs: The ways, `NO_CACHING` among them.
    """

    title: str
    why_unread: str
    runs: tuple[Run, ...]

    def cost_ratio(self, run: Run) -> float | None:
        """Return the cost of a run over that of no caching; `None` if a price is not known."""
        plain = next(other.cost_usd for other in self.runs if other.way is NO_CACHING)
        if run.cost_usd is None or not plain:
            return None
        return float(run.cost_usd / plain)


def compare(
    workloads: Sequence[Workload],
    model_id: str,
    *,
    stage_for: Callable[[Workload], Stage],
    on_step: Callable[[], None] | None = None,
) -> list[Comparison]:
    """Run every workload in each of its ways, one after the other.

    Args:
        workloads: What to run.
        model_id: With which model.
        stage_for: Returns a new stage; each run gets its own.
        on_step: Called after each model call.

    Returns:
        A comparison for each workload.
    """
    comparisons = []
    for workload in workloads:
        runs = []
        for way in workload.ways:
            recorder = Recorder(on_step=on_step)
            workload.run(way, model_id, stage_for(workload), recorder)
            runs.append(Run(way=way, steps=tuple(recorder.steps)))
        comparisons.append(
            Comparison(title=workload.title, why_unread=workload.why_unread, runs=tuple(runs))
        )
    return comparisons
