"""Records of calls that LangChain does not make: those of a client of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID, uuid4

from langchain_bedrock_cache.call_readings import (
    CallReading,
    ModelNames,
    answered_by,
    kept_of_plan,
)
from langchain_bedrock_cache.pricing import CostBreakdown
from langchain_bedrock_cache.records import CallRecord, OuterRun
from langchain_bedrock_cache.settling import EndedCall


class CallingRun(NamedTuple):
    """The LangChain run that made a call.

    Attributes:
        run_id: LangChain's ID of it.
        root_run_id: The outermost run.
        root_name: Its name, if known.
        path: The runs around the call, the outermost one first.
        tags: LangChain tags of what the run calls.
    """

    run_id: UUID
    root_run_id: UUID
    root_name: str | None
    path: tuple[OuterRun, ...]
    tags: tuple[str, ...]


def record_of(
    call: EndedCall,
    *,
    ended_at: float,
    price: Callable[[CallReading, ModelNames], CostBreakdown | None],
    run: CallingRun | None = None,
) -> CallRecord:
    """Return the record of a call, with boto3's name of the method as its step.

    Args:
        call: As the client tells of it.
        ended_at: Seconds since the epoch.
        price: Returns what it cost; `None` if that is not known.
        run: What made the call; `None` if that is not known: the call is a run of its own.
    """
    names = ModelNames(model_id=call.model_id, base_model=call.base_model)
    plan = call.plan
    reading = CallReading(
        usage=call.usage,
        plan=kept_of_plan(plan) if plan is not None else None,
        names=names,
        routed_to=call.routed_to,
        service_tier=call.service_tier,
        list_price_applies=call.list_price_applies,
    )
    run_id = uuid4()
    return CallRecord(
        run_id=run_id,
        parent_run_id=run.run_id if run else None,
        root_run_id=run.root_run_id if run else run_id,
        root_name=run.root_name if run else call.operation,
        path=run.path if run else (),
        tags=run.tags if run else (),
        step=call.operation,
        model_id=call.model_id,
        answered_by=answered_by(reading, names),
        started_at=ended_at - call.latency_seconds,
        latency_seconds=call.latency_seconds,
        time_to_first_token_seconds=call.time_to_first_token_seconds,
        usage=call.usage,
        reported_write_tokens=call.reported_write_tokens,
        cost=price(reading, names),
        plan=reading.plan,
        error=call.error,
        diagnosis=call.diagnosis,
    )
