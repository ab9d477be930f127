"""Why a request would read nothing, from files alone: request bodies, or invocation logs.

Bodies are put through the emulator's cache rules, with token counts estimated from characters;
logged calls bring the counts that Bedrock reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from langchain_bedrock_cache.changes import common_blocks
from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.diagnoser import Diagnoser
from langchain_bedrock_cache.diagnosis import Diagnosis
from langchain_bedrock_cache.emulator.prompt_cache import Point, PromptCache
from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.fingerprint import Fingerprint
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile, base_model_id, find_profile
from langchain_bedrock_cache.sent_requests import SentRequest, SentRequests
from langchain_bedrock_cache.simulate.bodies import to_converse
from langchain_bedrock_cache.simulate.records import decoded
from langchain_bedrock_cache.usage import CacheUsage

_CHARS_PER_TOKEN = 3.0
_FINE = ("hit", "first_write")


class UnreadableRequestError(BedrockCacheError, ValueError):
    """A file holds no request that can be explained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is said about one request.

    Attributes:
        name: Of the request: its ID in a log, or where it comes from.
        diagnosis: Why it reads what it reads.
        shared_blocks: Blocks at its beginning that the nearest earlier request has as well.
        shared_tokens: About how many tokens that is; 3 characters each.
        are_points_assumed: Whether it was judged as if a cache point were at its end.
    """

    name: str
    diagnosis: Diagnosis
    shared_blocks: int = 0
    shared_tokens: int = 0
    are_points_assumed: bool = False

    @property
    def is_fine(self) -> bool:
        """Whether nothing is wrong: it reads all there is, or is the first to write it."""
        return self.diagnosis.verdict in _FINE

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain data, for JSON."""
        return {
            "name": self.name,
            **self.diagnosis.as_dict(),
            "shared_blocks": self.shared_blocks,
            "shared_tokens": self.shared_tokens,
            "are_points_assumed": self.are_points_assumed,
        }

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.name}: {self.diagnosis}"


def explain(
    request: Mapping[str, Any],
    previous: Mapping[str, Any] | None = None,
    *,
    model: str | None = None,
    gap_seconds: float = 1.0,
) -> Explanation:
    """Say what a request would read of what an earlier one wrote, and why not more.

    Args:
        request: A Converse body, boto3's arguments of `converse`, or a Claude body of InvokeModel;
            not modified.
        previous: The request before it, in any of these forms.
        model: Model ID, for bodies that do not say.
        gap_seconds: Time between the two.

    Returns:
        The explanation. Requests without any cache point are judged as if one were at the end.

    Raises:
        UnreadableRequestError: If a body is not a chat request, or does not name its model.
    """
    requests = SentRequests()
    diagnoser, cache = Diagnoser(requests), PromptCache()
    bodies = [body for body in (previous, request) if body is not None]
    read = [_read_body(body, model) for body in bodies]
    have_points = any(prefix.marks for _, prefix, _ in read)
    explanation = None
    for n, (converse, prefix, profile) in enumerate(read):
        points: list[tuple[int, CacheTTL]] = [(m.position, m.ttl) for m in prefix.marks]
        if not have_points and len(prefix):
            points = [(len(prefix), "5m")]
        sent = requests.add(converse, prefix, profile, points)
        usage = _simulated(cache, sent.print, profile, now=n * gap_seconds)
        plan = _plan(converse, profile)
        diagnosis = diagnoser.call_ended(
            sent.number,
            usage=usage,
            plan=plan,
            started_at=n * gap_seconds,
            readable_at=n * gap_seconds,
        )
        assert diagnosis is not None  # noqa: S101 - it was seen, and has usage
        explanation = _explanation("request", diagnosis, sent, requests, assumed=not have_points)
    assert explanation is not None  # noqa: S101 - there is at least one body
    return explanation


