"""Every bad input of the public functions: an error with the value and the remedy, at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.documents import Document
from wire import CLAUDE, ask, user

from langchain_bedrock_cache import (
    BedrockCacheError,
    CachePointTransformer,
    CachePolicy,
    CacheUsageCallbackHandler,
    ChatBedrockCached,
    ChatBedrockInvokeCached,
    PrefixMemory,
    cached_client,
    cached_tools,
)
from langchain_bedrock_cache.checks import check_number
from langchain_bedrock_cache.cloudwatch import (
    CloudWatchPublisher,
    EmfSink,
    alarms_of,
    dashboard_body,
)
from langchain_bedrock_cache.documents import (
    CachedDocuments,
    PrefixOrder,
    documents_to_blocks,
    split_stable,
)
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.keep_alive import KeepAlive
from langchain_bedrock_cache.live_report import LiveReportCallbackHandler
from langchain_bedrock_cache.permissions import policy_document
from langchain_bedrock_cache.probe import ProbePlan
from langchain_bedrock_cache.progress import BatchProgressBar
from langchain_bedrock_cache.redis_store import RedisPrefixStore
from langchain_bedrock_cache.regions import Route
from langchain_bedrock_cache.roi import estimate_savings
from langchain_bedrock_cache.serverless import create_handler, deployment_template
from langchain_bedrock_cache.simulate.reading import ReadOptions
from langchain_bedrock_cache.testing import assert_cache_hit
from langchain_bedrock_cache.warmup import warm

Given = Callable[[BedrockEmulator], Any]

BAD: dict[str, tuple[Given, str]] = {
    "policy: sections": (
        lambda _: CachePolicy(sections=7),  # type: ignore[arg-type]
        r"sections is 7, but must be a tuple such as \('tools', 'system'\)",
    ),
    "policy: section_ttls": (
        lambda _: CachePolicy(section_ttls=["system"]),  # type: ignore[arg-type]
        "section_ttls is a list, but must be a dict",
    ),
    "policy: min_tokens": (
        lambda _: CachePolicy(min_tokens="many"),  # type: ignore[arg-type]
        "min_tokens is 'many', but must be a number, 0 or more",
    ),
    "memory: max_entries": (
        lambda _: PrefixMemory(max_entries=0),
        "max_entries is 0, but must be a whole number, 1 or more",
    ),
    "simulate: limit": (
        lambda _: ReadOptions(limit=0),
        "limit is 0, but must be a whole number, 1 or more",
    ),
    "simulate: gap_seconds": (
        lambda _: ReadOptions(gap_seconds=-1.0),
        "gap_seconds is -1.0, but must be a number, 0 or more",
    ),
    "deployment_template: model": (
        lambda _: deployment_template(model=" "),
        "model is ' ', but must be a model ID",
    ),
    "deployment_template: max_tokens": (
        lambda _: deployment_template(model=CLAUDE, max_tokens=0),
        "max_tokens is 0, but must be a whole number, 1 or more",
    ),
    "callback: summary": (
        lambda _: CacheUsageCallbackHandler().summary(by="day"),  # type: ignore[arg-type]
        "by is 'day'; choose one of 'model', 'tag', 'run'",
    ),
    "memory: clock": (
        lambda _: PrefixMemory(clock=5.0),  # type: ignore[arg-type]
        "clock is 5.0, but must be a function that returns seconds",
    ),
    "memory: store": (
        lambda _: PrefixMemory(store={}),  # type: ignore[arg-type]
        "store is a dict, but must be a LangChain BaseStore",
    ),
    "cached_client: client": (
        lambda _: cached_client("us-east-1"),
        "client is 'us-east-1', but must be a boto3 `bedrock-runtime` client",
    ),
    "cached_client: a control client": (
        lambda bedrock: cached_client(bedrock.control_client()),
        "client is a Bedrock, but must be a boto3 `bedrock-runtime` client",
    ),
    "cached_client: policy": (
        lambda bedrock: cached_client(bedrock.client(), policy="off"),  # type: ignore[arg-type]
        "policy is 'off', but must be a CachePolicy",
    ),
    "cached_client: memory": (
        lambda bedrock: cached_client(bedrock.client(), memory={}),  # type: ignore[arg-type]
        "memory is a dict, but must be a PrefixMemory",
    ),
    "cached_client: fallbacks": (
        lambda bedrock: cached_client(bedrock.client(), fallbacks=bedrock.client()),
        "fallbacks is a BedrockRuntime, but must be a list of clients or Routes",
    ),
    "cached_client: a fallback": (
        lambda bedrock: cached_client(bedrock.client(), fallbacks=["eu-west-1"]),
        "client is 'eu-west-1'",
    ),
    "call: cache_policy": (
        lambda bedrock: cached_client(bedrock.client()).converse(
            **ask(user("?")), cache_policy="off"
        ),
        "cache_policy is 'off', but must be a CachePolicy",
    ),
    "call: cache_control": (
        lambda bedrock: cached_client(bedrock.client()).converse(
            **ask(user("?")), cache_control="5m"
        ),
        "cache_control is '5m', but must be a dict such as",
    ),
    "route: client": (
        lambda _: Route(client=None),
        "client is None, but must be a boto3 `bedrock-runtime` client",
    ),
    "route: model_id": (
        lambda bedrock: Route(client=bedrock.client(), model_id=5),  # type: ignore[arg-type]
        "model_id is 5, but must be a model ID",
    ),
    "chat model: policy": (
        lambda bedrock: ChatBedrockCached(
            model_id=CLAUDE,
            client=bedrock.client(),
            cache_policy="off",
        ),
        "cache_policy",
    ),
    "chat model: bound policy": (
        lambda bedrock: model(bedrock).bind(cache_policy="off").invoke("?"),
        "cache_policy is 'off', but must be a CachePolicy",
    ),
    "warm: another model": (
        lambda bedrock: warm(ChatBedrockInvokeCached(model=CLAUDE, client=bedrock.client())),
        "Only a ChatBedrockCached can be warmed up, not ChatBedrockInvokeCached. Make one with",
    ),
    "warm: prompt": (lambda bedrock: warm(model(bedrock), 5), "Invalid input type <class 'int'>"),
    "keep alive: max_seconds": (
        lambda bedrock: KeepAlive(model(bedrock), "?", max_seconds="1h"),  # type: ignore[arg-type]
        "max_seconds is '1h', but must be a number, more than 0",
    ),
    "keep alive: max_pings": (
        lambda bedrock: KeepAlive(model(bedrock), "?", max_pings=1.5),  # type: ignore[arg-type]
        "max_pings is 1.5, but must be a whole number",
    ),
    "keep alive: max_usd": (
        lambda bedrock: KeepAlive(model(bedrock), "?", max_usd=float("nan")),
        "max_usd is nan",
    ),
    "keep alive: clock": (
        lambda bedrock: KeepAlive(model(bedrock), "?", clock=0),  # type: ignore[arg-type]
        "clock is 0, but must be a function",
    ),
    "transformer: dialect": (
        lambda _: CachePointTransformer(dialect="x"),
        "dialect",
    ),
    "transformer: input": (
        lambda _: CachePointTransformer().invoke(7),  # type: ignore[arg-type]
        "Give a prompt value, messages or text",
    ),
    "cached_tools: tools": (
        lambda _: cached_tools(None),  # type: ignore[arg-type]
        "tools is None, but must be a list of tools",
    ),
    "cached_tools: dialect": (
        lambda _: cached_tools([], dialect="x"),  # type: ignore[arg-type]
        "dialect is 'x'; choose one of 'cachePoint', 'cache_control'",
    ),
    "documents: model": (
        lambda _: CachedDocuments("claude"),  # type: ignore[arg-type]
        "model is 'claude', but must be a ChatBedrockConverse",
    ),
    "documents: ID": (
        lambda bedrock: CachedDocuments(model(bedrock)).add(5, "text"),  # type: ignore[arg-type]
        "document_id is 5, but must be a string",
    ),
    "documents: source": (
        lambda bedrock: CachedDocuments(model(bedrock)).add("a", b"%PDF"),  # type: ignore[arg-type]
        "source is a bytes, but must be a text, a Document, a Blob",
    ),
    "documents: blank question": (
        lambda bedrock: loaded(bedrock).ask("a", " "),
        "question is blank",
    ),
    "documents: question": (
        lambda bedrock: loaded(bedrock).ask("a", 5),  # type: ignore[arg-type]
        "question is 5, but must be a string",
    ),
    "documents: expected_questions": (
        lambda bedrock: loaded(bedrock).should_warm("a", expected_questions=-1),
        "expected_questions is -1, but must be a number, 0 or more",
    ),
    "documents_to_blocks: list": (
        lambda _: documents_to_blocks(5),  # type: ignore[arg-type]
        "documents is 5, but must be a list of Documents and Blobs",
    ),
    "documents_to_blocks: texts": (
        lambda _: documents_to_blocks(["text"]),  # type: ignore[list-item]
        "a document is 'text', but must be a Document or a Blob",
    ),
    "split_stable": (
        lambda _: split_stable("{context}"),  # type: ignore[arg-type]
        "Give a ChatPromptTemplate or a PromptTemplate, not str",
    ),
    "order: min_tokens": (
        lambda _: PrefixOrder(min_tokens=-1),
        "min_tokens is -1, but must be a number, 0 or more",
    ),
    "publisher: client": (
        lambda _: CloudWatchPublisher("us-east-1"),
        "client is 'us-east-1', but must be a boto3 `cloudwatch` client",
    ),
    "publisher: dimensions": (
        lambda _: CloudWatchPublisher(dimensions={"a": 5}),  # type: ignore[dict-item]
        "dimension value is 5, but must be a string",
    ),
    "publisher: max_pending_calls": (
        lambda _: CloudWatchPublisher(max_pending_calls=0),
        "max_pending_calls is 0, but must be a whole number, 1 or more",
    ),
    "EMF: writer": (
        lambda _: EmfSink("log"),  # type: ignore[arg-type]
        "writer is 'log', but must be a text file",
    ),
    "EMF: dimensions": (
        lambda _: EmfSink(dimensions=["a"]),  # type: ignore[arg-type]
        "dimensions is a list, but must be a dict of strings",
    ),
    "alarms: model": (lambda _: alarms_of(" "), "model_id is blank, but must be a model ID"),
    "alarms: tokens": (
        lambda _: alarms_of(CLAUDE, min_input_tokens=-1),
        "min_input_tokens is -1, but must be a number, 0 or more",
    ),
    "dashboard: one model": (
        lambda _: dashboard_body(CLAUDE, region="us-east-1"),
        "model_ids is 'us.anthropic.claude-opus-4-8', but must be a list of model IDs",
    ),
    "dashboard: region": (
        lambda _: dashboard_body([CLAUDE], region=""),
        "region is blank, but must be an AWS Region",
    ),
    "permissions: one feature": (
        lambda _: policy_document("report"),
        "features is 'report', but must be a list of features",
    ),
    "probe: model": (lambda _: ProbePlan(model_id=""), "model_id is blank"),
    "probe: calls": (
        lambda _: ProbePlan(model_id=CLAUDE, calls="5"),  # type: ignore[arg-type]
        "calls is '5', but must be a whole number, 2 or more",
    ),
    "probe: ttl": (
        lambda _: ProbePlan(model_id=CLAUDE, ttl="2h"),  # type: ignore[arg-type]
        "ttl is '2h'; choose one of '5m', '1h'",
    ),
    "roi: requests": (
        lambda _: estimate_savings(model_id=CLAUDE, requests_per_day=0, cached_tokens=5),
        "requests_per_day is 0, but must be a number, more than 0",
    ),
    "roi: tokens": (
        lambda _: estimate_savings(model_id=CLAUDE, requests_per_day=1, cached_tokens=-5),
        "cached_tokens is -5, but must be a whole number, 0 or more",
    ),
    "redis: server": (
        lambda _: RedisPrefixStore(None),  # type: ignore[arg-type]
        "server is None, but must be a URL such as",
    ),
    "redis: keep_seconds": (
        lambda _: RedisPrefixStore("redis://host", keep_seconds=0),
        "keep_seconds is 0, but must be a whole number, 1 or more",
    ),
    "progress": (lambda _: BatchProgressBar(-1), "total is -1, but must be a whole number"),
    "live report: show": (
        lambda _: LiveReportCallbackHandler(5),  # type: ignore[arg-type]
        "show is 5, but must be a function that takes a report",
    ),
    "test kit: hit ratio": (
        lambda _: assert_cache_hit([], min_hit_ratio=80),
        "min_hit_ratio is 80, but must be a number, 0 to 1",
    ),
    "serverless: model": (
        lambda _: create_handler("claude"),  # type: ignore[arg-type]
        "model is 'claude', but must be a ChatBedrockConverse",
    ),
    "serverless: ttl": (
        lambda bedrock: create_handler(model(bedrock), ttl="2h"),  # type: ignore[arg-type]
        "ttl is '2h'; choose one of '5m', '1h'",
    ),
}


def model(bedrock: BedrockEmulator) -> ChatBedrockCached:
    """Return a chat model on the emulator."""
    return ChatBedrockCached(model_id=CLAUDE, client=bedrock.client())


def loaded(bedrock: BedrockEmulator) -> CachedDocuments:
    """Return one document to ask about."""
    client = bedrock.client()
    documents = CachedDocuments(
        ChatBedrockConverse(model_id=CLAUDE, client=client, bedrock_client=client)
    )
    documents.add("a", Document("A lease."))
    return documents


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_before_anything_is_sent(case: str, emulator: BedrockEmulator) -> None:
    """The message has the argument, the value and what it must be; Bedrock hears nothing."""
    given, message = BAD[case]
    with pytest.raises((BedrockCacheError, ValueError, TypeError), match=message):
        given(emulator)
    assert emulator.ledger == ()


def test_errors_show_no_long_values() -> None:
    """What may be a prompt, or a document, is named by its type only."""
    with pytest.raises(TypeError, match="a document is a str, but must be"):
        documents_to_blocks(["A secret. " * 10])  # type: ignore[list-item]


@pytest.mark.parametrize("value", [True, None, "3", float("nan"), 0, 11])
def test_what_is_no_number_within_limits(value: Any) -> None:
    """Truth values, texts and NaN are no numbers, and limits are part of the message."""
    with pytest.raises(CachePolicyError, match=f"n is {value!r}, but must be a number, 1 to 10"):
        check_number("n", value, least=1, most=10)
    check_number("n", 10, least=1, most=10)
