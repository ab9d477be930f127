"""A LangChain callback that records what the prompt cache did, and a block that has one."""

from __future__ import annotations

from langchain_bedrock_cache.callbacks.block import get_cache_usage_callback
from langchain_bedrock_cache.callbacks.handler import CacheUsageCallbackHandler

__all__ = ["CacheUsageCallbackHandler", "get_cache_usage_callback"]
