"""Alarms on Bedrock's own metrics: the hit ratio falls, or what is written is not read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_bedrock_cache.checks import (
    check_client,
    check_list,
    check_number,
    check_text,
    check_type,
)
from langchain_bedrock_cache.cloudwatch.expressions import (
    INPUT_METRICS,
    hit_ratio_percent,
    unread_writes,
)
from langchain_bedrock_cache.cloudwatch.metrics import BEDROCK_NAMESPACE, MODEL_DIMENSION
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.permissions import naming_missing_permissions
from langchain_bedrock_cache.pricing import price_multipliers

_PERIOD_SECONDS = 300
_PERIODS = 3
_HOUR_SECONDS = 3_600
_MAX_NAME_LENGTH = 255


def alarms_of(
    model_id: str,
    *,
    hit_ratio_below: float = 0.5,
    min_input_tokens: int = 50_000,
    min_written_tokens: int = 50_000,
    base_model: str | None = None,
    actions: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return the arguments of `put_metric_alarm` for the two alarms of a model.

    One goes off when the hit ratio stays below a limit for 15 minutes. The other does when an hour
    of writes was read too little to pay for them (on Nova, where writes cost nothing extra: not
    at all). Both are quiet where there is little traffic, and need no metrics of ours.

    Args:
        model_id: As called.
        hit_ratio_below: The limit, 0.0 to 1.0: somewhat below what your report shows.
        min_input_tokens: Input of 5 minutes from which on the hit ratio is judged.
        min_written_tokens: Tokens written in an hour from which on they are judged.
        base_model: The model behind an ID that does not name it.
        actions: ARNs of what to do, such as an SNS topic; nothing by default.

    Raises:
        CachePolicyError: If the limit is not between 0 and 1, or another number is negative.
        TypeError: If an argument is of another type.
    """
    check_text("model_id", model_id, what="a model ID")
    check_number("min_input_tokens", min_input_tokens, least=0)
    check_number("min_written_tokens", min_written_tokens, least=0)
    check_number("hit_ratio_below", hit_ratio_below)
    if base_model is not None:
        check_text("base_model", base_model, what="a model ID, or None")
    check_list("actions", actions, what="a list of ARNs")
    if not 0 < hit_ratio_below < 1:
        msg = f"hit_ratio_below is {hit_ratio_below!r}, but a hit ratio is between 0 and 1."
        raise CachePolicyError(msg)
    price = price_multipliers(model_id, base_model=base_model)
    break_even = max(0.0, (price.write_5m - 1) / (1 - price.read))
    return [
        {
            "AlarmName": _name("hit ratio", model_id),
            "AlarmDescription": (
                f"Less than {hit_ratio_below:.0%} of the input was read from the prompt cache for "
                f"{_PERIODS * _PERIOD_SECONDS // 60} minutes. Has the beginning of the prompts "
                "changed? See why with CacheUsageCallbackHandler's report."
            ),
            "Metrics": _queries(
                model_id,
                hit_ratio_percent(min_input_tokens=min_input_tokens),
                "hit ratio in per cent",
                period_seconds=_PERIOD_SECONDS,
            ),
            "ComparisonOperator": "LessThanThreshold",
            "Threshold": 100 * hit_ratio_below,
            "EvaluationPeriods": _PERIODS,
            "DatapointsToAlarm": _PERIODS,
            "TreatMissingData": "notBreaching",
            "AlarmActions": list(actions),
        },
        {
            "AlarmName": _name("unread writes", model_id),
            "AlarmDescription": (
                "An hour of writes to the prompt cache was read too little to pay for them: no "
                f"more than {break_even:.2f} tokens for each one written. Is a cache point behind "
                "something that changes with each call?"
            ),
            "Metrics": _queries(
                model_id,
                unread_writes(min_written_tokens=min_written_tokens, reads_per_write=break_even),
                "writes are not read",
                period_seconds=_HOUR_SECONDS,
            ),
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "Threshold": 1.0,
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "TreatMissingData": "notBreaching",
            "AlarmActions": list(actions),
        },
    ]


def put_alarms(client: Any, alarms: Sequence[Mapping[str, Any]]) -> None:
    """Create alarms, or update those of the same names.

    Args:
        client: A boto3 `cloudwatch` client.
        alarms: As `alarms_of` returns them.

    Raises:
        TypeError: If it is no such client, or these are no alarms.
        botocore.exceptions.ClientError: As AWS answers; a missing permission is named in a note.
    """
    what = "a boto3 `cloudwatch` client"
    check_client("client", client, method="put_metric_alarm", what=what)
    check_list("alarms", alarms, what="a list of alarms, as alarms_of returns it")
    for alarm in alarms:
        check_type("an alarm", alarm, Mapping, what="a dict (is `alarms` a list of them?)")
    with naming_missing_permissions():
        for alarm in alarms:
            client.put_metric_alarm(**alarm)


def _name(what: str, model_id: str) -> str:
    # The end of an ARN tells models apart.
    prefix = f"prompt cache {what}: "
    return prefix + model_id[-(_MAX_NAME_LENGTH - len(prefix)) :]


def _queries(
    model_id: str, expression: str, label: str, *, period_seconds: int
) -> list[dict[str, Any]]:
    inputs = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": BEDROCK_NAMESPACE,
                    "MetricName": metric,
                    "Dimensions": [{"Name": MODEL_DIMENSION, "Value": model_id}],
                },
                "Period": period_seconds,
                "Stat": "Sum",
            },
            "ReturnData": False,
        }
        for name, metric in INPUT_METRICS.items()
    ]
    return [
        *inputs,
        {"Id": "watched", "Expression": expression, "Label": label, "ReturnData": True},
    ]
