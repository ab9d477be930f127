"""What is known of a call when it has ended, and of what earlier calls left for it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.sent_requests.changes import Change
from langchain_bedrock_cache.sent_requests.fingerprint import Fingerprint
from langchain_bedrock_cache.usage import CacheUsage


class Destination(NamedTuple):
    """Where a call went: what was written there is not expected to be read elsewhere.

    Attributes:
        region: AWS Region; empty if not known.
        api: `Converse` or `InvokeModel`; empty if not known.
    """

    region: str = ""
    api: str = ""


NOT_KNOWN = Destination()
"""Of calls that nobody says anything of."""


# Made for every call: named tuples take a fraction of the time of frozen dataclasses.
class Entry(NamedTuple):
    """What an earlier call left in the prompt cache.

    Attributes:
        tokens: Length of its prefix.
        is_exact: Whether Bedrock counted them; estimated otherwise.
        ttl: Its lifetime.
        used_at: When it was last written or read, in seconds.
        readable_at: From when on it could be read.
        written_at: Where it is.
        position: Number of blocks before its end.
        is_guess: Whether its tokens are guessed from its size: no call has told its usage yet.
    """

    tokens: int
    is_exact: bool
    ttl: CacheTTL
    used_at: float
    readable_at: float
    written_at: Destination
    position: int
    is_guess: bool = False


class Branch(NamedTuple):
    """A beginning that an earlier call had in the prompt cache, but without a cache point there.

    Attributes:
        position: Number of blocks before its end.
        tokens: Its length, estimated.
        ttl: The lifetime of what the earlier call wrote.
        used_at: When that was last written or read, in seconds.
    """

    position: int
    tokens: int
    ttl: CacheTTL
    used_at: float


class CallFacts(NamedTuple):
    """What is known of a call when it has ended.

    Attributes:
        usage: Tokens; `None` if none were reported.
        print: The request as hashes; `None` if it was not seen on the wire.
        plan: What the planner reported, with `skipped` and `refused`.
        change: Where the request differs from the nearest earlier one.
        earlier_tokens: What that one had read and written, and is in this one still.
        entry: The longest entry that earlier calls left in this request's prefix.
        branch: What the nearest earlier request cached of their common beginning, if that is more.
        started_at: When the call was made, in seconds.
        sent_to: Where it went.
        earlier_sent_to: Where the nearest earlier request went.
        error: Type of the exception that ended it.
        had_points: Whether the nearest earlier request had cache points, and this one has none.
    """

    usage: CacheUsage | None = None
    print: Fingerprint | None = None
    plan: Mapping[str, Any] | None = None
    change: Change | None = None
    earlier_tokens: int = 0
    entry: Entry | None = None
    branch: Branch | None = None
    started_at: float = 0.0
    sent_to: Destination = NOT_KNOWN
    earlier_sent_to: Destination = NOT_KNOWN
    error: str | None = None
    had_points: bool = False
