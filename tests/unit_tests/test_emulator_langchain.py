"""Plain langchain-aws against the emulator: what users run, without our own chat model."""

from __future__ import annotations

from typing import Any

from langchain_aws import ChatBedrockConverse
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse, scripted

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SYSTEM = SystemMessage([{"type": "text", "text": "s" * 6_000}, {"cachePoint": {"type": "default"}}])


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


def model(emulator: BedrockEmulator) -> ChatBedrockConverse:
    """Return a chat model whose client is the emulator's.

    Without `bedrock_client` langchain-aws makes one for the control plane, and wants credentials.
    """
    client = emulator.client()
    return ChatBedrockConverse(model_id=CLAUDE, client=client, bedrock_client=client)


def details(message: Any) -> dict[str, Any]:
    """Return the input token details of a message."""
    return dict(message.usage_metadata["input_token_details"])


def test_invoke_reports_writes_and_reads() -> None:
    """LangChain sees the text, and the cache in usage_metadata."""
    chat = model(BedrockEmulator(responder=lambda _request: "Good day."))
    first, second = (chat.invoke([SYSTEM, HumanMessage("Hello")]) for _ in range(2))
    assert first.text == "Good day."
    assert details(first)["ephemeral_5m_input_tokens"] == 2_000
    assert details(second)["cache_read"] == 2_000
    assert second.usage_metadata is not None
    assert second.usage_metadata["input_tokens"] == 2_004


def test_stream_reports_usage_once() -> None:
    """Chunks add up to the text and carry the cache usage of the last event."""
    chat = model(BedrockEmulator(responder=lambda _request: "Good day, how do you do?"))
    chat.invoke([SYSTEM, HumanMessage("Hello")])
    chunks = list(chat.stream([SYSTEM, HumanMessage("Hello")]))
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    assert len(chunks) > 2
    assert total.text == "Good day, how do you do?"
    assert details(total)["cache_read"] == 2_000


def test_tool_loop_runs_on_a_script() -> None:
    """A tool call, its result and the answer go round, and the history is accepted."""
    call_tool = Reply(tool_uses=[ToolUse(name="add", input={"a": 20, "b": 1})])
    script = scripted([call_tool, "It is 21."])
    emulator = BedrockEmulator(responder=script, capture_requests=True)
    chat = model(emulator).bind_tools([add])
    history: list[Any] = [HumanMessage("20 + 1?")]
    call = chat.invoke(history)
    assert isinstance(call, AIMessage)
    [request] = call.tool_calls
    result = add.invoke(request)
    assert isinstance(result, ToolMessage)
    answer = chat.invoke([*history, call, result])
    assert answer.text == "It is 21."
    sent = emulator.requests[-1]["messages"][-1]["content"][0]["toolResult"]
    assert sent["toolUseId"] == request["id"]


def test_streamed_tool_call_is_complete() -> None:
    """A tool call that comes in pieces is one call with all its arguments."""
    call = Reply(text="Let me see.", tool_uses=[ToolUse(name="add", input={"a": 1, "b": 2})])
    chat = model(BedrockEmulator(responder=lambda _request: call)).bind_tools([add])
    total: Any = None
    for chunk in chat.stream("1 + 2?"):
        total = chunk if total is None else total + chunk
    assert [(c["name"], c["args"]) for c in total.tool_calls] == [("add", {"a": 1, "b": 2})]


def test_structured_output_needs_no_script() -> None:
    """The default reply to a forced tool satisfies the schema."""
    person = model(BedrockEmulator()).with_structured_output(Person).invoke("Who?")
    assert person == Person(name="", age=0)


def test_reasoning_comes_back() -> None:
    """A reasoning block arrives, and can be sent back as history."""
    reply = Reply(reasoning="Easy.", text="42")
    chat = model(BedrockEmulator(responder=lambda _request: reply))
    answer = chat.invoke("6 * 7?")
    kinds = [block["type"] for block in answer.content if isinstance(block, dict)]
    assert kinds == ["reasoning_content", "text"]
    chat.invoke([HumanMessage("6 * 7?"), answer, HumanMessage("Sure?")])
