"""Two request bodies: what the second would read of what the first wrote.

They are put through the emulator's cache rules, with token counts estimated from characters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, NamedTuple

from langchain_bedrock_cache.checks import check_number, check_type
from langchain_bedrock_cache.diagnosis import Diagnoser, Diagnosis
from langchain_bedrock_cache.diagnosis.facts import NOT_KNOWN, Destination
from langchain_bedrock_cache.emulator.prompt_cache import Point, PromptCache
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.explain.estimates import Ruler, Span, span_of
from langchain_bedrock_cache.explain.explanation import Explanation, with_exact_place
from langchain_bedrock_cache.explain.places import Told, destinations, told
from langchain_bedrock_cache.explain.reading import ReadBody, read_body
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.sent_requests import SentRequest, SentRequests
from langchain_bedrock_cache.sent_requests.fingerprint import Fingerprint
from langchain_bedrock_cache.usage import CacheUsage

Points = Sequence[tuple[int, CacheTTL]]

# Their details are numbers of tokens.
_COUNTING = ("too_long", "partial_hit")


def explain(
    request: Mapping[str, Any],
    previous: Mapping[str, Any] | None = None,
    *,
    model: str | None = None,
    gap_seconds: float = 1.0,
    chars_per_token: float | None = None,
    tokens: int | None = None,
    region: str | None = None,
    previous_region: str | None = None,
) -> Explanation:
    """Say what a request would read of what an earlier one wrote, and why not more.

    Args:
        request: A Converse body, boto3's arguments of `converse`, or what InvokeModel takes for
            Claude or Nova; not modified.
        previous: The request before it, in any of these forms.
        model: Model ID, for bodies that do not say.
        gap_seconds: Time between the two.
        chars_per_token: Characters for each token, if that is known; default: 3, which may be far
            off, so that a request is called too short only if it surely is.
        tokens: Input tokens of the request as Bedrock counts them; instead of `chars_per_token`.
        region: AWS Region that the request goes to, where no ARN says it.
        previous_region: Where the request before it went; default: to the same one.

    Returns:
        The explanation. Requests without any cache point are judged as if they had some: at the
        ends of tools, system prompt, what both share, and the request.

    Raises:
        CachePolicyError: If a number is out of range, or both `tokens` and `chars_per_token` are
            given.
        TypeError: If an argument is of another type.
        UnreadableRequestError: If a body is not a chat request, or does not name its model.
    """
    _check(request, previous, model, gap_seconds, chars_per_token, tokens)
    bodies = [body for body in (previous, request) if body is not None]
    read = [read_body(body, model) for body in bodies]
    regions = [previous_region or region, region][-len(bodies) :]
    trial = _Trial(
        read=read,
        points=_points(read),
        sent_to=_sent_to(
            [
                told(body, str(body.get("modelId") or one.model_id), region=where)
                for body, one, where in zip(bodies, read, regions, strict=True)
            ]
        ),
        gap_seconds=gap_seconds,
    )
    ruler = _ruler(read[-1], chars_per_token, tokens)
    found = trial.run(ruler)
    span, minimum = trial.span(ruler), trial.minimum
    if found.diagnosis.verdict == "too_short":
        if span.may_reach(minimum):
            found = trial.run(Ruler(chars_per_token=max(1, trial.cached_chars) / minimum))
        else:
            said = str(span) if tokens is None or trial.is_inside else f"{span.about:,} tokens"
            detail = f"{said}, and this model caches from {minimum:,} on"
            found = found._replace(diagnosis=replace(found.diagnosis, detail=detail))
    notes: tuple[str, ...] = ()
    if minimum and not ruler.is_measured and span.may_reach(minimum) and span.may_miss(minimum):
        notes = (f"perhaps too short: {span}, and this model caches from {minimum:,} on",)
    return _explanation(trial, found, ruler, is_estimated=tokens is None, notes=notes)


class _Found(NamedTuple):
    """What a trial says of the last request."""

    diagnosis: Diagnosis
    shared_blocks: int
    earlier: ReadBody | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """Requests, and how they would be sent."""

    read: Sequence[ReadBody]
    points: Sequence[Points]
    sent_to: Sequence[Destination]
    gap_seconds: float

    @property
    def minimum(self) -> int:
        """Tokens from which on the model caches; 0 if it does not."""
        profile = self.read[-1].profile
        if profile is None or not profile.supports_caching:
            return 0
        return profile.min_tokens_per_cache_point

    @property
    def cached_chars(self) -> int:
        """Size of the last request up to its last cache point."""
        points = self.points[-1]
        return self.read[-1].prefix.chars_before(points[-1][0] if points else 0)

    @property
    def is_inside(self) -> bool:
        """Whether the last cache point is not at the end of the request."""
        points, prefix = self.points[-1], self.read[-1].prefix
        return bool(points) and points[-1][0] < len(prefix)

    def span(self, ruler: Ruler) -> Span:
        """Return how many tokens that is."""
        points, last = self.points[-1], self.read[-1]
        position = points[-1][0] if points else 0
        return span_of(last.converse, last.prefix, position, ruler)

    def run(self, ruler: Ruler) -> _Found:
        """Send the requests through the cache rules, and judge the last one."""
        requests = SentRequests()
        diagnoser = Diagnoser(requests)
        caches: defaultdict[Destination, PromptCache] = defaultdict(PromptCache)
        numbers: dict[int, ReadBody] = {}
        steps = zip(self.read, self.points, self.sent_to, strict=True)
        for n, (one, points, place) in enumerate(steps):
            now = n * self.gap_seconds
            sent = requests.add(one.converse, one.prefix, one.profile, points)
            diagnosis = diagnoser.call_ended(
                sent.number,
                usage=_simulated(caches[place], sent.print, ruler, now=now),
                plan=one.plan(),
                started_at=now,
                readable_at=now,
                sent_to=place,
            )
            numbers[sent.number] = one
        assert diagnosis is not None  # noqa: S101 - it was seen, and has usage
        return _Found(diagnosis, *_shared(sent, numbers))


def _shared(sent: SentRequest, numbers: Mapping[int, ReadBody]) -> tuple[int, ReadBody | None]:
    earlier = numbers.get(sent.earlier or 0)
    return (sent.shared if earlier else 0), earlier


def _explanation(
    trial: _Trial, found: _Found, ruler: Ruler, *, is_estimated: bool, notes: tuple[str, ...]
) -> Explanation:
    now = trial.read[-1]
    diagnosis = with_exact_place(
        found.diagnosis, found.earlier, now, shared_blocks=found.shared_blocks
    )
    if is_estimated and diagnosis.verdict in _COUNTING:
        diagnosis = replace(diagnosis, detail=f"about {diagnosis.detail}")
    return Explanation(
        name="request",
        diagnosis=diagnosis,
        shared_blocks=found.shared_blocks,
        shared_tokens=ruler.tokens(now.prefix.chars_before(found.shared_blocks)),
        are_points_assumed=not any(one.prefix.marks for one in trial.read),
        is_estimated=is_estimated,
        wrong_forms=tuple(now.wrong),
        notes=notes,
    )


def _points(read: Sequence[ReadBody]) -> list[Points]:
    """Return the cache points of the requests; if there are none, such as a planner may place."""
    if any(one.prefix.marks for one in read):
        return [[(mark.position, mark.ttl) for mark in one.prefix.marks] for one in read]
    pairs = enumerate(zip(*(one.prefix.digests for one in read), strict=False))
    shared = next((n for n, pair in pairs if len(set(pair)) > 1), min(len(r.prefix) for r in read))
    return [
        [
            (end, "5m")
            for end in sorted({one.prefix.tools, one.prefix.head, shared, len(one.prefix)})
            if end
        ]
        for one in read
    ]


def _sent_to(told_by: Sequence[Told]) -> Sequence[Destination]:
    return destinations(*told_by) if len(told_by) > 1 else (NOT_KNOWN,)


def _ruler(request: ReadBody, chars_per_token: float | None, tokens: int | None) -> Ruler:
    if tokens is not None:
        chars = request.prefix.chars_before(len(request.prefix))
        return Ruler(chars_per_token=max(1, chars) / tokens, is_measured=True)
    if chars_per_token is not None:
        return Ruler(chars_per_token=chars_per_token, is_measured=True)
    return Ruler()


def _simulated(cache: PromptCache, taken: Fingerprint, ruler: Ruler, *, now: float) -> CacheUsage:
    counts = [ruler.tokens(chars) for chars in taken.prefix.chars]
    if taken.profile is None or not taken.profile.supports_caching:
        return CacheUsage(uncached_input_tokens=counts[-1] if counts else 0)
    outcome = cache.request(
        digests=taken.prefix.digests,
        cumulative_tokens=counts,
        points=[Point(position, ttl) for position, ttl in taken.points],
        profile=taken.profile,
        now=now,
    )
    return CacheUsage(
        uncached_input_tokens=outcome.uncached_tokens,
        cache_read_tokens=outcome.read_tokens,
        cache_write_5m_tokens=outcome.write_5m_tokens,
        cache_write_1h_tokens=outcome.write_1h_tokens,
    )


def _check(
    request: Any,
    previous: Any,
    model: Any,
    gap_seconds: Any,
    chars_per_token: Any,
    tokens: Any,
) -> None:
    what = "a dict, the body of a request"
    check_type("request", request, Mapping, what=what)
    check_type("previous", previous, (Mapping, NoneType), what=f"{what}, or None")
    check_type("model", model, (str, NoneType), what="a model ID, or None")
    check_number("gap_seconds", gap_seconds, least=0, is_finite=True)
    if chars_per_token is not None:
        check_number("chars_per_token", chars_per_token, above=0, is_finite=True)
    if tokens is not None:
        check_number("tokens", tokens, least=1, is_whole=True)
    if None not in (chars_per_token, tokens):
        msg = "chars_per_token and tokens are both given. Give one: tokens say how many they are."
        raise CachePolicyError(msg)
