"""`cached_client`: any boto3 `bedrock-runtime` client, with its prompts cached."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import NoneType
from typing import Any

from langchain_bedrock_cache.batch_context import RequestRead, reading_only
from langchain_bedrock_cache.caching import CallOptions, CallPlanner, PreparedCall
from langchain_bedrock_cache.call_context import with_asked
from langchain_bedrock_cache.checks import check_type
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.invoke_model import view_of, with_body_at_hand
from langchain_bedrock_cache.invoke_model.usage import StreamedUsage
from langchain_bedrock_cache.memory import PrefixMemory, default_memory
from langchain_bedrock_cache.model_lookup import control_client
from langchain_bedrock_cache.observed import (
    ConverseUsage,
    ObservedStream,
    observe_answer,
    observe_body,
    report,
)
from langchain_bedrock_cache.outgoing import Outgoing, of_converse, of_invoke_model
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.refusals import refusal_of
from langchain_bedrock_cache.regions import Route, Router, expected_price, is_transient
from langchain_bedrock_cache.resent_headers import same_headers, watch_headers


def cached_client(
    client: Any,
    *,
    policy: CachePolicy | None = None,
    memory: PrefixMemory | None = None,
    base_model_id: str | None = None,
    fallbacks: Sequence[Any] = (),
) -> Any:
    """Return a client that places cache points in every call of a model.

    In Converse and ConverseStream; in InvokeModel and InvokeModelWithResponseStream, where the body
    is a conversation in Claude's or Nova's format. All else passes through to the given client,
    whose own calls stay as they are. Works for any code that takes a boto3 client; safe to share
    between threads.

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
        A client with the methods of the given one. The four that call a model also take
        `cache_policy=CachePolicy(...)`, `base_model_id=...`, `conversation_id=...` (for a gradual
        roll-out) and langchain-aws's `cache_control=` for a single call.
        `response["ResponseMetadata"]["CachePlan"]` says where points went, `["ConverseUsage"]` what
        was used, in the words of Converse for every operation.

    Raises:
        TypeError: If one of them is something else.
    """
    check_type("policy", policy, (CachePolicy, NoneType), what="a CachePolicy, or None")
    check_type("memory", memory, (PrefixMemory, NoneType), what="a PrefixMemory, or None")
    check_type("base_model_id", base_model_id, (str, NoneType), what="a model ID, or None")
    check_type("fallbacks", fallbacks, (list, tuple), what="a list of clients or Routes")
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
    """A boto3 client whose calls of models go through the planner; made by `cached_client`."""

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
        for route in routes:
            watch_headers(route.client)

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
        call, response = self._send("converse", of_converse(request), options)
        observe_answer(response, call, self.planner)
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
        call, response = self._send("converse_stream", of_converse(request), options)
        return self._observed(response, "stream", call, ConverseUsage())

    def invoke_model(
        self,
        *,
        cache_policy: CachePolicy | None = None,
        cache_control: Mapping[str, Any] | None = None,
        base_model_id: str | None = None,
        conversation_id: str | None = None,
        **request: Any,
    ) -> Any:
        """Call InvokeModel with cache points in bodies of Claude and Nova; all others as they are.

        The body of the response is read, and can be read once more, as boto3's.
        """
        options = self._options(cache_policy, cache_control, base_model_id, conversation_id)
        outgoing = self._outgoing(request, options)
        call, response = self._send("invoke_model", outgoing, options)
        if outgoing.is_readable:
            observe_body(response, call, self.planner)
        return response

    def invoke_model_with_response_stream(
        self,
        *,
        cache_policy: CachePolicy | None = None,
        cache_control: Mapping[str, Any] | None = None,
        base_model_id: str | None = None,
        conversation_id: str | None = None,
        **request: Any,
    ) -> Any:
        """Call InvokeModelWithResponseStream as `invoke_model` calls InvokeModel."""
        options = self._options(cache_policy, cache_control, base_model_id, conversation_id)
        outgoing = self._outgoing(request, options)
        call, response = self._send("invoke_model_with_response_stream", outgoing, options)
        if not outgoing.is_readable:
            return response
        return self._observed(response, "body", call, StreamedUsage())

    def _outgoing(self, request: dict[str, Any], options: CallOptions) -> Outgoing:
        request = with_body_at_hand(request)
        try:
            return of_invoke_model(request, view_of(request, base_model=options.base_model))
        except CachePolicyError:
            if not self.planner.is_off(options):
                raise
        return of_invoke_model(request, None)

    def _observed(self, response: Any, name: str, call: PreparedCall, reader: Any) -> Any:
        """Return a response whose stream tells the planner what was used."""
        if isinstance(response, dict) and name in response:
            report(response, call, None)
            response[name] = ObservedStream(response[name], response, call, self.planner, reader)
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
        check_type("cache_policy", policy, (CachePolicy, NoneType), what="a CachePolicy, or None")
        wanted = "a dict such as {'type': 'ephemeral'}, or None"
        check_type("cache_control", hint, (Mapping, NoneType), what=wanted)
        check_type("base_model_id", base_model, (str, NoneType), what="a model ID, or None")
        check_type("conversation_id", conversation, (str, NoneType), what="a string, or None")
        asked = with_asked(
            CallOptions(policy=policy, hint=hint, base_model=base_model, conversation=conversation)
        )
        return replace(asked, base_model=asked.base_model or self._base_model_id)

    def _send(
        self, operation: str, outgoing: Outgoing, options: CallOptions
    ) -> tuple[PreparedCall, Any]:
        """Send a call to the best place; to the next ones while places throttle or fail."""
        routes = self._router.order(lambda route: self._price(route, outgoing, options))
        if reading_only.get():
            raise RequestRead(self._read(routes[0], outgoing, options))
        with same_headers():
            return self._send_to_first(routes, operation, outgoing, options)

    def _send_to_first(
        self, routes: Sequence[Route], operation: str, outgoing: Outgoing, options: CallOptions
    ) -> tuple[PreparedCall, Any]:
        """Send a call to the first of these places that answers."""
        first_error: Exception | None = None
        for route in routes:
            try:
                answer = self._send_to(route, operation, outgoing, options)
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
        self, route: Route, operation: str, outgoing: Outgoing, options: CallOptions
    ) -> tuple[PreparedCall, Any]:
        """Send a call; once more without the added points if Bedrock refuses those."""
        send = getattr(route.client, operation)
        call = self._prepare(route, outgoing, options)
        try:
            return call, send(**outgoing.arguments(call, options))
        except Exception as error:
            refusal = refusal_of(error, placed=len(call.plan.added()))
            retry = self.planner.without_points(call, refusal) if refusal else None
            if retry is None:
                self.planner.failed(call)
                raise
            first_refusal = refusal
        except BaseException:  # cancelled or interrupted: nobody should wait for this call
            self.planner.failed(call)
            raise
        try:
            return retry, send(**outgoing.arguments(retry, options))
        except Exception as error:
            # It was never about our points.
            if first_refusal and refusal_of(error, placed=len(call.plan.added())):
                self.planner.reopen(call, first_refusal)
            raise

    def _prepare(self, route: Route, outgoing: Outgoing, options: CallOptions) -> PreparedCall:
        """Plan a call; wait, for a bounded time, for one that is writing what it would read."""
        request, options = _at(route, outgoing, options)
        if not outgoing.is_readable:
            return outgoing.unplanned(request)
        call = self.planner.prepare(request, options)
        deadline = time.monotonic() + call.patience_seconds
        while call.ahead is not None:
            if call.ahead.wait(deadline - time.monotonic()) != "failed":
                break
            self.planner.failed(call, nothing_live=True)  # so that the next one writes
            call = self.planner.prepare(request, options)
        return call

    def _read(self, route: Route, outgoing: Outgoing, options: CallOptions) -> Prefix | None:
        """Return the prefix of a request at a place; `None` if it will not be planned."""
        return self.planner.read(*_at(route, outgoing, options)) if outgoing.is_readable else None

    def _price(self, route: Route, outgoing: Outgoing, options: CallOptions) -> float:
        """Return what a request is expected to cost at a place."""
        prefix = self._read(route, outgoing, options)
        request, options = _at(route, outgoing, options)
        options = self.planner.addressed(request, options)
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


def _at(
    route: Route, outgoing: Outgoing, options: CallOptions
) -> tuple[dict[str, Any], CallOptions]:
    """Return the view of a request and its options as they are at a place."""
    options = outgoing.options(options, locality=route.locality)
    options = replace(options, control=partial(control_client, route.client))
    if route.model_id is None:
        return outgoing.view, options
    return (
        {**outgoing.view, "modelId": route.model_id},
        replace(options, base_model=route.base_model_id or options.base_model),
    )
