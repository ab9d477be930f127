"""Gradual roll-out: cache for a share of the conversations, and never for half of one."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

OUTSIDE = "outside the roll-out share"
"""Detail of what is skipped in conversations that are not part of the roll-out."""

# Where applications say which conversation a call belongs to, in this order.
_NAMES = ("thread_id", "session_id", "conversation_id")


def in_rollout(share: float, conversation: str) -> bool:
    """Whether a conversation is part of the roll-out; always the same answer for the same one.

    A conversation that is in at some share stays in at every larger one.

    Args:
        share: 0 to 1.
        conversation: Its ID.
    """
    digest = blake2b(conversation.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) < share * 2**64


def conversation_of(*sources: Mapping[str, Any] | None) -> str | None:
    """Return the conversation's ID from a LangChain config's `configurable` or `metadata`.

    Args:
        sources: Where to look for `thread_id`, `session_id` or `conversation_id`, in order.

    Returns:
        The ID with its name, so that a thread and a session of one number differ; or `None`.
    """
    for name in _NAMES:
        for source in sources:
            value = (source or {}).get(name)
            if isinstance(value, str | int) and value != "":
                return f"{name}={value}"
    return None


def first_message(request: Mapping[str, Any]) -> str:
    """Return what stays the same as a conversation grows: a digest of its first message."""
    messages = request.get("messages") or ()
    first = repr(messages[0]) if messages else ""
    return blake2b(first.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
