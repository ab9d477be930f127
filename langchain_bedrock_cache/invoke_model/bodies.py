"""InvokeModel requests: which bodies can be read, and what is sent instead of them.

A body that is not a conversation in Claude's or Nova's format (embeddings, other models, what is
not JSON) is none of our business: it is sent as it came, to the byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.invoke_model.claude import claude_view, is_claude_body
from langchain_bedrock_cache.invoke_model.nova import is_nova_body, nova_view
from langchain_bedrock_cache.invoke_model.view import InvokeView
from langchain_bedrock_cache.profiles import base_model_id


def with_body_at_hand(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request with a body that can be read more than once.

    Args:
        request: Keyword arguments of `client.invoke_model`; a file given as body is read.
    """
    body = request.get("body")
    read = getattr(body, "read", None)
    return {**request, "body": read()} if callable(read) else dict(request)


def view_of(request: Mapping[str, Any], *, base_model: str | None) -> InvokeView | None:
    """Return the view of a request's body; `None` if it is no conversation that can be read.

    Args:
        request: Keyword arguments of `client.invoke_model`, the body as text or bytes.
        base_model: The base model ID behind an ARN that does not name it.

    Raises:
        CachePolicyError: If a cache point in the body has an unknown type or ttl.
    """
    body = _decoded(request.get("body"))
    if body is None:
        return None
    try:
        if is_claude_body(body):
            return claude_view(body)
        if is_nova_body(body, base_model=base_model_id(base_model or str(request.get("modelId")))):
            return nova_view(body)
    except CachePolicyError:
        raise
    except Exception:  # noqa: BLE001 # Bedrock will say what is wrong with it
        return None
    return None


def encoded(body: Mapping[str, Any]) -> bytes:
    """Return a body as JSON, spelled as Python's `json` spells it, which most bodies came from."""
    return json.dumps(body).encode()


def _decoded(body: Any) -> dict[str, Any] | None:
    if not isinstance(body, str | bytes | bytearray):
        return None
    # Embeddings and pictures may be large, and need not be decoded to see that they are not ours.
    talks = '"messages"' in body if isinstance(body, str) else b'"messages"' in body
    if not talks:
        return None
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None
