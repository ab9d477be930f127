"""The requests sent lately, as hashes: what changed from one to the next, and where."""

from __future__ import annotations

from langchain_bedrock_cache.sent_requests.recent import SentRequest, SentRequests, sent_requests

__all__ = ["SentRequest", "SentRequests", "sent_requests"]
