"""Recorded conversations of agents, and when their models were called."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS_BETWEEN_SESSIONS = 120.0
SECONDS_PER_CALL = 15.0  # where no times were recorded
_NO_INPUT = {"parameters": {"type": "object", "properties": {}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One recorded conversation.

    Attributes:
        name: Of its thread.
        system: System prompt.
        tools: In OpenAI's form.
        messages: The same, from the first of the user on.
        calls: When the model was called, and with how many of the messages.
    """

    name: str
    system: str
    tools: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    calls: list[tuple[float, int]]


def read_sessions(folder: str | Path, name: str, *, limit: int) -> list[Session]:
    """Return the first sessions of a file, the first at second 0."""
    with gzip.open(Path(folder) / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(limit), strict=False)]
    return [_session(row, k * SECONDS_BETWEEN_SESSIONS) for k, row in enumerate(rows)]


def _session(row: dict[str, Any], start: float) -> Session:
    messages = row["messages"]
    # An agent's greeting before the first user turn was not sent to the model.
    lead = next(i for i, message in enumerate(messages) if message["role"] == "user")
    calls, elapsed = [], 0.0
    first = row["calls"][0].get("t")
    for call in row["calls"]:
        if messages[call["n"] - 1]["role"] == "assistant" or call["n"] >= len(messages):
            continue
        recorded = call.get("t")
        elapsed = elapsed + SECONDS_PER_CALL if recorded is None else max(elapsed, recorded - first)
        calls.append((start + elapsed, call["n"] - lead))
    return Session(
        name=row["id"],
        system=row["system"],
        tools=[_NO_INPUT | tool["function"] for tool in row["tools"]],
        messages=messages[lead:],
        calls=calls,
    )


def text_of(message: dict[str, Any]) -> str:
    """Return the text of a recorded message, however it was written."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)
