"""Batches: one write for all, in every form of `batch`, with LangChain's own semantics."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda
from wire import ask, user, words

from langchain_bedrock_cache import ChatBedrockCached, PrefixMemory, get_cache_usage_callback
from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.progress import BatchProgressBar
from langchain_bedrock_cache.shared_prefixes import SharedPrefixes, leaders_first

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LATENCY_SECONDS = 1.0
LONG = words(20_000)


def last_text(request: dict[str, Any]) -> str:
    """Answer with the last text of the request, so that answers tell whose they are."""
    blocks = request["messages"][-1]["content"]
    return next(block["text"] for block in reversed(blocks) if "text" in block)  # type: ignore[no-any-return]


class Fleet:
    """A model on an emulator where an entry is readable a second after its request.

    The clock moves only when a response is read, so calls that do not wait come at the same time.
    """

    def __init__(self, **settings: Any) -> None:
        self.clock = SimulatedClock()
        self.emulator = BedrockEmulator(
            clock=self.clock,
            first_byte_latency_seconds=LATENCY_SECONDS,
            responder=last_text,
        )
        client = self.emulator.client()
        client.meta.events.register("after-call.bedrock-runtime.*", self._answered)
        self.model = ChatBedrockCached(
            model_id=MODEL, client=client, prefix_memory=PrefixMemory(clock=self.clock), **settings
        )

    def _answered(self, **_: Any) -> None:
        self.clock.advance(LATENCY_SECONDS)

    @property
    def writes(self) -> int:
        """Calls that wrote."""
        return sum(record.cache_write_tokens > 0 for record in self.emulator.ledger)

    @property
    def reads(self) -> int:
        """Calls that read."""
        return sum(record.cache_read_tokens > 0 for record in self.emulator.ledger)


def questions(count: int) -> list[list[Any]]:
    """Return prompts with one long system prompt."""
    return [[SystemMessage(LONG), HumanMessage(f"question {n}")] for n in range(count)]


def documents(count: int, kinds: int) -> list[list[Any]]:
    """Return prompts about some documents, mixed, each document and question in one message."""
    return [
        [HumanMessage([words(8_000, f"document{n % kinds}"), f"question {n}"])]
        for n in range(count)
    ]


def texts(answers: list[Any]) -> list[str]:
    """Return what the answers say."""
    return [answer.text for answer in answers]


def expected(count: int) -> list[str]:
    """Return what the emulator answers to the questions."""
    return [f"question {n}" for n in range(count)]


async def abatch(model: Any, inputs: list[Any], config: Any) -> list[Any]:
    """Return answers of `abatch`."""
    return await model.abatch(inputs, config)  # type: ignore[no-any-return]


async def batch(model: Any, inputs: list[Any], config: Any) -> list[Any]:
    """Return answers of `batch`."""
    return model.batch(inputs, config)  # type: ignore[no-any-return]


async def batch_as_completed(model: Any, inputs: list[Any], config: Any) -> list[Any]:
    """Return answers of `batch_as_completed`, in the order of the inputs."""
    answers = dict(model.batch_as_completed(inputs, config))
    return [answers[n] for n in range(len(inputs))]


async def abatch_as_completed(model: Any, inputs: list[Any], config: Any) -> list[Any]:
    """Return answers of `abatch_as_completed`, in the order of the inputs."""
    answers = {n: answer async for n, answer in model.abatch_as_completed(inputs, config)}
    return [answers[n] for n in range(len(inputs))]


WAYS = [batch, abatch, batch_as_completed, abatch_as_completed]


@pytest.mark.parametrize("way", WAYS)
async def test_one_write_for_all(way: Callable[..., Any]) -> None:
    """Many calls on one new prefix write it once; all others read it, and answers keep order."""
    fleet = Fleet()
    answers = await way(fleet.model, questions(40), {"max_concurrency": 8})
    assert texts(answers) == expected(40)
    assert (fleet.writes, fleet.reads) == (1, 39)


def test_without_it_every_early_call_writes() -> None:
    """The baseline: calls that go out together each pay the write."""
    fleet = Fleet()
    together = threading.Barrier(4)

    def call(prompt: list[Any]) -> Any:
        together.wait()
        return fleet.model.invoke(prompt)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(call, questions(4)))
    assert fleet.writes > 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("concurrency", [1, 2, 16])
async def test_one_write_per_group(way: Callable[..., Any], concurrency: int) -> None:
    """Each document is written once, whatever the order of the inputs and the concurrency."""
    fleet = Fleet()
    answers = await way(fleet.model, documents(24, 6), {"max_concurrency": concurrency})
    assert texts(answers) == expected(24)
    assert (fleet.writes, fleet.reads) == (6, 18)


def test_groups_within_groups() -> None:
    """A system prompt shared by all is written once, by the first of the documents' first calls."""
    fleet = Fleet()
    inputs = [[SystemMessage(words(4_000, "rules")), *one] for one in documents(12, 3)]
    assert texts(fleet.model.batch(inputs, {"max_concurrency": 6})) == expected(12)
    written = sorted(record.cache_write_tokens for record in fleet.emulator.ledger)
    assert [n > 11_000 for n in written[-3:]] == [False, False, True]
    assert sum(written) == 4_000 + 3 * 8_000


def test_batches_inside_a_chain() -> None:
    """A chain's batch reaches the model's own, with settings bound to it."""
    fleet = Fleet()
    prompt = ChatPromptTemplate([("system", "{rules}"), ("human", "{question}")])
    chain: Any = (
        prompt | fleet.model.bind(max_tokens=50) | RunnableLambda(lambda answer: answer.text)
    )
    inputs = [{"rules": LONG, "question": f"question {n}"} for n in range(20)]
    assert chain.batch(inputs) == expected(20)
    assert (fleet.writes, fleet.reads) == (1, 19)


