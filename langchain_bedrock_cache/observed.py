"""Responses on their way to the caller, who gets what boto3 gives; usage goes to the planner."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Protocol

from langchain_bedrock_cache.caching import CallPlanner
from langchain_bedrock_cache.call_context import note
from langchain_bedrock_cache.calls import PreparedCall
from langchain_bedrock_cache.invoke_model.usage import usage_of_answer


def observe_answer(response: Any, call: PreparedCall, planner: CallPlanner) -> None:
    """Take in a Converse response."""
    if isinstance(response, dict):
        usage = response.get("usage")
        call = planner.answered(call, response.get("trace"))
        report(response, call, usage)
        planner.succeeded(call, usage)
    planner.begun(call)


def observe_body(response: Any, call: PreparedCall, planner: CallPlanner) -> None:
    """Take in an InvokeModel response; its body can still be read once, from the beginning.

    Args:
        response: Of `client.invoke_model`. A body that breaks off does so again for the caller.
        call: What it answers.
        planner: Learns from it.
    """
    planner.begun(call)  # what was written can be read as soon as the response begins
    if not isinstance(response, dict):
        return
    metadata = response.get("ResponseMetadata")
    headers = (metadata.get("HTTPHeaders") if isinstance(metadata, dict) else None) or {}
    usage = usage_of_answer(_copied(response), headers)
    report(response, call, usage)
    planner.succeeded(call, usage)


def report(response: dict[str, Any], call: PreparedCall, usage: Any) -> None:
    """Put the plan, and the usage in Converse's form, where callbacks can find them."""
    metadata = response.get("ResponseMetadata")
    if not isinstance(metadata, dict):
        return
    if "CachePlan" not in metadata:
        note(metadata)
    metadata["CachePlan"] = call.report()
    if isinstance(usage, dict):
        metadata["ConverseUsage"] = dict(usage)


class UsageReader(Protocol):
    """Reads the usage off the events of a stream."""

    def take(self, event: Any) -> bool:
        """Take in an event; return whether the usage is known now, or known better."""

    def usage(self) -> Any:
        """Return the usage in Converse's form; `None` if it is not known."""


class ConverseUsage:
    """Reads the usage off the events of ConverseStream: it comes with the last one."""

    def __init__(self) -> None:
        self._usage: Any = None
        self.trace: Any = None

    def take(self, event: Any) -> bool:
        """Take in an event; return whether it has the usage."""
        metadata = event.get("metadata") if isinstance(event, dict) else None
        if not isinstance(metadata, dict):
            return False
        self._usage, self.trace = metadata.get("usage"), metadata.get("trace")
        return True

    def usage(self) -> Any:
        """Return what the last event said."""
        return self._usage


class ObservedStream:
    """An event stream that hands its usage to the planner.

    Args:
        stream: Of boto3.
        response: That it is part of; its metadata get plan and usage.
        call: What it answers.
        planner: Learns from it.
        reader: Reads the usage off the events.
    """

    def __init__(
        self,
        stream: Any,
        response: dict[str, Any],
        call: PreparedCall,
        planner: CallPlanner,
        reader: UsageReader,
    ) -> None:
        self._stream = stream
        self._response = response
        self._call = call
        self._planner = planner
        self._reader = reader
        self._is_learned = False

    def __iter__(self) -> Iterator[Any]:
        try:
            for event in self._stream:
                self._planner.begun(self._call)
                if self._reader.take(event):
                    self._tell()  # before the caller has the event: it may be the last one read
                yield event
        finally:
            self._planner.begun(self._call)

    def close(self) -> None:
        """Close the stream, read or not."""
        self._planner.begun(self._call)
        close = getattr(self._stream, "close", None)  # stand-ins for boto3's streams may have none
        if close is not None:
            close()

    def _tell(self) -> None:
        usage = self._reader.usage()
        if not self._is_learned:
            trace = getattr(self._reader, "trace", None)  # InvokeModel has no prompt routers
            self._call = self._planner.answered(self._call, trace)
        report(self._response, self._call, usage)
        if not self._is_learned:
            self._is_learned = True
            self._planner.succeeded(self._call, usage)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _BrokenBody(io.BytesIO):
    """A body that fails as the one it stands for has failed."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def read(self, _size: int | None = -1, /) -> bytes:
        """Fail."""
        raise self._error


def _copied(response: dict[str, Any]) -> bytes:
    """Read the body of a response and put an equal one in its place; return what is in it."""
    read = getattr(response.get("body"), "read", None)
    if not callable(read):
        return b""
    from botocore.response import StreamingBody  # noqa: PLC0415 - a heavy import

    try:
        raw = read()
    except Exception as error:  # noqa: BLE001 # raised where the caller reads
        response["body"] = StreamingBody(_BrokenBody(error), 0)
        return b""
    if not isinstance(raw, bytes):  # a stand-in of somebody's tests
        return b""
    response["body"] = StreamingBody(io.BytesIO(raw), len(raw))
    return raw
