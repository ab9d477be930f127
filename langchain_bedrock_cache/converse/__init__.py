"""Converse requests: read one into prefix form, write points into a new one, strip them."""

from __future__ import annotations

from langchain_bedrock_cache.converse.requests import (
    Request,
    add_messages,
    has_points,
    read_converse,
    strip_points,
    without_stated_ttls,
    without_tool_points,
    write_points,
)

__all__ = [
    "Request",
    "add_messages",
    "has_points",
    "read_converse",
    "strip_points",
    "without_stated_ttls",
    "without_tool_points",
    "write_points",
]
