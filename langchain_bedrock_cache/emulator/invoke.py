"""InvokeModel and InvokeModelWithResponseStream, for the two families that have a prompt cache."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from langchain_bedrock_cache.emulator.calls import Call
from langchain_bedrock_cache.emulator.claude_format import claude_body, claude_events, read_claude
from langchain_bedrock_cache.emulator.errors import invalid, malformed
from langchain_bedrock_cache.emulator.models import Model
from langchain_bedrock_cache.emulator.nova_format import nova_body, nova_events, read_nova
from langchain_bedrock_cache.emulator.responses import Answer, Event


def decode_body(model: Model, body: bytes, *, complete: bool = True) -> dict[str, Any]:
    """Return the Converse parameters that say what a body of InvokeModel says.

    Args:
        model: It decides the format.
        body: JSON, as sent.
        complete: Whether to insist on what InvokeModel wants beside the conversation.

    Raises:
        ServiceError: If the model refuses the form of the body, or the emulator has no such model.
    """
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        problem = "#: expected type: JSONObject"
        raise malformed(problem)
    try:
        if _is_claude(model):
            request = read_claude(values, complete=complete)
        elif _is_nova(model):
            request = read_nova(values)
        else:
            msg = "The emulator answers InvokeModel for Claude and Nova only."
            raise invalid(msg)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"#: {type(error).__name__}"
        raise malformed(problem) from None
    return {**request, "modelId": model.id}


def invoke_body(call: Call, answer: Answer) -> dict[str, Any]:
    """Return the body of an InvokeModel response."""
    if _is_nova(call.model):
        return nova_body(answer)
    return claude_body(answer, message_id=_message_id(call), model_id=call.model.base_id)


def invoke_events(call: Call, answer: Answer) -> Iterator[Event]:
    """Yield the events of an InvokeModelWithResponseStream response."""
    metrics = _metrics(answer)
    if _is_nova(call.model):
        events = nova_events(answer, metrics=metrics)
    else:
        events = claude_events(
            answer,
            message_id=_message_id(call),
            model_id=call.model.base_id,
            metrics=metrics,
        )
    for event in events:
        yield "chunk", {"bytes": b64encode(json.dumps(event).encode()).decode()}


def invoke_headers(answer: Answer) -> Mapping[str, str]:
    """Return the headers in which InvokeModel reports usage."""
    usage = answer.usage
    return {
        "X-Amzn-Bedrock-Input-Token-Count": str(usage["inputTokens"]),
        "X-Amzn-Bedrock-Output-Token-Count": str(usage["outputTokens"]),
        "X-Amzn-Bedrock-Cache-Read-Input-Token-Count": str(usage["cacheReadInputTokens"]),
        "X-Amzn-Bedrock-Cache-Write-Input-Token-Count": str(usage["cacheWriteInputTokens"]),
        "X-Amzn-Bedrock-Invocation-Latency": str(answer.latency_ms),
    }


def is_native_claude(call: Call) -> bool:
    """Whether a call is in Claude's own format, which takes points after any document."""
    return call.operation.startswith("InvokeModel") and _is_claude(call.model)


def _is_claude(model: Model) -> bool:
    return model.base_id.startswith("anthropic.")


def _is_nova(model: Model) -> bool:
    return model.base_id.startswith("amazon.nova-")


def _message_id(call: Call) -> str:
    return f"msg_bdrk_{call.arrival.request_id[-12:]}"


def _metrics(answer: Answer) -> dict[str, Any]:
    usage = answer.usage
    return {
        "inputTokenCount": usage["inputTokens"],
        "outputTokenCount": usage["outputTokens"],
        "invocationLatency": answer.latency_ms,
        "firstByteLatency": answer.latency_ms,
        "cacheReadInputTokenCount": usage["cacheReadInputTokens"],
        "cacheWriteInputTokenCount": usage["cacheWriteInputTokens"],
    }
