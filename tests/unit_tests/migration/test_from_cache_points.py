"""From hand-written cache points: leave them out, or keep the right ones; what becomes of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import HumanMessage
from migration.wrong_form_cases import CASES, Case
from wire import CLAUDE, POINT, ask, points, text, user, words

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory, cached_client
from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import CachePointPositionError, CachePolicyError
from langchain_bedrock_cache.wrong_forms import mended

LEASE = words(2_000, "lease")
ModelOn = Callable[[BedrockEmulator], Any]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_without_its_own_points_every_request_is_cached(
    emulator: BedrockEmulator, memory: PrefixMemory, case: Case
) -> None:
    """Delete the points, wrap the client: what was refused is answered, and read later."""
    request = strip_points(mended(case.request, api="converse"))
    request["messages"] = [
        {**m, "content": [block for block in m["content"] if block != {"text": ""}]}
        for m in request["messages"]
    ]
    request["messages"] = [message for message in request["messages"] if message["content"]]
    if request["messages"][-1]["role"] == "assistant":
        request["messages"].append(user("?"))
    client = cached_client(emulator.client(), memory=memory)
    for _ in range(3):
        client.converse(**request)
    assert emulator.ledger[-1].cache_read_tokens >= 1_024


def test_a_right_point_is_kept(emulator: BedrockEmulator, memory: PrefixMemory) -> None:
    """Points that were right need no change: they stay, and the planner adds the rest."""
    request = ask(user(text(2_000), POINT, "?"), system=[text(1_500, "rules")])
    cached_client(emulator.client(), memory=memory).converse(**request)
    assert "messages[0][0]" in points(emulator.requests[0])


def plain(emulator: BedrockEmulator) -> Any:
    """Return langchain-aws's own model."""
    client = emulator.client()
    return ChatBedrockConverse(model_id=CLAUDE, client=client, bedrock_client=client)


def ours(emulator: BedrockEmulator) -> Any:
    """Return the same with the class name changed."""
    client = emulator.client()
    return ChatBedrockCached(
        model_id=CLAUDE, client=client, bedrock_client=client, prefix_memory=PrefixMemory()
    )


def sent(model_on: ModelOn, *content: Any) -> list[str] | type[Exception]:
    """Return where the cache points of a message ended up on the wire, or the error."""
    emulator = BedrockEmulator(capture_requests=True)
    try:
        model_on(emulator).invoke([HumanMessage([*content, "Who waters flat 7?"])])
    except (ValueError, ClientError, ParamValidationError) as error:
        return type(error)
    return points(emulator.requests[0])


LEASE_BLOCK: dict[str, Any] = {"type": "text", "text": LEASE}
THERE = ["messages[0][0]"]
# What people write in LangChain messages; what langchain-aws makes of it; what we make of it.
MESSAGES: dict[str, tuple[tuple[Any, ...], Any, Any]] = {
    "create_cache_point": (
        (LEASE_BLOCK, ChatBedrockConverse.create_cache_point()),
        THERE,
        THERE,
    ),
    "cachePoint": ((LEASE_BLOCK, POINT), THERE, THERE),
    "cache_point": ((LEASE_BLOCK, {"cache_point": {"type": "default"}}), THERE, THERE),
    "nothing at all": ((LEASE_BLOCK,), [], THERE),
    # langchain-aws leaves these marks out without a word.
    "cachePoint on a text": (({**LEASE_BLOCK, **POINT},), [], THERE),
    "cache_control on a text": (
        ({**LEASE_BLOCK, "cache_control": {"type": "ephemeral"}},),
        [],
        THERE,
    ),
    # It does not know these at all.
    "a type of its own": ((LEASE_BLOCK, {"type": "cachePoint", **POINT}), ValueError, ValueError),
    "text without a type": (
        ({"text": LEASE, **POINT},),
        ParamValidationError,
        ParamValidationError,
    ),
    "an empty point": ((LEASE_BLOCK, {"cachePoint": {}}), ParamValidationError, CachePolicyError),
}


@pytest.mark.parametrize(("content", "before", "after"), MESSAGES.values(), ids=MESSAGES)
def test_langchain_messages(content: tuple[Any, ...], before: Any, after: Any) -> None:
    """What each spelling does with langchain-aws, and after the class name has changed."""
    assert (sent(plain, *content), sent(ours, *content)) == (before, after)


def test_first_in_a_message() -> None:
    """A point before the text is refused by Bedrock, and by us before it is sent."""
    emulator = BedrockEmulator()
    message = HumanMessage([POINT, LEASE_BLOCK])
    with pytest.raises(ClientError, match="nothing available to cache"):
        plain(emulator).invoke([message])
    with pytest.raises(CachePointPositionError, match="has nothing before it"):
        ours(emulator).invoke([message])
    assert len(emulator.ledger) == 1
