"""The operations of the runtime: each turns a call into a response.

Another operation is one more entry in `OPERATIONS`, under the last part of its path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from langchain_bedrock_cache.emulator.calls import Call
from langchain_bedrock_cache.emulator.errors import COUNT_NOT_SUPPORTED, invalid
from langchain_bedrock_cache.emulator.faults import Fault
from langchain_bedrock_cache.emulator.http import HttpResponse, json_response, stream_response
from langchain_bedrock_cache.emulator.invoke import (
    decode_body,
    invoke_body,
    invoke_events,
    invoke_headers,
)
from langchain_bedrock_cache.emulator.models import Model
from langchain_bedrock_cache.emulator.responses import Event, converse_body, stream_events
from langchain_bedrock_cache.emulator.service_model import decode_request

if TYPE_CHECKING:
    from langchain_bedrock_cache.emulator.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation of the runtime.

    Attributes:
        name: Its name in the service model.
        run: Turns a call into a response; raises `ServiceError` to refuse it.
        decode: Reads the body of a request to a model; `None` reads it as the service model says.
    """

    name: str
    run: Callable[[Runtime, Call], HttpResponse]
    decode: Callable[[Model, bytes], dict[str, Any]] | None = None

    def parameters(self, model: Model, body: bytes) -> dict[str, Any]:
        """Return the parameters of a request, `modelId` included.

        Raises:
            ServiceError: If they cannot be read.
        """
        if self.decode is not None:
            return self.decode(model, body)
        return decode_request(self.name, model.id, body)


def _converse(runtime: Runtime, call: Call) -> HttpResponse:
    answer = runtime.answer(call, streamed=False)
    return json_response(converse_body(answer), request_id=call.arrival.request_id)


def _converse_stream(runtime: Runtime, call: Call) -> HttpResponse:
    answer = runtime.answer(call, streamed=True)
    events = stream_events(answer)
    if answer.broken_off_by is not None:
        events = _broken_off(events, answer.broken_off_by)
    return stream_response(events, request_id=call.arrival.request_id)


def _broken_off(events: Iterator[Event], fault: Fault) -> Iterator[Event]:
    yield from islice(events, fault.after_events)
    raise fault.error


def _invoke_model(runtime: Runtime, call: Call) -> HttpResponse:
    answer = runtime.answer(call, streamed=False)
    return json_response(
        invoke_body(call, answer),
        request_id=call.arrival.request_id,
        headers=invoke_headers(answer),
    )


def _invoke_model_with_response_stream(runtime: Runtime, call: Call) -> HttpResponse:
    answer = runtime.answer(call, streamed=True)
    events = invoke_events(call, answer)
    if answer.broken_off_by is not None:
        events = _broken_off(events, answer.broken_off_by)
    return stream_response(events, request_id=call.arrival.request_id)


def _count_tokens(runtime: Runtime, call: Call) -> HttpResponse:
    if not call.model.counts_tokens:
        raise invalid(COUNT_NOT_SUPPORTED)
    conversation = call.request["input"].get("converse")
    if conversation is None:
        body = call.request["input"]["invokeModel"]["body"]
        conversation = decode_body(call.model, body, complete=False)
    tokens = runtime.count_tokens(call, conversation)
    return json_response({"inputTokens": tokens}, request_id=call.arrival.request_id)


OPERATIONS: Mapping[str, Operation] = {
    "converse": Operation(name="Converse", run=_converse),
    "converse-stream": Operation(name="ConverseStream", run=_converse_stream),
    "count-tokens": Operation(name="CountTokens", run=_count_tokens),
    "invoke": Operation(name="InvokeModel", run=_invoke_model, decode=decode_body),
    "invoke-with-response-stream": Operation(
        name="InvokeModelWithResponseStream",
        run=_invoke_model_with_response_stream,
        decode=decode_body,
    ),
}
