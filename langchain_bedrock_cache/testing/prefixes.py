"""`assert_prefix_stable`: catch a broken prompt prefix before the first call that is paid for."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import NoneType
from typing import Any, Literal, get_args

from langchain_bedrock_cache.checks import (
    check_callable,
    check_flag,
    check_list,
    check_number,
    check_type,
)
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import CachePolicyError, CacheSkippedWarning
from langchain_bedrock_cache.sent_requests.remedies import remedy
from langchain_bedrock_cache.simulate.bodies import to_converse
from langchain_bedrock_cache.testing.emulated import current_bedrock
from langchain_bedrock_cache.testing.interception import intercepted
from langchain_bedrock_cache.testing.stability import (
    Difference,
    Sent,
    excerpts,
    head_differences,
    history_differences,
    least_shared,
    moments,
    repeat_differences,
)
from langchain_bedrock_cache.wording import counted

Through = Literal["system", "history"]
Travel = Callable[[datetime], AbstractContextManager[Any]]

_INVOKE = ("InvokeModel", "InvokeModelWithResponseStream")
_CONVERSE = ("Converse", "ConverseStream")
# Enough for a date, an hour, a minute and a second to be others.
_APART = timedelta(days=1, hours=1, minutes=1, seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StablePrefix:
    """What was found out about a prefix that is stable.

    Attributes:
        runs: How often the chain was run.
        calls: Model calls of all runs.
        shared_tokens: About how many tokens, 3 characters each, any two runs after each other have
            in common, in whole blocks. Inputs that differ as real ones do make it meaningful.
        min_tokens_per_cache_point: What the model caches from; `None` if it is not known. A prefix
            that is shorter is never cached, stable or not.
    """

    runs: int
    calls: int
    shared_tokens: int
    min_tokens_per_cache_point: int | None


@dataclass(slots=True, kw_only=True)
class _Trial:
    """Runs of a chain under observation, and what is asked of them."""

    inputs: Sequence[Any]
    through: Through
    min_shared_tokens: int | None
    travel: Travel | None
    apart: timedelta
    emulator: BedrockEmulator | None
    show_text: bool
    runs: list[list[Sent]] = field(default_factory=list)
    began: datetime = field(default_factory=lambda: datetime.now().astimezone())

    def __post_init__(self) -> None:
        if self.through not in get_args(Through):
            msg = f"through is {self.through!r}. Choose 'system' or 'history'."
            raise CachePolicyError(msg)
        if self.min_shared_tokens is not None:
            check_number("min_shared_tokens", self.min_shared_tokens, least=0)
        if self.travel is not None:
            check_callable("travel", self.travel, what="a function of a datetime, or None")
        check_type("apart", self.apart, timedelta, what="a timedelta")
        if self.apart < timedelta(0):
            msg = f"apart is {self.apart!r}, but runs follow each other: use 0 or more."
            raise CachePolicyError(msg)
        what = "a BedrockEmulator, or None (of an EmulatedBedrock, its `emulator`)"
        check_type("emulator", self.emulator, (BedrockEmulator, NoneType), what=what)
        check_flag("show_text", self.show_text)

    def each(self) -> Iterator[tuple[Any, AbstractContextManager[Any]]]:
        """Yield what to give the chain, and what to run it in; the first input comes once more."""
        for run, given in enumerate([*self.inputs, self.inputs[0]]):
            yield given, self._observed(run)

    @contextmanager
    def _observed(self, run: int) -> Iterator[None]:
        sent: list[Sent] = []
        self.runs.append(sent)

        def observe(operation: str, arguments: Mapping[str, Any]) -> None:
            request = _chat_request(operation, arguments)
            if request is not None:
                sent.append(Sent(request, run=run, call=len(sent)))

        bedrock = current_bedrock()
        emulator = self.emulator or (bedrock.emulator if bedrock else BedrockEmulator())
        at = self.began + run * self.apart
        travelling = self.travel(at.astimezone(UTC)) if self.travel else nullcontext()
        with warnings.catch_warnings(), intercepted(emulator, observer=observe), travelling:
            warnings.simplefilter("ignore", CacheSkippedWarning)  # the verdict says more
            yield

    def judge(self) -> StablePrefix:
        """Return what is shared.

        Raises:
            AssertionError: If the prefix is not stable, or shorter than asked for.
        """
        __tracebackhide__ = True
        calls = [sent for run in self.runs for sent in run]
        if not calls:
            msg = (
                "The chain made no chat call to Bedrock, so there is no prefix to judge. Only "
                "calls through boto3 are seen: is another model, or a stand-in, in the chain?"
            )
            raise AssertionError(msg)
        self._check_differences(len(calls))
        runs = self.runs[:-1] if len(self.inputs) > 1 else self.runs
        least = least_shared(runs)
        tokens = least.tokens if least else 0
        if self.min_shared_tokens is not None and tokens < self.min_shared_tokens:
            where = ""
            if least and (change := least.parting):
                difference = Difference(least.sent, least.other, change)
                where = f" They part here:\n{self._line(difference)}"
            msg = (
                f"Two runs share {tokens:,} tokens as a prefix of whole blocks, and "
                f"min_shared_tokens is {self.min_shared_tokens:,}.{where}"
            )
            raise AssertionError(msg)
        profiles = [sent.print.profile for sent in calls if sent.print.profile]
        minimums = [p.min_tokens_per_cache_point for p in profiles if p.supports_caching]
        return StablePrefix(
            runs=len(self.runs),
            calls=len(calls),
            shared_tokens=tokens,
            min_tokens_per_cache_point=max(minimums, default=None),
        )

    def _check_differences(self, calls: int) -> None:
        __tracebackhide__ = True
        found = list(head_differences(self.runs))
        if self.travel is None:
            found += moments(self.runs[0], self.began)
        if self.through == "history":
            found += history_differences(self.runs)
            found += repeat_differences(self.runs[0], self.runs[-1])
        if not found:
            return
        hint = "" if self.show_text else "\nshow_text=True shows the text at each place."
        lines = [self._line(difference) for difference in _distinct(found)]
        where = f"{counted(len(self.runs), 'run')}, {counted(calls, 'call')}"
        msg = (
            f"The prefix of the prompt changes from call to call ({where}), so that nothing behind "
            "the change is read from the cache:\n"
        )
        raise AssertionError(msg + "\n".join(lines) + hint)

    def _line(self, difference: Difference) -> str:
        sent, other, change = difference
        against = "" if other is sent else f" (against {_name(other, self.runs)})"
        text = f"* {_name(sent, self.runs)}{against}: {change}. {remedy(change)}"
        if self.show_text:
            before, now = excerpts(difference)
            if other is not sent and before:
                text += f"\n    before: {before!r}"
            if now:
                text += f"\n    now:    {now!r}"
        return text


def assert_prefix_stable(
    chain: Any,
    inputs: Sequence[Any],
    *,
    config: Any = None,
    through: Through = "history",
    min_shared_tokens: int | None = None,
    travel: Travel | None = None,
    apart: timedelta = _APART,
    emulator: BedrockEmulator | None = None,
    show_text: bool = False,
) -> StablePrefix:
    """Assert that all runs of a chain begin their prompts alike, so that caching can work.

    The chain is run on each input, and on the first one once more, on an emulator: nothing is
    sent, no AWS credentials are needed, and the chat models inside may be of any class that uses
    boto3. Tools, system prompt and settings must be the same in all runs; a conversation must go on
    where it ended; and the same input must make the same prompt.

    Args:
        chain: A Runnable, or a function of the input.
        inputs: A list of inputs, best such that differ as real ones do.
        config: For each run, such as `{"configurable": {"thread_id": "1"}}`.
        through: `"system"` looks at tools, system prompt and settings only, for chains that
            rewrite their history on purpose.
        min_shared_tokens: Fail if two runs share less, in whole blocks of 3 characters a token:
            documents that come before the question, say.
        travel: Makes a context in which it is some other time, such as `time_machine.travel` or
            `freezegun.freeze_time`; runs are then `apart`, and a date is seen to change. Without
            it, they follow each other at once, and only a time of day is noticed.
        apart: Time between two runs.
        emulator: Answers, with tool calls, say; default: that of `bedrock_emulator` if it is in
            use, else one that says the same each time. A model with a client of another emulator
            gets its answers from that.
        show_text: Show the text around each change, for prompts that may be seen in logs.

    Returns:
        What is shared, for further assertions.

    Raises:
        AssertionError: If the prefix changes, with section, block, character, a guess and a remedy
            for each place; if two runs share too little; or if there was no call.
        CachePolicyError: If there are no inputs, or a setting makes no sense.
        TypeError: If the chain cannot be run, or a setting is of another type.
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    _check_chain(chain, "invoke")
    trial = _Trial(
        inputs=_listed(inputs),
        through=through,
        min_shared_tokens=min_shared_tokens,
        travel=travel,
        apart=apart,
        emulator=emulator,
        show_text=show_text,
    )
    for given, observed in trial.each():
        with observed:
            if hasattr(chain, "invoke"):
                chain.invoke(given, config)
            else:
                chain(given)
    return trial.judge()


