"""Probe a model's prompt cache: the same long prompt again and again, and what comes of it.

Measured are latency and tokens of each call, the shortest prefix that is cached, and how long an
entry lives. Works with any client: Amazon Bedrock's, or the emulator's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import Any, Literal, get_args

from langchain_bedrock_cache.checks import check_choice, check_number, check_text
from langchain_bedrock_cache.pricing import CostBreakdown, estimate_cost
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL, ModelProfile, find_profile
from langchain_bedrock_cache.usage import CacheUsage

ProbeStep = Literal["same", "shorter", "later"]

_MAX_OUTPUT_TOKENS = 16
_QUESTION = "Reply with the word OK."
# English prose in Claude's and Nova's tokenizers; corrected by the first answer.
_CHARS_PER_TOKEN = 4.0
# Long enough that reading it is faster than computing it, short enough to be cheap.
_PROMPT_TOKENS = 5_000
# Of a model that nothing is known of.
_USUAL_MINIMUM = 1_024
# How far from the documented minimum the first two prompts are, and how many follow at most if
# the documentation turns out to be wrong.
_BESIDE = 0.1
_MORE_STEPS = 4
_CLOSE_ENOUGH = 1.3
# Nobody should pay more than was said, whatever the tokenizer.
_DEARER = 1.5
# Before and after the end of a lifetime, in seconds: an entry may be counted from the start of the
# call that wrote it, or from its end.
_MARGIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePlan:
    """What is to be probed.

    Attributes:
        model_id: What is sent as `modelId`.
        base_model: The model behind an ARN that does not name it.
        calls: Identical requests, 2 or more; the first writes, the others should read.
        prompt_tokens: About how long their system prompt is; `None` for 5,000, or twice the
            model's minimum.
        ttl: Lifetime that is asked for.
        find_minimum: Whether to look for the shortest prefix that is cached, in 2 to 6 calls.
        find_lifetime: Whether to wait until just before and just after the end of the lifetime.

    Raises:
        CachePolicyError: If there are fewer than 2 calls, or the prompt has no token.
    """

    model_id: str
    base_model: str | None = None
    calls: int = 5
    prompt_tokens: int | None = None
    ttl: CacheTTL = "5m"
    find_minimum: bool = True
    find_lifetime: bool = False

    def __post_init__(self) -> None:
        check_text("model_id", self.model_id, what="a model ID")
        check_number("calls", self.calls, least=2, is_whole=True)  # one to write, one to read
        if self.prompt_tokens is not None:
            check_number("prompt_tokens", self.prompt_tokens, least=1, is_whole=True)
        check_choice("ttl", self.ttl, get_args(CacheTTL))

    @property
    def profile(self) -> ModelProfile | None:
        """What is documented of the model; `None` if nothing is."""
        return find_profile(self.model_id, base_model=self.base_model)

    @property
    def documented_minimum(self) -> int | None:
        """The shortest prefix that is documented to be cached, in tokens."""
        profile = self.profile
        supported = profile is not None and profile.supports_caching
        return profile.min_tokens_per_cache_point if profile and supported else None

    @property
    def tokens(self) -> int:
        """About how long the system prompt of the identical requests is."""
        return self.prompt_tokens or max(_PROMPT_TOKENS, 2 * self._minimum)

    @property
    def max_calls(self) -> int:
        """How many calls are made at most."""
        return self.calls + self.find_minimum * (2 + _MORE_STEPS) + 2 * self.find_lifetime

    @property
    def wait_seconds(self) -> float:
        """How long is waited, altogether."""
        return 2.0 * TTL_SECONDS[self.ttl] if self.find_lifetime else 0.0

    def estimate_usd(self) -> Decimal | None:
        """Return about what it costs at most, at list prices; `None` if no price is known."""
        tokens = round(_DEARER * self.tokens)
        write, read = _usage(written=tokens, ttl=self.ttl), _usage(read=tokens)
        calls = [write, *[read] * (self.calls - 1)]
        if self.find_minimum:
            beside = round(_DEARER * self._minimum)
            calls += [_usage(written=beside, ttl=self.ttl)] * 2
            calls += [write] * _MORE_STEPS
        if self.find_lifetime:
            calls += [read, write]
        costs = [estimate_cost(u, self.model_id, base_model=self.base_model) for u in calls]
        known = [cost.total_usd for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None

    @property
    def _minimum(self) -> int:
        return self.documented_minimum or _USUAL_MINIMUM


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeCall:
    """One call of a probe.

    Attributes:
        step: `"same"` for one of the identical requests, `"shorter"` in search of the minimum,
            `"later"` after a wait.
        latency_seconds: From the request to the end of its answer, here.
        server_seconds: The same as Bedrock reports it; `None` if it does not.
        usage: Tokens.
        waited_seconds: How long was waited before it.
    """

    step: ProbeStep
    latency_seconds: float
    server_seconds: float | None
    usage: CacheUsage
    waited_seconds: float = 0.0

    @property
    def is_cached(self) -> bool:
        """Whether anything was read or written."""
        return self.usage.cache_read_tokens + self.usage.cache_write_tokens > 0

    def as_dict(self) -> dict[str, Any]:
        """Return the call as plain data, for JSON."""
        return {
            "step": self.step,
            "latency_seconds": self.latency_seconds,
            "server_seconds": self.server_seconds,
            **self.usage.as_dict(),
            "waited_seconds": self.waited_seconds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a probe found.

    Attributes:
        plan: What was asked for.
        calls: What was sent, in order.
    """

    plan: ProbePlan
    calls: tuple[ProbeCall, ...]

    @property
    def same(self) -> list[ProbeCall]:
        """The identical requests."""
        return [call for call in self.calls if call.step == "same"]

    @property
    def reads(self) -> list[ProbeCall]:
        """Those of them that read from the cache, the first one aside."""
        return [call for call in self.same[1:] if call.usage.cache_read_tokens]

    @property
    def works(self) -> bool:
        """Whether the first request was written and all others read it."""
        first, *others = self.same
        return first.usage.cache_write_tokens > 0 and len(self.reads) == len(others)

    @property
    def speed_up(self) -> float | None:
        """Latency of the first request over the median of those that read; `None` without any."""
        if not self.reads:
            return None
        read_seconds = median(call.latency_seconds for call in self.reads)
        return self.same[0].latency_seconds / read_seconds if read_seconds else None

    @property
    def observed_minimum(self) -> tuple[int, int] | None:
        """The longest prompt that was not cached and the shortest that was, in tokens.

        `None` if not looked for; 0 and `tokens` where one side was not seen.
        """
        tried = [call for call in self.calls if call.step == "shorter"]
        if not tried:
            return None
        missed = [call.usage.input_tokens for call in tried if not call.is_cached]
        cached = [_cached_tokens(call) for call in (*tried, *self.same) if call.is_cached]
        return max(missed, default=0), min(cached, default=0)

    @property
    def observed_lifetime(self) -> tuple[float, float] | None:
        """The longest wait after which it was read, and the shortest after which it was not.

        In seconds, since the last use; 0.0 where a side was not seen; `None` if not looked for.
        """
        later = [call for call in self.calls if call.step == "later"]
        if not later:
            return None
        alive = [call.waited_seconds for call in later if call.usage.cache_read_tokens]
        gone = [call.waited_seconds for call in later if not call.usage.cache_read_tokens]
        return max(alive, default=0.0), min(gone, default=0.0)

    @property
    def cost(self) -> CostBreakdown | None:
        """What it cost at list prices; `None` if no price is known."""
        plan = self.plan
        costs = [
            estimate_cost(call.usage, plan.model_id, base_model=plan.base_model)
            for call in self.calls
        ]
        known = [cost for cost in costs if cost is not None]
        return sum(known, CostBreakdown()) if len(known) == len(costs) else None


