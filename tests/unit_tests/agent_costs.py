"""What a replay of agents could not have cost less than, and what its checkpointer saved."""

from __future__ import annotations

from agent_replay import CHARS_PER_TOKEN
from langgraph.checkpoint.memory import InMemorySaver
from wire import CLAUDE

from langchain_bedrock_cache.converse import read_converse, strip_points
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.emulator.accounting import measure
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate.bound import lower_bound
from langchain_bedrock_cache.simulate.traffic import Call, Traffic


def bounds(emulator: BedrockEmulator) -> tuple[float, float]:
    """Return the least that the same requests could cost, in tokens at the input price.

    Returns:
        With lifetimes kept apart, and as in the emulated cache.
    """
    profile = find_profile(CLAUDE)
    if profile is None:
        raise LookupError(CLAUDE)
    calls, turns = [], 0
    for record, request in zip(emulator.ledger, emulator.requests, strict=True):
        bare = {"modelId": CLAUDE, **strip_points(request)}
        size = measure(bare, profile=profile, chars_per_token=CHARS_PER_TOKEN)
        turns += size.turn_tokens  # behind the last block, never cached
        calls.append(
            Call(
                at_seconds=record.at,
                session="",
                prefix=read_converse(bare, profile),
                tokens=size.cumulative_tokens,
            )
        )
    traffic = Traffic(source="agents", model_id=CLAUDE, profile=profile, calls=tuple(calls))
    prices = price_multipliers(CLAUDE)
    kept = lower_bound(traffic, prices, prolonging=False)
    return turns + kept, turns + lower_bound(traffic, prices)


def saved_points(saver: InMemorySaver) -> int:
    """Return how many cache points are in what a checkpointer saved, in either spelling."""
    saved = [kept for _, kept in saver.blobs.values()]
    for checkpoints in saver.storage.values():
        for kept in checkpoints.values():
            saved += [blob for entry in kept.values() for _, blob in entry[:2]]
    saved += [entry[2][1] for written in saver.writes.values() for entry in written.values()]
    if not saved:
        msg = "The checkpointer saved nothing."
        raise LookupError(msg)
    return sum(blob.count(word) for blob in saved for word in (b"cachePoint", b"cache_control"))
