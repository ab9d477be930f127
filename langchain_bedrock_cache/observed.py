"""Responses on their way to the caller, who gets what boto3 gives; usage goes to the planner."""

from __future__ import annotations

import io
import logging
from _thread import start_new_thread  # `threading` takes locks of its own
from collections.abc import Iterator, Mapping
from functools import partial
from inspect import currentframe
from typing import Any, Protocol

from langchain_bedrock_cache.caching import CallPlanner
from langchain_bedrock_cache.call_context import note
from langchain_bedrock_cache.calls import PreparedCall
from langchain_bedrock_cache.invoke_model.usage import usage_of_answer
from langchain_bedrock_cache.settling import Settlement

_logger = logging.getLogger(__name__)

_PACKAGE = f"{__name__.partition('.')[0]}."


def observe_answer(
    response: Any, call: PreparedCall, planner: CallPlanner, settlement: Settlement | None
) -> None:
    """Take in a Converse response."""
    if isinstance(response, dict):
        usage = response.get("usage")
        call = planner.answered(call, response.get("trace"))
        plan = report(response, call, usage)
        counts = planner.succeeded(call, usage)
        if settlement is not None:
            settlement.ended(call, plan, usage=usage, counts=counts, answer=response)
    planner.begun(call)


def observe_body(
    response: Any, call: PreparedCall, planner: CallPlanner, settlement: Settlement | None
) -> None:
    """Take in an InvokeModel response; its body can still be read once, from the beginning.

    Args:
        response: Of `client.invoke_model`. A body that breaks off does so again for the caller.
        call: What it answers.
        planner: Learns from it.
        settlement: Learns how the call ended; `None` if nobody listens.
    """
    planner.begun(call)  # what was written can be read as soon as the response begins
    if not isinstance(response, dict):
        return
    if settlement is not None:
        settlement.began()
    raw, error = _copied(response)
    usage = usage_of_answer(raw, headers_of(response))
    plan = report(response, call, usage)
    planner.succeeded(call, usage)
    if settlement is not None:
        settlement.ended(
            call,
            plan,
            usage=usage,
            answer=response,
            error=error,
            chars_per_token=planner.chars_per_token(call),
        )


def observe_foreign(response: Any, call: PreparedCall, settlement: Settlement) -> None:
    """Take in an InvokeModel response to a request that nobody read: its body is left alone.

    Args:
        response: Of `client.invoke_model`; its headers have counts.
        call: What it answers.
        settlement: Learns how the call ended.
    """
    answer = response if isinstance(response, dict) else {}
    settlement.ended(call, None, usage=usage_of_answer(b"", headers_of(answer)), answer=answer)


