"""A model and a prompt on the emulator, and records of every kind, for the tests of sinks."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

from hypothesis import strategies as st
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from recorded_calls import INSTRUCTIONS, SONNET
from usage_strategies import usages

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.diagnosis import Diagnosis, Verdict
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import CostBreakdown
from langchain_bedrock_cache.records import CallRecord, OuterRun
from langchain_bedrock_cache.sent_requests.change_kinds import ChangeKind
from langchain_bedrock_cache.sent_requests.changes import Change


def chat(emulator: BedrockEmulator, model_id: str = SONNET) -> ChatBedrockCached:
    """Return a model on an emulator, with a memory of its own."""
    client = emulator.client()
    return ChatBedrockCached(
        model_id=model_id, client=client, bedrock_client=client, prefix_memory=PrefixMemory()
    )


def ask(question: str) -> list[BaseMessage]:
    """Return a prompt whose system message is worth caching."""
    return [SystemMessage(INSTRUCTIONS), HumanMessage(question)]


counts = st.integers(0, 10**12)
seconds = st.none() | st.floats(-1e12, 1e12)
texts = st.none() | st.text(st.characters(), max_size=20)  # surrogates and line breaks included
usd = st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=9) | st.just(
    Decimal("1E-9")
)
changes = st.builds(
    Change,
    kind=st.sampled_from(get_args(ChangeKind)),
    section=st.sampled_from([None, "tools", "system", "messages"]),
    message=st.integers(-1, 100),
    block=st.integers(-1, 100),
    offset_chars=st.none() | counts,
    detail=st.text(max_size=20),
)
diagnoses = st.builds(
    Diagnosis,
    verdict=st.sampled_from(get_args(Verdict)),
    expected_read_tokens=counts,
    wasted_tokens=counts,
    readable_tokens=counts,
    unwritten_tokens=counts,
    change=st.none() | changes,
    age_seconds=seconds,
    ttl=st.sampled_from([None, "5m", "1h"]),
    blocks=st.none() | st.integers(0, 10_000),
    detail=st.text(max_size=20),
)
costs = st.builds(
    CostBreakdown,
    uncached_input_usd=usd,
    cache_read_usd=usd,
    cache_write_5m_usd=usd,
    cache_write_1h_usd=usd,
    output_usd=usd,
    without_caching_usd=usd,
)
plans = st.fixed_dictionaries(
    {
        "points": st.lists(st.dictionaries(st.text(max_size=5), st.integers() | texts, max_size=3)),
        "skipped": st.lists(st.fixed_dictionaries({"reason": st.text(max_size=5)}), max_size=2),
        "refused": texts,
    }
)
records = st.builds(
    CallRecord,
    run_id=st.uuids(),
    parent_run_id=st.none() | st.uuids(),
    root_run_id=st.uuids(),
    root_name=texts,
    path=st.lists(st.builds(OuterRun, st.uuids(), texts), max_size=3).map(tuple),
    step=texts,
    tags=st.lists(st.text(max_size=10), max_size=3).map(tuple),
    model_id=texts,
    answered_by=texts,
    started_at=seconds,
    latency_seconds=seconds,
    time_to_first_token_seconds=seconds,
    usage=st.none() | usages(most=10**12),
    reported_write_tokens=st.none() | counts,
    cost=st.none() | costs,
    plan=st.none() | plans,
    error=texts,
    diagnosis=st.none() | diagnoses,
)
