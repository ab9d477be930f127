"""CountTokens: the same estimate as Converse, for the models that count."""

from __future__ import annotations

import json
from typing import Any

import pytest

from langchain_bedrock_cache.emulator import BedrockEmulator

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
POINT = {"cachePoint": {"type": "default"}}
TOOL = {"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}
REQUEST: dict[str, Any] = {
    "toolConfig": {"tools": [TOOL, POINT]},
    "system": [{"text": "s" * 4_000}, POINT],
    "messages": [{"role": "user", "content": [{"text": "Hello"}, POINT, {"text": "there"}]}],
}


def test_count_tokens_ignores_cache_points() -> None:
    """A request counts the same with and without points, and as much as Converse takes."""
    client = BedrockEmulator().client()
    model_id = CLAUDE.removeprefix("us.")
    [message] = REQUEST["messages"]
    plain = {
        "toolConfig": {"tools": [TOOL]},
        "system": REQUEST["system"][:1],
        "messages": [{**message, "content": [b for b in message["content"] if b != POINT]}],
    }
    counted, counted_plain = (
        client.count_tokens(modelId=model_id, input={"converse": request})["inputTokens"]
        for request in (REQUEST, plain)
    )
    assert counted == counted_plain
    used = client.converse(modelId=CLAUDE, **REQUEST)["usage"]
    assert counted == used["inputTokens"] + used["cacheWriteInputTokens"]


@pytest.mark.parametrize(
    "model_id",
    [
        CLAUDE,
        "anthropic.claude-opus-4-8",
        "amazon.nova-2-lite-v1:0",
        "meta.llama3-1-8b-instruct-v1:0",
    ],
)
def test_count_tokens_is_refused_for_models_that_do_not_count(model_id: str) -> None:
    """Newer models, other vendors and inference profiles do not count, in Bedrock's words."""
    client = BedrockEmulator().client()
    request = {"converse": {"messages": REQUEST["messages"]}}
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.count_tokens(modelId=model_id, input=request)
    message = caught.value.response["Error"]["Message"]
    assert message == "The provided model doesn't support counting tokens."


def test_count_tokens_of_an_invoke_model_body_is_that_of_the_conversation() -> None:
    """The other input form counts the same conversation the same."""
    client = BedrockEmulator().client()
    body = {"messages": [{"role": "user", "content": "a question"}]}
    converse = {"messages": [{"role": "user", "content": [{"text": "a question"}]}]}
    model_id = CLAUDE.removeprefix("us.")
    native = {"invokeModel": {"body": json.dumps(body).encode()}}
    counted = client.count_tokens(modelId=model_id, input=native)["inputTokens"]
    same = client.count_tokens(modelId=model_id, input={"converse": converse})["inputTokens"]
    assert counted == same > 0