async def aassert_prefix_stable(
    chain: Any,
    inputs: Sequence[Any],
    *,
    config: Any = None,
    through: Through = "history",
    min_shared_tokens: int | None = None,
    travel: Travel | None = None,
    apart: timedelta = _APART,
    emulator: BedrockEmulator | None = None,
    show_text: bool = False,
) -> StablePrefix:
    """Assert the same as `assert_prefix_stable` of `chain.ainvoke`, or of an async function."""
    __tracebackhide__ = True  # pytest then shows the line of the test
    _check_chain(chain, "ainvoke")
    trial = _Trial(
        inputs=_listed(inputs),
        through=through,
        min_shared_tokens=min_shared_tokens,
        travel=travel,
        apart=apart,
        emulator=emulator,
        show_text=show_text,
    )
    for given, observed in trial.each():
        with observed:
            if hasattr(chain, "ainvoke"):
                await chain.ainvoke(given, config)
            else:
                await chain(given)
    return trial.judge()


def _check_chain(chain: Any, method: str) -> None:
    if not hasattr(chain, method):
        check_callable("chain", chain, what="a Runnable, or a function of the input")


def _listed(inputs: Any) -> list[Any]:
    if not isinstance(inputs, str | Mapping):
        check_list("inputs", inputs, what="a list of inputs")
    given = [inputs] if isinstance(inputs, str | Mapping) else list(inputs)
    if not given:
        msg = "inputs is empty. Give the chain at least one input; two that differ say more."
        raise CachePolicyError(msg)
    return given


