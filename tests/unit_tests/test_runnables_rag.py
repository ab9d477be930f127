"""RAG: documents are read from the cache through the transformer as through the subclass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pydoc_data import topics
from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable
from wire import NOVA

from langchain_bedrock_cache import CachePointTransformer, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, LedgerRecord

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
QUESTIONS = ("What is it?", "Why?", "How does it work?", "Since when?", "Give an example.")
PROMPT = ChatPromptTemplate.from_messages(
    [
        ("system", "Answer from the document, in one sentence."),
        ("human", [{"text": "{document}"}, {"text": "{question}"}]),
    ]
)


def ledger_of(make: Callable[[Any, PrefixMemory], Runnable[Any, Any]]) -> Sequence[LedgerRecord]:
    """Ask five questions of each of four documents, 20 seconds apart."""
    clock = SimulatedClock()
    emulator = BedrockEmulator(clock=clock)
    chain = PROMPT | make(emulator.client(), PrefixMemory(clock=clock))
    documents = sorted(topics.topics.values(), key=len)[-4:]
    assert len(documents) == 4
    for document in documents:
        for question in QUESTIONS:
            chain.invoke({"document": document, "question": question})
            clock.advance(20)
    assert {record.status for record in emulator.ledger} == {200}
    return emulator.ledger


def cost(ledger: Sequence[LedgerRecord]) -> float:
    """Return what the input of a run costs on Claude, in tokens at the input price."""
    return sum(
        r.uncached_input_tokens
        + 0.1 * r.cache_read_tokens
        + 1.25 * r.cache_write_5m_tokens
        + 2.0 * r.cache_write_1h_tokens
        for r in ledger
    )


def usage(ledger: Sequence[LedgerRecord]) -> list[tuple[int, int, int, int]]:
    """Return uncached, read and written tokens of each request."""
    return [
        (
            r.uncached_input_tokens,
            r.cache_read_tokens,
            r.cache_write_5m_tokens,
            r.cache_write_1h_tokens,
        )
        for r in ledger
    ]


@pytest.mark.parametrize(("model", "named"), [(CLAUDE, None), (CLAUDE, CLAUDE), (NOVA, NOVA)])
def test_the_transformer_does_as_well_as_the_subclass(model: str, named: str | None) -> None:
    """With plain ChatBedrockConverse, every request reads and writes the same tokens."""
    subclass = ledger_of(
        lambda client, memory: ChatBedrockCached(
            model_id=model, client=client, prefix_memory=memory
        )
    )
    transformer = ledger_of(
        lambda client, memory: (
            CachePointTransformer(memory=memory, model=named)
            | ChatBedrockConverse(model_id=model, client=client)
        )
    )

    assert sum(record.cache_read_tokens for record in subclass) > 0
    assert usage(transformer) == usage(subclass)


def test_five_questions_a_document_cost_a_third() -> None:
    """They cost at most 0.36 of the price without caching, where `cache_control` costs 1.25."""
    without = ledger_of(lambda client, _memory: ChatBedrockConverse(model_id=CLAUDE, client=client))
    upstream = ledger_of(
        lambda client, _memory: ChatBedrockConverse(model_id=CLAUDE, client=client).bind(
            cache_control={"type": "ephemeral"}
        )
    )
    transformer = ledger_of(
        lambda client, memory: (
            CachePointTransformer(memory=memory)
            | ChatBedrockConverse(model_id=CLAUDE, client=client)
        )
    )

    assert cost(transformer) / cost(without) < 0.36
    assert cost(upstream) / cost(without) > 1.2
