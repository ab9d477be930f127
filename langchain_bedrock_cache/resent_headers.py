"""Headers that an application's event handlers add: those of a call go with each of its requests.

botocore lets handlers add headers to a request. Some do so once a call, since a call is one request
(pydantic-ai's `extra_headers` do); a call that Bedrock refuses for its cache points is two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

_EVENT = "before-call.bedrock-runtime"
_HANDLER_ID = "langchain-bedrock-cache-resent-headers"

_Headers = dict[str, str]
# By the events of a client and the operation: what goes to one client, a gateway's credentials say,
# must not go to another. `None` outside of calls through our client.
_of_call: ContextVar[dict[tuple[int, str], _Headers] | None] = ContextVar(
    "headers_of_call", default=None
)


def watch_headers(client: Any) -> None:
    """Let the requests of a client keep the headers of their call, inside `same_headers`.

    Args:
        client: A boto3 client, which gets an event handler that does nothing elsewhere. Stand-ins
            without events are left alone.
    """
    events = getattr(getattr(client, "meta", None), "events", None)
    if events is not None:
        # Last, to see what all others have added; once, however often a client is wrapped.
        events.register_last(_EVENT, partial(_complete, id(events)), unique_id=_HANDLER_ID)


@contextmanager
def same_headers() -> Iterator[None]:
    """Give all requests made in the `with` block the headers that the first one has."""
    token = _of_call.set({})
    try:
        yield
    finally:
        _of_call.reset(token)


def _complete(client: int, *, params: dict[str, Any], model: Any, **_event: Any) -> None:
    """Note the headers of a first request; add to a later one those that it lacks."""
    calls = _of_call.get()
    if calls is None:
        return
    headers = params["headers"]
    first = calls.setdefault((client, model.name), dict(headers))
    there = {name.lower() for name in headers}
    headers.update({name: first[name] for name in first if name.lower() not in there})
