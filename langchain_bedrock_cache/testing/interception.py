"""Every `bedrock-runtime` client of the process, made earlier or later, sent to one emulator.

The clients stay what they are: botocore checks, serializes and parses as always, event handlers
run, and only the signature and the socket are left out. Clients of other services are not touched.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from langchain_bedrock_cache.emulator import BedrockEmulator

Observer = Callable[[str, Mapping[str, Any]], None]
"""Gets the operation (`Converse`) and boto3's arguments of each call; must not modify them."""

_SERVICE = "bedrock-runtime"
_CALL = "_make_api_call"
_REGION_NAMES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_DEFAULT_REGION = "us-east-1"


@dataclass(slots=True, eq=False)
class Interception:
    """Where calls go while one `intercepted` block lasts.

    Attributes:
        emulator: Answers those that would go to the network.
        observer: Told of every call first, of clients of other emulators as well.
        senders: Clients of the emulator, by Region, through which requests get to it.
    """

    emulator: BedrockEmulator
    observer: Observer | None = None
    senders: dict[str, Any] = field(default_factory=dict)

    def answer(self, region: str, request: Any) -> Any:
        """Answer a prepared request of botocore as the service would."""
        if region not in self.senders:
            self.senders[region] = self.emulator.client(region=region)
        events = self.senders[region].meta.events
        _handler, response = events.emit_until_response(f"before-send.{_SERVICE}", request=request)
        return response


_open: list[Interception] = []
_undo = ExitStack()  # holds the patches from the first block that opens to the last that closes
_lock = threading.Lock()
# The Region of the call that this thread is making; None outside of calls to Bedrock.
_calling: ContextVar[str | None] = ContextVar("bedrock_call_in_progress", default=None)


@contextmanager
def intercepted(
    emulator: BedrockEmulator, *, observer: Observer | None = None
) -> Iterator[Interception]:
    """Send the calls of all `bedrock-runtime` clients to an emulator while the block lasts.

    All threads are affected, as with every patch of a class. Blocks may be nested: the innermost
    emulator answers, and every observer is told. Clients of other emulators go on talking to
    those. No credentials are needed, and a Region only for clients made outside of the block.

    Args:
        emulator: Answers.
        observer: Told of every call.
    """
    interception = Interception(emulator, observer)
    with _lock:
        if not _open:
            _undo.enter_context(_patched())
        _open.append(interception)
    try:
        with _environment():
            yield interception
    finally:
        with _lock:
            _open.remove(interception)
            if not _open:
                _undo.close()


@contextmanager
def _patched() -> Iterator[None]:
    """Replace what makes, signs and sends a request."""
    from botocore.client import BaseClient  # noqa: PLC0415 - a heavy import
    from botocore.httpsession import URLLib3Session  # noqa: PLC0415 - as above
    from botocore.signers import RequestSigner  # noqa: PLC0415 - as above

    # The first is private, and what everybody patches who stands in for AWS.
    call: Any = getattr(BaseClient, _CALL)
    sign, send = RequestSigner.sign, URLLib3Session.send

    def make_api_call(client: Any, operation: str, arguments: Any) -> Any:
        if client.meta.service_model.service_name != _SERVICE:
            return call(client, operation, arguments)
        for interception in tuple(_open):
            if interception.observer is not None:
                interception.observer(operation, arguments)
        token = _calling.set(client.meta.region_name)
        try:
            return call(client, operation, arguments)
        finally:
            _calling.reset(token)

    def sign_request(signer: Any, *args: Any, **kwargs: Any) -> Any:
        return None if _calling.get() is not None else sign(signer, *args, **kwargs)

    def send_request(session: Any, request: Any) -> Any:
        region = _calling.get()
        if region is None:
            return send(session, request)
        return _open[-1].answer(region, request)

    patches: list[tuple[Any, str, Any, Any]] = [
        (BaseClient, _CALL, make_api_call, call),
        (RequestSigner, "sign", sign_request, sign),
        (URLLib3Session, "send", send_request, send),
    ]
    for owner, name, replacement, _original in patches:
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        for owner, name, _replacement, original in patches:
            setattr(owner, name, original)


@contextmanager
def _environment() -> Iterator[None]:
    """Let clients be made on a machine without AWS settings, and without asking EC2 for any."""
    settings = {"AWS_EC2_METADATA_DISABLED": "true"}
    if not any(name in os.environ for name in _REGION_NAMES):
        settings["AWS_DEFAULT_REGION"] = _DEFAULT_REGION
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
