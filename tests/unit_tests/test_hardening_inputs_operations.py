"""Every bad input of reports, sinks, test kit and middleware: named at once."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from wire import CLAUDE, ask, user

from langchain_bedrock_cache import (
    BedrockCacheError,
    CacheUsageCallbackHandler,
    ChatBedrockCached,
)
from langchain_bedrock_cache.cloudwatch import (
    EmfSink,
    TimeRange,
    alarms_of,
    dashboard_body,
    models_with_metrics,
    put_alarms,
    put_dashboard,
    read_report,
)
from langchain_bedrock_cache.documents import create_cached_stuff_documents_chain, split_stable
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.explain import explain
from langchain_bedrock_cache.json_lines import JsonLinesSink
from langchain_bedrock_cache.live_report import LiveReportCallbackHandler
from langchain_bedrock_cache.middleware import (
    BedrockCacheMiddleware,
    CachedSummarizationMiddleware,
)
from langchain_bedrock_cache.probe import ProbePlan
from langchain_bedrock_cache.profiles import ModelProfile, find_profile, register_profile
from langchain_bedrock_cache.report import CacheReport
from langchain_bedrock_cache.serverless import (
    create_handler,
    create_run_handler,
    deployment_template,
)
from langchain_bedrock_cache.simulate import ReadOptions, read_sources, simulate
from langchain_bedrock_cache.telemetry import OpenTelemetrySink
from langchain_bedrock_cache.testing import EmulatedBedrock, assert_prefix_stable

PROMPT = ChatPromptTemplate([("human", "{context}\n{question}")])
ECHO = RunnableLambda(lambda text: text)


class CloudWatch:
    """What looks like a client of CloudWatch, and fails when it is asked for anything."""

    put_metric_alarm = put_dashboard = get_paginator = None


def model() -> ChatBedrockCached:
    """Return a chat model on an emulator."""
    return ChatBedrockCached(model_id=CLAUDE, client=BedrockEmulator().client())


def read(**options: Any) -> Callable[[], Any]:
    """Return what reads a report from CloudWatch."""
    return lambda: read_report(CloudWatch(), **options)


def profile(**changes: Any) -> Callable[[], Any]:
    """Return what registers a profile."""
    known = find_profile(CLAUDE)
    assert isinstance(known, ModelProfile)
    return lambda: register_profile(dataclasses.replace(known, **changes))


def stable(**options: Any) -> Callable[[], Any]:
    """Return what judges a prefix."""
    return lambda: assert_prefix_stable(**{"chain": ECHO, "inputs": ["1?"], **options})


def summarizing(**settings: Any) -> Callable[[], Any]:
    """Return what makes a middleware that summarizes."""
    return lambda: CachedSummarizationMiddleware(model(), trigger=("tokens", 100), **settings)


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "alarms: ratio": (
        lambda: alarms_of(CLAUDE, hit_ratio_below="0.5"),  # type: ignore[arg-type]
        "hit_ratio_below is '0.5', but must be a number",
    ),
    "alarms: one action": (
        lambda: alarms_of(CLAUDE, actions="arn:aws:sns:us-east-1:1:topic"),
        "actions is 'arn:aws:sns:us-east-1:1:topic', but must be a list of ARNs",
    ),
    "alarms: base_model": (
        lambda: alarms_of(CLAUDE, base_model=5),  # type: ignore[arg-type]
        "base_model is 5, but must be a model ID, or None",
    ),
    "put_alarms: client": (
        lambda: put_alarms(None, []),
        "client is None, but must be a boto3 `cloudwatch` client",
    ),
    "put_alarms: one alarm": (
        lambda: put_alarms(CloudWatch(), alarms_of(CLAUDE)[0]),  # type: ignore[arg-type]
        "an alarm is 'AlarmName', but must be a dict",
    ),
    "dashboard: model": (
        lambda: dashboard_body([5], region="us-east-1"),  # type: ignore[list-item]
        "a model ID is 5, but must be a string",
    ),
    "dashboard: published_in": (
        lambda: dashboard_body([CLAUDE], region="us-east-1", published_in=""),
        "published_in is blank, but must be a namespace of CloudWatch, or None",
    ),
    "dashboard: dimensions": (
        lambda: dashboard_body([CLAUDE], region="us-east-1", dimensions=["a"]),  # type: ignore[arg-type]
        "dimensions is a list, but must be a dict of strings, or None",
    ),
    "put_dashboard: client": (
        lambda: put_dashboard("us-east-1", {}),
        "client is 'us-east-1', but must be a boto3 `cloudwatch` client",
    ),
    "put_dashboard: body": (
        lambda: put_dashboard(CloudWatch(), None),  # type: ignore[arg-type]
        "body is None, but must be a dict, as dashboard_body returns it",
    ),
    "put_dashboard: name": (
        lambda: put_dashboard(CloudWatch(), {}, name=""),
        "name is blank, but must be the name of a dashboard",
    ),
    "read: client": (
        lambda: read_report("us-east-1"),
        "client is 'us-east-1', but must be a boto3 `cloudwatch` client",
    ),
    "read: hours": (read(hours="24"), "hours is '24', but must be a number"),
    "read: one model": (read(model_ids=CLAUDE), "model_ids is .*, but must be a list of model"),
    "read: namespace": (read(namespace=""), "namespace is blank"),
    "read: dimensions": (read(dimensions=["a"]), "dimensions is a list, but must be a dict"),
    "read: base_models": (read(base_models=CLAUDE), "base_models is .*, but must be a dict of"),
    "read: write_ttl": (read(write_ttl="2h"), "write_ttl is '2h'; choose one of '5m', '1h'"),
    "read: clock": (read(clock=5), "clock is 5, but must be a function that returns seconds"),
    "models: client": (lambda: models_with_metrics(None), "client is None, but must be a boto3"),
    "range: hours": (
        lambda: TimeRange.last(-1, now=0.0),
        "hours is -1, but must be a number, more than 0",
    ),
    "EMF: clock": (
        lambda: EmfSink(io.StringIO(), clock=5),  # type: ignore[arg-type]
        "clock is 5, but must be a function that returns seconds",
    ),
    "OpenTelemetry: meters": (
        lambda: OpenTelemetrySink(meter_provider=5),  # type: ignore[arg-type]
        "meter_provider is 5, but must be a MeterProvider, or None",
    ),
    "OpenTelemetry: tracers": (
        lambda: OpenTelemetrySink(tracer_provider=5),  # type: ignore[arg-type]
        "tracer_provider is 5, but must be a TracerProvider, or None",
    ),
    "OpenTelemetry: name": (
        lambda: OpenTelemetrySink(provider_name=""),
        "provider_name is blank, but must be a name such as 'aws.bedrock'",
    ),
    "lines: target": (
        lambda: JsonLinesSink(None),  # type: ignore[arg-type]
        "target is None, but must be a path, or a text stream",
    ),
    "report: a handler": (
        lambda: CacheReport(CacheUsageCallbackHandler()),  # type: ignore[arg-type]
        "records is a CacheUsageCallbackHandler, but must be calls, such as `CacheUsageCallback",
    ),
    "report: a file": (
        lambda: CacheReport("calls.jsonl"),  # type: ignore[arg-type]
        "records is 'calls.jsonl', but must be calls",
    ),
    "report: numbers": (
        lambda: CacheReport([5]),  # type: ignore[list-item]
        "a record is 5, but must be a CallRecord",
    ),
    "report: by": (
        lambda: CacheReport([]).by("day"),  # type: ignore[arg-type]
        "grouping is 'day'; choose one of 'model', 'tag', 'step', 'run', 'verdict'",
    ),
    "report: latest": (lambda: CacheReport([]).runs(latest=-1), "latest is -1, but must be a"),
    "live report: timer": (
        lambda: LiveReportCallbackHandler(print, timer=5),  # type: ignore[arg-type]
        "timer is 5, but must be a function that returns seconds",
    ),
    "explain: request": (
        lambda: explain(None),  # type: ignore[arg-type]
        "request is None, but must be a dict, the body of a request",
    ),
    "explain: previous": (
        lambda: explain(ask(user("?")), "before"),  # type: ignore[arg-type]
        "previous is 'before', but must be a dict",
    ),
    "explain: gap": (
        lambda: explain(ask(user("?")), gap_seconds=-5),
        "gap_seconds is -5, but must be a number, 0 or more",
    ),
    "explain: model": (
        lambda: explain(ask(user("?")), model=5),  # type: ignore[arg-type]
        "model is 5, but must be a model ID, or None",
    ),
    "probe: base_model": (
        lambda: ProbePlan(model_id=CLAUDE, base_model=5),  # type: ignore[arg-type]
        "base_model is 5, but must be a model ID, or None",
    ),
    "profile": (
        lambda: register_profile(None),  # type: ignore[arg-type]
        "profile is None, but must be a ModelProfile",
    ),
    "profile: ID": (profile(id=""), "id is blank"),
    "profile: minimum": (
        profile(min_tokens_per_cache_point=-1),
        "min_tokens_per_cache_point is -1, but must be a whole number, 0 or more",
    ),
    "profile: ttls": (profile(ttls=("2h",)), "ttls is '2h'; choose one of '5m', '1h'"),
    "profile: one section": (profile(sections="system"), "sections is 'system', but must be a"),
    "profile: points": (profile(points_after="image"), "points_after is 'image'; choose one of"),
    "prefix: chain": (stable(chain="x"), "chain is 'x', but must be a Runnable, or a function"),
    "prefix: inputs": (stable(inputs=None), "inputs is None, but must be a list of inputs"),
    "prefix: tokens": (stable(min_shared_tokens=-5), "min_shared_tokens is -5, but must be a"),
    "prefix: apart": (stable(apart=5), "apart is 5, but must be a timedelta"),
    "prefix: backward": (stable(apart=timedelta(-1)), "apart is .*use 0 or more"),
    "prefix: travel": (stable(travel=5), "travel is 5, but must be a function of a datetime"),
    "prefix: emulator": (
        stable(emulator=EmulatedBedrock()),
        r"emulator is an EmulatedBedrock, but must be a BedrockEmulator, or None \(of an Emulat",
    ),
    "prefix: show_text": (stable(show_text="no"), "show_text is 'no', but must be True or False"),
    "handler: instructions": (
        lambda: create_handler(model(), instructions=None),  # type: ignore[arg-type]
        "instructions is None, but must be a string",
    ),
    "handler: documents": (
        lambda: create_handler(model(), documents=("leases/",)),
        "documents has 'leases/'; give beginnings of S3 URIs, such as s3://bucket/folder/",
    ),
    "handler: bytes": (
        lambda: create_handler(model(), max_document_bytes=1.5),  # type: ignore[arg-type]
        "max_document_bytes is 1.5, but must be a whole number, 1 or more",
    ),
    "handler: S3": (
        lambda: create_handler(model(), s3_client="us-east-1"),
        "s3_client is 'us-east-1', but must be a boto3 `s3` client, or None",
    ),
    "run handler: S3": (lambda: create_run_handler(s3_client=5), "s3_client is 5, but must be"),
    "middleware: name": (
        lambda: BedrockCacheMiddleware(replaces_default="no"),  # type: ignore[arg-type]
        "replaces_default is 'no', but must be True or False",
    ),
    "summary: keep_head": (summarizing(keep_head="no"), "keep_head is 'no', but must be True or"),
    "summary: none": (summarizing(instruction=None), "instruction is None, but must be what"),
    "summary: braces": (
        summarizing(instruction='Answer as {"summary": ...}; {kept} stays.'),
        r"The instruction cannot be filled in .* write other braces twice: \{\{ and \}\}",
    ),
    "simulate: one path": (
        lambda: simulate("calls.jsonl"),
        "paths is 'calls.jsonl', but must be a list of paths",
    ),
    "simulate: one policy": (
        lambda: simulate([], policies="auto"),
        "policies is 'auto', but must be a list of names of policies",
    ),
    "simulate: progress": (
        lambda: simulate([], on_progress=True),  # type: ignore[arg-type]
        "on_progress is True, but must be a function of step, done and total",
    ),
    "read_sources: a text": (
        lambda: read_sources(["calls.jsonl"]),  # type: ignore[list-item]
        "a path is 'calls.jsonl', but must be a pathlib.Path",
    ),
    "read_sources: options": (
        lambda: read_sources([Path()], options={}),  # type: ignore[arg-type]
        "options is a dict, but must be ReadOptions, or None",
    ),
    "read options: model": (
        lambda: ReadOptions(model=5),  # type: ignore[arg-type]
        "model is 5, but must be a model ID, or None",
    ),
    "chain: order": (
        lambda: create_cached_stuff_documents_chain(model(), PROMPT, order="cache"),  # type: ignore[arg-type]
        r"order is 'cache', but must be a document transformer such as PrefixOrder\(\), or None",
    ),
    "chain: prompt": (
        lambda: create_cached_stuff_documents_chain(model(), "{context}"),  # type: ignore[arg-type]
        r"prompt is '\{context\}', but must be a prompt template",
    ),
    "split_stable: stable": (
        lambda: split_stable(PROMPT, stable=5),  # type: ignore[arg-type]
        "stable is 5, but must be a list of names of variables",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_at_once(case: str) -> None:
    """The message has the argument, the value and what it must be; nothing is asked or written."""
    given, message = BAD[case]
    with pytest.raises((BedrockCacheError, ValueError, TypeError), match=message):
        given()


def test_good_input_stays_good() -> None:
    """An instruction without a place, doubled braces and calls of a generator are no mistakes."""
    for instruction in ("Summarize.", "Answer as {{}}; {kept} stays."):
        summarizing(instruction=instruction)()
    assert CacheReport(iter(())).records == ()
    assert deployment_template(model=CLAUDE, document_bucket="leases")