def headers_of(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the HTTP headers of a response; empty if it has none."""
    metadata = response.get("ResponseMetadata")
    return (metadata.get("HTTPHeaders") if isinstance(metadata, dict) else None) or {}


def report(response: dict[str, Any], call: PreparedCall, usage: Any) -> dict[str, Any] | None:
    """Put the plan, and the usage in Converse's form, where callbacks can find them.

    Returns:
        The plan; `None` if the response has no metadata to put it in.
    """
    metadata = response.get("ResponseMetadata")
    if not isinstance(metadata, dict):
        return None
    if "CachePlan" not in metadata:
        note(metadata)
    plan = metadata["CachePlan"] = call.report()
    if isinstance(usage, dict):
        metadata["ConverseUsage"] = dict(usage)
    return plan


class UsageReader(Protocol):
    """Reads the usage off the events of a stream."""

    answer: Mapping[str, Any]
    """The event that has `trace` and `serviceTier`, where there is one."""

    def take(self, event: Any) -> bool:
        """Take in an event; return whether the usage is known now, or known better."""

    def usage(self) -> Any:
        """Return the usage in Converse's form; `None` if it is not known."""

    def is_complete(self) -> bool:
        """Whether no later event can say it better."""

    def is_counted(self) -> bool:
        """Whether it is the usage of the whole answer, not of what has come of it."""

    def has_content(self, event: Any) -> bool:
        """Whether an event brings a piece of the answer."""


class ConverseUsage:
    """Reads the usage off the events of ConverseStream: it comes with the last one."""

    def __init__(self) -> None:
        self.answer: Mapping[str, Any] = {}

    def take(self, event: Any) -> bool:
        """Take in an event; return whether it has the usage."""
        metadata = event.get("metadata") if isinstance(event, dict) else None
        if not isinstance(metadata, dict):
            return False
        self.answer = metadata
        return True

    def usage(self) -> Any:
        """Return what the last event said."""
        return self.answer.get("usage")

    def is_complete(self) -> bool:
        """Whether the last event has come."""
        return bool(self.answer)

    def is_counted(self) -> bool:
        """Whether the last event has come."""
        return self.is_complete()

    def has_content(self, event: Any) -> bool:
        """Whether an event brings a piece of the answer."""
        return isinstance(event, dict) and "contentBlockDelta" in event


class ObservedStream:
    """An event stream that hands its usage to the planner.

    One that is thrown away without being read or closed has ended, too: Bedrock bills it.

    Args:
        stream: Of boto3.
        response: That it is part of; its metadata get plan and usage.
        call: What it answers.
        planner: Learns from it.
        reader: Reads the usage off the events.
        settlement: Learns how the call ended; `None` if nobody listens.
        plan: The report of the call; `None` if it was not read.
    """

    def __init__(
        self,
        stream: Any,
        response: dict[str, Any],
        call: PreparedCall,
        planner: CallPlanner,
        reader: UsageReader,
        settlement: Settlement | None,
        plan: dict[str, Any] | None,
    ) -> None:
        self._stream = stream
        # Not the response itself, which holds this stream: a circle of references would not be
        # freed before the garbage collector looks for it.
        self._response = {"ResponseMetadata": response.get("ResponseMetadata")}
        self._call = call
        self._planner = planner
        self._reader = reader
        self._settlement = settlement
        self._plan = plan
        self._is_learned = False
        self._has_ended = False

    def __iter__(self) -> Iterator[Any]:
        error: BaseException | None = None
        try:
            for event in self._stream:
                self._planner.begun(self._call)
                if self._settlement is not None:
                    self._note(self._settlement, event)
                if self._reader.take(event):
                    self._tell()  # before the caller has the event: it may be the last one read
                yield event
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._end(error)

    def __del__(self) -> None:
        """End a stream that nobody has read or closed."""
        if self.__dict__.get("_has_ended", True):  # or never made: a copy that failed
            return
        try:
            end = partial(_end_unread, self._call, self._planner, self._settlement, self._plan)
            if _is_at_work():
                start_new_thread(end, ())
            else:
                end()
        except Exception:  # nobody could catch it; at the exit of Python no thread can be started
            _logger.debug("A stream that was thrown away cannot be recorded.", exc_info=True)

    def close(self) -> None:
        """Close the stream, read or not."""
        self._end(GeneratorExit())
        close = getattr(self._stream, "close", None)  # stand-ins for boto3's streams may have none
        if close is not None:
            close()

    def _tell(self) -> None:
        usage = self._reader.usage()
        if not self._is_learned:
            # InvokeModel has no prompt routers.
            self._call = self._planner.answered(self._call, self._reader.answer.get("trace"))
        if self._plan is not None:
            self._plan = report(self._response, self._call, usage)
        if not self._is_learned:
            self._is_learned = True
            self._planner.succeeded(self._call, usage)
        if self._reader.is_complete():
            self._settle(None)

    def _end(self, error: BaseException | None) -> None:
        self._has_ended = True
        self._planner.begun(self._call)
        if not self._is_learned and (usage := self._reader.usage()):
            self._is_learned = True
            self._planner.succeeded(self._call, usage)  # what was read and written is known
        self._settle(error)

    def _note(self, settlement: Settlement, event: Any) -> None:
        settlement.began()
        if settlement.awaits_content and self._reader.has_content(event):
            settlement.content_came()

    def _settle(self, error: BaseException | None) -> None:
        """Say how the call ended: with its usage, or broken off before all of it was told."""
        if self._settlement is None:
            return
        self._settlement.ended(
            self._call,
            self._plan,
            usage=self._reader.usage(),
            is_partial=not self._reader.is_counted(),
            answer=self._reader.answer,
            error=error,
            chars_per_token=self._planner.chars_per_token(self._call),
        )

    def __getattr__(self, name: str) -> Any:
        if name == "_stream":  # not set yet: this object is being copied
            raise AttributeError(name)
        return getattr(self._stream, name)


def _end_unread(
    call: PreparedCall,
    planner: CallPlanner,
    settlement: Settlement | None,
    plan: dict[str, Any] | None,
) -> None:
    """End a call whose answer nobody has looked at."""
    planner.begun(call)
    if settlement is not None:
        settlement.ended(call, plan, error=GeneratorExit())


def _is_at_work() -> bool:
    """Whether this thread is in the middle of our own code, which may hold locks of ours.

    The garbage collector frees things wherever it happens to be started: to wait there for a lock
    would be to wait for ever.
    """
    frame = currentframe()
    frame = frame and frame.f_back  # `__del__`
    while frame := frame and frame.f_back:
        if str(frame.f_globals.get("__name__")).startswith(_PACKAGE):
            return True
    return False


class _BrokenBody(io.BytesIO):
    """A body that fails as the one it stands for has failed."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def read(self, _size: int | None = -1, /) -> bytes:
        """Fail."""
        raise self._error


def _copied(response: dict[str, Any]) -> tuple[bytes, Exception | None]:
    """Read the body of a response and put an equal one in its place.

    Returns:
        What is in it, and the error by which it broke off.
    """
    read = getattr(response.get("body"), "read", None)
    if not callable(read):
        return b"", None
    from botocore.response import StreamingBody  # noqa: PLC0415 - a heavy import

    try:
        raw = read()
    except Exception as error:  # noqa: BLE001 # raised where the caller reads
        response["body"] = StreamingBody(_BrokenBody(error), 0)
        return b"", error
    if not isinstance(raw, bytes):  # a stand-in of somebody's tests
        return b"", None
    response["body"] = StreamingBody(io.BytesIO(raw), len(raw))
    return raw, None
