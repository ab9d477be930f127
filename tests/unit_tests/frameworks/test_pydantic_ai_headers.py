"""pydantic-ai's `extra_headers`, which it adds once a call: in each request that Bedrock gets."""

from __future__ import annotations

from typing import Any

import pytest
from frameworks.agent_loop import RULES, add

from langchain_bedrock_cache import CacheSkippedWarning, PrefixMemory, cached_client
from langchain_bedrock_cache.emulator import BedrockEmulator

pydantic_ai = pytest.importorskip("pydantic_ai", reason="pydantic-ai-slim[bedrock] not installed")
_models = pytest.importorskip("pydantic_ai.models.bedrock", reason="its bedrock extra is missing")
_providers = pytest.importorskip("pydantic_ai.providers.bedrock")


@pytest.fixture
def plain(bedrock: BedrockEmulator) -> Any:
    """The boto3 client below the cached one."""
    return bedrock.client()


@pytest.fixture
def sent(plain: Any) -> list[str | None]:
    """The team of each request on the wire."""
    teams: list[str | None] = []

    def see(request: Any, **_event: Any) -> None:
        team = request.headers.get("X-Team")
        teams.append(team.decode() if isinstance(team, bytes) else team)

    plain.meta.events.register_first("before-send.bedrock-runtime", see)
    return teams


def agent_on(plain: Any, memory: PrefixMemory) -> Any:
    """Return an agent with one tool, whose requests name a team."""
    provider = _providers.BedrockProvider(bedrock_client=cached_client(plain, memory=memory))
    return pydantic_ai.Agent(
        _models.BedrockConverseModel("us.anthropic.claude-opus-4-8", provider=provider),
        instructions=RULES,
        tools=[add],
        model_settings={"extra_headers": {"X-Team": "blue"}},
    )


async def test_a_refused_call_keeps_its_extra_headers(
    bedrock: BedrockEmulator, plain: Any, memory: PrefixMemory, sent: list[str | None]
) -> None:
    """The request that is sent again without cache points names the team as well."""
    bedrock.refuse_cache_points()
    with pytest.warns(CacheSkippedWarning, match="Bedrock refused a cache point"):
        await agent_on(plain, memory).run("1 + 2?")
    codes = [record.error_code for record in bedrock.ledger]
    assert codes == ["AccessDeniedException", None, None]
    assert sent == ["blue"] * 3


async def test_a_refused_stream_keeps_its_extra_headers(
    bedrock: BedrockEmulator, plain: Any, memory: PrefixMemory, sent: list[str | None]
) -> None:
    """ConverseStream is sent again in the same way."""
    bedrock.refuse_cache_points()
    with pytest.warns(CacheSkippedWarning, match="Bedrock refused a cache point"):
        async with agent_on(plain, memory).run_stream("1 + 2?") as stream:
            assert [part async for part in stream.stream_text()][-1] == "It is 3."
    assert [record.operation for record in bedrock.ledger] == ["ConverseStream"] * 3
    assert sent == ["blue"] * 3


async def test_calls_without_extra_headers_get_none(
    bedrock: BedrockEmulator, plain: Any, memory: PrefixMemory, sent: list[str | None]
) -> None:
    """The headers of one run are not in the next one."""
    agent = agent_on(plain, memory)
    await agent.run("1 + 2?")
    await agent.run("1 + 2?", model_settings={"extra_headers": {}})
    assert len(bedrock.ledger) == 4
    assert sent == ["blue", "blue", None, None]
