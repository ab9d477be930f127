"""A Bedrock that plays a tool loop, and the client that frameworks are given."""

from __future__ import annotations

from typing import Any

import pytest
from frameworks.agent_loop import answer

from langchain_bedrock_cache import PrefixMemory, cached_client
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator


@pytest.fixture
def bedrock(clock: SimulatedClock) -> BedrockEmulator:
    """A Bedrock that calls the tool of the agent, then answers."""
    return BedrockEmulator(clock=clock, responder=answer, capture_requests=True)


@pytest.fixture
def client(bedrock: BedrockEmulator, memory: PrefixMemory) -> Any:
    """A cached client of that Bedrock."""
    return cached_client(bedrock.client(), memory=memory)
