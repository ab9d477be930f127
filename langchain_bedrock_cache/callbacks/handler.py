"""A LangChain callback that records what the prompt cache did: per call, per run and in total.

Works with every chat model that reports cache tokens in `usage_metadata`; of this package's own it
also records what the planner did.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langchain_core.outputs import LLMResult
from typing_extensions import override

from langchain_bedrock_cache.call_context import CallNotes, notes_of_run
from langchain_bedrock_cache.call_readings import (
    CallReading,
    ModelNames,
    answered_by,
    destination_at_start,
    known_as,
    names_at_start,
    read_result,
    with_metadata,
)
from langchain_bedrock_cache.callbacks.calling_run import CallInRun, run_heard_by
from langchain_bedrock_cache.callbacks.recorded_calls import RecordedCalls
from langchain_bedrock_cache.checks import check_callable
from langchain_bedrock_cache.client_records import CallingRun, record_of
from langchain_bedrock_cache.diagnosis import Diagnosis, default_diagnoser
from langchain_bedrock_cache.price_checks import check_rates
from langchain_bedrock_cache.pricing import CostBreakdown, Rates, estimate_cost
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.run_tree import RunPlace, RunTreeCallbackHandler
from langchain_bedrock_cache.settling import CallRecorder, EndedCall
from langchain_bedrock_cache.sinks import CallSink

_MAX_OPEN_RUNS = 10_000
# Calls that failed lately: a second error of one of these comes at once, or not at all.
_MAX_FAILED = 256


@dataclass(slots=True, kw_only=True)
class _OpenCall:
    """A model call under way; without names, step and start if its start was not seen.

    Attributes:
        told: What `destination_at_start` is given: asked only if the client says nothing.
    """

    place: RunPlace
    tags: tuple[str, ...]
    names: ModelNames = field(default_factory=ModelNames)
    told: tuple[Any, Any, Any] = (None, None, None)
    step: str | None = None
    started_at: float | None = None
    first_token_at: float | None = None
    notes: CallNotes = field(default_factory=CallNotes)


class CacheUsageCallbackHandler(RecordedCalls, RunTreeCallbackHandler):
    """Record tokens, cost and cache plan of every model call; never fails a call.

    Pass it in `config={"callbacks": [handler]}` of a chain or an agent (calls are then grouped by
    run) or to a model. Retries and fallbacks are calls of their own, answers from LangChain's
    response cache are none. Threads and event loops may share a handler.

    Args:
        rates: Your own prices, for all models or by model ID; list prices otherwise.
        max_records: How many calls are kept as records; totals go on counting beyond.
        clock: Returns seconds since the epoch.
        sinks: Each is called with the record of each finished call; a sink that fails is logged
            once, and changes nothing else.

    Raises:
        CachePolicyError: If `rates` or `max_records` makes no sense.
        TypeError: If the clock or a sink cannot be called.
    """

    # An event takes microseconds. Handing it to a thread would take longer, and wait for a thread
    # that is not busy with a model call.
    run_inline = True

    def __init__(
        self,
        *,
        rates: Rates | Mapping[str, Rates] | None = None,
        max_records: int = 10_000,
        clock: Callable[[], float] = time.time,
        sinks: Iterable[CallSink] = (),
    ) -> None:
        check_rates(rates, by_model=True)
        check_callable("clock", clock, what="a function that returns seconds")
        RecordedCalls.__init__(self, max_records=max_records, sinks=sinks)
        RunTreeCallbackHandler.__init__(self, max_runs=_MAX_OPEN_RUNS)
        self._rates = rates
        self._clock = clock
        self._calls: dict[UUID, _OpenCall] = {}
        self._failed: deque[UUID] = deque(maxlen=_MAX_FAILED)
        default_diagnoser().listen(self)

    @override
    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the start of a call, the model it goes to and its place among the runs."""
        params = kwargs.get("invocation_params")
        names = names_at_start(serialized, params, metadata)
        name = kwargs.get("name")
        with self._lock:
            place = self._tree.place(run_id, parent_run_id, name)
            self._calls[run_id] = _OpenCall(
                names=names,
                told=(serialized, params, metadata),
                place=place,
                step=name or (metadata or {}).get("langgraph_node") or place.parent_name,
                tags=tuple(tags or ()),
                started_at=self._clock(),
                notes=notes_of_run(run_id, self),
            )
            if len(self._calls) > _MAX_OPEN_RUNS:
                del self._calls[next(iter(self._calls))]

    @override
    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], **kwargs: Any) -> None:
        """Note the start of a call to a text model."""
        self.on_chat_model_start(serialized, None, **kwargs)

    @override
    def on_llm_new_token(
        self, token: Any, *, chunk: Any = None, run_id: UUID, **kwargs: Any
    ) -> None:
        """Note the time of the first content; Bedrock's opening event has none."""
        call = self._calls.get(run_id)
        if call is None or call.first_token_at is not None:
            return
        if token or getattr(getattr(chunk, "message", None), "tool_call_chunks", None):
            call.first_token_at = self._clock()

    @override
    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Note the time of the first content of a call made with `stream_events`."""
        call = self._calls.get(run_id)
        if call and call.first_token_at is None and event.get("event") == "content-block-delta":
            call.first_token_at = self._clock()

    @override
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Record a call that went well: each of its prompts, if it has several."""
        for_prompts = read_result(response) or [CallReading()]
        call = self._calls.get(run_id)
        if call is not None and len(for_prompts) == 1:
            for_prompts = [with_metadata(for_prompts[0], call.notes.metadata)]
        self._end_call([reading for reading in for_prompts if reading.sent], run_id, kwargs)

    @override
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Record a call that failed, with usage if a broken-off stream still reported it."""
        if run_id not in self._calls and run_id in self._failed:
            return  # langchain-aws's ChatBedrock tells of its errors, and then LangChain does
        self._failed.append(run_id)
        partial = read_result(kwargs.pop("response", None))
        reading = next((part for part in partial if part.usage), CallReading())
        self._end_call([reading], run_id, kwargs, error=type(error).__name__)

    def _end_call(
        self,
        readings: list[CallReading],
        run_id: UUID,
        kwargs: dict[str, Any],
        error: str | None = None,
    ) -> None:
        ended_at = self._clock()
        parent_run_id = kwargs.get("parent_run_id")
        with self._lock:
            call = self._calls.pop(run_id, None) or _OpenCall(
                place=self._tree.place(run_id, parent_run_id, None),
                tags=tuple(kwargs.get("tags") or ()),
            )
        records = [
            CallRecord(
                run_id=run_id,
                parent_run_id=parent_run_id,
                root_run_id=call.place.root_run_id,
                root_name=call.place.root_name,
                path=call.place.path,
                step=call.step,
                tags=call.tags,
                model_id=(names := call.names.completed_by(reading.names)).model_id,
                answered_by=answered_by(reading, names),
                started_at=call.started_at,
                latency_seconds=_seconds(call.started_at, ended_at),
                time_to_first_token_seconds=_seconds(call.started_at, call.first_token_at),
                usage=reading.usage,
                reported_write_tokens=reading.reported_write_tokens,
                cost=self._price(reading, names),
                plan=reading.plan,
                error=error,
                diagnosis=self._diagnose(reading, call, ended_at, error),
            )
            for reading in readings
        ]
        call.notes.end()
        self._keep(records)

    def call_begins(self) -> CallRecorder:
        """Return what records a call of a `cached_client` that begins now, in the run around it."""
        heard = run_heard_by(self)
        if heard is None:
            return self
        run_id, tags = heard
        with self._lock:
            place = self._tree.place(run_id, run_id, None)
        run = CallingRun(run_id, place.root_run_id, place.root_name, place.path, tags)
        return CallInRun(self._record_client_call, run)

    def record_call(self, call: EndedCall) -> None:
        """Record a call of a `cached_client` that LangChain does not tell of; see there."""
        self._record_client_call(call, None)

    def _record_client_call(self, call: EndedCall, run: CallingRun | None) -> None:
        self._keep([record_of(call, ended_at=self._clock(), price=self._price, run=run)])

    def _diagnose(
        self, reading: CallReading, call: _OpenCall, ended_at: float, error: str | None
    ) -> Diagnosis | None:
        diagnoser = default_diagnoser()
        said = diagnoser.said_of(reading.request)
        if said is not None:  # the client has told how the call ended
            return said
        return diagnoser.call_ended(
            reading.request,
            usage=reading.usage,
            plan=reading.plan,
            started_at=ended_at if call.started_at is None else call.started_at,
            readable_at=ended_at if call.first_token_at is None else call.first_token_at,
            sent_to=destination_at_start(*call.told),
            error=error,
        )

    def _price(self, reading: CallReading, names: ModelNames) -> CostBreakdown | None:
        if reading.usage is None:
            return None
        rates = self._rates
        if isinstance(rates, Mapping):
            priced = known_as(names.model_id, reading.routed_to, names.base_model)
            rates = next((rates[name] for name in priced if name in rates), None)
        if rates is None and not reading.list_price_applies:
            return None
        return estimate_cost(
            reading.usage,
            names.model_id,
            base_model=reading.routed_to or names.base_model,
            rates=rates,
            service_tier=reading.service_tier,
        )


def _seconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)
