"""pydantic-ai agents on a cached client: sync, async, streamed, with and without its own points."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from frameworks.agent_loop import RULES, add, doubled, used
from wire import CLAUDE, NOVA, points, words

from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import CachePointPositionError

pydantic_ai = pytest.importorskip("pydantic_ai", reason="pydantic-ai-slim[bedrock] not installed")
_models = pytest.importorskip("pydantic_ai.models.bedrock", reason="its bedrock extra is missing")
_providers = pytest.importorskip("pydantic_ai.providers.bedrock")

OWN_CACHING: dict[str, Any] = {
    "bedrock_cache_instructions": True,
    "bedrock_cache_tool_definitions": True,
    "bedrock_cache_messages": True,
}


@pytest.fixture
def _loop() -> Iterator[None]:
    """A loop for `run_sync`, which closes none that it makes itself."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def agent_on(client: Any, model: str = CLAUDE, **settings: Any) -> Any:
    """Return an agent with one tool."""
    provider = _providers.BedrockProvider(bedrock_client=client)
    return pydantic_ai.Agent(
        _models.BedrockConverseModel(model, provider=provider),
        instructions=RULES,
        tools=[add],
        model_settings=settings or None,
    )


def assert_reported(usage: Any, bedrock: BedrockEmulator) -> None:
    """Compare the usage that pydantic-ai reports with what Bedrock counted."""
    counted = used(bedrock)
    assert usage.input_tokens == counted.input_tokens
    assert usage.cache_read_tokens == counted.cache_read_tokens > 0
    assert usage.cache_write_tokens == counted.cache_write_tokens > 0
    assert usage.output_tokens == counted.output_tokens


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
@pytest.mark.usefixtures("_loop")
def test_run_sync(bedrock: BedrockEmulator, client: Any, model: str) -> None:
    """A tool loop reads what it wrote, and pydantic-ai's own usage says so."""
    result = agent_on(client, model).run_sync("1 + 2?")
    assert result.output == "It is 3."
    assert_reported(result.usage, bedrock)
    assert result.usage.cost > Decimal(0)
    assert bedrock.ledger[1].cache_read_tokens >= 2_000


async def test_run_and_history(bedrock: BedrockEmulator, client: Any) -> None:
    """A conversation that goes on reads all of its history, and keeps no point in it."""
    agent = agent_on(client)
    first = await agent.run("1 + 2?")
    second = await agent.run("Sure?", message_history=first.all_messages())
    assert second.usage.cache_read_tokens >= 4_000
    assert doubled(bedrock.requests) == []
    assert "CachePoint" not in str(second.all_messages())


async def test_run_stream(bedrock: BedrockEmulator, client: Any) -> None:
    """Streams are cached and counted like other calls."""
    async with agent_on(client).run_stream("1 + 2?") as stream:
        text = [part async for part in stream.stream_text()]
    assert text[-1] == "It is 3."
    assert_reported(stream.usage, bedrock)
    assert {record.operation for record in bedrock.ledger} == {"ConverseStream"}


async def test_its_own_caching_is_merged(bedrock: BedrockEmulator, client: Any) -> None:
    """With its settings on, all of its points are kept, and ours stand nowhere twice."""
    await agent_on(bedrock.client(), **OWN_CACHING).run("1 + 2?")
    alone = [points(request) for request in bedrock.requests]
    assert len(alone[0]) == 3
    bedrock.forget()
    await agent_on(client, **OWN_CACHING).run("1 + 2?")
    merged = [points(request) for request in bedrock.requests]
    assert doubled(bedrock.requests) == []
    assert [set(a) - set(m) for a, m in zip(alone, merged, strict=True)] == [set(), set()]


async def test_an_hour_of_its_own_is_kept(bedrock: BedrockEmulator, client: Any) -> None:
    """Its lifetimes count, and the others are in the order that Bedrock wants."""
    await agent_on(client, bedrock_cache_messages="1h").run("1 + 2?")
    assert {"messages[0][0] 1h"} <= set(points(bedrock.requests[0]))
    assert not any(record.error_code for record in bedrock.ledger)


@pytest.mark.usefixtures("_loop")
def test_cache_points_in_prompts_are_kept(bedrock: BedrockEmulator, client: Any) -> None:
    """A `CachePoint` of its user prompts stays where it is."""
    parts = [words(2_000, "lease"), pydantic_ai.CachePoint(), "Who waters flat 7?"]
    agent_on(client).run_sync(parts)
    assert any(point.startswith("messages[0][0]") for point in points(bedrock.requests[0]))
    assert doubled(bedrock.requests) == []


@pytest.mark.usefixtures("_loop")
def test_on_nova_its_own_caching_belongs_off(bedrock: BedrockEmulator, client: Any) -> None:
    """Nova refuses its point after a tool result; we say so before anything is sent."""
    with pytest.raises(CachePointPositionError, match="follows a tool_result block"):
        agent_on(client, NOVA, bedrock_cache_messages=True).run_sync("1 + 2?")
    assert len(bedrock.requests) == 1
    with pytest.raises(pydantic_ai.ModelHTTPError, match="cachePoint"):
        agent_on(bedrock.client(), NOVA, bedrock_cache_messages=True).run_sync("1 + 2?")


@pytest.mark.usefixtures("_loop")
def test_errors_are_its_own(bedrock: BedrockEmulator, client: Any) -> None:
    """What Bedrock refuses arrives as the exception that pydantic-ai makes of it."""
    bedrock.fail_next("ThrottlingException")
    with pytest.raises(pydantic_ai.ModelHTTPError) as caught:
        agent_on(client).run_sync("1 + 2?")
    assert caught.value.status_code == 429


@pytest.mark.usefixtures("_loop")
def test_a_refused_point_does_not_stop_the_run(bedrock: BedrockEmulator, client: Any) -> None:
    """An account without prompt caching gets its answer all the same."""
    bedrock.refuse_cache_points()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert agent_on(client).run_sync("1 + 2?").output == "It is 3."
    assert any("Bedrock refused a cache point" in str(one.message) for one in said)
