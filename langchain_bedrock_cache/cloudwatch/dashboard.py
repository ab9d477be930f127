"""A CloudWatch dashboard: hit ratio, tokens and latency of each model, and what it saves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

from langchain_bedrock_cache.checks import check_client, check_text, check_type
from langchain_bedrock_cache.cloudwatch.expressions import HIT_RATIO_PERCENT, INPUT_METRICS
from langchain_bedrock_cache.cloudwatch.metrics import BEDROCK_NAMESPACE, MODEL_DIMENSION
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.permissions import naming_missing_permissions

DASHBOARD_NAME = "prompt-cache"

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
# (checked 2026-11-22)
_MAX_WIDGETS = 500
_COLUMNS = 24
_PERIOD_SECONDS = 300
_HEIGHT = 6
_TEXT_HEIGHT = 3

_TEXT = (
    "# Prompt cache\n"
    "Hit ratio: input tokens read from the prompt cache, of all input. "
    "Made by `langchain-bedrock-cache report --dashboard`; changes made here are lost when that "
    "runs again."
)


def dashboard_body(
    model_ids: Sequence[str],
    *,
    region: str,
    published_in: str | None = None,
    dimensions: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the body of a dashboard, to be put as JSON.

    Each model has a row: hit ratio, input tokens, latency, all from Bedrock's own metrics.

    Args:
        model_ids: As called.
        region: AWS Region of the metrics.
        published_in: Namespace of published metrics; each model then has a second row, with its
            cost against no caching and what was wasted.
        dimensions: Of published metrics, the same that they were published with.

    Raises:
        CachePolicyError: If there is no model, or there are more than a dashboard has room for.
    """
    check_type("model_ids", model_ids, (list, tuple), what="a list of model IDs")
    for model_id in model_ids:
        check_text("a model ID", model_id, what="a string")
    check_text("region", region, what="an AWS Region")
    if published_in is not None:
        check_text("published_in", published_in, what="a namespace of CloudWatch, or None")
    check_type("dimensions", dimensions, (Mapping, NoneType), what="a dict of strings, or None")
    rows = 1 if published_in is None else 2
    per_model = 3 if published_in is None else 5
    most = (_MAX_WIDGETS - 1) // per_model
    if not 0 < len(model_ids) <= most:
        msg = (
            f"{len(model_ids)} models were given, but a dashboard has room for 1 to {most} "
            f"({_MAX_WIDGETS} widgets). Name those to show."
        )
        raise CachePolicyError(msg)
    text = {"type": "text", "x": 0, "y": 0, "width": _COLUMNS, "height": _TEXT_HEIGHT}
    widgets: list[dict[str, Any]] = [text | {"properties": {"markdown": _TEXT}}]
    for number, model_id in enumerate(model_ids):
        y = _TEXT_HEIGHT + number * rows * _HEIGHT
        graphs = (_hit_ratio(model_id), _input_tokens(model_id), _latency(model_id))
        widgets += _row(graphs, region=region, y=y)
        if published_in is not None:
            own = (published_in, {MODEL_DIMENSION: model_id, **(dimensions or {})})
            widgets += _row((_cost(model_id, *own), _waste(model_id, *own)), region, y=y + _HEIGHT)
    return {"start": "-P1D", "periodOverride": "inherit", "widgets": widgets}


def put_dashboard(client: Any, body: Mapping[str, Any], *, name: str = DASHBOARD_NAME) -> None:
    """Create a dashboard, or replace the one of the same name.

    Args:
        client: A boto3 `cloudwatch` client.
        body: As `dashboard_body` returns it.
        name: Of the dashboard.

    Raises:
        CachePolicyError: If the name is blank.
        TypeError: If it is no such client, or no such body.
        botocore.exceptions.ClientError: As AWS answers; a missing permission is named in a note.
    """
    check_client("client", client, method="put_dashboard", what="a boto3 `cloudwatch` client")
    check_type("body", body, Mapping, what="a dict, as dashboard_body returns it")
    check_text("name", name, what="the name of a dashboard")
    with naming_missing_permissions():
        client.put_dashboard(DashboardName=name, DashboardBody=json.dumps(body))


def _row(graphs: Sequence[Mapping[str, Any]], region: str, *, y: int) -> list[dict[str, Any]]:
    width = _COLUMNS // len(graphs)
    return [
        {
            "type": "metric",
            "x": number * width,
            "y": y,
            "width": width,
            "height": _HEIGHT,
            "properties": {
                "region": region,
                "view": "timeSeries",
                "period": _PERIOD_SECONDS,
                **graph,
            },
        }
        for number, graph in enumerate(graphs)
    ]


def _hit_ratio(model_id: str) -> dict[str, Any]:
    inputs = [
        [BEDROCK_NAMESPACE, metric, MODEL_DIMENSION, model_id, {"id": name, "visible": False}]
        for name, metric in INPUT_METRICS.items()
    ]
    ratio = {"id": "ratio", "expression": HIT_RATIO_PERCENT, "label": "hit ratio"}
    return {
        "title": f"Hit ratio: {model_id}",
        "stat": "Sum",
        "metrics": [[ratio], *inputs],
        "yAxis": {"left": {"min": 0, "max": 100, "label": "%", "showUnits": False}},
    }


def _input_tokens(model_id: str) -> dict[str, Any]:
    labels = {"read": "read from the cache", "written": "written to it", "uncached": "uncached"}
    return {
        "title": f"Input tokens: {model_id}",
        "stat": "Sum",
        "stacked": True,
        "metrics": [
            [BEDROCK_NAMESPACE, INPUT_METRICS[name], MODEL_DIMENSION, model_id, {"label": label}]
            for name, label in labels.items()
        ],
    }


def _latency(model_id: str) -> dict[str, Any]:
    series = (
        ("TimeToFirstToken", "p50"),
        ("TimeToFirstToken", "p90"),
        ("InvocationLatency", "p50"),
        ("InvocationLatency", "p90"),
    )
    return {
        "title": f"Latency: {model_id}",
        "metrics": [
            [
                BEDROCK_NAMESPACE,
                metric,
                MODEL_DIMENSION,
                model_id,
                {"stat": stat, "label": f"{metric} {stat}"},
            ]
            for metric, stat in series
        ],
    }


def _cost(model_id: str, namespace: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
    labels = {"CostUSD": "paid", "WithoutCachingUSD": "without caching"}
    return {
        "title": f"Cost in USD: {model_id}",
        "stat": "Sum",
        "metrics": [
            [namespace, metric, *_flat(dimensions), {"label": label}]
            for metric, label in labels.items()
        ],
    }


def _waste(model_id: str, namespace: str, dimensions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "title": f"Wasted: {model_id}",
        "stat": "Sum",
        "metrics": [
            [namespace, "WastedTokens", *_flat(dimensions), {"label": "tokens"}],
            [namespace, "WastedUSD", *_flat(dimensions), {"label": "USD", "yAxis": "right"}],
        ],
    }


def _flat(dimensions: Mapping[str, str]) -> list[str]:
    return [text for pair in dimensions.items() for text in pair]
