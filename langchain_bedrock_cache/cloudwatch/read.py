"""Reads metrics out of CloudWatch, into the report that records make."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, get_args

from langchain_bedrock_cache.checks import (
    check_callable,
    check_choice,
    check_client,
    check_list,
    check_number,
    check_text,
    check_type,
)
from langchain_bedrock_cache.cloudwatch.metrics import (
    BEDROCK_NAMESPACE,
    MODEL_DIMENSION,
    NAMESPACE,
)
from langchain_bedrock_cache.cloudwatch.queries import (
    MAX_HOURS,
    TimeRange,
    metric_data_queries,
    read_results,
    under_present_names,
)
from langchain_bedrock_cache.cloudwatch.report import CloudWatchReport
from langchain_bedrock_cache.cloudwatch.spans import (
    METRICS,
    Pricing,
    Source,
    spans_of,
    wanted_of,
)
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.permissions import naming_missing_permissions
from langchain_bedrock_cache.price_checks import check_rates
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.rates import Rates

_CLIENT = "a boto3 `cloudwatch` client"
_COUNT_OF_CALLS: Mapping[Source, str] = {"bedrock": "Invocations", "published": "Calls"}


def read_report(
    client: Any = None,
    *,
    hours: float = 24.0,
    model_ids: Sequence[str] = (),
    source: Source = "bedrock",
    namespace: str | None = None,
    dimensions: Mapping[str, str] | None = None,
    rates: Rates | Mapping[str, Rates] | None = None,
    base_models: Mapping[str, str] | None = None,
    write_ttl: CacheTTL = "5m",
    clock: Callable[[], float] = time.time,
) -> CloudWatchReport:
    """Read what the prompt cache did in the last hours, of all applications of an account.

    Bedrock's metrics do not tell service tiers: all calls are priced as standard ones.

    Args:
        client: A boto3 `cloudwatch` client; default: one of the default session.
        hours: How many, up to 10,920 (455 days).
        model_ids: IDs as called; default: all that had calls in the last two weeks.
        source: `"bedrock"`: Bedrock's own metrics. `"published"`: those of `CloudWatchPublisher`
            or `EmfSink`, with lifetimes of writes, cost of each call and waste.
        namespace: Where published metrics are; default: where they go by default.
        dimensions: Of published metrics, the same that they were published with.
        rates: Your own prices, for all models or by model ID; of Bedrock's metrics only.
        base_models: The models behind IDs that do not name theirs, such as ARNs of profiles.
        write_ttl: Lifetime of the writes in Bedrock's metrics, which do not tell it.
        clock: Returns seconds since the epoch.

    Raises:
        CachePolicyError: If `hours`, `source`, `rates` or `write_ttl` cannot be.
        TypeError: If an argument is of another type.
        botocore.exceptions.ClientError: As AWS answers; a missing permission is named in a note.
    """
    _check(hours, source)
    _check_places(client, namespace, dimensions)
    check_list("model_ids", model_ids, what="a list of model IDs")
    check_rates(rates, by_model=True)
    check_type("base_models", base_models, (Mapping, NoneType), what="a dict of model IDs, or None")
    check_choice("write_ttl", write_ttl, get_args(CacheTTL))
    check_callable("clock", clock, what="a function that returns seconds")
    if client is None:
        import boto3  # noqa: PLC0415 - seconds, for what never reads metrics

        client = boto3.client("cloudwatch")
    where = namespace or {"bedrock": BEDROCK_NAMESPACE, "published": NAMESPACE}[source]
    more = dimensions or {}
    time_range = TimeRange.last(hours, now=clock())
    models = list(dict.fromkeys(model_ids)) or models_with_metrics(
        client, namespace=where, metric=_COUNT_OF_CALLS[source], dimensions=more
    )
    wanted = wanted_of(source, models)
    period = time_range.period_seconds
    results: list[Mapping[str, Any]] = []
    with naming_missing_permissions():
        for queries in metric_data_queries(
            wanted, namespace=where, period_seconds=period, dimensions=more
        ):
            pages = client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries, **time_range.as_request()
            )
            results += [result for page in pages for result in page["MetricDataResults"]]
    series = under_present_names(read_results(wanted, results, period), METRICS[source].values())
    pricing = Pricing(rates=rates, base_models=base_models, write_ttl=write_ttl)
    spans = spans_of(source, series, pricing)
    heard = {span.model_id for span in spans}
    return CloudWatchReport(
        spans,
        namespace=where,
        time_range=time_range,
        region=client.meta.region_name or "",
        silent_models=[model_id for model_id in models if model_id not in heard],
    )


def models_with_metrics(
    client: Any,
    *,
    namespace: str = BEDROCK_NAMESPACE,
    metric: str = "Invocations",
    dimensions: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the model IDs that had a metric in the last two weeks, sorted.

    Args:
        client: A boto3 `cloudwatch` client.
        namespace: Of the metric.
        metric: Its name.
        dimensions: Which it has beside the model ID; metrics with further ones do not count.

    Raises:
        botocore.exceptions.ClientError: As AWS answers; a missing permission is named in a note.
    """
    check_client("client", client, method="get_paginator", what=_CLIENT)
    _check_places(client, namespace, dimensions)
    more = {**(dimensions or {})}
    found: set[str] = set()
    with naming_missing_permissions():
        pages = client.get_paginator("list_metrics").paginate(
            Namespace=namespace, MetricName=metric
        )
        for page in pages:
            for listed in page["Metrics"]:
                named = {d["Name"]: d["Value"] for d in listed.get("Dimensions", ())}
                model_id = named.pop(MODEL_DIMENSION, None)
                if model_id is not None and named == more:
                    found.add(model_id)
    return sorted(found)


def _check(hours: float, source: Source) -> None:
    if source not in METRICS:
        msg = f"source is {source!r}, but there are only {', '.join(map(repr, METRICS))}."
        raise CachePolicyError(msg)
    check_number("hours", hours)
    if not 0 < hours <= MAX_HOURS:
        msg = (
            f"hours is {hours!r}, but CloudWatch keeps metrics for {MAX_HOURS:,} hours (455 days). "
            "Take a number between 0 and that."
        )
        raise CachePolicyError(msg)


def _check_places(client: Any, namespace: str | None, dimensions: Mapping[str, str] | None) -> None:
    if client is not None:
        check_client("client", client, method="get_paginator", what=_CLIENT)
    if namespace is not None:
        check_text("namespace", namespace, what="a namespace of CloudWatch")
    check_type("dimensions", dimensions, (Mapping, NoneType), what="a dict of strings, or None")
