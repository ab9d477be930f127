"""LlamaIndex's `BedrockConverse` on a cached client: chats, streams, async and agents."""

from __future__ import annotations

from typing import Any

import pytest
from frameworks.agent_loop import RULES, add, doubled, used
from wire import points, words

from langchain_bedrock_cache.emulator import BedrockEmulator

_bedrock = pytest.importorskip(
    "llama_index.llms.bedrock_converse", reason="llama-index-llms-bedrock-converse not installed"
)
_llms = pytest.importorskip("llama_index.core.llms")
_tools = pytest.importorskip("llama_index.core.tools")
_workflow = pytest.importorskip("llama_index.core.agent.workflow")
_utils = pytest.importorskip("llama_index.llms.bedrock_converse.utils")

# It knows models by its own list.
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
# LlamaIndex's workflows read pydantic attributes that are on their way out.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
through_threads = pytest.mark.skipif(
    _utils.HAS_AIOBOTO3, reason="with aioboto3 its async calls make clients of their own"
)


def llm_on(client: Any, **settings: Any) -> Any:
    """Return LlamaIndex's model on a client."""
    return _bedrock.BedrockConverse(model=MODEL, client=client, region_name="us-east-1", **settings)


def messages(question: str = "Hello?") -> list[Any]:
    """Return a system prompt and a question."""
    return [
        _llms.ChatMessage(role="system", content=RULES),
        _llms.ChatMessage(role="user", content=question),
    ]


def assert_reported(answers: list[Any], bedrock: BedrockEmulator) -> None:
    """Compare the usage that LlamaIndex hands out with what Bedrock counted."""
    told = [answer.additional_kwargs for answer in answers]
    assert [usage["cache_read_input_tokens"] for usage in told] == [
        record.cache_read_tokens for record in bedrock.ledger
    ]
    assert [usage["cache_creation_input_tokens"] for usage in told] == [
        record.cache_write_tokens for record in bedrock.ledger
    ]
    assert used(bedrock).cache_read_tokens >= 2_000 * (len(told) - 1)


def test_chat_and_stream(bedrock: BedrockEmulator, client: Any) -> None:
    """A chat writes the system prompt, a stream reads it, and both say so."""
    llm = llm_on(client)
    first = llm.chat(messages())
    second = list(llm.stream_chat(messages("And you?")))[-1]
    assert first.message.content == second.message.content == "Hello."
    assert_reported([first, second], bedrock)


@through_threads
async def test_async(bedrock: BedrockEmulator, client: Any) -> None:
    """Without aioboto3 its async calls run in threads, on the same cached client."""
    llm = llm_on(client)
    first = await llm.achat(messages())
    parts = [part async for part in await llm.astream_chat(messages("And you?"))]
    assert_reported([first, parts[-1]], bedrock)


@through_threads
@pytest.mark.parametrize("own", [False, True])
async def test_agent(bedrock: BedrockEmulator, client: Any, *, own: bool) -> None:
    """An agent's loop is cached, whether its own two switches are on or off."""
    agent = _workflow.FunctionAgent(
        tools=[_tools.FunctionTool.from_defaults(add)],
        llm=llm_on(client, system_prompt_caching=own, tool_caching=own),
        system_prompt=RULES,
    )
    assert str(await agent.run("1 + 2?")) == "It is 3."
    assert bedrock.ledger[-1].cache_read_tokens >= 2_000
    assert doubled(bedrock.requests) == []
    assert all("system[0]" in " ".join(points(request)) for request in bedrock.requests)


def test_its_own_points_are_kept(bedrock: BedrockEmulator, client: Any) -> None:
    """A `CachePoint` block and the switch for system prompts stay, and are not doubled."""
    point = _llms.CachePoint(cache_control=_llms.CacheControl(type="default"))
    lease = _llms.TextBlock(text=words(2_000, "lease"))
    question = _llms.TextBlock(text="Who waters flat 7?")
    asked = _llms.ChatMessage(role="user", blocks=[lease, point, question])
    llm_on(client, system_prompt_caching=True).chat([messages()[0], asked])
    assert {"system[0]", "messages[0][0]"} <= set(points(bedrock.requests[0]))
    assert doubled(bedrock.requests) == []


def test_errors_are_boto3s(bedrock: BedrockEmulator, client: Any) -> None:
    """What Bedrock refuses arrives as boto3's own exception."""
    bedrock.fail_next("AccessDeniedException")
    with pytest.raises(client.exceptions.AccessDeniedException):
        llm_on(client).chat(messages())
