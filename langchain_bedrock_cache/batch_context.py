"""What a call knows of the batch it belongs to; context variables, so that threads inherit them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.shared_prefixes import SharedPrefixes

PATIENCE_SECONDS = 120.0
"""How long a call of a batch waits at most for the one that writes what they share."""

current_batch: ContextVar[SharedPrefixes | None] = ContextVar("current_batch", default=None)
"""What the requests of the batch under way share; `None` outside a batch."""

reading_only: ContextVar[bool] = ContextVar("reading_only", default=False)
"""Whether the client is to raise `RequestRead` instead of sending, for a look at the request."""


@contextmanager
def batch_of(shared: SharedPrefixes | None) -> Iterator[None]:
    """Make the calls that begin in a `with` block those of one batch.

    Args:
        shared: What their requests share; `None` for calls that are no batch.
    """
    token = current_batch.set(shared)
    try:
        yield
    finally:
        current_batch.reset(token)


class RequestRead(BaseException):  # not an error: nothing on the way may catch it
    """Carries the prefix of a request that was read instead of sent.

    Args:
        prefix: `None` if the request cannot be cached.
    """

    def __init__(self, prefix: Prefix | None) -> None:
        super().__init__()
        self.prefix = prefix
