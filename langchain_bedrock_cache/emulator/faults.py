"""Failures on order: the next call, the middle of a stream, or every refused cache point."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any

from langchain_bedrock_cache.checks import check_callable, check_number, check_type
from langchain_bedrock_cache.emulator.errors import ServiceError
from langchain_bedrock_cache.emulator.service_model import error_status, stream_exceptions
from langchain_bedrock_cache.exceptions import CachePolicyError

Predicate = Callable[[Mapping[str, Any]], bool]
"""Gets the decoded request, `modelId` included."""

DEFAULT_MESSAGES: Mapping[str, str] = {
    "AccessDeniedException": "You don't have access to the model with the specified model ID.",
    "InternalServerException": "The system encountered an unexpected error during processing.",
    "ModelErrorException": "The model encountered an error while processing the request.",
    "ModelNotReadyException": "The model is not ready for inference. Try again later.",
    "ModelStreamErrorException": "The model encountered an error while streaming the response.",
    "ModelTimeoutException": "The model took too long to process the request.",
    "ResourceNotFoundException": "The specified resource was not found.",
    "ServiceUnavailableException": "Bedrock is unable to process your request.",
    "ThrottlingException": "Too many requests, please wait before trying again.",
    "ValidationException": "The request is not valid.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failure that waits for a request.

    Attributes:
        error: What the service says.
        operation: The only operation it fails; `None` for any.
        after_events: Stream events that come before it; `None`: instead of an answer.
    """

    error: ServiceError
    operation: str | None = None
    after_events: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    error: ServiceError
    when: Predicate | None
    times: int | None


@dataclass(slots=True)
class Faults:
    """The failures still to come; safe between threads."""

    _queue: list[Fault] = field(default_factory=list)
    _refusal: _Refusal | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self,
        *,
        code: str,
        message: str | None,
        times: int,
        operation: str | None,
        after_events: int | None,
    ) -> None:
        """Queue a failure; see `BedrockEmulator.fail_next`."""
        _check_words(code, message)
        check_number("times", times, least=1, is_whole=True)
        if after_events is not None:
            _check_break(after_events, operation)
        error = ServiceError(code, DEFAULT_MESSAGES.get(code, code) if message is None else message)
        if after_events is None:
            error_status(code)
        elif code not in stream_exceptions():
            allowed = ", ".join(sorted(stream_exceptions()))
            msg = f"{code!r} cannot come in the middle of a stream. Choose one of {allowed}."
            raise ValueError(msg)
        fault = Fault(error=error, operation=operation, after_events=after_events)
        with self._lock:
            self._queue += [fault] * times

    def take(
        self, operation: str, *, mid_stream: bool, ordered_for_it: bool = False
    ) -> Fault | None:
        """Remove and return the first failure that is due, if any.

        Args:
            operation: Of the request at hand.
            mid_stream: Whether to look for failures inside a stream, or instead of an answer.
            ordered_for_it: Whether to leave failures for any operation to others.
        """
        names = (operation,) if ordered_for_it else (None, operation)
        with self._lock:
            for fault in self._queue:
                due = (fault.after_events is not None) == mid_stream
                if due and fault.operation in names:
                    self._queue.remove(fault)
                    return fault
        return None

    def refuse_cache_points(
        self, *, code: str, message: str, when: Predicate | None, times: int | None
    ) -> None:
        """Set the standing refusal; see `BedrockEmulator.refuse_cache_points`."""
        _check_words(code, message)
        if when is not None:
            check_callable("when", when, what="a function of the decoded request, or None")
        if times is not None:
            check_number("times", times, least=1, is_whole=True)
        error_status(code)
        with self._lock:
            self._refusal = _Refusal(error=ServiceError(code, message), when=when, times=times)

    def check_cache_points(self, request: Mapping[str, Any]) -> None:
        """Raise the standing refusal if it applies to a request that has cache points."""
        with self._lock:
            refusal = self._refusal
            if refusal is None or (refusal.when is not None and not refusal.when(request)):
                return
            if refusal.times is not None:
                left = refusal.times - 1
                self._refusal = replace(refusal, times=left) if left else None
            raise refusal.error

    def clear(self) -> None:
        """Forget every failure and refusal."""
        with self._lock:
            self._queue.clear()
            self._refusal = None


def _check_words(code: str, message: str | None) -> None:
    check_type("code", code, str, what="an AWS error code")
    check_type("message", message, (str, NoneType), what="a string, or None")


def _check_break(after_events: int, operation: str | None) -> None:
    check_number("after_events", after_events, least=0, is_whole=True)
    if operation is not None and "Stream" not in operation:
        msg = (
            f"after_events is {after_events}, but {operation} has no stream to break. "
            "Name a streaming operation, or leave after_events out."
        )
        raise CachePolicyError(msg)