def explain_log(records: Iterable[Any], *, model: str | None = None) -> Iterator[Explanation]:
    """Say why logged calls read what they read.

    Args:
        records: Decoded records of Bedrock's model invocation logs, in any order; those without a
            request inside, of failed calls and of other models are left out.
        model: Model ID, where the log has an ARN that does not name it.

    Yields:
        An explanation per call, in the order of time.
    """
    requests = SentRequests()
    diagnoser = Diagnoser(requests)
    usable = [record for record in records if is_record(record) and not record.get("errorCode")]
    for record in sorted(usable, key=_time):
        body = decoded(record["input"].get("inputBodyJson"))
        try:
            read = _read_body({"modelId": record["modelId"], **body}, model)
        except (UnreadableRequestError, BedrockCacheError, TypeError):
            continue
        converse, prefix, profile = read
        sent = requests.add(converse, prefix, profile, [(m.position, m.ttl) for m in prefix.marks])
        at = _time(record)
        diagnosis = diagnoser.call_ended(
            sent.number,
            usage=_logged(record),
            plan=_plan(converse, profile),
            started_at=at,
            readable_at=at,
            region=str(record.get("region") or ""),
        )
        if diagnosis is not None:
            name = str(record.get("requestId") or record["timestamp"])
            yield _explanation(name, diagnosis, sent, requests, assumed=False)


def is_record(document: Any) -> bool:
    """Whether a document is a record of an invocation log."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("input"), dict)
        and "modelId" in document
        and "timestamp" in document
    )


def _read_body(
    body: Mapping[str, Any], model: str | None
) -> tuple[dict[str, Any], Prefix, ModelProfile | None]:
    """Return the Converse request in a body, its prefix and its model's profile."""
    try:
        converse = to_converse(body)
    except (AttributeError, KeyError, TypeError) as error:
        msg = f"The request cannot be read ({type(error).__name__}: {error})."
        raise UnreadableRequestError(msg) from error
    if converse is None:
        msg = "This is no chat request of Converse or of Claude on InvokeModel."
        raise UnreadableRequestError(msg)
    model_id = model or str(body.get("modelId") or "")
    profile = find_profile(model_id.rpartition("/")[2] if base_model_id(model_id) else model_id)
    if profile is None and base_model_id(model_id or "arn:") is None:
        msg = "The request does not name its model: say which with --model (model=...)."
        raise UnreadableRequestError(msg)
    converse["modelId"] = model_id
    return converse, read_converse(converse, profile), profile


def _simulated(
    cache: PromptCache, taken: Fingerprint, profile: ModelProfile | None, *, now: float
) -> CacheUsage:
    tokens = [round(chars / _CHARS_PER_TOKEN) for chars in taken.prefix.chars]
    if profile is None or not profile.supports_caching:
        return CacheUsage(uncached_input_tokens=tokens[-1] if tokens else 0)
    outcome = cache.request(
        digests=taken.prefix.digests,
        cumulative_tokens=tokens,
        points=[Point(position, ttl) for position, ttl in taken.points],
        profile=profile,
        now=now,
    )
    return CacheUsage(
        uncached_input_tokens=outcome.uncached_tokens,
        cache_read_tokens=outcome.read_tokens,
        cache_write_5m_tokens=outcome.write_5m_tokens,
        cache_write_1h_tokens=outcome.write_1h_tokens,
    )


def _plan(request: Mapping[str, Any], profile: ModelProfile | None) -> dict[str, Any] | None:
    """Return what a planner would have reported of a model without prompt caching."""
    if profile is not None and profile.supports_caching:
        return None
    detail = f"{request['modelId']} is not known to take cache points"
    return {"skipped": [{"section": "all", "reason": "unsupported_model", "detail": detail}]}


def _explanation(
    name: str, diagnosis: Diagnosis, sent: SentRequest, requests: SentRequests, *, assumed: bool
) -> Explanation:
    earlier = requests.get(sent.earlier)
    blocks = common_blocks(earlier.print, sent.print) if earlier else 0
    return Explanation(
        name=name,
        diagnosis=diagnosis,
        shared_blocks=blocks,
        shared_tokens=round(sent.print.prefix.chars_before(blocks) / _CHARS_PER_TOKEN),
        are_points_assumed=assumed,
    )


def _logged(record: Mapping[str, Any]) -> CacheUsage:
    answer = decoded((record.get("output") or {}).get("outputBodyJson"))
    usage = CacheUsage()
    if isinstance(answer, list):
        usage = CacheUsage.from_invoke_model_stream(answer)
    elif isinstance(answer, dict):
        usage = CacheUsage.from_invoke_model(answer)  # knows the members of Converse as well
    return usage if usage.input_tokens else CacheUsage.from_converse(record["input"])


def _time(record: Mapping[str, Any]) -> float:
    at = datetime.fromisoformat(str(record["timestamp"]))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
