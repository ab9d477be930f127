"""Requests and responses as bytes: what the boto3 client and the HTTP server share."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from langchain_bedrock_cache.emulator.errors import ServiceError, unknown_operation
from langchain_bedrock_cache.emulator.eventstream import (
    CONTENT_TYPE,
    encode_event,
    encode_exception,
)
from langchain_bedrock_cache.emulator.responses import Event
from langchain_bedrock_cache.emulator.service_model import error_status

# Recorded, as the rest of the header that names the error.
_ERROR_NAMESPACE = "http://internal.amazon.com/coral/com.amazon.bedrock/"
_ROUTE = re.compile(r"^/model/(?P<model_id>.+)/(?P<action>[a-z-]+)$")
_CREDENTIAL_REGION = re.compile(r"Credential=[^/,]+/\d{8}/(?P<region>[a-z0-9-]+)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request to the runtime.

    Attributes:
        method: Such as `POST`.
        path: Path of the URL, percent-encoded as sent; a scheme, host or query is ignored.
        body: Raw body.
        headers: Header values by lower-case name.
        region: AWS Region; `None` reads it from the signature, if there is one.
        account: AWS account; `None` for the emulator's own.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    account: str | None = None

    @property
    def signed_region(self) -> str | None:
        """The Region in the request's signature, if it is signed with SigV4."""
        match = _CREDENTIAL_REGION.search(self.headers.get("authorization", ""))
        return match["region"] if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A response; `body` can be read once.

    Attributes:
        status: HTTP status.
        headers: Header values by name.
        body: Chunks of bytes; of a stream, one frame each.
    """

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a path leads.

    Attributes:
        model_id: Decoded, such as `us.amazon.nova-lite-v1:0`.
        action: Last part of the path, such as `converse-stream`.
    """

    model_id: str
    action: str


def find_route(request: HttpRequest) -> Route:
    """Return the model and action a request names.

    Raises:
        ServiceError: If the path is none of the runtime's.
    """
    match = _ROUTE.match(urlsplit(request.path).path)
    if request.method != "POST" or match is None:
        raise unknown_operation()
    return Route(model_id=unquote(match["model_id"]), action=match["action"])


def json_response(
    body: Mapping[str, Any], *, request_id: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Return a result as JSON, with more headers if there are any."""
    return _json(200, body, {"x-amzn-RequestId": request_id, **(headers or {})})


def error_response(error: ServiceError, *, request_id: str) -> HttpResponse:
    """Return an error with the status and headers that SDKs read it from."""
    headers = {
        "x-amzn-RequestId": request_id,
        "x-amzn-ErrorType": f"{error.code}:{_ERROR_NAMESPACE}",
    }
    return _json(error_status(error.code), {"message": error.message}, headers)


def stream_response(events: Iterable[Event], *, request_id: str) -> HttpResponse:
    """Return events in binary frames, encoded as they are read.

    Args:
        events: May raise `ServiceError`, which becomes an exception frame and ends the stream.
        request_id: For the header.
    """
    headers = {"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": request_id}
    return HttpResponse(status=200, headers=headers, body=_frames(events))


def _frames(events: Iterable[Event]) -> Iterator[bytes]:
    try:
        for event_type, payload in events:
            yield encode_event(event_type, payload)
    except ServiceError as error:
        # Members of a stream shape are named like the error, but for the first letter.
        yield encode_exception(error.code[0].lower() + error.code[1:], error.message)


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> HttpResponse:
    content = json.dumps(body).encode()
    typed = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    return HttpResponse(status=status, headers={**typed, **headers}, body=iter([content]))