def _chat_request(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a call as Converse arguments; `None` for other calls, such as embeddings."""
    if operation in _CONVERSE:
        return copy.deepcopy(dict(arguments))  # the caller may go on with the same lists
    if operation not in _INVOKE:
        return None
    try:
        body = json.loads(arguments["body"])
    except (TypeError, ValueError):
        return None
    if not isinstance(body, dict):
        return None
    request = to_converse({"modelId": arguments.get("modelId"), **body})
    return request and {**request, "modelId": arguments.get("modelId")}


def _distinct(found: Sequence[Difference]) -> list[Difference]:
    """Return the first change of each place: it comes back in run after run, call after call."""
    places: dict[tuple[str, Any], Difference] = {}
    for difference in sorted(found, key=lambda d: d.change.offset_chars or 0):
        key = difference.change.place, difference.sent.request.get("modelId")
        places.setdefault(key, difference)
    return sorted(places.values(), key=lambda d: (d.sent.run, d.sent.call))


def _name(sent: Sent, runs: Sequence[Sequence[Sent]]) -> str:
    call = f", call {sent.call + 1}" if len(runs[sent.run]) > 1 else ""
    once_more = " (input 1 once more)" if sent.run == len(runs) - 1 else ""
    return f"run {sent.run + 1}{once_more}{call}"
