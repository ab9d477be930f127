"""Names of CloudWatch metrics: Bedrock's own, and those that this package publishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

NAMESPACE = "LangChainBedrockCache"
BEDROCK_NAMESPACE = "AWS/Bedrock"
MODEL_DIMENSION = "ModelId"

Unit = Literal["Count", "Milliseconds", "None"]

_USER_GUIDE = "https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-runtime-metrics.html"
_OLDER_NAMES = (
    "https://aws.amazon.com/blogs/machine-learning/effectively-use-prompt-caching-on-amazon-bedrock"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric in CloudWatch.

    Attributes:
        name: As CloudWatch spells it.
        unit: Of its values. USD have none in CloudWatch.
        meaning: What a value is.
        older_names: Names that stood for the same, read where the present one has no data.
        source: Where the name comes from; empty for our own.
        checked: ISO date of the last check.
    """

    name: str
    unit: Unit
    meaning: str
    older_names: tuple[str, ...] = ()
    source: str = ""
    checked: str = "2026-11-22"


def _by_name(*metrics: Metric) -> Mapping[str, Metric]:
    return {metric.name: metric for metric in metrics}


# Published with each call, one value a call; what is not known of a call is left out.
PUBLISHED = _by_name(
    Metric(name="Calls", unit="Count", meaning="model calls, failed ones included"),
    Metric(name="FailedCalls", unit="Count", meaning="calls that failed or were cut off"),
    Metric(name="UnpricedCalls", unit="Count", meaning="calls with usage but no known price"),
    Metric(name="UncachedInputTokens", unit="Count", meaning="input neither read nor written"),
    Metric(name="CacheReadTokens", unit="Count", meaning="input read from the prompt cache"),
    Metric(name="CacheWrite5mTokens", unit="Count", meaning="input written for 5 minutes"),
    Metric(name="CacheWrite1hTokens", unit="Count", meaning="input written for 1 hour"),
    Metric(name="OutputTokens", unit="Count", meaning="output"),
    Metric(name="WastedTokens", unit="Count", meaning="input that could have been read"),
    Metric(name="CostUSD", unit="None", meaning="cost of the call"),
    Metric(name="WithoutCachingUSD", unit="None", meaning="its cost without prompt caching"),
    Metric(name="WastedUSD", unit="None", meaning="what reading the wasted tokens would save"),
    Metric(name="Latency", unit="Milliseconds", meaning="from start to end of the call"),
    Metric(name="TimeToFirstToken", unit="Milliseconds", meaning="to the first content, streamed"),
)

# Bedrock's own, by model ID as called. None of them tells lifetimes of writes, or applications
# apart, and there is no hit ratio among them. Copies of the user guide differ on `Invocations`:
# older ones count what succeeded, newer ones what was accepted, failures included.
BEDROCK = _by_name(
    Metric(
        name="Invocations",
        unit="Count",
        meaning="requests that Bedrock accepted, throttled ones not among them",
        source=_USER_GUIDE,
    ),
    Metric(
        name="InvocationClientErrors",
        unit="Count",
        meaning="invocations with an error of the client",
        source=_USER_GUIDE,
    ),
    Metric(
        name="InvocationServerErrors",
        unit="Count",
        meaning="invocations with an error of AWS",
        source=_USER_GUIDE,
    ),
    Metric(
        name="InvocationThrottles",
        unit="Count",
        meaning="requests that Bedrock throttled: in no other count",
        source=_USER_GUIDE,
    ),
    Metric(
        name="InputTokenCount",
        unit="Count",
        meaning="input tokens, those read and written not among them",
        source=_USER_GUIDE,
    ),
    Metric(
        name="CacheReadInputTokens",
        unit="Count",
        meaning="input tokens read from the prompt cache",
        older_names=("CacheReadInputTokenCount",),
        source=f"{_USER_GUIDE} ; older name: {_OLDER_NAMES}",
    ),
    Metric(
        name="CacheWriteInputTokens",
        unit="Count",
        meaning="input tokens written to the prompt cache",
        older_names=("CacheWriteInputTokenCount",),
        source=f"{_USER_GUIDE} ; older name: {_OLDER_NAMES}",
    ),
    Metric(name="OutputTokenCount", unit="Count", meaning="output tokens", source=_USER_GUIDE),
    Metric(
        name="InvocationLatency",
        unit="Milliseconds",
        meaning="from the request to the last token",
        source=_USER_GUIDE,
    ),
    Metric(
        name="TimeToFirstToken",
        unit="Milliseconds",
        meaning="from the request to the first token, of streams",
        source=_USER_GUIDE,
    ),
)
