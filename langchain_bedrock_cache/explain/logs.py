"""Invocation logs: why logged calls read what they read, by the counts that Bedrock reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from langchain_bedrock_cache.diagnosis import Diagnoser, Diagnosis
from langchain_bedrock_cache.diagnosis.facts import Destination
from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.explain.estimates import CHARS_PER_TOKEN, Ruler
from langchain_bedrock_cache.explain.explanation import Explanation, with_exact_place
from langchain_bedrock_cache.explain.places import api_called
from langchain_bedrock_cache.explain.reading import ReadBody, read_body
from langchain_bedrock_cache.sent_requests import SentRequests
from langchain_bedrock_cache.simulate.logs import logged_seconds, logged_usage
from langchain_bedrock_cache.simulate.records import decoded
from langchain_bedrock_cache.usage import CacheUsage

# What Bedrock answers to cache points that it does not take; all else is about something else.
_REFUSALS = ("ValidationException", "AccessDeniedException")

_NOT_COUNTED = "the log does not say how many tokens were read and written"


def explain_log(records: Iterable[Any], *, model: str | None = None) -> Iterator[Explanation]:
    """Say why logged calls read what they read, and what is wrong with those that were refused.

    Args:
        records: Decoded records of Bedrock's model invocation logs, in any order. Left out are
            those without a request inside, of other models, and of calls that failed for reasons
            other than their cache points.
        model: Model ID, where the log has an ARN that does not name it.

    Yields:
        An explanation per call, in the order of time.
    """
    requests = SentRequests()
    diagnoser = Diagnoser(requests)
    logged: dict[int | None, Mapping[str, Any]] = {}
    for record in sorted(filter(is_record, records), key=_time):
        read = _read_record(record, model)
        if read is None:
            continue
        if record.get("errorCode"):
            refused = _refused(record, read)
            if refused is not None:
                yield refused
            continue
        points = [(mark.position, mark.ttl) for mark in read.prefix.marks]
        sent = requests.add(read.converse, read.prefix, read.profile, points)
        logged[sent.number] = record
        at, usage = _time(record), logged_usage(record, has_points=bool(points))
        diagnosis = diagnoser.call_ended(
            sent.number,
            usage=usage,
            plan=read.plan() or _short_plan(read, usage),
            started_at=at,
            readable_at=at,
            sent_to=Destination(
                str(record.get("region") or ""), api_called(str(record.get("operation") or ""))
            ),
            chars_per_token=CHARS_PER_TOKEN,
        )
        assert diagnosis is not None  # noqa: S101 - it was seen
        if usage is None:
            diagnosis = replace(diagnosis, detail=_NOT_COUNTED)
        if diagnosis.change and sent.earlier in logged:
            earlier = _read_record(logged[sent.earlier], model)
            diagnosis = with_exact_place(diagnosis, earlier, read, shared_blocks=sent.shared)
        yield Explanation(
            name=_name(record),
            diagnosis=diagnosis,
            shared_blocks=sent.shared,
            shared_tokens=_shared_tokens(read, usage, sent.shared),
            is_logged=True,
            has_points=bool(points),
            wrong_forms=tuple(read.wrong),
        )


def is_record(document: Any) -> bool:
    """Whether a document is a record of an invocation log."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("input"), dict)
        and "modelId" in document
        and "timestamp" in document
    )


def _read_record(record: Mapping[str, Any], model: str | None) -> ReadBody | None:
    """Return the request of a log record; `None` if there is none that can be explained."""
    body = decoded(record["input"].get("inputBodyJson"))
    try:
        body = {"modelId": record["modelId"], **body}
        return read_body(body, model, operation=str(record.get("operation") or ""))
    except (BedrockCacheError, TypeError):
        return None


def _short_plan(read: ReadBody, usage: CacheUsage | None) -> Mapping[str, Any] | None:
    """Return what a planner would have reported of a request too short to be cached."""
    least = read.profile.min_tokens_per_cache_point if read.profile else 0
    if usage is None or read.prefix.marks or usage.input_tokens >= least:
        return None
    detail = f"{usage.input_tokens:,} tokens"
    return {"skipped": [{"section": "all", "reason": "too_short", "detail": detail}]}


def _shared_tokens(read: ReadBody, usage: CacheUsage | None, blocks: int) -> int:
    shared, chars = read.prefix.chars_before(blocks), read.prefix.chars
    if usage is None:
        return Ruler().tokens(shared)
    return round(usage.input_tokens * shared / max(1, chars[-1] if chars else 0))


def _refused(record: Mapping[str, Any], read: ReadBody) -> Explanation | None:
    """Say what is wrong with the cache points of a refused call; `None` if nothing is."""
    code = str(record["errorCode"])
    if not code.endswith(_REFUSALS):
        return None
    plan = read.plan() if read.prefix.marks or read.wrong else None
    if plan is None and not any(wrong.outcome == "bedrock_refuses" for wrong in read.wrong):
        return None
    detail = f"{code}; {plan['skipped'][0]['detail']}" if plan else code
    diagnosis = Diagnosis(verdict="failed", detail=detail)
    return Explanation(
        name=_name(record),
        diagnosis=diagnosis,
        is_logged=True,
        has_points=bool(read.prefix.marks),
        wrong_forms=tuple(read.wrong),
    )


def _name(record: Mapping[str, Any]) -> str:
    return str(record.get("requestId") or record["timestamp"])


def _time(record: Mapping[str, Any]) -> float:
    return logged_seconds(str(record["timestamp"]))
