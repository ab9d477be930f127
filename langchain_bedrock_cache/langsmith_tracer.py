"""`CacheUsageTracer`: LangSmith's tracer, with what the prompt cache did and what calls cost.

LangSmith gets the cached tokens of a call without it, in `usage_metadata`, and the planner's points
in the message's response metadata. Cost, savings and verdict are known when a call has ended, and
LangChain hands them to nobody; so this tracer works them out before it sends the end of a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast
from uuid import UUID

from langchain_core.outputs import LLMResult
from langchain_core.tracers import LangChainTracer, Run
from typing_extensions import override

from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.price_checks import check_rates
from langchain_bedrock_cache.pricing import CostBreakdown, Rates
from langchain_bedrock_cache.records import CallRecord, RunTotals


class CacheUsageTracer(LangChainTracer):
    """Trace to LangSmith, with the prompt cache's part in each model run.

    Pass it in `config={"callbacks": [CacheUsageTracer()]}` of the outermost call; it takes the
    place of the tracer that LangChain adds when `LANGSMITH_TRACING` is set. Model runs get
    metadata to filter by (`prompt_cache_verdict`, `prompt_cache_savings_usd` and so on, see
    `run_metadata`), and the cost in USD at Bedrock's prices, by which LangSmith adds up.

    Args:
        rates: Your own prices, for all models or by model ID; list prices otherwise.
        settings: Arguments of `LangChainTracer`, such as `project_name` and `client`.

    Raises:
        CachePolicyError: If `rates` are no `Rates`.
    """

    def __init__(
        self, *, rates: Rates | Mapping[str, Rates] | None = None, **settings: Any
    ) -> None:
        check_rates(rates, by_model=True)  # before the tracer below starts its thread
        super().__init__(**settings)
        self._records: dict[UUID, list[CallRecord]] = {}
        # Runs have an end only here, so nothing needs to be kept for longer than that.
        self._calls = CacheUsageCallbackHandler(rates=rates, max_records=0, sinks=[self._note])

    def _note(self, record: CallRecord) -> None:
        self._records.setdefault(record.run_id, []).append(record)

    @override
    def copy_with_metadata_defaults(
        self, *, metadata: Mapping[str, str] | None = None, tags: list[str] | None = None
    ) -> Self:
        """Return a tracer for some of the runs; a run may start in one and end in another."""
        # LangChain makes it of the class that this one has.
        copied = cast("Self", super().copy_with_metadata_defaults(metadata=metadata, tags=tags))
        copied._records, copied._calls = self._records, self._calls  # noqa: SLF001 - our class
        return copied

    @override
    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: Any, *, run_id: UUID, **kwargs: Any
    ) -> Run:
        self._calls.on_chat_model_start(serialized, None, run_id=run_id, **kwargs)
        return super().on_chat_model_start(serialized, messages, run_id=run_id, **kwargs)

    @override
    def on_llm_start(
        self, serialized: dict[str, Any], prompts: list[str], *, run_id: UUID, **kwargs: Any
    ) -> Run:
        self._calls.on_llm_start(serialized, [], run_id=run_id, **kwargs)
        return super().on_llm_start(serialized, prompts, run_id=run_id, **kwargs)

    @override
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> Run:
        self._calls.on_llm_new_token(token, run_id=run_id, **kwargs)
        return super().on_llm_new_token(token, run_id=run_id, **kwargs)

    @override
    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> Any:
        self._calls.on_stream_event(event, run_id=run_id, **kwargs)
        return super().on_stream_event(event, run_id=run_id, **kwargs)

    @override
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> Run:
        self._calls.on_llm_end(response, run_id=run_id, **kwargs)
        try:
            return super().on_llm_end(response, run_id=run_id, **kwargs)
        finally:
            self._records.pop(run_id, None)

    @override
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> Run:
        self._calls.on_llm_error(error, run_id=run_id, **kwargs)
        try:
            return super().on_llm_error(error, run_id=run_id, **kwargs)
        finally:
            self._records.pop(run_id, None)

    @override
    def _on_llm_end(self, run: Run) -> None:
        records = self._records.get(run.id, [])
        _add_metadata(run, records)
        # A call of several candidates has the usage of all on each of them.
        usages = _usages(run.outputs)
        if len(records) == len(usages) == 1 and records[0].cost is not None:
            usages[0].update(_costs(records[0].cost))
        super()._on_llm_end(run)

    @override
    def _on_llm_error(self, run: Run) -> None:
        _add_metadata(run, self._records.get(run.id, []))
        super()._on_llm_error(run)


def run_metadata(records: Sequence[CallRecord]) -> dict[str, Any]:
    """Return what the prompt cache did, as flat metadata of a run.

    Args:
        records: The calls of the run: one for a chat model.

    Returns:
        `prompt_cache_` and: `points`, `read_tokens`, `write_tokens`, `uncached_input_tokens`,
        `hit_ratio`, `cost_usd`, `savings_usd`, `verdict`, `wasted_tokens`, `place`. What is not
        known is left out, and never 0.
    """
    totals = RunTotals().plus(*records)
    usage = totals.usage
    said: dict[str, Any] = {}
    if plans := [record.plan for record in records if record.plan]:
        said["points"] = sum(len(plan.get("points") or ()) for plan in plans)
    if any(record.usage for record in records):
        said["read_tokens"] = usage.cache_read_tokens
        said["write_tokens"] = usage.cache_write_tokens
        said["uncached_input_tokens"] = usage.uncached_input_tokens
        said["hit_ratio"] = usage.hit_ratio
    if totals.priced_calls:
        said["cost_usd"] = float(totals.priced_cost.total_usd)
        said["savings_usd"] = float(totals.priced_cost.savings_usd)
    found = [record.diagnosis for record in records if record.diagnosis]
    if len({diagnosis.verdict for diagnosis in found}) == 1:
        said["verdict"] = found[0].verdict
        said["wasted_tokens"] = sum(diagnosis.wasted_tokens for diagnosis in found)
        said |= {"place": found[0].place} if found[0].place else {}
    return {f"prompt_cache_{name}": value for name, value in said.items()}


def _add_metadata(run: Run, records: Sequence[CallRecord]) -> None:
    # LangChain may share the dict between runs, so it is not written to.
    run.extra["metadata"] = {**(run.extra.get("metadata") or {}), **run_metadata(records)}


def _usages(outputs: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the `usage_metadata` of every message that a run is about to send."""
    messages = [
        answer.get("message")
        for answers in (outputs or {}).get("generations") or ()
        for answer in answers
    ]
    arguments = [message.get("kwargs") for message in messages if isinstance(message, dict)]
    found = [given.get("usage_metadata") for given in arguments if isinstance(given, dict)]
    return [usage for usage in found if isinstance(usage, dict)]


def _costs(cost: CostBreakdown) -> dict[str, Any]:
    """Return a cost as LangSmith takes it, beside the tokens.

    Source: https://docs.langchain.com/langsmith/cost-tracking (checked 2026-11-22)
    """
    return {
        "input_cost": float(cost.total_usd - cost.output_usd),
        "output_cost": float(cost.output_usd),
        "total_cost": float(cost.total_usd),
        "input_cost_details": {
            "cache_read": float(cost.cache_read_usd),
            "cache_creation": float(cost.cache_write_usd),
        },
    }
