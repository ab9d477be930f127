"""Why a request would read nothing, from files alone: request bodies, or invocation logs.

Bodies are put through the emulator's cache rules, with token counts estimated from characters;
logged calls bring the counts that Bedrock reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, NamedTuple

from langchain_bedrock_cache.checks import check_number, check_type
from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.diagnosis import Diagnoser, Diagnosis
from langchain_bedrock_cache.diagnosis.facts import Destination
from langchain_bedrock_cache.emulator.prompt_cache import Point, PromptCache
from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile, base_model_id, find_profile
from langchain_bedrock_cache.sent_requests import SentRequest, SentRequests
from langchain_bedrock_cache.sent_requests.changes import common_blocks
from langchain_bedrock_cache.sent_requests.fingerprint import Fingerprint
from langchain_bedrock_cache.simulate.bodies import to_converse
from langchain_bedrock_cache.simulate.logs import logged_seconds, logged_usage, named_model
from langchain_bedrock_cache.simulate.records import decoded
from langchain_bedrock_cache.usage import CacheUsage
from langchain_bedrock_cache.wrong_forms import WrongForm, api_of, find_wrong_forms, mended

_CHARS_PER_TOKEN = 3.0
_FINE = ("hit", "first_write")
# What Bedrock answers to cache points that it does not take; all else is about something else.
_REFUSALS = ("ValidationException", "AccessDeniedException")


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
        wrong_forms: Cache points that are refused or cache nothing; the diagnosis is of the same
            request with its cache points written as they should be, unless the call failed.
    """

    name: str
    diagnosis: Diagnosis
    shared_blocks: int = 0
    shared_tokens: int = 0
    are_points_assumed: bool = False
    wrong_forms: tuple[WrongForm, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether nothing is wrong: it reads all there is, or is the first to write it."""
        return self.diagnosis.verdict in _FINE and not self.wrong_forms

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain data, for JSON."""
        return {
            "name": self.name,
            **self.diagnosis.as_dict(),
            "shared_blocks": self.shared_blocks,
            "shared_tokens": self.shared_tokens,
            "are_points_assumed": self.are_points_assumed,
            "wrong_forms": [wrong.as_dict() for wrong in self.wrong_forms],
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
        request: A Converse body, boto3's arguments of `converse`, or what InvokeModel takes for
            Claude or Nova; not modified.
        previous: The request before it, in any of these forms.
        model: Model ID, for bodies that do not say.
        gap_seconds: Time between the two.

    Returns:
        The explanation. Requests without any cache point are judged as if one were at the end.

    Raises:
        CachePolicyError: If the gap is negative.
        TypeError: If a body is no dict, or the model no string.
        UnreadableRequestError: If a body is not a chat request, or does not name its model.
    """
    what = "a dict, the body of a request"
    check_type("request", request, Mapping, what=what)
    check_type("previous", previous, (Mapping, NoneType), what=f"{what}, or None")
    check_type("model", model, (str, NoneType), what="a model ID, or None")
    check_number("gap_seconds", gap_seconds, least=0, is_finite=True)
    requests = SentRequests()
    diagnoser, cache = Diagnoser(requests), PromptCache()
    bodies = [body for body in (previous, request) if body is not None]
    read = [_read_body(body, model) for body in bodies]
    have_points = any(one.prefix.marks for one in read)
    explanation = None
    for n, (converse, prefix, profile, wrong) in enumerate(read):
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
        explanation = _explanation(
            "request", diagnosis, sent, requests, assumed=not have_points, wrong=wrong
        )
    assert explanation is not None  # noqa: S101 - there is at least one body
    return explanation


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
    for record in sorted(filter(is_record, records), key=_time):
        read = _read_record(record, model)
        if read is None:
            continue
        if record.get("errorCode"):
            refused = _refused(record, read)
            if refused is not None:
                yield refused
            continue
        converse, prefix, profile, wrong = read
        sent = requests.add(converse, prefix, profile, [(m.position, m.ttl) for m in prefix.marks])
        at = _time(record)
        diagnosis = diagnoser.call_ended(
            sent.number,
            usage=logged_usage(record),
            plan=_plan(converse, profile),
            started_at=at,
            readable_at=at,
            sent_to=Destination(str(record.get("region") or ""), _operation(record)),
        )
        if diagnosis is not None:
            name = _name(record)
            yield _explanation(name, diagnosis, sent, requests, assumed=False, wrong=wrong)


def is_record(document: Any) -> bool:
    """Whether a document is a record of an invocation log."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("input"), dict)
        and "modelId" in document
        and "timestamp" in document
    )


class _Read(NamedTuple):
    """A body that can be explained: as a Converse request, with its cache points put right."""

    converse: dict[str, Any]
    prefix: Prefix
    profile: ModelProfile | None
    wrong: Sequence[WrongForm]


def _read_record(record: Mapping[str, Any], model: str | None) -> _Read | None:
    """Return the request of a log record; `None` if there is none that can be explained."""
    body = decoded(record["input"].get("inputBodyJson"))
    try:
        body = {"modelId": record["modelId"], **body}
        return _read_body(body, model, operation=str(record.get("operation") or ""))
    except (UnreadableRequestError, BedrockCacheError, TypeError):
        return None


def _refused(record: Mapping[str, Any], read: _Read) -> Explanation | None:
    """Say what is wrong with the cache points of a refused call; `None` if nothing is."""
    code = str(record["errorCode"])
    if not code.endswith(_REFUSALS):
        return None
    plan = _plan(read.converse, read.profile) if read.prefix.marks or read.wrong else None
    if plan is None and not any(wrong.outcome == "bedrock_refuses" for wrong in read.wrong):
        return None
    detail = f"{code}; {plan['skipped'][0]['detail']}" if plan else code
    diagnosis = Diagnosis(verdict="failed", detail=detail)
    return Explanation(name=_name(record), diagnosis=diagnosis, wrong_forms=tuple(read.wrong))


def _name(record: Mapping[str, Any]) -> str:
    return str(record.get("requestId") or record["timestamp"])


def _operation(record: Mapping[str, Any]) -> str:
    operation = str(record.get("operation") or "")
    return next((api for api in ("Converse", "InvokeModel") if operation.startswith(api)), "")


def _read_body(body: Mapping[str, Any], model: str | None, *, operation: str = "") -> _Read:
    model_id = model or str(body.get("modelId") or "")
    profile = find_profile(named_model(model_id))
    api = api_of(body, operation=operation)
    wrong = find_wrong_forms(body, profile, api=api)
    converse = _as_converse(mended(body, api=api) if wrong else body)
    if profile is None and base_model_id(model_id or "arn:") is None:
        msg = "The request does not name its model: say which with --model (model=...)."
        raise UnreadableRequestError(msg)
    converse["modelId"] = model_id
    return _Read(converse, read_converse(converse, profile), profile, wrong)


def _as_converse(body: Mapping[str, Any]) -> dict[str, Any]:
    # Bodies of InvokeModel do not name their model: it would be taken for a setting of Claude's.
    body = {name: value for name, value in body.items() if name != "modelId"}
    try:
        converse = to_converse(body)
    except (AttributeError, KeyError, TypeError) as error:
        msg = f"The request cannot be read ({type(error).__name__}: {error})."
        raise UnreadableRequestError(msg) from error
    if converse is None:
        msg = "This is no chat request of Converse or of Claude on InvokeModel."
        raise UnreadableRequestError(msg)
    return converse


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
    name: str,
    diagnosis: Diagnosis,
    sent: SentRequest,
    requests: SentRequests,
    *,
    assumed: bool,
    wrong: Sequence[WrongForm],
) -> Explanation:
    earlier = requests.get(sent.earlier)
    blocks = common_blocks(earlier.print, sent.print) if earlier else 0
    return Explanation(
        name=name,
        diagnosis=diagnosis,
        shared_blocks=blocks,
        shared_tokens=round(sent.print.prefix.chars_before(blocks) / _CHARS_PER_TOKEN),
        are_points_assumed=assumed,
        wrong_forms=tuple(wrong),
    )


def _time(record: Mapping[str, Any]) -> float:
    return logged_seconds(str(record["timestamp"]))
