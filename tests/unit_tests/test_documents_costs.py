"""What RAG chains cost on real documents, next to the least that any placement could cost."""

from __future__ import annotations

import pytest
from documents_ways import (
    CHAIN_WAYS,
    ChainWay,
    cached_model,
    plain_model,
    run,
    subjects,
    transformed_model,
)

DOCUMENTS = 20
by_title = pytest.mark.parametrize("way", CHAIN_WAYS, ids=lambda way: way.title)


@by_title
def test_cached_model_pays_for_each_document_once(way: ChainWay) -> None:
    """With `ChatBedrockCached`, every way costs at most 3 % more than the bound."""
    outcome = run(way.ours, subjects(DOCUMENTS), cached_model)
    assert outcome.cost <= 1.03 * outcome.bound
    assert outcome.cost < 0.5 * outcome.without_caching


@by_title
def test_transformer_pays_for_each_document_once(way: ChainWay) -> None:
    """With the transformer before langchain-aws's own model, at most 5 % more."""
    outcome = run(way.ours, subjects(DOCUMENTS), transformed_model)
    assert outcome.cost <= 1.05 * outcome.bound
    assert outcome.cost < 0.5 * outcome.without_caching


@by_title
def test_model_sees_the_text_of_the_unmodified_chain(way: ChainWay) -> None:
    """Blocks joined, no character differs from the chain without this package."""
    documents = subjects(3)
    expected = run(way.unmodified, documents, lambda emulator, _clock: plain_model(emulator))
    assert len(expected.seen) == 15
    for model in (cached_model, transformed_model):
        assert run(way.ours, documents, model).seen == expected.seen
