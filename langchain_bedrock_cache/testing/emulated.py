"""`emulated_bedrock`: the whole process talks to an emulator, on a clock that a test moves."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.diagnosis import default_diagnoser
from langchain_bedrock_cache.emulator import BedrockEmulator, LedgerRecord, Reply, scripted
from langchain_bedrock_cache.emulator.replies import Responder, default_responder
from langchain_bedrock_cache.memory import PrefixMemory, default_memory
from langchain_bedrock_cache.sent_requests import sent_requests
from langchain_bedrock_cache.testing.interception import intercepted

_open: list[EmulatedBedrock] = []


class EmulatedBedrock:
    """A Bedrock for one test: what the fixture `bedrock_emulator` and `emulated_bedrock` give.

    Attributes:
        emulator: The emulator itself, for `fail_next`, `refuse_cache_points`, `attach`, `serve`.
        clock: Its time in seconds, which begins now and moves only by `advance`.
    """

    def __init__(self, *, clock: SimulatedClock | None = None, **settings: Any) -> None:
        self.clock = clock or SimulatedClock(time.time())
        self._responder: Responder = default_responder
        self.emulator = BedrockEmulator(
            clock=self.clock,
            responder=self._answer,
            capture_requests=True,
            **settings,
        )

    def client(self, *, region: str | None = None, **kwargs: Any) -> Any:
        """Return a real boto3 `bedrock-runtime` client that talks to the emulator.

        Args:
            region: AWS Region; default: the emulator's.
            kwargs: More arguments of `boto3.client`.
        """
        return self.emulator.client(region=region, **kwargs)

    def memory(self) -> PrefixMemory:
        """Return a memory that has seen nothing, on the same clock: `prefix_memory=`."""
        return PrefixMemory(clock=self.clock)

    def advance(self, seconds: float) -> None:
        """Let time pass: entries of 5 minutes are gone after 300 seconds without a read."""
        self.clock.advance(seconds)

    def answer_with(self, replies: Responder | Sequence[str | Reply]) -> None:
        """Say what the model answers from now on.

        Args:
            replies: One after the other, such as the tool calls of an agent and its last words; or
                a function of the request. A call beyond the last reply raises `LookupError`.
        """
        self._responder = replies if callable(replies) else scripted(replies)

    def _answer(self, request: dict[str, Any]) -> str | Reply:
        return self._responder(request)

    @property
    def ledger(self) -> tuple[LedgerRecord, ...]:
        """What each request read, wrote and was refused, oldest first; numbers only."""
        return self.emulator.ledger

    @property
    def requests(self) -> tuple[dict[str, Any], ...]:
        """The JSON bodies of all requests, as they were sent, oldest first."""
        return self.emulator.requests


@contextmanager
def emulated_bedrock(
    *, clock: SimulatedClock | None = None, **settings: Any
) -> Iterator[EmulatedBedrock]:
    """Send every `bedrock-runtime` call of the process to a new emulator while the block lasts.

    Chat models, chains and boto3 clients made before the block are included, so that a test needs
    not pass clients around. No network and no AWS credentials are used. What the package has
    learned of earlier calls is set aside, and what it learns inside is forgotten afterwards;
    models made before the block keep their memory. Every call of the block gets a verdict, by the
    emulator's clock, whether a handler listens then or later.

    Args:
        clock: A clock to move, shared with the application, say; default: a new one.
        settings: More arguments of `BedrockEmulator`, but for `responder` and `capture_requests`.

    Yields:
        The emulator with its clock, ledger and requests.
    """
    bedrock = EmulatedBedrock(clock=clock, **settings)
    with intercepted(bedrock.emulator):
        _open.append(bedrock)
        _begin_anew()
        try:
            yield bedrock
        finally:
            _open.remove(bedrock)
            _begin_anew()


def current_bedrock() -> EmulatedBedrock | None:
    """Return the innermost one in use; `None` outside of all blocks."""
    return _open[-1] if _open else None


def _begin_anew() -> None:
    """Forget what was learned; have all calls heard, on the clock of the block in use, if any."""
    _forget_learned()
    bedrock = current_bedrock()
    if bedrock is not None:
        sent_requests().listen(bedrock)
        default_diagnoser().clock = bedrock.clock


def _forget_learned() -> None:
    """Let models and handlers made from now on begin without what others saw."""
    default_memory.cache_clear()
    default_diagnoser.cache_clear()
    before = sent_requests()
    sent_requests.cache_clear()
    # Numbers go on: a record made before must not take one of these requests for its own. And who
    # listened goes on listening.
    sent_requests()._count = before._count  # noqa: SLF001 - ours
    sent_requests()._listeners = before._listeners  # noqa: SLF001 - ours
    runnables = sys.modules.get("langchain_bedrock_cache.runnables.transformer")
    if runnables is not None:  # only then is there a memory of transformers
        runnables._planner_of.cache_clear()  # noqa: SLF001 - ours
