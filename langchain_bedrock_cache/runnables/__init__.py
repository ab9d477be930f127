"""Runnables for chains whose model class must stay."""

from __future__ import annotations

from langchain_bedrock_cache.runnables.transformer import CachePointTransformer, cached_tools

__all__ = ["CachePointTransformer", "cached_tools"]
