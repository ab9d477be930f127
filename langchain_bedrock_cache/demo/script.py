"""What the emulated model says: it looks up what the script tells it to, then it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_bedrock_cache.demo.agent import AgentWorkload, Lookup
from langchain_bedrock_cache.demo.rag import RagWorkload
from langchain_bedrock_cache.emulator.replies import Reply, Responder, ToolUse

_ANSWER = "Here a model would answer from what it has read. The emulator only counts its tokens."


def responder_for(
    workload: RagWorkload | AgentWorkload, *, output_tokens: int | None = None
) -> Responder:
    """Return the script of a workload as a responder for the emulator.

    It keeps no state: the history in each request tells where in the script it is.

    Args:
        workload: What is going to be asked.
        output_tokens: Length of each reply; `None` for that of its text.
    """
    conversations = workload.conversations if isinstance(workload, AgentWorkload) else ()
    script = {turn.question: turn.lookups for turns in conversations for turn in turns}

    def respond(request: dict[str, Any]) -> Reply:
        question, looked_up = _progress(request["messages"])
        lookups = script.get(question, ())
        if looked_up < len(lookups):
            return Reply(tool_uses=[_tool_use(lookups[looked_up])], output_tokens=output_tokens)
        return Reply(text=_ANSWER, output_tokens=output_tokens)

    return respond


def _progress(messages: Sequence[Mapping[str, Any]]) -> tuple[str, int]:
    """Return the last question, and how many tool results have come since."""
    looked_up = 0
    for message in reversed(messages):
        if message["role"] != "user":
            continue
        for block in reversed(message["content"]):
            looked_up += "toolResult" in block
            if "text" in block:
                return block["text"], looked_up
    return "", looked_up


def _tool_use(lookup: Lookup) -> ToolUse:
    return ToolUse(name=lookup.tool, input=lookup.arguments)
