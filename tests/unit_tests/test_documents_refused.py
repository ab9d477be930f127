"""`CachedDocuments` where Bedrock refuses its cache points: questions are answered all the same."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest
from botocore.exceptions import ClientError
from langchain_aws import ChatBedrockConverse
from wire import CLAUDE, points, words

from langchain_bedrock_cache import CacheSkippedWarning, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.documents import CachedDocuments
from langchain_bedrock_cache.emulator import BedrockEmulator


@pytest.fixture(params=["cached", "plain"])
def documents(
    request: pytest.FixtureRequest, emulator: BedrockEmulator, clock: SimulatedClock
) -> CachedDocuments:
    """Two documents of 3,000 tokens, asked about with our chat model and with langchain-aws's."""
    client = emulator.client()
    llm: ChatBedrockConverse = (
        ChatBedrockCached(model_id=CLAUDE, client=client, prefix_memory=PrefixMemory(clock=clock))
        if request.param == "cached"
        else ChatBedrockConverse(model_id=CLAUDE, client=client, bedrock_client=client)
    )
    loaded = CachedDocuments(llm, instructions="Be brief.", clock=clock)
    for name in ("alpha", "beta"):
        loaded.add(name, words(3_000, name))
    return loaded


async def _of(stream: Any) -> str:
    return "".join([chunk.text async for chunk in stream])


ASKED: dict[str, Any] = {
    "ask": lambda documents: documents.ask("alpha", "Who?").text,
    "aask": lambda documents: asyncio.run(documents.aask("alpha", "Who?")).text,
    "stream": lambda documents: "".join(c.text for c in documents.stream("alpha", "Who?")),
    "astream": lambda documents: asyncio.run(_of(documents.astream("alpha", "Who?"))),
    "batch": lambda documents: documents.batch([("alpha", "Who?"), ("beta", "Who?")])[1].text,
    "abatch": lambda documents: (
        asyncio.run(documents.abatch([("alpha", "Who?"), ("beta", "Who?")]))[1].text
    ),
}


@pytest.mark.parametrize("way", ASKED)
def test_a_refusal_is_recovered(
    documents: CachedDocuments, emulator: BedrockEmulator, way: str
) -> None:
    """Whatever way a question is asked, it is answered without points, with one warning."""
    emulator.refuse_cache_points()
    with pytest.warns(CacheSkippedWarning, match="refused a cache point after a document"):
        answer = ASKED[way](documents)
    assert answer
    assert points(emulator.requests[-1]) == []


def test_for_an_hour_nothing_is_tried(
    documents: CachedDocuments, emulator: BedrockEmulator, clock: SimulatedClock
) -> None:
    """Later questions go out without points, warming is not advised, and then it is tried again."""
    emulator.refuse_cache_points()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        documents.ask("alpha", "Who?")
        clock.advance(10)
        documents.ask("alpha", "Where?")
        before = len(emulator.ledger)
        documents.ask("alpha", "When?")
        assert not documents.should_warm("alpha", expected_questions=9)
    assert len(emulator.ledger) == before + 1
    emulator.clear_faults()
    clock.advance(3_600)
    assert documents.warm("alpha").cache_write_tokens > 3_000


def test_a_warm_up_says_that_points_are_refused(
    documents: CachedDocuments, emulator: BedrockEmulator
) -> None:
    """Nothing was cached, and not because the document is short."""
    emulator.refuse_cache_points()
    with pytest.warns(CacheSkippedWarning) as said:
        documents.warm("alpha")
    assert "Bedrock refused a cache point for" in str(said[-1].message)


@pytest.mark.parametrize("way", ASKED)
def test_other_errors_are_bedrocks_own(
    documents: CachedDocuments, emulator: BedrockEmulator, way: str
) -> None:
    """What is not about cache points is raised at once, as it came."""
    emulator.fail_next("ThrottlingException", times=2)
    with pytest.raises(ClientError, match="ThrottlingException"):
        ASKED[way](documents)
    assert not any(r.cache_write_tokens for r in emulator.ledger)


def test_counted_violations_are_a_refusal(
    documents: CachedDocuments, emulator: BedrockEmulator
) -> None:
    """Nova only counts what it does not take: no more than were placed may be all cache points."""
    said = "Malformed input request: {} schema violations found, please reformat your input."
    emulator.fail_next("ValidationException", message=said.format(1))
    with pytest.warns(CacheSkippedWarning, match="1 schema violations"):
        assert documents.ask("alpha", "Who?").text
    emulator.fail_next("ValidationException", message=said.format(7))
    with pytest.raises(ClientError, match="7 schema violations"):
        documents.ask("beta", "Who?")


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_that_has_begun_is_not_restarted(
    documents: CachedDocuments, emulator: BedrockEmulator, way: str
) -> None:
    """Even an error that reads like a refusal ends it."""
    emulator.fail_next(
        "ValidationException", message="Cache point cannot be inserted.", after_events=3
    )
    with pytest.raises(Exception, match="Cache point cannot be inserted"):
        ASKED[way](documents)
    assert len(emulator.ledger) == 1
