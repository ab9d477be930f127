"""Fixtures of the tests of InvokeModel through a cached client."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_bedrock_cache import PrefixMemory, cached_client
from langchain_bedrock_cache.emulator import BedrockEmulator


@pytest.fixture
def client(emulator: BedrockEmulator, memory: PrefixMemory) -> Any:
    """A cached client on the emulator."""
    return cached_client(emulator.client(), memory=memory)
