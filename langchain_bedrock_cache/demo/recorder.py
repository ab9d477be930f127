"""What each step of a run used and cost, taken from the package's own usage callback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.pricing import CostBreakdown
from langchain_bedrock_cache.usage import CacheUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One model call of a workload.

    Attributes:
        group: What it is part of: a document, a conversation.
        label: What it is.
        usage: Its tokens.
        cost: Its cost in USD; `None` if no price is known.
    """

    group: str
    label: str
    usage: CacheUsage
    cost: CostBreakdown | None


class Recorder:
    """Records the steps of one run.

    Args:
        on_step: Called after each step, such as to move a progress bar.
    """

    def __init__(self, *, on_step: Callable[[], None] | None = None) -> None:
        self._handler = CacheUsageCallbackHandler()
        self._on_step = on_step
        self.steps: list[Step] = []

    @property
    def config(self) -> Any:
        """The configuration to run each step with, a `RunnableConfig`."""
        return {"callbacks": [self._handler]}

    def step(self, group: str, label: str) -> None:
        """Name the call that has just ended, and keep what it used."""
        record = self._handler.records[-1]
        usage = record.usage or CacheUsage()
        self.steps.append(Step(group=group, label=label, usage=usage, cost=record.cost))
        if self._on_step is not None:
            self._on_step()
