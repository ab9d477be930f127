"""Reports of what the cache did: figures, text, HTML, plots."""

from __future__ import annotations

from langchain_bedrock_cache.report.cache_report import CacheReport

__all__ = ["CacheReport"]
