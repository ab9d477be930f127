"""The calls of a probe: the same long prompt again and again, and shorter ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from langchain_bedrock_cache.probe.plan import MAX_OUTPUT_TOKENS, MORE_STEPS, QUESTION, ProbePlan
from langchain_bedrock_cache.probe.result import ProbeCall, ProbeResult, ProbeStep
from langchain_bedrock_cache.profiles import TTL_SECONDS
from langchain_bedrock_cache.usage import CacheUsage

# English prose in Claude's and Nova's tokenizers; corrected by the first answer.
_CHARS_PER_TOKEN = 4.0
# How far from the documented minimum the first two prompts are.
_BESIDE = 0.1
_CLOSE_ENOUGH = 1.3
# Before and after the end of a lifetime, in seconds: an entry may be counted from the start of the
# call that wrote it, or from its end.
_MARGIN_SECONDS = 30.0


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
            yield from self._shorter(first.cached_tokens)
        if plan.find_lifetime and first.is_cached:
            for more in (-_MARGIN_SECONDS, _MARGIN_SECONDS):
                seconds = TTL_SECONDS[plan.ttl] + more
                wait(seconds)
                yield self._send(prompt, "later", waited=seconds)

    def _shorter(self, cached: int) -> Iterator[ProbeCall]:
        """Try prompts beside the documented minimum; narrow it down if that is not it."""
        missed, minimum = 0, self._plan.likely_minimum
        tries = [round(minimum * (1 - _BESIDE)), round(minimum * (1 + _BESIDE))]
        for number in range(len(tries) + MORE_STEPS):
            if number < len(tries):
                tokens = tries[number]
            elif missed * _CLOSE_ENOUGH >= cached or missed + 1 >= cached:
                return
            else:
                tokens = (missed + cached) // 2
            call = self._send(self._prompt(tokens, f"{self._salt}-{number}"), "shorter")
            yield call
            if call.is_cached:
                cached = min(cached, call.cached_tokens)
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
            messages=[{"role": "user", "content": [{"text": QUESTION}]}],
            inferenceConfig={"maxTokens": MAX_OUTPUT_TOKENS},
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
