"""Broken prompt caches of requests that are well: pauses, unheard calls, lengths, no points."""

from __future__ import annotations

from situation_runs import (
    LATENCY_SECONDS,
    abandoned,
    boto3_calls,
    evicted,
    invoke_model,
    invoked,
    many_tool_results,
    model,
    moving_point_on_nova,
    pair,
    parallel_first_calls,
    refused,
    throttled,
    too_long_for_nova,
    unheard,
    warmed,
)
from situation_stage import RULES, Situation, Stage, ask
from wire import HAIKU, LLAMA

from langchain_bedrock_cache import CachePolicy

BROKEN_CALLS: dict[str, Situation] = {
    # Time and place of the calls.
    "pause of 6 minutes": Situation(
        run=pair(model(), model(), after=360), verdict="expired"
    ),
    "pause of 2 hours": Situation(
        run=pair(
            model(cache_policy=CachePolicy.fixed(system="1h")),
            model(cache_policy=CachePolicy.fixed(system="1h")),
            after=7_200,
        ),
        verdict="expired",
    ),
    "pause of 6 minutes, InvokeModel": Situation(
        run=invoked(ask(), ask(), after=360), verdict="expired"
    ),
    "parallel first calls": Situation(
        run=parallel_first_calls, verdict="in_flight",
        stage=lambda: Stage(latency_seconds=LATENCY_SECONDS),
    ),
    "evicted": Situation(run=evicted, verdict="unexplained"),
    # Calls that no handler saw, or that told no usage.
    "expired since before the first handler": Situation(
        run=unheard(ask(), ask(), after=360), verdict="expired"
    ),
    "date changed since before the first handler": Situation(
        run=unheard(
            ask(rules=f"Today is 2026-11-16.\n{RULES}"), ask(rules=f"Today is 2026-11-17.\n{RULES}")
        ),
        verdict="prefix_changed", kind="date", place="system[0]", offset=18,
    ),
    "expired since the warm-up": Situation(run=warmed, verdict="expired"),
    "expired since a stream was broken off": Situation(
        run=abandoned(ask(), ask(), after=360), verdict="expired"
    ),
    "date changed since a stream was broken off": Situation(
        run=abandoned(
            ask(rules=f"Today is 2026-11-16.\n{RULES}"), ask(rules=f"Today is 2026-11-17.\n{RULES}")
        ),
        verdict="prefix_changed", kind="date", place="system[0]", offset=18,
    ),
    "the same call again after a broken-off stream": Situation(
        run=abandoned(ask(), ask()), verdict="hit"
    ),
    "the same call again, boto3": Situation(run=boto3_calls(RULES, RULES), verdict="hit"),
    "pause of 6 minutes, boto3": Situation(
        run=boto3_calls(RULES, RULES, after=360), verdict="expired"
    ),
    "date at the start, boto3": Situation(
        run=boto3_calls(f"Today is 2026-11-16.\n{RULES}", f"Today is 2026-11-17.\n{RULES}"),
        verdict="prefix_changed", kind="date", place="system[0]", offset=18,
    ),
    "whitespace, InvokeModel of boto3": Situation(
        run=boto3_calls(RULES, RULES[:998] + "\n" + RULES[998:], operation="invoke_model"),
        verdict="prefix_changed", kind="whitespace", place="system[0]",
    ),
    # Length and distance.
    "too short": Situation(run=lambda s: s.call(ask(rules=RULES[:1_200])), verdict="too_short"),
    "too short, InvokeModel": Situation(
        run=lambda s: s.call(ask(rules=RULES[:1_200]), model=s.invoke_model()),
        verdict="too_short",
    ),
    "too short for Haiku": Situation(
        run=lambda s: s.call(ask(), model=s.model(HAIKU)), verdict="too_short"
    ),
    "too long for Nova": Situation(run=too_long_for_nova, verdict="too_long"),
    "30 tool results in one turn": Situation(run=many_tool_results, verdict="out_of_lookback"),
    "a moving point on Nova": Situation(run=moving_point_on_nova, verdict="out_of_lookback"),
    # No cache points, or none that count.
    "a model without caching": Situation(
        run=lambda s: s.call(
            ask(),
            model=s.model(LLAMA, cache_policy=CachePolicy(unsupported_model_behavior="ignore")),
        ),
        verdict="unsupported",
    ),
    "switched off": Situation(
        run=lambda s: s.call(ask(), model=s.model(cache_policy=CachePolicy.off())),
        verdict="no_points",
    ),
    "switched off later, InvokeModel": Situation(
        run=pair(invoke_model(), invoke_model(cache_policy=CachePolicy.off())),
        verdict="no_points",
    ),
    "switched off later": Situation(
        run=pair(model(), model(cache_policy=CachePolicy.off())), verdict="no_points"
    ),
    "refused by Bedrock": Situation(run=refused, verdict="refused"),
    "throttled": Situation(run=throttled, verdict="failed"),
}  # fmt: skip