def run_probe(
    client: Any,
    plan: ProbePlan,
    *,
    salt: str,
    timer: Callable[[], float] = time.perf_counter,
    wait: Callable[[float], None] = time.sleep,
    on_call: Callable[[ProbeCall], None] | None = None,
) -> ProbeResult:
    """Make the calls of a probe.

    Args:
        client: A boto3 `bedrock-runtime` client, or an emulator's; not one that plans cache points.
        plan: What to send.
        salt: Begins every prompt, so that nothing was cached before: random, and new each time.
        timer: Seconds, for latencies.
        wait: Lets seconds pass, if the plan looks for the lifetime.
        on_call: Called after each call, to show progress.

    Returns:
        What was found.

    Raises:
        botocore.exceptions.ClientError: What Bedrock refuses, as it is: see
            `compatibility.explain_error`.
    """
    prober = _Prober(client, plan, salt=salt, timer=timer)
    calls: list[ProbeCall] = []
    for call in prober.calls(wait):
        calls.append(call)
        if on_call is not None:
            on_call(call)
    return ProbeResult(plan=plan, calls=tuple(calls))


class _Prober:
    """Builds and sends the requests of one probe; learns how long its text is in tokens."""

    def __init__(
        self, client: Any, plan: ProbePlan, *, salt: str, timer: Callable[[], float]
    ) -> None:
        self._client = client
        self._plan = plan
        self._salt = salt
        self._timer = timer
        self._chars_per_token = _CHARS_PER_TOKEN

    def calls(self, wait: Callable[[float], None]) -> Iterator[ProbeCall]:
        plan = self._plan
        prompt = self._prompt(plan.tokens, self._salt)
        first = self._send(prompt, "same")
        yield first
        self._chars_per_token = len(prompt) / max(1, first.usage.input_tokens)
        for _ in range(plan.calls - 1):
            yield self._send(prompt, "same")
        if plan.find_minimum and first.is_cached:
            yield from self._shorter(_cached_tokens(first))
        if plan.find_lifetime and first.is_cached:
            for more in (-_MARGIN_SECONDS, _MARGIN_SECONDS):
                seconds = TTL_SECONDS[plan.ttl] + more
                wait(seconds)
                yield self._send(prompt, "later", waited=seconds)

    def _shorter(self, cached: int) -> Iterator[ProbeCall]:
        """Try prompts beside the documented minimum; narrow it down if that is not it."""
        missed, minimum = 0, self._plan.documented_minimum or _USUAL_MINIMUM
        tries = [round(minimum * (1 - _BESIDE)), round(minimum * (1 + _BESIDE))]
        for number in range(len(tries) + _MORE_STEPS):
            if number < len(tries):
                tokens = tries[number]
            elif missed * _CLOSE_ENOUGH >= cached or missed + 1 >= cached:
                return
            else:
                tokens = (missed + cached) // 2
            call = self._send(self._prompt(tokens, f"{self._salt}-{number}"), "shorter")
            yield call
            if call.is_cached:
                cached = min(cached, _cached_tokens(call))
            else:
                missed = max(missed, call.usage.input_tokens)

    def _prompt(self, tokens: int, salt: str) -> str:
        length = max(1, round(tokens * self._chars_per_token))
        text, number = [f"Probe {salt}."], 0
        while sum(map(len, text)) < length:
            number += 1
            text.append(f" Note {number} says that the keeper of garden {number} waters the roses.")
        return "".join(text)[:length]

    def _send(self, prompt: str, step: ProbeStep, *, waited: float = 0.0) -> ProbeCall:
        point: dict[str, Any] = {"type": "default"}
        if self._plan.ttl != "5m":  # some models refuse the field itself
            point["ttl"] = self._plan.ttl
        started = self._timer()
        response = self._client.converse(
            modelId=self._plan.model_id,
            system=[{"text": prompt}, {"cachePoint": point}],
            messages=[{"role": "user", "content": [{"text": _QUESTION}]}],
            inferenceConfig={"maxTokens": _MAX_OUTPUT_TOKENS},
        )
        latency = self._timer() - started
        server_ms = (response.get("metrics") or {}).get("latencyMs")
        return ProbeCall(
            step=step,
            latency_seconds=latency,
            server_seconds=None if server_ms is None else server_ms / 1_000,
            usage=CacheUsage.from_converse(response.get("usage")),
            waited_seconds=waited,
        )


def _cached_tokens(call: ProbeCall) -> int:
    return call.usage.cache_read_tokens + call.usage.cache_write_tokens


def _usage(*, written: int = 0, read: int = 0, ttl: CacheTTL = "5m") -> CacheUsage:
    return CacheUsage(
        uncached_input_tokens=len(_QUESTION),
        cache_read_tokens=read,
        cache_write_5m_tokens=written if ttl == "5m" else 0,
        cache_write_1h_tokens=written if ttl == "1h" else 0,
        output_tokens=_MAX_OUTPUT_TOKENS,
    )
