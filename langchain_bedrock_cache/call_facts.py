"""What is known of a call when it has ended, and of what earlier calls left for it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.changes import Change
from langchain_bedrock_cache.fingerprint import Fingerprint
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.usage import CacheUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an earlier call left in the prompt cache.

    Attributes:
        tokens: Length of its prefix.
        is_exact: Whether Bedrock counted them; estimated otherwise.
        ttl: Its lifetime.
        used_at: When it was last written or read, in seconds.
        readable_at: From when on it could be read.
        region: Where it is; empty if not known.
        position: Number of blocks before its end.
    """

    tokens: int
    is_exact: bool
    ttl: CacheTTL
    used_at: float
    readable_at: float
    region: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What is known of a call when it has ended.

    Attributes:
        usage: Tokens; `None` if none were reported.
        print: The request as hashes; `None` if it was not seen on the wire.
        plan: What the planner reported, with `skipped` and `refused`.
        change: Where the request differs from the nearest earlier one.
        earlier_tokens: What that one had read and written.
        entry: The longest entry that earlier calls left in this request's prefix.
        started_at: When the call was made, in seconds.
        region: Where it went; empty if not known.
        error: Type of the exception that ended it.
    """

    usage: CacheUsage | None = None
    print: Fingerprint | None = None
    plan: Mapping[str, Any] | None = None
    change: Change | None = None
    earlier_tokens: int = 0
    entry: Entry | None = None
    started_at: float = 0.0
    region: str = ""
    error: str | None = None
