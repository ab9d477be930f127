"""A reply in Bedrock's clothes: usage, the Converse body, the events of ConverseStream."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from langchain_bedrock_cache.checks import check_type
from langchain_bedrock_cache.emulator.faults import Fault
from langchain_bedrock_cache.emulator.prompt_cache import CacheOutcome
from langchain_bedrock_cache.emulator.replies import Reply, ToolUse
from langchain_bedrock_cache.emulator.tokens import to_json

Event = tuple[str, dict[str, Any]]
"""Name of a stream event, and its payload."""

SIGNATURE = "emulated-signature"
"""Of every reasoning block."""

_PIECE = re.compile(r".{1,24}", re.DOTALL)
# Both are echoed by Bedrock in the response.
_ECHOED = ("performanceConfig", "serviceTier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything a response is made of.

    Attributes:
        reply: What the model says, complete: ids, stop reason and output tokens are set.
        usage: As Converse reports it.
        latency_ms: Time to the first byte, in milliseconds.
        extras: Further top-level members, such as `trace`.
        broken_off_by: The failure in the middle of its stream, if one is due.
    """

    reply: Reply
    usage: dict[str, Any]
    latency_ms: int
    extras: dict[str, Any]
    broken_off_by: Fault | None = None


def complete_reply(
    reply: str | Reply, *, request: Mapping[str, Any], chars_per_token: float, id_prefix: str
) -> Reply:
    """Return a reply with everything set that the responder left open.

    A text longer than `inferenceConfig.maxTokens` is cut, with the stop reason `max_tokens`.

    Args:
        reply: What the responder returned.
        request: Decoded parameters of Converse.
        chars_per_token: Characters a token, for the output too.
        id_prefix: Start of tool-use IDs, unique among requests.

    Raises:
        TypeError: If the responder returned something else.
    """
    check_type("what the responder returned", reply, (str, Reply), what="a text or a Reply")
    reply = Reply(text=reply) if isinstance(reply, str) else reply
    uses = [
        replace(use, id=use.id or f"{id_prefix}{number}")
        for number, use in enumerate(reply.tool_uses)
    ]
    stop_reason = reply.stop_reason or ("tool_use" if uses else "end_turn")
    output_tokens, text = reply.output_tokens, reply.text
    if output_tokens is None:
        said = reply.reasoning + text + "".join(u.name + to_json(u.input) for u in uses)
        output_tokens = max(1, math.ceil(len(said) / chars_per_token))
        limit = request.get("inferenceConfig", {}).get("maxTokens", output_tokens)
        if output_tokens > limit and not uses:
            text = text[: int(limit * chars_per_token)]
            output_tokens, stop_reason = limit, "max_tokens"
    return replace(
        reply, text=text, tool_uses=uses, stop_reason=stop_reason, output_tokens=output_tokens
    )


def usage_of(outcome: CacheOutcome, *, output_tokens: int, details: bool) -> dict[str, Any]:
    """Return usage as Converse reports it: `inputTokens` without the cached ones.

    Args:
        outcome: What the request read and wrote.
        output_tokens: Of the reply.
        details: Whether to add `cacheDetails` (1h before 5m, empty if nothing was written).
    """
    read, write = outcome.read_tokens, outcome.write_tokens
    usage: dict[str, Any] = {
        "inputTokens": outcome.uncached_tokens,
        "outputTokens": output_tokens,
        "totalTokens": outcome.uncached_tokens + read + write + output_tokens,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": write,
        # Recorded: Bedrock sends both numbers twice, and this empty object.
        "cacheReadInputTokenCount": read,
        "cacheWriteInputTokenCount": write,
        "serverToolUsage": {},
    }
    if details:
        parts = (("1h", outcome.write_1h_tokens), ("5m", outcome.write_5m_tokens))
        usage["cacheDetails"] = [{"ttl": ttl, "inputTokens": n} for ttl, n in parts if n]
    return usage


def extras_of(
    request: Mapping[str, Any], *, invoked_model_arn: str | None = None
) -> dict[str, Any]:
    """Return the top-level members of a response that repeat or explain the request.

    Args:
        request: Decoded parameters of Converse.
        invoked_model_arn: What a prompt router chose; `None` if it was none.
    """
    extras = {name: request[name] for name in _ECHOED if name in request}
    if invoked_model_arn is not None:
        extras["trace"] = {"promptRouter": {"invokedModelId": invoked_model_arn}}
    return extras


def converse_body(answer: Answer) -> dict[str, Any]:
    """Return the body of a Converse response."""
    reply = answer.reply
    content: list[dict[str, Any]] = []
    if reply.reasoning:
        text = {"text": reply.reasoning, "signature": SIGNATURE}
        content.append({"reasoningContent": {"reasoningText": text}})
    if reply.text:
        content.append({"text": reply.text})
    content += [{"toolUse": _start(use) | {"input": dict(use.input)}} for use in reply.tool_uses]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": reply.stop_reason,
        "usage": answer.usage,
        "metrics": {"latencyMs": answer.latency_ms},
        **answer.extras,
    }


def stream_events(answer: Answer) -> Iterator[Event]:
    """Yield the events of a ConverseStream response; usage comes with the last one."""
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(_streamed_blocks(answer.reply)):
        for name, payload in block:
            yield name, {"contentBlockIndex": index, **payload}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": answer.reply.stop_reason}
    metrics = {"latencyMs": answer.latency_ms}
    yield "metadata", {"usage": answer.usage, "metrics": metrics, **answer.extras}


def _streamed_blocks(reply: Reply) -> Iterator[list[Event]]:
    if reply.reasoning:
        deltas = [{"text": piece} for piece in pieces(reply.reasoning)]
        yield [_delta({"reasoningContent": delta}) for delta in [*deltas, {"signature": SIGNATURE}]]
    if reply.text:  # recorded: a text block has no contentBlockStart
        yield [_delta({"text": piece}) for piece in pieces(reply.text)]
    for use in reply.tool_uses:
        start: Event = ("contentBlockStart", {"start": {"toolUse": _start(use)}})
        inputs = (_delta({"toolUse": {"input": part}}) for part in pieces(to_json(use.input)))
        yield [start, *inputs]


def _start(use: ToolUse) -> dict[str, Any]:
    return {"toolUseId": use.id, "name": use.name}


def _delta(delta: dict[str, Any]) -> Event:
    return "contentBlockDelta", {"delta": delta}


def pieces(text: str) -> list[str]:
    """Return a text in the pieces it is streamed in."""
    return _PIECE.findall(text)
