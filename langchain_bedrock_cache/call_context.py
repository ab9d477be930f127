"""What a chat model tells its client about a call, and the client tells the callbacks.

`ChatBedrock` hands on neither a policy nor the metadata of a response. Context variables go around
it; what they hold is shared with the threads that LangChain starts for asynchronous calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_bedrock_cache.calls import CallOptions

# More responses than one cannot be told apart: nothing is said about any of them.
_ENOUGH = 2


@dataclass(slots=True)
class CallNotes:
    """The responses to the requests of one model call.

    Attributes:
        owner: Whose call it is.
        listeners: Who learns of the call from LangChain, and need not be told by the client.
        is_over: Whether it has ended: the context may go on with calls of its own.
    """

    owner: object = None
    listeners: list[object] = field(default_factory=list)
    is_over: bool = False
    _responses: list[Mapping[str, Any]] = field(default_factory=list)

    def end(self) -> None:
        """Let go of the listeners: the context lives on, and would keep them alive."""
        self.is_over = True
        self.listeners.clear()

    @property
    def metadata(self) -> Mapping[str, Any]:
        """`ResponseMetadata` of the one response there was; empty if there was none, or several.

        It has `CachePlan`, and `ConverseUsage` once the usage is known.
        """
        return self._responses[0] if len(self._responses) == 1 else {}

    def add(self, metadata: Mapping[str, Any]) -> None:
        """Take in the metadata of a response, which may still grow."""
        if len(self._responses) < _ENOUGH:
            self._responses.append(metadata)


_asked: ContextVar[CallOptions | None] = ContextVar("asked", default=None)
_of_model: ContextVar[CallNotes | None] = ContextVar("notes_of_model", default=None)
_of_run: ContextVar[CallNotes | None] = ContextVar("notes_of_run", default=None)
_recorders: ContextVar[tuple[Any, ...]] = ContextVar("recorders", default=())


@contextmanager
def asking(options: CallOptions, notes: CallNotes) -> Iterator[None]:
    """Ask something of the client for the calls in a `with` block, and have them noted.

    Args:
        options: Where the call itself says nothing.
        notes: Takes the responses.
    """
    asked, listening = _asked.set(options), _of_model.set(notes)
    try:
        yield
    finally:
        _of_model.reset(listening)
        _asked.reset(asked)


def with_asked(options: CallOptions) -> CallOptions:
    """Return the options of a call, with those the chat model asks for where it has none."""
    asked = _asked.get()
    if asked is None:
        return options
    return replace(
        options,
        policy=options.policy or asked.policy,
        hint=options.hint or asked.hint,
        base_model=options.base_model or asked.base_model,
        conversation=options.conversation or asked.conversation,
    )


def notes_of_run(run_id: object, listener: object) -> CallNotes:
    """Return what the calls of a LangChain run leave, from now on; the same for all who ask.

    Args:
        run_id: Of the run that begins now, in this context.
        listener: Who asks, and records the run.
    """
    notes = _of_run.get()
    if notes is None or notes.owner != run_id:
        notes = CallNotes(run_id)
        _of_run.set(notes)
    notes.listeners.append(listener)
    return notes


@contextmanager
def recording(recorder: Any) -> Iterator[None]:
    """Have the calls of clients in a `with` block recorded, those of LangChain runs apart.

    Args:
        recorder: With the method `record_call`.
    """
    token = _recorders.set((*_recorders.get(), recorder))
    try:
        yield
    finally:
        _recorders.reset(token)


def recorders_of_call(own: Any) -> list[Any]:
    """Return who records a call that begins now; nobody twice who learns of it from LangChain.

    Args:
        own: The recorder of the client; `None` if it has none.
    """
    recorders = _recorders.get()
    if own is None and not recorders:
        return []
    run = _of_run.get()
    heard = [] if run is None or run.is_over else run.listeners
    wanted = {id(one): one for one in (own, *recorders) if one is not None}
    return [one for one in wanted.values() if not any(one is other for other in heard)]


def note(metadata: Any) -> None:
    """Hand on the metadata of a response."""
    if isinstance(metadata, dict):
        for notes in (_of_model.get(), _of_run.get()):
            if notes is not None:
                notes.add(metadata)
