"""boto3 clients whose requests end here: everything above the socket is the real thing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from langchain_bedrock_cache.checks import check_type
from langchain_bedrock_cache.emulator.http import HttpRequest, HttpResponse
from langchain_bedrock_cache.emulator.service_model import data_loader

_SERVICE = "bedrock-runtime"
_CONTROL_SERVICE = "bedrock"
# Whoever needs the control plane that belongs to a runtime client asks with this event.
_CONTROL_EVENT = f"control-client.{_SERVICE}"
# And with this one, which emulator answers a client, if any: each has a prompt cache of its own.
_EMULATED_EVENT = f"emulated.{_SERVICE}"
_HANDLER_ID = "langchain-bedrock-cache-emulator"

Handler = Callable[[HttpRequest], HttpResponse]


def new_client(*, region: str, service: str = _SERVICE, **kwargs: Any) -> Any:
    """Return what `boto3.client("bedrock-runtime")` returns, with made-up credentials.

    Args:
        region: AWS Region.
        service: `"bedrock-runtime"`, or `"bedrock"` for the control plane.
        kwargs: More arguments of `boto3.client`; a `config` is merged over the default, which does
            not retry (botocore's retries sleep).
    """
    import botocore.session  # noqa: PLC0415 - a heavy import
    from botocore.config import Config  # noqa: PLC0415 - a heavy import

    # A profile or a broken file in the environment must not keep an offline client from starting.
    nowhere = (None, None, os.devnull, None)
    session = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": nowhere,
            "credentials_file": nowhere,
        }
    )
    session.register_component("data_loader", data_loader())
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    arguments = {
        "region_name": region,
        "endpoint_url": f"https://{service}.{region}.amazonaws.com",
        "aws_access_key_id": "emulator",
        "aws_secret_access_key": "emulator",
        **kwargs,
        "config": config.merge(kwargs["config"]) if kwargs.get("config") else config,
    }
    make_client: Any = session.create_client  # boto3.client adds nothing but a default session
    return make_client(service, **arguments)


def redirect(client: Any, handler: Handler, *, account: str | None) -> Any:
    """Send the requests of one client to a handler instead of the network.

    Args:
        client: A `bedrock-runtime` or `bedrock` client; changed in place.
        handler: Answers requests.
        account: AWS account for the cache; `None` for the emulator's own.

    Returns:
        The same client.

    Raises:
        TypeError: If it is no client.
        ValueError: If it is a client of another service.
    """
    if not hasattr(client, "meta"):
        check_type("client", client, (), what="a boto3 `bedrock-runtime` or `bedrock` client")
    service = client.meta.service_model.service_name
    if service not in (_SERVICE, _CONTROL_SERVICE):
        msg = f"This is a client of {service!r}, but the emulator is a {_SERVICE!r}."
        raise ValueError(msg)

    def send(request: Any, **_kwargs: Any) -> Any:
        from botocore.awsrequest import AWSResponse  # noqa: PLC0415 - a heavy import

        response = handler(_read(request, region=client.meta.region_name, account=account))
        headers: Any = dict(response.headers)
        return AWSResponse(request.url, response.status, headers, _RawBody(response.body))

    def control_client(**_kwargs: Any) -> Any:
        region = client.meta.region_name
        control = new_client(region=region, service=_CONTROL_SERVICE)
        return redirect(control, handler, account=account)

    _register(client, f"before-send.{service}", send)
    if service == _SERVICE:
        _register(client, _CONTROL_EVENT, control_client)
        _register(client, _EMULATED_EVENT, lambda **_kwargs: getattr(handler, "__self__", handler))
    return client


def _register(client: Any, event: str, handle: Callable[..., Any]) -> None:
    # botocore calls every handler of an event, so an emulator that was attached before must go.
    unique_id = f"{_HANDLER_ID}/{event}"
    client.meta.events.unregister(event, unique_id=unique_id)
    client.meta.events.register_first(event, handle, unique_id=unique_id)


def _read(request: Any, *, region: str, account: str | None) -> HttpRequest:
    body = request.body or b""
    return HttpRequest(
        method=request.method,
        path=request.url,
        body=body.encode() if isinstance(body, str) else bytes(body),
        region=region,
        account=account,
    )


class _RawBody:
    """The part of urllib3's response that botocore reads bodies and event streams through."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def stream(self, *_args: Any, **_kwargs: Any) -> Iterator[bytes]:
        return self._chunks

    def read(self, size: int | None = None) -> bytes:
        """Read some of the body that is left, or all of it."""
        if size is None or size < 0:
            content, self._rest = self._rest + b"".join(self._chunks), b""
            return content
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        content, self._rest = self._rest[:size], self._rest[size:]
        return content

    def close(self) -> None:
        self._chunks = iter(())
