"""The emulated service: settings, state, and the way from a request to a response."""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from langchain_bedrock_cache.checks import (
    check_callable,
    check_flag,
    check_number,
    check_text,
)
from langchain_bedrock_cache.emulator.accounting import Prefix, measure
from langchain_bedrock_cache.emulator.cache_rules import check_cache_points, native_rules
from langchain_bedrock_cache.emulator.calls import Arrival, Call
from langchain_bedrock_cache.emulator.conversation import check_conversation
from langchain_bedrock_cache.emulator.errors import ServiceError, natively, unknown_operation
from langchain_bedrock_cache.emulator.faults import Fault, Faults
from langchain_bedrock_cache.emulator.http import (
    HttpRequest,
    HttpResponse,
    error_response,
    find_route,
)
from langchain_bedrock_cache.emulator.invoke import is_native_claude
from langchain_bedrock_cache.emulator.ledger import Ledger, LedgerRecord
from langchain_bedrock_cache.emulator.models import ModelArns, model_arn, resolve_model, route_model
from langchain_bedrock_cache.emulator.operations import OPERATIONS
from langchain_bedrock_cache.emulator.prompt_cache import CacheOutcome, Point, PromptCache
from langchain_bedrock_cache.emulator.replies import Reply, Responder
from langchain_bedrock_cache.emulator.responses import (
    Answer,
    complete_reply,
    extras_of,
    usage_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What does not change while the emulator runs; see `BedrockEmulator`."""

    clock: Callable[[], float]
    responder: Responder
    first_byte_latency_seconds: float
    chars_per_token: Callable[[str], float]
    region: str
    account: str
    model_arns: ModelArns
    cache_details: bool
    require_alternating_roles: bool

    def __post_init__(self) -> None:
        check_callable("clock", self.clock, what="a function that returns seconds")
        check_callable("responder", self.responder, what="a function of a request, or None")
        latency = self.first_byte_latency_seconds
        check_number("first_byte_latency_seconds", latency, least=0, is_finite=True)
        check_text("region", self.region, what="an AWS Region")
        check_text("account", self.account, what="the ID of an AWS account")
        check_flag("cache_details", self.cache_details)
        check_flag("require_alternating_roles", self.require_alternating_roles)


class Runtime:
    """Answers requests; everything it remembers is in memory and guarded by a lock.

    Args:
        settings: How it behaves.
        ledger: Where it enters every request.
        captured: Where it puts request bodies; `None` to keep none.
    """

    def __init__(
        self, settings: Settings, *, ledger: Ledger, captured: list[dict[str, Any]] | None
    ) -> None:
        self.settings = settings
        self.ledger = ledger
        self.captured = captured
        self.faults = Faults()
        self._numbers = itertools.count(1)
        self._caches: defaultdict[tuple[str, str, str], PromptCache] = defaultdict(PromptCache)
        self._lock = threading.Lock()

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one HTTP request."""
        arrival = Arrival(
            request_id=str(uuid.UUID(int=next(self._numbers))),
            account=request.account or self.settings.account,
            region=request.region or request.signed_region or self.settings.region,
            at=self.settings.clock(),
        )
        operation_name, model_id, base_model_id = "", "", None
        try:
            route = find_route(request)
            operation = OPERATIONS.get(route.action)
            if operation is None:
                raise unknown_operation()
            operation_name, model_id = operation.name, route.model_id
            self._capture(request.body)
            fault = self.faults.take(operation_name, mid_stream=False)
            if fault is not None:
                raise fault.error
            model = resolve_model(model_id, model_arns=self.settings.model_arns)
            base_model_id = model.base_id
            parameters = operation.parameters(model, request.body)
            model = route_model(model, parameters, model_arns=self.settings.model_arns)
            base_model_id = model.base_id
            call = Call(arrival=arrival, operation=operation_name, model=model, request=parameters)
            return operation.run(self, call)
        except ServiceError as error:
            response = error_response(error, request_id=arrival.request_id)
            refused = LedgerRecord(
                **asdict(arrival),
                operation=operation_name,
                model_id=model_id,
                base_model_id=base_model_id,
                status=response.status,
                error_code=error.code,
            )
            self.ledger.add(refused)
            return response

    def answer(self, call: Call, *, streamed: bool) -> Answer:
        """Check a conversation, let the model reply, and account for it.

        Args:
            call: Of Converse or ConverseStream.
            streamed: Whether the response is a stream, which may have to break off.

        Raises:
            ServiceError: If Bedrock refuses the conversation; the cache is then as before.
        """
        self._check(call)
        prefix = self._measure(call, call.request)
        if prefix.points:
            self.faults.check_cache_points(call.request)
        # The responder comes before the cache, so that one that raises changes nothing.
        reply = complete_reply(
            self.settings.responder(call.request),
            request=call.request,
            chars_per_token=self.settings.chars_per_token(call.model.base_id),
            id_prefix=f"tooluse_{call.arrival.request_id[-12:]}_",
        )
        fault = self.faults.take(call.operation, mid_stream=True) if streamed else None
        outcome = self._use_cache(call, prefix)
        self._enter(call, prefix, outcome, reply=reply, fault=fault)
        profile = call.model.profile
        details = self.settings.cache_details and profile and profile.provider == "anthropic"
        return Answer(
            reply=reply,
            usage=usage_of(outcome, output_tokens=reply.output_tokens or 0, details=bool(details)),
            latency_ms=round(self.settings.first_byte_latency_seconds * 1000),
            extras=extras_of(call.request, invoked_model_arn=self._invoked(call)),
            broken_off_by=fault,
        )

    def _check(self, call: Call) -> None:
        if not is_native_claude(call):
            check_conversation(call.request, alternate=self.settings.require_alternating_roles)
            check_cache_points(call.request, call.model.profile)
            return
        try:
            check_conversation(call.request, alternate=False)
            check_cache_points(call.request, native_rules(call.model.profile))
        except ServiceError as error:
            raise natively(error) from None

    def count_tokens(self, call: Call, conversation: Mapping[str, Any]) -> int:
        """Return what Converse would count as input for a conversation."""
        prefix = self._measure(call, conversation)
        self._enter(call, prefix, CacheOutcome())
        return prefix.tokens

    def forget(self) -> None:
        """Empty caches, ledger and captured requests."""
        with self._lock:
            self._caches.clear()
        self.ledger.clear()
        if self.captured is not None:
            self.captured.clear()

    def _capture(self, body: bytes) -> None:
        if self.captured is not None:
            try:
                self.captured.append(json.loads(body))
            except ValueError:
                return  # answered with an error further on

    def _invoked(self, call: Call) -> str | None:
        """Return the ARN of the model that a prompt router chose; `None` if it was none."""
        if call.model.routed_to is None:
            return None
        arrival = call.arrival
        return model_arn(call.model.routed_to, region=arrival.region, account=arrival.account)

    def _measure(self, call: Call, conversation: Mapping[str, Any]) -> Prefix:
        return measure(
            conversation,
            profile=call.model.profile,
            chars_per_token=self.settings.chars_per_token(call.model.base_id),
        )

    def _use_cache(self, call: Call, prefix: Prefix) -> CacheOutcome:
        if call.model.profile is None:
            return CacheOutcome(uncached_tokens=prefix.tokens)
        arrival = call.arrival
        with self._lock:
            # Whether both APIs share a cache is not known; saying no promises nothing.
            api = "InvokeModel" if call.operation.startswith("InvokeModel") else ""
            cache = self._caches[arrival.account, arrival.region, call.model.base_id + api]
            outcome = cache.request(
                digests=prefix.digests,
                cumulative_tokens=prefix.cumulative_tokens,
                points=[Point(point.position, point.ttl) for point in prefix.points],
                profile=call.model.profile,
                now=arrival.at,
                readable_at=arrival.at + self.settings.first_byte_latency_seconds,
            )
        return replace(outcome, uncached_tokens=outcome.uncached_tokens + prefix.turn_tokens)

    def _enter(
        self,
        call: Call,
        prefix: Prefix,
        outcome: CacheOutcome,
        *,
        reply: Reply | None = None,
        fault: Fault | None = None,
    ) -> None:
        record = LedgerRecord(
            **asdict(call.arrival),
            operation=call.operation,
            model_id=call.model.id,
            base_model_id=call.model.base_id,
            cache_points=prefix.points,
            uncached_input_tokens=outcome.uncached_tokens,
            cache_read_tokens=outcome.read_tokens,
            cache_write_5m_tokens=outcome.write_5m_tokens,
            cache_write_1h_tokens=outcome.write_1h_tokens,
            output_tokens=(reply and reply.output_tokens) or 0,
            error_code=fault.error.code if fault else None,
        )
        self.ledger.add(record)
