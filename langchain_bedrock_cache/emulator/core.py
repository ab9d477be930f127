"""`BedrockEmulator`: the emulated runtime and the ways into it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from langchain_bedrock_cache.checks import (
    check_callable,
    check_flag,
    check_number,
    check_text,
)
from langchain_bedrock_cache.emulator.client import new_client, redirect
from langchain_bedrock_cache.emulator.control import ControlPlane
from langchain_bedrock_cache.emulator.errors import CACHING_NOT_SUPPORTED
from langchain_bedrock_cache.emulator.faults import Predicate
from langchain_bedrock_cache.emulator.http import HttpRequest, HttpResponse
from langchain_bedrock_cache.emulator.ledger import Ledger, LedgerRecord
from langchain_bedrock_cache.emulator.models import ModelArns, check_model_arns
from langchain_bedrock_cache.emulator.operations import OPERATIONS
from langchain_bedrock_cache.emulator.replies import Responder, default_responder
from langchain_bedrock_cache.emulator.runtime import Runtime, Settings
from langchain_bedrock_cache.emulator.server import EmulatorServer


class BedrockEmulator:
    """A Bedrock runtime in this process, with its prompt cache, without AWS.

    It answers Converse, ConverseStream, InvokeModel and InvokeModelWithResponseStream (bodies of
    Claude and Nova), and CountTokens: to real boto3 clients (`client`, `attach`) and over HTTP
    (`serve`). All of them share one cache an account, Region and base model, but for InvokeModel,
    which has one of its own. Requests are validated as Bedrock does; token counts are estimates
    and time is the clock's, so nothing sleeps and nothing is random. Safe to use from many threads.

    Args:
        clock: Seconds; decides what has expired.
        responder: What the model says; `None` for a fixed text, or the tool call that is forced.
        first_byte_latency_seconds: From a request to the start of its response, on the clock. Only
            then can others read what it wrote.
        chars_per_token: For the estimate; or a function of the base model ID, asked every call.
        region: AWS Region of clients and requests that do not say.
        account: AWS account of clients and requests that do not say.
        model_arns: Model IDs behind ARNs that do not name their model (application inference
            profiles, provisioned throughput), and a `PromptRouter` behind those of prompt routers.
        cache_details: Whether Claude's usage has `cacheDetails`; Nova's never has (recorded).
        require_alternating_roles: Whether two messages of one role in a row are refused.
        capture_requests: Whether to keep every request body for `requests`.
        on_record: Called with each ledger record, in the thread of the request.

    Raises:
        CachePolicyError: If a number, a Region or an account makes no sense.
        TypeError: If an argument is of another type.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        responder: Responder | None = None,
        first_byte_latency_seconds: float = 0.0,
        chars_per_token: float | Callable[[str], float] = 3.0,
        region: str = "us-east-1",
        account: str = "123456789012",
        model_arns: ModelArns | None = None,
        cache_details: bool = True,
        require_alternating_roles: bool = True,
        capture_requests: bool = False,
        on_record: Callable[[LedgerRecord], None] | None = None,
    ) -> None:
        check_model_arns(model_arns)
        check_flag("capture_requests", capture_requests)
        if on_record is not None:
            check_callable("on_record", on_record, what="a function of a LedgerRecord, or None")
        settings = Settings(
            clock=clock,
            responder=default_responder if responder is None else responder,
            first_byte_latency_seconds=first_byte_latency_seconds,
            chars_per_token=_as_function(chars_per_token),
            region=region,
            account=account,
            model_arns=dict(model_arns or {}),
            cache_details=cache_details,
            require_alternating_roles=require_alternating_roles,
        )
        self._runtime = Runtime(
            settings,
            ledger=Ledger(on_record=on_record),
            captured=[] if capture_requests else None,
        )
        self._control = ControlPlane(
            settings.model_arns, faults=self._runtime.faults, region=region, account=account
        )

    @property
    def control_requests(self) -> tuple[str, ...]:
        """The operations of all requests to the control plane so far, oldest first."""
        return tuple(self._control.requests)

    @property
    def ledger(self) -> tuple[LedgerRecord, ...]:
        """The last 10,000 requests, oldest first, in numbers only."""
        return self._runtime.ledger.records

    @property
    def requests(self) -> tuple[dict[str, Any], ...]:
        """The JSON bodies of all requests so far, refused ones included, oldest first.

        Raises:
            RuntimeError: Unless the emulator was made with `capture_requests=True`.
        """
        if self._runtime.captured is None:
            msg = "Request bodies are kept only by BedrockEmulator(capture_requests=True)."
            raise RuntimeError(msg)
        return tuple(self._runtime.captured)

    def client(
        self, *, region: str | None = None, account: str | None = None, **kwargs: Any
    ) -> Any:
        """Return a real boto3 `bedrock-runtime` client that talks to this emulator.

        It needs no network and no credentials, ignores the environment's AWS settings, and does
        not retry unless `config` says so. Requests are serialized and responses parsed by botocore.

        Args:
            region: AWS Region; default: the emulator's.
            account: AWS account; default: the emulator's.
            kwargs: More arguments of `boto3.client`.

        Raises:
            CachePolicyError: If the Region or the account is blank.
            TypeError: If it is no string.
        """
        return self.attach(new_client(region=self._region(region), **kwargs), account=account)

    def control_client(self, *, region: str | None = None, **kwargs: Any) -> Any:
        """Return a real boto3 `bedrock` client that talks to this emulator.

        It knows GetInferenceProfile and GetPromptRouter, for the ARNs in `model_arns`.

        Args:
            region: AWS Region; default: the emulator's.
            kwargs: More arguments of `boto3.client`.
        """
        client = new_client(region=self._region(region), service="bedrock", **kwargs)
        return self.attach(client)

    def attach(self, client: Any, *, account: str | None = None) -> Any:
        """Redirect one existing `bedrock-runtime` or `bedrock` client here, and return it.

        The client signs its requests before they get here, so it needs credentials, if only
        made-up ones. Other clients are not touched; of several emulators, the last one counts.

        Args:
            client: Made by boto3 or botocore.
            account: AWS account; default: the emulator's.

        Raises:
            TypeError: If it is no client.
            ValueError: If it is a client of another service.
        """
        if account is not None:
            check_text("account", account, what="the ID of an AWS account, or None")
        return redirect(client, self.handle, account=account)

    def serve(self, *, port: int = 0, host: str = "127.0.0.1") -> EmulatorServer:
        """Start an HTTP server for other processes and languages; close it when done.

        Args:
            port: TCP port; 0 picks a free one.
            host: Loopback address; the emulator has no access control.

        Returns:
            A context manager with `url` (for `endpoint_url=`) and `close()`.

        Raises:
            CachePolicyError: If `port` is no port.
            ValueError: If `host` is not a loopback address.
        """
        return EmulatorServer(self.handle, host=host, port=port)

    def fail_next(
        self,
        code: str = "ThrottlingException",
        message: str | None = None,
        *,
        times: int = 1,
        operation: str | None = None,
        after_events: int | None = None,
    ) -> None:
        """Let the next request fail; several failures queue up.

        A request that fails at once leaves no trace in the cache. One that fails in the middle of
        its stream does: its response had begun.

        Args:
            code: AWS error code, such as `ModelTimeoutException`.
            message: What the service says; `None` for a usual text.
            times: How many requests fail.
            operation: The only operation to fail, such as `ConverseStream`; those of the control
                plane fail only if they are named here.
            after_events: Wait for a ConverseStream, and break it after so many events.

        Raises:
            CachePolicyError: If `times` or `after_events` makes no sense.
            ValueError: If Bedrock has no such error (there), or the emulator no such operation.
        """
        operations = [known.name for known in OPERATIONS.values()] + [*ControlPlane.operations]
        if operation not in (None, *operations):
            msg = f"There is no operation {operation!r}. Choose one of {', '.join(operations)}."
            raise ValueError(msg)
        self._runtime.faults.add(
            code=code,
            message=message,
            times=times,
            operation=operation,
            after_events=after_events,
        )

    def refuse_cache_points(
        self,
        message: str = CACHING_NOT_SUPPORTED,
        *,
        code: str = "AccessDeniedException",
        when: Predicate | None = None,
        times: int | None = None,
    ) -> None:
        """Refuse requests that have cache points, as models and accounts without caching do.

        Args:
            message: What the service says.
            code: AWS error code; it decides the HTTP status.
            when: Gets the decoded request; refuse only if it returns true.
            times: Refuse so many requests; `None` for all until `clear_faults`.

        Raises:
            CachePolicyError: If `times` is less than 1.
            ValueError: If Bedrock has no such error.
        """
        self._runtime.faults.refuse_cache_points(code=code, message=message, when=when, times=times)

    def clear_faults(self) -> None:
        """Forget failures still to come, and accept cache points again."""
        self._runtime.faults.clear()

    def forget(self) -> None:
        """Empty the caches, the ledger and the captured requests; settings and faults stay."""
        self._runtime.forget()

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one HTTP request: the seam that clients and server share."""
        if ControlPlane.takes(request):
            return self._control.handle(request)
        return self._runtime.handle(request)

    def _region(self, region: str | None) -> str:
        if region is None:
            return self._runtime.settings.region
        check_text("region", region, what="an AWS Region, or None")
        return region


def _as_function(chars_per_token: float | Callable[[str], float]) -> Callable[[str], float]:
    if callable(chars_per_token):
        return lambda base_model_id: _checked(chars_per_token(base_model_id))
    constant = float(_checked(chars_per_token))
    return lambda _base_model_id: constant


def _checked(chars_per_token: float) -> float:
    check_number("chars_per_token", chars_per_token, above=0, is_finite=True)
    return chars_per_token
