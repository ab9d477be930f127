"""What was seen of prompts, when, and what came back: hashes, times and counts."""

from __future__ import annotations

from langchain_bedrock_cache.memory.commitment import Commitment
from langchain_bedrock_cache.memory.prefix_memory import PrefixMemory, default_memory

__all__ = ["Commitment", "PrefixMemory", "default_memory"]