def test_inputs_with_nothing_in_common() -> None:
    """A batch that shares nothing is sent as LangChain would."""
    fleet = Fleet()
    assert texts(fleet.model.batch([f"question {n}" for n in range(5)])) == expected(5)
    assert fleet.writes == 0
    assert fleet.model.batch([]) == []


def test_a_config_for_each_input() -> None:
    """Tags, metadata and callbacks stay with their input, though calls go out in another order."""
    fleet = Fleet()
    configs: list[RunnableConfig] = [{"tags": [f"question {n}"]} for n in range(12)]
    with get_cache_usage_callback() as usage:
        answers = fleet.model.batch(documents(12, 3), configs)
    assert texts(answers) == expected(12)
    tags = {record.run_id: record.tags for record in usage.records}
    for answer in answers:
        assert tags.pop(_run_id(answer)) == (answer.text,)
    assert not tags


def _run_id(answer: Any) -> Any:
    from uuid import UUID  # noqa: PLC0415 - only here

    return UUID(answer.id.removeprefix("lc_run--").rsplit("-", 1)[0])


@pytest.mark.parametrize("way", WAYS[:2])
async def test_exceptions_are_returned_in_place(way: Callable[..., Any]) -> None:
    """A call that fails leaves an exception at its own index; the others still share one write."""
    fleet = Fleet()
    inputs: list[Any] = questions(12)
    inputs[5] = [SystemMessage(LONG), HumanMessage([{"type": "nonsense"}])]
    kwargs = {"return_exceptions": True}
    if way is abatch:
        answers = await fleet.model.abatch(inputs, **kwargs)
    else:
        answers = fleet.model.batch(inputs, **kwargs)
    assert isinstance(answers.pop(5), Exception)
    assert texts(answers) == [t for n, t in enumerate(expected(12)) if n != 5]
    assert fleet.writes == 1


def test_an_exception_is_raised() -> None:
    """Without `return_exceptions` the error of a call ends the batch."""
    fleet = Fleet()
    fleet.emulator.fail_next("AccessDeniedException", "no access", times=100)
    with pytest.raises(Exception, match="no access"):
        fleet.model.batch(questions(3))


def test_the_next_one_writes_when_the_first_fails() -> None:
    """A leader that fails passes its part on to one other call."""
    fleet = Fleet()
    fleet.emulator.fail_next("ValidationException", "cannot answer this")
    answers = fleet.model.batch(questions(12), return_exceptions=True)
    assert sum(isinstance(answer, Exception) for answer in answers) == 1
    assert (fleet.writes, fleet.reads) == (1, 10)


def test_configs_that_do_not_fit() -> None:
    """A list of configs of another length is LangChain's error, before anything is sent."""
    fleet = Fleet()
    with pytest.raises(ValueError, match="config"):
        fleet.model.batch(questions(3), [{}, {}])
    assert fleet.emulator.ledger == ()


def test_the_progress_bar() -> None:
    """The bar counts inputs, not the steps inside."""
    from rich.console import Console  # noqa: PLC0415 - only here

    fleet = Fleet()
    chain: Any = RunnableLambda(lambda question: questions(1)[0]) | fleet.model
    with BatchProgressBar(7, console=Console(file=io.StringIO())) as bar:
        chain.batch(["?"] * 7, {"callbacks": [bar]})
        assert bar.done == 7


paths = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), max_size=8)


@given(paths)
def test_the_order_is_a_permutation(blocks: list[list[str]]) -> None:
    """Every input is sent once, and nobody who leads a group goes after its followers."""
    prefixes = [read_converse(ask(user(*path))) for path in blocks]
    shared = SharedPrefixes.of(prefixes)
    order = leaders_first(prefixes, shared)
    assert sorted(order) == list(range(len(blocks)))
    led: set[bytes] = set()
    followed = False
    for index in order:
        digests = {prefixes[index].digests[n - 1] for n in shared.positions(prefixes[index])}
        followed = followed or digests <= led
        assert digests <= led or not followed
        led |= digests


@given(paths)
def test_what_is_shared(blocks: list[list[str]]) -> None:
    """The ends are exactly the forks: prefixes of several requests that do not all go on alike."""
    prefixes = [read_converse(ask(user(*path))) for path in blocks]
    forks = set()
    for path in blocks:
        for n in range(1, len(path) + 1):
            together = [p for p in blocks if p[:n] == path[:n]]
            ways_on = {tuple(p[: n + 1]) for p in together}
            if len(together) > 1 and (len(ways_on) > 1 or ways_on == {tuple(path[:n])}):
                forks.add(tuple(path[:n]))
    found = {
        tuple(path[:n])
        for path, prefix in zip(blocks, prefixes, strict=True)
        for n in SharedPrefixes.of(prefixes).positions(prefix)
    }
    assert found == forks


def test_points_stay_within_the_limit() -> None:
    """Requests with many forks and points of their own still carry four points."""
    fleet = Fleet()
    names = ["a", "b", "c", "d", "e", "f"]
    inputs = [
        [HumanMessage([words(2_000, name) for name in names[:n]] + ["?"])]  # type: ignore[arg-type] # see above
        for n in range(1, 7)
    ]
    fleet.model.batch(inputs, {"max_concurrency": 1})
    assert max(len(record.cache_points) for record in fleet.emulator.ledger) <= 4
