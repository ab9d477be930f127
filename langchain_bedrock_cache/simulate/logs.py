"""Bedrock's model invocation logs: one record a call, with the whole request inside.

Bodies above 100 KB lie in S3 objects of their own, and are used if those are at hand. Failed calls
are left out, and so is everything that is not a chat.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.emulator.prompt_cache import Point
from langchain_bedrock_cache.profiles import ModelProfile, base_model_id, find_profile
from langchain_bedrock_cache.simulate.bodies import to_converse
from langchain_bedrock_cache.simulate.records import decoded
from langchain_bedrock_cache.simulate.traffic import ReadCall
from langchain_bedrock_cache.usage import CacheUsage

SkipReason = Literal[
    "garbled",
    "failed_call",
    "not_a_chat",
    "no_body",
    "body_in_s3",
    "unknown_model",
    "no_caching",
]
SKIP_REASONS: Mapping[SkipReason, str] = {
    "garbled": "no JSON, or no record of the expected shape",
    "failed_call": "the call failed",
    "not_a_chat": "no chat request (embeddings, images, other formats)",
    "no_body": "the request was not logged (text data delivery is off)",
    "body_in_s3": "the request is in an S3 object that is not in the folder: download it as well",
    "unknown_model": "the model ID does not name a known model: say which with --model",
    "no_caching": "the model has no explicit prompt caching",
}
"""Why records and lines are left out, in words."""

Record = Mapping[str, Any]
Fetch = Callable[[str], Any]

_OPERATIONS = frozenset(
    {"Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream"}
)
# Of the record itself, beside `inputTokenCount`, which leaves them out.
_CACHE_COUNTS = ("cacheReadInputTokenCount", "cacheWriteInputTokenCount")


def nothing_in_s3(_path: str) -> None:
    """Return no body, whatever the S3 path."""


def read_record(
    record: Any, *, name: str, model: str | None = None, fetch: Fetch = nothing_in_s3
) -> ReadCall | SkipReason:
    """Read one log record.

    Args:
        record: Decoded JSON; not modified.
        name: What to call the call if the record has no request ID.
        model: Simulate this model instead of the logged one. Logged cache points are then dropped:
            they were meant for another model.
        fetch: Returns the decoded body at an S3 path, or `None` if it is not at hand.

    Returns:
        The call, or why it cannot be simulated.
    """
    if not isinstance(record, dict) or not isinstance(record.get("input"), dict):
        return "garbled"
    if record.get("errorCode"):
        return "failed_call"
    if record.get("operation") not in _OPERATIONS:
        return "not_a_chat"
    model_id = model or named_model(str(record.get("modelId")))
    profile = find_profile(model_id)
    if profile is None or not profile.supports_caching:
        return "no_caching" if profile else "unknown_model"
    try:
        return _read(record, name, model_id, profile, fetch, keep_points=model is None)
    except (AttributeError, KeyError, TypeError, ValueError):
        return "garbled"


def logged_usage(
    record: Record, fetch: Fetch = nothing_in_s3, *, has_points: bool
) -> CacheUsage | None:
    """Return the token counts of a record, from the answer or else from the record itself.

    Args:
        record: Decoded JSON; not modified.
        fetch: As in `read_record`.
        has_points: Whether the request has cache points. Where the answer is not at hand, and the
            record counts no cached tokens, its input count may be of the rest alone.

    Returns:
        The counts; `None` if the record does not tell them all.
    """
    answer = _body_of(record.get("output") or {}, "outputBody", fetch)
    usage = CacheUsage()
    if isinstance(answer, list):
        usage = CacheUsage.from_invoke_model_stream(answer)
    elif isinstance(answer, dict):
        usage = CacheUsage.from_invoke_model(answer)  # knows the members of Converse as well
    if usage.input_tokens:
        return usage
    counts = record["input"]
    if has_points and not any(name in counts for name in _CACHE_COUNTS):
        return None
    usage = CacheUsage.from_converse(counts)
    return usage if usage.input_tokens else None


def logged_seconds(timestamp: str) -> float:
    """Return the time of a record, in seconds since the epoch; it is UTC unless it says otherwise.

    Raises:
        ValueError: If it is no ISO time.
    """
    at = datetime.fromisoformat(timestamp)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def named_model(model_id: str) -> str:
    """Return the ID inside an ARN that names its model: InvokeModel logs ARNs, Converse IDs."""
    return model_id.rpartition("/")[2] if base_model_id(model_id) else model_id


def _read(
    record: Record,
    name: str,
    model_id: str,
    profile: ModelProfile,
    fetch: Fetch,
    *,
    keep_points: bool,
) -> ReadCall | SkipReason:
    body = _body_of(record["input"], "inputBody", fetch)
    if body is None:
        return "body_in_s3" if record["input"].get("inputBodyS3Path") else "no_body"
    request = to_converse(body) if isinstance(body, dict) else None
    if request is None:
        return "not_a_chat"
    prefix = read_converse(request, profile)
    points = tuple(Point(mark.position, mark.ttl) for mark in prefix.marks)
    usage = logged_usage(record, fetch, has_points=bool(points))
    return ReadCall(
        at_seconds=logged_seconds(record["timestamp"]),
        session=str(record.get("requestId") or name),
        model_id=model_id,
        profile=profile,
        scope=" ".join(str(record[key]) for key in ("accountId", "region") if record.get(key)),
        prefix=replace(prefix, marks=[]),
        logged_points=points if keep_points else (),
        input_tokens=usage.input_tokens if usage else 0,
    )


def _body_of(part: Record, member: str, fetch: Fetch) -> Any:
    """Return the request or response body: inline, as a string, or behind an S3 path."""
    body = decoded(part.get(f"{member}Json"))
    path = part.get(f"{member}S3Path")
    return fetch(str(path)) if body is None and path else body
