"""Verdicts on cache points of the application's own, with caching by policy switched off."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import SystemMessage
from situation_stage import RULES, Stage, ask

from langchain_bedrock_cache import CachePolicy
from langchain_bedrock_cache.emulator import BedrockEmulator

POINT = {"cachePoint": {"type": "default"}}


def test_points_that_the_application_no_longer_sends_are_missed() -> None:
    """With caching switched off, its own points are sent, and missed when it leaves them out."""
    stage = Stage()
    stage.emulator = BedrockEmulator(clock=stage.clock, capture_requests=True)
    model = stage.model(cache_policy=CachePolicy.off())
    text = {"type": "text", "text": RULES}
    contents: list[list[Any]] = [[text, POINT], [text, POINT], [text]]
    for content in contents:
        stage.call([SystemMessage(content), *ask()[1:]], model=model)
    sent = [POINT in request["system"] for request in stage.emulator.requests]
    assert sent == [True, True, False]
    first, second, third = (record.diagnosis for record in stage.handler.records)
    assert first is not None
    assert second is not None
    assert third is not None
    assert [first.verdict, second.verdict, third.verdict] == ["first_write", "hit", "no_points"]
    assert third.detail.startswith("switched off, and the application sent no cache points; ")
    assert third.wasted_tokens == second.expected_read_tokens


def test_switched_off_from_the_start_is_only_that() -> None:
    """Where no request had cache points, nothing is said of those of the application."""
    stage = Stage()
    model = stage.model(cache_policy=CachePolicy.off())
    for _ in range(2):
        stage.call(ask(), model=model)
    assert stage.last is not None
    assert stage.last.detail == "switched off"
