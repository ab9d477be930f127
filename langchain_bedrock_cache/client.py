"""`cached_client`: any boto3 `bedrock-runtime` client, with its prompts cached."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_bedrock_cache.batch_context import RequestRead, reading_only
from langchain_bedrock_cache.caching import CallOptions, CallPlanner, PreparedCall
from langchain_bedrock_cache.memory import PrefixMemory, default_memory
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.refusals import refusal_of
from langchain_bedrock_cache.regions import Route, Router, expected_price, is_transient


def cached_client(
    client: Any,
    *,
    policy: CachePolicy | None = None,
    memory: PrefixMemory | None = None,
    base_model_id: str | None = None,
    fallbacks: Sequence[Any] = (),
) -> Any:
    """Return a client that places cache points in every Converse and ConverseStream call.

    All else passes through to the given client, which is not changed. Works for any code that
    takes a boto3 client; safe to share between threads.

    Args:
        client: A boto3 `bedrock-runtime` client. One that is wrapped already is returned as it is
            if nothing else is given, and otherwise wrapped anew, with its settings where none are
            given here.
        policy: When and how long to cache; default: `CachePolicy()`.
        memory: What was seen so far; default: one memory for the process.
        base_model_id: The model behind an ARN that does not name it.
        fallbacks: Clients of other Regions, or `Route`s to other inference profiles, tried in
            order when Bedrock throttles or fails, before an answer has begun.

    Returns:
        A client with the methods of the given one. `converse` and `converse_stream` also take
        `cache_policy=CachePolicy(...)`, `base_model_id=...`, `conversation_id=...` (for a gradual
        roll-out) and langchain-aws's `cache_control=` for a single call.
        `response["ResponseMetadata"]["CachePlan"]` says where points went.
    """
    if isinstance(client, CachedClient):
        if policy is None and memory is None and base_model_id is None and not fallbacks:
            return client
        policy = policy or client.planner.policy
        memory = client.planner.memory if memory is None else memory
        base_model_id = base_model_id or client._base_model_id  # noqa: SLF001 # our own class
        fallbacks = fallbacks or client._fallbacks  # noqa: SLF001 # as above
        client = client.wrapped
    planner = CallPlanner(
        policy=policy or CachePolicy(),
        memory=memory if memory is not None else default_memory(),
    )
    return CachedClient(client, planner, base_model_id=base_model_id, fallbacks=fallbacks)


class CachedClient:
    """A boto3 client whose Converse calls go through the planner; made by `cached_client`."""

    def __init__(
        self,
        client: Any,
        planner: CallPlanner,
        *,
        base_model_id: str | None = None,
        fallbacks: Sequence[Any] = (),
    ) -> None:
        self.wrapped = client
        self.planner = planner
        self._base_model_id = base_model_id
        self._fallbacks = tuple(fallbacks)
        routes = [f if isinstance(f, Route) else Route(client=f) for f in (client, *fallbacks)]
        self._router = Router(routes, clock=planner.memory.clock)

    def converse(
        self,
        *,
        cache_policy: CachePolicy | None = None,
        cache_control: Mapping[str, Any] | None = None,
        base_model_id: str | None = None,
        conversation_id: str | None = None,
        **request: Any,
    ) -> Any:
        """Call Converse with cache points; arguments and errors are those of boto3."""
        options = self._options(cache_policy, cache_control, base_model_id, conversation_id)
        call, response = self._send("converse", request, options)
        if isinstance(response, dict):
            _report(response, call, response.get("usage"))
            self.planner.succeeded(call, response.get("usage"))
        self.planner.begun(call)
        return response

    def converse_stream(
        self,
        *,
        cache_policy: CachePolicy | None = None,
        cache_control: Mapping[str, Any] | None = None,
        base_model_id: str | None = None,
        conversation_id: str | None = None,
        **request: Any,
    ) -> Any:
        """Call ConverseStream with cache points; a stream that has begun is never restarted."""
        options = self._options(cache_policy, cache_control, base_model_id, conversation_id)
        call, response = self._send("converse_stream", request, options)
        if isinstance(response, dict) and "stream" in response:
            _report(response, call, None)
            response["stream"] = _ObservedStream(response, call, self.planner)
        else:
            self.planner.begun(call)
        return response

    def _options(
        self,
        policy: CachePolicy | None,
        hint: Mapping[str, Any] | None,
        base_model: str | None,
        conversation: str | None,
    ) -> CallOptions:
        return CallOptions(
            policy=policy,
            hint=hint,
            base_model=base_model or self._base_model_id,
            conversation=conversation,
        )

    def _send(
        self, operation: str, request: dict[str, Any], options: CallOptions
    ) -> tuple[PreparedCall, Any]:
        """Send a call to the best place; to the next ones while places throttle or fail."""
        routes = self._router.order(lambda route: self._price(route, request, options))
        if reading_only.get():
            raise RequestRead(self.planner.read(*_at(routes[0], request, options)))
        first_error: Exception | None = None
        for route in routes:
            try:
                answer = self._send_to(route, operation, request, options)
            except Exception as error:
                if len(routes) == 1:
                    raise
                first_error = first_error or error
                if not is_transient(error):
                    break
                self._router.failed(route)
            else:
                self._router.answered(route)
                return answer
        assert first_error is not None  # noqa: S101 # there is always a route
        raise first_error

    def _send_to(
        self, route: Route, operation: str, request: dict[str, Any], options: CallOptions
    ) -> tuple[PreparedCall, Any]:
        """Send a call; once more without the added points if Bedrock refuses those."""
        send = getattr(route.client, operation)
        call = self._prepare(*_at(route, request, options))
        try:
            return call, send(**call.request)
        except Exception as error:
            refusal = refusal_of(error)
            retry = self.planner.without_points(call, refusal) if refusal else None
            if retry is None:
                self.planner.failed(call)
                raise
            first_refusal = refusal
        except BaseException:  # cancelled or interrupted: nobody should wait for this call
            self.planner.failed(call)
            raise
        try:
            return retry, send(**retry.request)
        except Exception as error:
            if first_refusal and refusal_of(error):  # it was never about our points
                self.planner.reopen(call, first_refusal)
            raise

    def _prepare(self, request: dict[str, Any], options: CallOptions) -> PreparedCall:
        """Plan a call; wait, for a bounded time, for one that is writing what it would read."""
        call = self.planner.prepare(request, options)
        deadline = time.monotonic() + call.patience_seconds
        while call.ahead is not None:
            if call.ahead.wait(deadline - time.monotonic()) != "failed":
                break
            self.planner.failed(call, nothing_live=True)  # so that the next one writes
            call = self.planner.prepare(request, options)
        return call

    def _price(self, route: Route, request: dict[str, Any], options: CallOptions) -> float:
        """Return what a request is expected to cost at a place."""
        request, options = _at(route, request, options)
        prefix = self.planner.read(request, options)
        return expected_price(
            model_id=str(request.get("modelId") or ""),
            base_model=options.base_model,
            warm_chars=self.planner.memory.warm_chars(prefix) if prefix else 0,
            chars=prefix.chars_before(len(prefix)) if prefix else 1,
        )

    def __getattr__(self, name: str) -> Any:
        """Pass everything else through."""
        if name == "wrapped":  # not set yet: this object is being unpickled or copied
            raise AttributeError(name)
        return getattr(self.wrapped, name)

    def __eq__(self, other: object) -> bool:
        """Equal to the client it wraps, and to others that wrap the same one."""
        return bool(self.wrapped == (other.wrapped if isinstance(other, CachedClient) else other))

    def __hash__(self) -> int:
        return hash(self.wrapped)

    def __repr__(self) -> str:
        return f"cached_client({self.wrapped!r})"


class _ObservedStream:
    """An event stream that hands the usage of its last event to the planner."""

    def __init__(self, response: dict[str, Any], call: PreparedCall, planner: CallPlanner) -> None:
        self._stream = response["stream"]
        self._response = response
        self._call = call
        self._planner = planner

    def __iter__(self) -> Iterator[Any]:
        try:
            for event in self._stream:
                self._planner.begun(self._call)
                metadata = event.get("metadata") if isinstance(event, dict) else None
                if isinstance(metadata, dict):
                    usage = metadata.get("usage")
                    _report(self._response, self._call, usage)
                    self._planner.succeeded(self._call, usage)
                yield event
        finally:
            self._planner.begun(self._call)

    def close(self) -> None:
        """Close the stream, read or not."""
        self._planner.begun(self._call)
        close = getattr(self._stream, "close", None)  # stand-ins for boto3's streams may have none
        if close is not None:
            close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _at(
    route: Route, request: dict[str, Any], options: CallOptions
) -> tuple[dict[str, Any], CallOptions]:
    """Return the request and its options as they are at a place."""
    options = replace(options, locality=route.locality)
    if route.model_id is None:
        return request, options
    return (
        {**request, "modelId": route.model_id},
        replace(options, base_model=route.base_model_id or options.base_model),
    )


def _report(response: dict[str, Any], call: PreparedCall, usage: Any) -> None:
    """Put the plan, and the usage as Bedrock sent it, where callbacks can find them."""
    metadata = response.get("ResponseMetadata")
    if not isinstance(metadata, dict):
        return
    metadata["CachePlan"] = call.report()
    if isinstance(usage, dict):
        metadata["ConverseUsage"] = dict(usage)
