"""The two ways to call a client for a conversation, and a prompt that is worth caching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from wire import (
    ask,
    text,
    user,
)

LONG = ask(user(text(2000), "?"), system=[text(2000)])
Call = Callable[[Any, dict[str, Any]], dict[str, Any]]


def converse(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call Converse; return the response."""
    response: dict[str, Any] = client.converse(**request)
    return response


def converse_stream(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call ConverseStream and read it to its end; return what Converse would have."""
    response = client.converse_stream(**request)
    events = list(response["stream"])
    (usage,) = [e["metadata"]["usage"] for e in events if "metadata" in e]
    return {**response, "usage": usage}


CALLS = pytest.mark.parametrize("call", [converse, converse_stream])
