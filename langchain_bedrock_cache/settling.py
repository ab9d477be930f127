"""A call of our client from its start to its end, for those who want to know what became of it.

The client knows when a call was sent, where to, what it used and whether its stream was read to the
end; so it has every call judged, whoever asks for the verdict later. Nothing is kept of calls that
nobody listens to.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from langchain_bedrock_cache.address_book import invoked_model
from langchain_bedrock_cache.calls import PreparedCall
from langchain_bedrock_cache.diagnosis import Diagnosis, default_diagnoser
from langchain_bedrock_cache.diagnosis.facts import NOT_KNOWN, Destination
from langchain_bedrock_cache.sent_requests import sent_requests
from langchain_bedrock_cache.usage import CacheUsage, reported_write_tokens

_logger = logging.getLogger(__name__)

# An emulator answers it for its clients.
_EMULATED_EVENT = "emulated.bedrock-runtime"


class EndedCall(NamedTuple):
    """A call of a client that has ended; no text of prompt or answer.

    Attributes:
        operation: boto3's name of the method, such as `converse_stream`.
        latency_seconds: From the start of the call to its end.
        time_to_first_token_seconds: From its start to the first content, of streams only.
        model_id: As sent.
        base_model: The model behind it, where that was found out.
        routed_to: The model that a prompt router chose.
        service_tier: What served the call, as Bedrock says; `None` if it does not.
        list_price_applies: False for latency modes, which have prices of their own.
        usage: Tokens; `None` if none were reported, or of a part of the answer only.
        reported_write_tokens: Written tokens as reported, where they do not add up with the rest.
        plan: What the planner did; `None` if the request was not read, or not planned.
        diagnosis: What the prompt cache did for the call; `None` if nothing can be said.
        error: Type of the exception that ended it, `GeneratorExit` if its stream was not read to
            the end; `None` if it went well.
    """

    operation: str
    latency_seconds: float
    time_to_first_token_seconds: float | None = None
    model_id: str | None = None
    base_model: str | None = None
    routed_to: str | None = None
    service_tier: str | None = None
    list_price_applies: bool = True
    usage: CacheUsage | None = None
    reported_write_tokens: int | None = None
    plan: Mapping[str, Any] | None = None
    diagnosis: Diagnosis | None = None
    error: str | None = None


class CallRecorder(Protocol):
    """Takes calls of clients as they end; from any thread.

    With a method `call_begins`, without arguments, it is asked for who takes a call that begins.
    """

    def record_call(self, call: EndedCall) -> None:
        """Take a call."""


def recorders_now(recorders: Sequence[CallRecorder]) -> list[CallRecorder]:
    """Return who takes a call that begins now, in this context.

    Args:
        recorders: Those that are told of calls.
    """
    taking = []
    for recorder in recorders:
        begins: Callable[[], CallRecorder] | None = getattr(recorder, "call_begins", None)
        try:
            taking.append(begins() if begins else recorder)
        except Exception:  # no call fails because somebody listens
            _logger.exception("A recorder failed; it is told of the call all the same.")
            taking.append(recorder)
    return taking


class Settlement:
    """One call under way: when it was made, where it went, and who is told how it ended.

    Args:
        operation: boto3's name of the method.
        clock: Seconds.
        recorders: Told of its end.
    """

    __slots__ = (
        "_began_at",
        "_clock",
        "_content_at",
        "_is_over",
        "_model_id",
        "_operation",
        "_recorders",
        "_sent_at",
        "_sent_to",
        "_started_at",
    )

    def __init__(
        self, operation: str, clock: Callable[[], float], recorders: Sequence[CallRecorder]
    ) -> None:
        self._operation = operation
        self._clock = clock
        self._recorders = recorders
        self._started_at = self._sent_at = clock()
        self._sent_to = NOT_KNOWN
        self._model_id: str | None = None
        self._began_at: float | None = None
        self._content_at: float | None = None
        self._is_over = False

    @property
    def awaits_content(self) -> bool:
        """Whether the first content has not come yet, and somebody wants to know when."""
        return self._content_at is None and bool(self._recorders)

    def sent(self, model_id: object, region: str, api: str) -> None:
        """Note that the request is sent now, perhaps once more to another place."""
        self._model_id = model_id if isinstance(model_id, str) else None
        self._sent_to = Destination(region, api)
        self._sent_at = self._clock()

    def began(self) -> None:
        """Note that the answer begins now: what was written can be read."""
        if self._began_at is None:
            self._began_at = self._clock()

    def content_came(self) -> None:
        """Note that the first content of a stream comes now."""
        self._content_at = self._clock()

    def ended(
        self,
        call: PreparedCall | None,
        plan: Mapping[str, Any] | None,
        *,
        usage: Mapping[str, Any] | None = None,
        counts: CacheUsage | None = None,
        is_partial: bool = False,
        answer: Mapping[str, Any] | None = None,
        error: BaseException | None = None,
        chars_per_token: float | None = None,
    ) -> None:
        """Have the call judged, and tell the recorders; only once, and never failing a call.

        Args:
            call: As it was sent; `None` if it never was.
            plan: Its report; `None` if it was not read, or never sent.
            usage: In Converse's form; `None` if none was reported.
            counts: The same, if they have been counted already.
            is_partial: Whether more may have been used than that: an answer that broke off has told
                what was read and written, and not how long it would have been.
            answer: Members of a response, or of a stream's last event, with `trace`, `serviceTier`
                and `performanceConfig`.
            error: What ended it.
            chars_per_token: Of the model, to estimate what a broken-off stream has written.
        """
        if self._is_over:
            return
        self._is_over = True
        try:
            if not isinstance(usage, Mapping):  # whatever it is, it reports nothing
                usage = counts = None
            elif counts is None and usage:
                counts = CacheUsage.from_converse(usage)
            is_known = counts is not None and not is_partial
            failure = type(error).__name__ if error is not None and not is_known else None
            ended = self._judged(call, plan, counts, failure, chars_per_token)
            if self._recorders:
                self._tell(ended, call, usage, answer or {})
        except Exception:  # no answer is lost over what is said of it
            _logger.exception("A call cannot be judged; its verdict is left out.")

    def _judged(
        self,
        call: PreparedCall | None,
        plan: Mapping[str, Any] | None,
        counts: CacheUsage | None,
        failure: str | None,
        chars_per_token: float | None,
    ) -> EndedCall:
        ended_at = self._clock()
        diagnosis = None
        if plan is not None or failure:
            diagnosis = default_diagnoser().call_ended(
                plan.get("request") if plan else None,
                usage=counts,
                plan=plan,
                started_at=self._sent_at,
                readable_at=ended_at if self._began_at is None else self._began_at,
                sent_to=self._sent_to,
                error=failure,
                commitment=call.commitment if call else None,
                chars_per_token=chars_per_token if self._began_at is not None else None,
            )
        if failure and counts is not None:
            # Later calls are judged by what this one is known to have cached; itself it failed.
            diagnosis = Diagnosis(verdict="failed", detail=failure)
        return EndedCall(
            operation=self._operation,
            latency_seconds=ended_at - self._started_at,
            usage=None if failure else counts,
            plan=plan,
            diagnosis=diagnosis,
            error=failure,
        )

    def _tell(
        self,
        ended: EndedCall,
        call: PreparedCall | None,
        usage: Mapping[str, Any] | None,
        answer: Mapping[str, Any],
    ) -> None:
        first = None if self._content_at is None else self._content_at - self._started_at
        ended = ended._replace(
            time_to_first_token_seconds=first,
            model_id=self._model_id,
            base_model=call.model if call else None,
            routed_to=invoked_model(answer.get("trace")),
            service_tier=_named(answer.get("serviceTier"), "type"),
            list_price_applies=_latency_mode(answer) in (None, "standard"),
            reported_write_tokens=(
                reported_write_tokens(usage, ended.usage) if usage and ended.usage else None
            ),
        )
        for recorder in self._recorders:
            try:
                recorder.record_call(ended)
            except Exception:  # nor are others left without it
                _logger.exception("A recorder failed; the call is missing from its records.")


class _Listener:
    """Has requests noted as long as it lives."""


@contextmanager
def heard() -> Iterator[None]:
    """Have the calls of a `with` block judged, for handlers that come later."""
    listener = _Listener()
    sent_requests().listen(listener)
    yield
    del listener


def emulator_of(client: Any) -> object | None:
    """Return the emulator that answers a client, so that every call is worth a verdict.

    Args:
        client: A boto3 client, or what stands in for one.

    Returns:
        `None` for clients of AWS.
    """
    emit = getattr(getattr(getattr(client, "meta", None), "events", None), "emit_until_response", 0)
    answer = emit(_EMULATED_EVENT) if callable(emit) else None
    emulator: object | None = answer[1] if isinstance(answer, tuple) else None
    return emulator


def _latency_mode(answer: Mapping[str, Any]) -> str | None:
    said = answer.get("performanceConfigLatency")  # as InvokeModel calls it
    return said if isinstance(said, str) else _named(answer.get("performanceConfig"), "latency")


def _named(value: Any, name: str) -> str | None:
    """Return a setting that Converse wraps in a dict, and InvokeModel does not."""
    said = value.get(name) if isinstance(value, Mapping) else value
    return said if isinstance(said, str) else None
