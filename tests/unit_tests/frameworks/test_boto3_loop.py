"""Plain boto3: a tool loop written by hand, with one line changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from frameworks.agent_loop import RULES, add, doubled, used
from wire import CLAUDE, NOVA, points

from langchain_bedrock_cache.emulator import BedrockEmulator

TOOL: dict[str, Any] = {
    "toolSpec": {
        "name": "add",
        "description": "Add two numbers.",
        "inputSchema": {"json": {"type": "object", "properties": {"a": {}, "b": {}}}},
    }
}
Say = Callable[[Any, dict[str, Any]], dict[str, Any]]


def converse(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return the message that Converse answers with."""
    message: dict[str, Any] = client.converse(**request)["output"]["message"]
    return message


def converse_stream(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return the message that a stream is made of."""
    content: list[dict[str, Any]] = []
    for event in client.converse_stream(**request)["stream"]:
        if "contentBlockStart" in event:
            use = event["contentBlockStart"]["start"].get("toolUse")
            content.append({"toolUse": {**use, "input": {"a": 1, "b": 2}}} if use else {"text": ""})
        elif text := event.get("contentBlockDelta", {}).get("delta", {}).get("text"):
            if not content:
                content.append({"text": ""})
            content[-1]["text"] += text
    return {"role": "assistant", "content": content}


def conversation(client: Any, model: str, say: Say, questions: Iterator[str]) -> list[str]:
    """Ask the questions in one conversation, running the tool whenever it is called."""
    messages: list[dict[str, Any]] = []
    answers = []
    for question in questions:
        messages.append({"role": "user", "content": [{"text": question}]})
        while True:
            message = say(
                client,
                {
                    "modelId": model,
                    "system": [{"text": RULES}],
                    "messages": messages,
                    "toolConfig": {"tools": [TOOL]},
                },
            )
            messages.append(message)
            uses = [block["toolUse"] for block in message["content"] if "toolUse" in block]
            if not uses:
                answers.append(message["content"][0]["text"])
                break
            results = [
                {
                    "toolResult": {
                        "toolUseId": use["toolUseId"],
                        "content": [{"text": str(add(**use["input"]))}],
                    }
                }
                for use in uses
            ]
            messages.append({"role": "user", "content": results})
    return answers


@pytest.mark.parametrize("say", [converse, converse_stream])
@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_a_loop(bedrock: BedrockEmulator, client: Any, model: str, say: Say) -> None:
    """Every call but the first reads what the one before wrote, on Claude and on Nova."""
    answers = conversation(client, model, say, iter(["1 + 2?", "Sure?"]))
    assert answers == ["It is 3.", "It is 3."]
    reads = [record.cache_read_tokens for record in bedrock.ledger]
    assert reads[0] == 0
    assert min(reads[1:]) >= 2_000
    assert doubled(bedrock.requests) == []
    assert used(bedrock).cache_write_tokens < 2_200


def test_the_plain_client_pays_in_full(bedrock: BedrockEmulator) -> None:
    """The same loop without the one line has no cache points, and pays for the rules every time."""
    conversation(bedrock.client(), CLAUDE, converse, iter(["1 + 2?", "Sure?"]))
    assert [points(request) for request in bedrock.requests] == [[], [], [], []]
    assert used(bedrock).uncached_input_tokens > 8_000
