"""Fixtures of all unit tests: no AWS settings, no shared memory, a clock moved by hand."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.memory import PrefixMemory, default_memory

if TYPE_CHECKING:
    from langchain_aws import ChatBedrockConverse
    from situation_stage import Stage

    from langchain_bedrock_cache import ChatBedrockCached

# The gate judges the change, so it tries the same examples each time; elsewhere they are new.
settings.register_profile("gate", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("gate")

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
# Settings of the machine that would send requests, traces or credentials somewhere, or switch
# caching off.
_MACHINE_SETTINGS = ("AWS_", "LANGSMITH_", "LANGCHAIN_")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of the machine, and keep botocore from asking EC2 for credentials."""
    for name in tuple(os.environ):
        if name.startswith(_MACHINE_SETTINGS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    if "boto3" in sys.modules:  # its default session would keep the credentials of another test
        monkeypatch.setattr(sys.modules["boto3"], "DEFAULT_SESSION", None)


@pytest.fixture(autouse=True)
def _fresh_default_memory() -> None:
    """Let no test see what another one left in the memories of the process."""
    default_memory.cache_clear()
    runnables = sys.modules.get("langchain_bedrock_cache.runnables.transformer")
    if runnables is not None:
        runnables._planner_of.cache_clear()


@pytest.fixture
def stage() -> Stage:
    """An emulator, a clock and a handler, with nothing left of other tests."""
    from situation_stage import Stage  # noqa: PLC0415 - imports LangChain

    return Stage()


@pytest.fixture
def clock() -> SimulatedClock:
    """A clock at 0 that moves only when a test calls `clock.advance(seconds)`."""
    return SimulatedClock()


@pytest.fixture
def emulator(clock: SimulatedClock) -> BedrockEmulator:
    """A Bedrock of its own for each test, on the test's clock, that keeps the requests."""
    return BedrockEmulator(clock=clock, capture_requests=True)


@pytest.fixture
def memory(clock: SimulatedClock) -> PrefixMemory:
    """A memory that has seen nothing, on the test's clock."""
    return PrefixMemory(clock=clock)


@pytest.fixture
def plain_model(emulator: BedrockEmulator) -> ChatBedrockConverse:
    """langchain-aws's own chat model, on the emulator."""
    from langchain_aws import ChatBedrockConverse  # noqa: PLC0415 - seconds, for tests without it

    return ChatBedrockConverse(model_id=MODEL, client=emulator.client())


@pytest.fixture
def cached_model(emulator: BedrockEmulator, memory: PrefixMemory) -> ChatBedrockCached:
    """This package's chat model, on the emulator, with a memory of its own."""
    from langchain_bedrock_cache import ChatBedrockCached  # noqa: PLC0415 - as above

    return ChatBedrockCached(model_id=MODEL, client=emulator.client(), prefix_memory=memory)
