"""Made-up traffic on which caching should lose, to show that `auto` does not.

Each function yields `(at_seconds, session, request)` for so many calls, in time order. Prompts are
long enough for every model's minimum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.profiles import ModelProfile
from langchain_bedrock_cache.simulate.traffic import ReadCall, Traffic, to_traffics

Request = dict[str, Any]
Step = tuple[float, str, Request]

_SECONDS_BETWEEN_CALLS = 20.0
_LONG_CHARS = 24_000  # 8,000 tokens: above every model's minimum
_QUESTION_CHARS = 300
_TURNS = 10  # of a conversation
_WIDE_TURN_TOOLS = 25  # parallel tool calls: 50 blocks a turn, where Claude looks back 21


def never_repeats(calls: int) -> Iterator[Step]:
    """Yield requests that share nothing: new system prompt, document and question every time."""
    for n in range(calls):
        yield n * _SECONDS_BETWEEN_CALLS, f"{n}", _ask(f"{n}")


def never_alike(calls: int) -> Iterator[Step]:
    """Yield requests that share nothing, not even their shape: each looks like a new application.

    What is learned about one kind of request says nothing about the next.
    """
    for n in range(calls):
        request = _ask(f"{n}", system_chars=round(_LONG_CHARS * 1.2 ** (n % 17)))
        tools = [_tool(f"tool_{n}_{i}") for i in range(n % 13)]
        yield n * _SECONDS_BETWEEN_CALLS, f"{n}", request | _tool_config(tools)


def repeats_once(calls: int) -> Iterator[Step]:
    """Yield every request twice, with another one between, and then never again."""
    for n in range(calls):
        key = n // 2 + 1 if n % 2 else max(n // 2 - 1, 0)  # 0, 1, 0, 2, 1, 3, 2, 4, ...
        yield n * _SECONDS_BETWEEN_CALLS, f"{n}", _ask(f"{key}")


def dated_system(calls: int) -> Iterator[Step]:
    """Yield requests whose long system prompt begins with the time of the call."""
    rules = _text("rules", _LONG_CHARS)
    for n in range(calls):
        at = n * _SECONDS_BETWEEN_CALLS
        system = f"It is {at:012.3f} seconds past midnight.\n{rules}"
        yield at, f"{n}", _converse(system, [_user(_text("document", _LONG_CHARS), f"Why {n}?")])


def wide_turns(calls: int) -> Iterator[Step]:
    """Yield agent conversations that add more than 21 blocks a turn."""
    messages: list[Request] = []
    for n in range(calls):
        session, turn = divmod(n, _TURNS)
        if turn == 0:
            messages = [_user(_text(f"task {session}", _LONG_CHARS))]
        yield n * _SECONDS_BETWEEN_CALLS, f"{session}", _converse("You are an agent.", messages)
        messages = [*messages, *_parallel_calls(session, turn)]


def pauses(calls: int, *, seconds: float) -> Iterator[Step]:
    """Yield conversations that wait the same time before every call.

    Args:
        calls: How many.
        seconds: Between one call and the next.
    """
    messages: list[Request] = []
    for n in range(calls):
        session, turn = divmod(n, _TURNS)
        if turn == 0:
            messages = [_user(_text(f"task {session}", _LONG_CHARS))]
        yield (
            n * seconds,
            f"{session}",
            _converse(_text(f"system {session}", _LONG_CHARS), messages),
        )
        answer = _text(f"answer {session}/{turn}", 4 * _QUESTION_CHARS)
        question = _text(f"question {session}/{turn}", _QUESTION_CHARS)
        messages = [*messages, _assistant(answer), _user(question)]


ADVERSARIES: Mapping[str, Callable[[int], Iterator[Step]]] = {
    "never repeats": never_repeats,
    "never repeats, never looks alike": never_alike,
    "repeats each prompt once": repeats_once,
    "date in the system prompt": dated_system,
    "more than 21 blocks a turn": wide_turns,
    "pauses just over 5 minutes": partial(pauses, seconds=301.0),
    "pauses just over an hour": partial(pauses, seconds=3601.0),
}
"""Every adversary by name."""


def adversary_traffic(name: str, *, calls: int, model_id: str, profile: ModelProfile) -> Traffic:
    """Return the first calls of an adversary.

    Args:
        name: Of `ADVERSARIES`.
        calls: How many; at least 1.
        model_id: The model to simulate.
        profile: What it allows.
    """
    read = [
        ReadCall(
            at_seconds=at,
            session=session,
            model_id=model_id,
            profile=profile,
            prefix=read_converse(request, profile),
        )
        for at, session, request in ADVERSARIES[name](calls)
    ]
    return to_traffics(read, source=name)[0]


def _text(key: str, chars: int) -> str:
    return f"{key}: ".ljust(chars, ".")


def _ask(key: str, *, system_chars: int = _LONG_CHARS) -> Request:
    """Return a question about a document, under a system prompt, all of them named by the key."""
    document = _text(f"document {key}", _LONG_CHARS)
    question = _text(f"question {key}", _QUESTION_CHARS)
    return _converse(_text(f"system {key}", system_chars), [_user(document, question)])


def _converse(system: str, messages: list[Request]) -> Request:
    return {"system": [{"text": system}], "messages": messages}


def _tool_config(tools: list[Request]) -> Request:
    return {"toolConfig": {"tools": tools}} if tools else {}


def _tool(name: str) -> Request:
    schema = {"json": {"type": "object"}}
    description = _text(name, _QUESTION_CHARS)
    return {"toolSpec": {"name": name, "description": description, "inputSchema": schema}}


def _user(*texts: str) -> Request:
    return {"role": "user", "content": [{"text": text} for text in texts]}


def _assistant(text: str) -> Request:
    return {"role": "assistant", "content": [{"text": text}]}


def _parallel_calls(session: int, turn: int) -> list[Request]:
    """Return the messages of one turn: many tool calls, and their results."""
    ids = [f"{session}/{turn}/{n}" for n in range(_WIDE_TURN_TOOLS)]
    calls = [{"toolUse": {"toolUseId": i, "name": "look", "input": {"at": i}}} for i in ids]
    results = [
        {"toolResult": {"toolUseId": i, "content": [{"text": _text(i, _QUESTION_CHARS)}]}}
        for i in ids
    ]
    return [{"role": "assistant", "content": calls}, {"role": "user", "content": results}]
