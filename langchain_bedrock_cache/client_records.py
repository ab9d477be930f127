"""Records of calls that no LangChain run tells of: those of a client of ours."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from langchain_bedrock_cache.call_readings import CallReading, ModelNames, answered_by
from langchain_bedrock_cache.pricing import CostBreakdown
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.settling import EndedCall

_PLAN_KEYS = ("points", "skipped", "refused")


def record_of(
    call: EndedCall,
    *,
    ended_at: float,
    price: Callable[[CallReading, ModelNames], CostBreakdown | None],
) -> CallRecord:
    """Return the record of a call: a run of its own, with boto3's name of the method as its step.

    Args:
        call: As the client tells of it.
        ended_at: Seconds since the epoch.
        price: Returns what it cost; `None` if that is not known.
    """
    names = ModelNames(model_id=call.model_id, base_model=call.base_model)
    plan = call.plan
    reading = CallReading(
        usage=call.usage,
        plan={key: plan.get(key) for key in _PLAN_KEYS} if plan is not None else None,
        names=names,
        routed_to=call.routed_to,
        service_tier=call.service_tier,
        list_price_applies=call.list_price_applies,
    )
    run_id = uuid4()
    return CallRecord(
        run_id=run_id,
        root_run_id=run_id,
        root_name=call.operation,
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
