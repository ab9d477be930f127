"""Strands agents on a cached client, which takes the place of the one that `BedrockModel` makes."""

from __future__ import annotations

from typing import Any

import pytest
from frameworks.agent_loop import RULES, add, answer, doubled, used
from pydantic import BaseModel
from wire import CLAUDE, HOUR, NOVA, points

from langchain_bedrock_cache import PrefixMemory, cached_client
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse

strands = pytest.importorskip("strands", reason="strands-agents is not installed")
_models = pytest.importorskip("strands.models")
if not hasattr(_models, "CacheConfig"):
    pytest.skip("strands-agents is older than 1.x with CacheConfig", allow_module_level=True)

# Settings of Strands that are on their way out.
pytestmark = [
    pytest.mark.filterwarnings("ignore:cache_prompt is deprecated:UserWarning"),
    pytest.mark.filterwarnings("ignore:cache_tools is deprecated:DeprecationWarning"),
]


def model_on(client: Any, model_id: str = CLAUDE, **config: Any) -> Any:
    """Return Strands' model with another client."""
    model = _models.BedrockModel(model_id=model_id, region_name="us-east-1", **config)
    model.client = client
    return model


def agent_on(client: Any, model_id: str = CLAUDE, *, system: Any = RULES, **config: Any) -> Any:
    """Return an agent with one tool."""
    return strands.Agent(
        model=model_on(client, model_id, **config),
        tools=[strands.tool(add)],
        system_prompt=system,
        callback_handler=None,
    )


def assert_reported(usage: Any, bedrock: BedrockEmulator) -> None:
    """Compare the usage that Strands adds up with what Bedrock counted."""
    counted = used(bedrock)
    assert usage["inputTokens"] == counted.uncached_input_tokens
    assert usage["cacheReadInputTokens"] == counted.cache_read_tokens > 0
    assert usage["cacheWriteInputTokens"] == counted.cache_write_tokens > 0
    assert usage["outputTokens"] == counted.output_tokens


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("model_id", [CLAUDE, NOVA])
def test_a_loop(bedrock: BedrockEmulator, client: Any, model_id: str, *, streaming: bool) -> None:
    """Two questions and two tool calls read what was written, and Strands' usage says so."""
    agent = agent_on(client, model_id, streaming=streaming)
    agent("1 + 2?")
    result = agent("Sure?")
    assert str(result).strip() == "It is 3."
    assert_reported(result.metrics.accumulated_usage, bedrock)
    assert min(record.cache_read_tokens for record in bedrock.ledger[1:]) >= 2_000
    assert doubled(bedrock.requests) == []
    assert "cachePoint" not in str(agent.messages)


async def test_stream_async(bedrock: BedrockEmulator, client: Any) -> None:
    """The async stream is cached as well."""
    events = [event async for event in agent_on(client).stream_async("1 + 2?")]
    (result,) = [event["result"] for event in events if "result" in event]
    assert_reported(result.metrics.accumulated_usage, bedrock)


OWN_CACHING: dict[str, dict[str, Any]] = {
    "auto": {"cache_config": _models.CacheConfig(strategy="auto")},
    "an hour everywhere": {
        "cache_config": _models.CacheConfig(strategy="anthropic", ttl="1h", tools_ttl=True)
    },
    "the old settings": {"cache_tools": "default", "cache_prompt": "default"},
}


@pytest.mark.parametrize("config", OWN_CACHING.values(), ids=OWN_CACHING)
def test_its_own_caching_is_merged(
    bedrock: BedrockEmulator, client: Any, config: dict[str, Any]
) -> None:
    """With its own caching on, all of its points are kept, and ours stand nowhere twice."""
    agent_on(bedrock.client(), **config)("1 + 2?")
    alone = [points(request) for request in bedrock.requests]
    assert alone[0]
    bedrock.forget()
    agent_on(client, **config)("1 + 2?")
    merged = [points(request) for request in bedrock.requests]
    assert doubled(bedrock.requests) == []
    assert [set(a) - set(m) for a, m in zip(alone, merged, strict=True)] == [set(), set()]


def test_a_point_in_the_system_prompt_is_kept(bedrock: BedrockEmulator, client: Any) -> None:
    """A system prompt of blocks, with a point in it, is left as it is."""
    agent_on(client, system=[{"text": RULES}, HOUR, {"text": "Today is Monday."}])("1 + 2?")
    assert "system[0] 1h" in points(bedrock.requests[0])


def test_structured_output(memory: PrefixMemory) -> None:
    """Structured output, which is a tool of its own, works and is cached."""

    class City(BaseModel):
        """A city."""

        name: str

    bonn = Reply(tool_uses=[ToolUse(name="City", input={"name": "Bonn"})])
    bedrock = BedrockEmulator(responder=lambda _request: bonn, capture_requests=True)
    client = cached_client(bedrock.client(), memory=memory)
    found = [
        agent_on(client)("Where?", structured_output_model=City).structured_output for _ in range(2)
    ]
    assert [city.name for city in found] == ["Bonn", "Bonn"]
    assert bedrock.ledger[-1].cache_read_tokens >= 2_000


def test_its_client_can_be_wrapped_in_place(
    bedrock: BedrockEmulator, memory: PrefixMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client that Strands made keeps its Region and user agent under ours."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "emulator")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "emulator")
    model = _models.BedrockModel(model_id=CLAUDE, region_name="eu-west-1")
    model.client = cached_client(bedrock.attach(model.client), memory=memory)
    strands.Agent(model=model, system_prompt=RULES, callback_handler=None)("Hello?")
    assert model.client.meta.region_name == "eu-west-1"
    assert "strands-agents" in model.client.meta.config.user_agent_extra
    assert bedrock.ledger[0].cache_write_tokens >= 2_000


def test_errors_are_its_own(memory: PrefixMemory) -> None:
    """A prompt too long is the exception on which Strands trims a conversation."""
    bedrock = BedrockEmulator(responder=answer)
    agent = agent_on(cached_client(bedrock.client(), memory=memory))
    bedrock.fail_next("ValidationException", "Input is too long for requested model")
    with pytest.raises(strands.types.exceptions.ContextWindowOverflowException):
        agent("1 + 2?")
