"""Sending a call: to which place, once more without what was refused, after whom it waits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from langchain_bedrock_cache.batch_context import RequestRead, reading_only
from langchain_bedrock_cache.caching import CallOptions, CallPlanner, PreparedCall
from langchain_bedrock_cache.call_context import recorders_of_call
from langchain_bedrock_cache.diagnosis import default_diagnoser
from langchain_bedrock_cache.model_lookup import control_client
from langchain_bedrock_cache.outgoing import Outgoing
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.refusals import refusal_of
from langchain_bedrock_cache.regions import Route, Router, expected_price, is_transient
from langchain_bedrock_cache.resent_headers import same_headers, watch_headers
from langchain_bedrock_cache.sent_requests import sent_requests
from langchain_bedrock_cache.settling import (
    CallRecorder,
    Settlement,
    emulator_of,
    recorders_now,
)


class Sender:
    """Sends the calls of one client; thread-safe.

    Args:
        planner: Plans them.
        routes: Where they may go, the preferred place first.
        recorder: Told of their ends; `None` for nobody.
    """

    def __init__(
        self, planner: CallPlanner, routes: Sequence[Route], recorder: CallRecorder | None
    ) -> None:
        self._planner = planner
        self._router = Router(routes, clock=planner.memory.clock)
        self._recorder = recorder
        self._emulator = emulator_of(routes[0].client)
        for route in routes:
            watch_headers(route.client)

    def send(
        self, operation: str, outgoing: Outgoing, options: CallOptions
    ) -> tuple[PreparedCall, Any, Settlement | None]:
        """Send a call to the best place; to the next ones while places throttle or fail.

        Args:
            operation: boto3's name of the method.
            outgoing: The request.
            options: Of the call.

        Returns:
            The call as it was sent, boto3's response, and what is to be told how it ends, if
            anybody listens.
        """
        routes = self._router.order(lambda route: self._price(route, outgoing, options))
        if reading_only.get():
            raise RequestRead(self._read(routes[0], outgoing, options))
        settlement = self._settlement(operation)
        with same_headers():
            if settlement is None:
                return *self._send_to_first(routes, operation, outgoing, options, None), None
            try:
                sent = self._send_to_first(routes, operation, outgoing, options, settlement)
            except BaseException as error:
                settlement.ended(None, None, error=error)
                raise
            return *sent, settlement

    def _settlement(self, operation: str) -> Settlement | None:
        """Return what tells of the end of a call that begins now; `None` if nobody listens."""
        requests = sent_requests()
        recorders = recorders_of_call(self._recorder)
        if self._emulator is not None or self._recorder is not None:
            requests.listen(self)
        elif not recorders and not requests.is_heard:
            return None
        if self._emulator is not None:
            default_diagnoser().turn_to(self._emulator)
        clock = default_diagnoser().clock or self._planner.memory.clock
        return Settlement(operation, clock, recorders_now(recorders))

    def _send_to_first(
        self,
        routes: Sequence[Route],
        operation: str,
        outgoing: Outgoing,
        options: CallOptions,
        settlement: Settlement | None,
    ) -> tuple[PreparedCall, Any]:
        """Send a call to the first of these places that answers."""
        first_error: Exception | None = None
        for route in routes:
            try:
                answer = self._send_to(route, operation, outgoing, options, settlement)
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
        self,
        route: Route,
        operation: str,
        outgoing: Outgoing,
        options: CallOptions,
        settlement: Settlement | None,
    ) -> tuple[PreparedCall, Any]:
        """Send a call; once more without the added points if Bedrock refuses those."""
        send = getattr(route.client, operation)
        call = self._prepare(route, outgoing, options)
        if settlement is not None:
            settlement.sent(call.request.get("modelId"), route.region, outgoing.api)
        try:
            return call, send(**outgoing.arguments(call, options))
        except Exception as error:
            refusal = refusal_of(error, placed=len(call.plan.added()))
            retry = self._planner.without_points(call, refusal) if refusal else None
            if retry is None:
                self._planner.failed(call)
                raise
            first_refusal = refusal
        except BaseException:  # cancelled or interrupted: nobody should wait for this call
            self._planner.failed(call)
            raise
        try:
            return retry, send(**outgoing.arguments(retry, options))
        except Exception as error:
            # It was never about our points.
            if first_refusal and refusal_of(error, placed=len(call.plan.added())):
                self._planner.reopen(call, first_refusal)
            raise

    def _prepare(self, route: Route, outgoing: Outgoing, options: CallOptions) -> PreparedCall:
        """Plan a call; wait, for a bounded time, for one that is writing what it would read."""
        request, options = _at(route, outgoing, options)
        if not outgoing.is_readable:
            return outgoing.unplanned(request)
        call = self._planner.prepare(request, options)
        deadline = time.monotonic() + call.patience_seconds
        while call.ahead is not None:
            if call.ahead.wait(deadline - time.monotonic()) != "failed":
                break
            self._planner.failed(call, nothing_live=True)  # so that the next one writes
            call = self._planner.prepare(request, options)
        return call

    def _read(self, route: Route, outgoing: Outgoing, options: CallOptions) -> Prefix | None:
        """Return the prefix of a request at a place; `None` if it will not be planned."""
        return self._planner.read(*_at(route, outgoing, options)) if outgoing.is_readable else None

    def _price(self, route: Route, outgoing: Outgoing, options: CallOptions) -> float:
        """Return what a request is expected to cost at a place."""
        prefix = self._read(route, outgoing, options)
        request, options = _at(route, outgoing, options)
        options = self._planner.addressed(request, options)
        return expected_price(
            model_id=str(request.get("modelId") or ""),
            base_model=options.base_model,
            warm_chars=self._planner.memory.warm_chars(prefix) if prefix else 0,
            chars=prefix.chars_before(len(prefix)) if prefix else 1,
        )


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
