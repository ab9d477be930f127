"""Invocation logs: why logged calls read what they read, by the counts that Bedrock reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from langchain_bedrock_cache.diagnosis import Diagnoser, Diagnosis
from langchain_bedrock_cache.diagnosis.facts import Destination
from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.explain.explanation import Explanation, with_exact_place
from langchain_bedrock_cache.explain.places import api_called
from langchain_bedrock_cache.explain.reading import ReadBody, read_body
from langchain_bedrock_cache.sent_requests import SentRequests
from langchain_bedrock_cache.simulate.logs import logged_seconds, logged_usage
from langchain_bedrock_cache.simulate.records import decoded

# What Bedrock answers to cache points that it does not take; all else is about something else.
_REFUSALS = ("ValidationException", "AccessDeniedException")


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
        at, usage = _time(record), logged_usage(record)
        diagnosis = diagnoser.call_ended(
            sent.number,
            usage=usage,
            plan=read.plan(),
            started_at=at,
            readable_at=at,
            sent_to=Destination(
                str(record.get("region") or ""), api_called(str(record.get("operation") or ""))
            ),
        )
        assert diagnosis is not None  # noqa: S101 - it was seen, and has usage
        if diagnosis.change and sent.earlier in logged:
            earlier = _read_record(logged[sent.earlier], model)
            diagnosis = with_exact_place(diagnosis, earlier, read, shared_blocks=sent.shared)
        chars, shared = read.prefix.chars, read.prefix.chars_before(sent.shared)
        yield Explanation(
            name=_name(record),
            diagnosis=diagnosis,
            shared_blocks=sent.shared,
            shared_tokens=round(usage.input_tokens * shared / max(1, chars[-1] if chars else 0)),
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
    return Explanation(name=_name(record), diagnosis=diagnosis, wrong_forms=tuple(read.wrong))


def _name(record: Mapping[str, Any]) -> str:
    return str(record.get("requestId") or record["timestamp"])


def _time(record: Mapping[str, Any]) -> float:
    return logged_seconds(str(record["timestamp"]))
