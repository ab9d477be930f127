"""Calls of a client inside LangChain runs: part of the run, for those who listen to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_aws import ChatBedrockConverse
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from situation_stage import Stage
from wire import CLAUDE, ask, text, user

from langchain_bedrock_cache import (
    CacheUsageCallbackHandler,
    cached_client,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.settling import EndedCall

LONG = ask(user("What is rule 7 about?"), system=[text(2_000)])


@pytest.fixture
def client(stage: Stage) -> Any:
    """A client whose calls the handler of the stage records."""
    return cached_client(stage.emulator.client(), memory=stage.memory, recorder=stage.handler)


def _config(*handlers: Any) -> Any:
    return {"callbacks": list(handlers), "run_name": "my_chain", "tags": ["mine"]}


def _around(record: CallRecord) -> list[str | None]:
    return [run.name for run in record.path]


def _in_a_step(client: Any, config: Any) -> None:
    step: Any = RunnableLambda(lambda _: client.converse(**LONG)["usage"]).with_config(
        run_name="step"
    )
    (step | RunnableLambda(len)).invoke("?", config)


def _in_a_thread(client: Any, config: Any) -> None:
    async def answer(_: Any) -> Any:
        return (await asyncio.to_thread(client.converse, **LONG))["usage"]

    step: Any = RunnableLambda(answer).with_config(run_name="step")
    asyncio.run((step | RunnableLambda(len)).ainvoke("?", config))


def _in_a_batch(client: Any, config: Any) -> None:
    step: Any = RunnableLambda(lambda _: client.converse(**LONG)["usage"]).with_config(
        run_name="step"
    )
    (step | RunnableLambda(len)).batch(["?"], config)


def _in_a_stream(client: Any, config: Any) -> None:
    def answer(_: Iterator[Any]) -> Iterator[Any]:
        yield from client.converse_stream(**LONG)["stream"]

    step: Any = RunnableLambda(answer).with_config(run_name="step")
    list((RunnableLambda(str) | step).stream("?", config))


def _in_a_tool(client: Any, config: Any) -> None:
    @tool("step")
    def look_up(question: str) -> str:
        """Look something up."""
        return str(client.converse(**LONG)["usage"]) + question

    asked: Any = RunnableLambda(lambda question: {"question": question})
    (asked | look_up).invoke("?", config)


def _read_by_a_later_step(client: Any, config: Any) -> None:
    step: Any = RunnableLambda(lambda _: client.converse_stream(**LONG)).with_config(
        run_name="step"
    )
    (step | RunnableLambda(lambda response: list(response["stream"]))).invoke("?", config)


def _read_when_the_run_is_over(client: Any, config: Any) -> None:
    step: Any = RunnableLambda(lambda _: client.converse_stream(**LONG)).with_config(
        run_name="step"
    )
    list((RunnableLambda(str) | step).invoke("?", config)["stream"])


WAYS: dict[str, Callable[[Any, Any], None]] = {
    way.__name__.removeprefix("_"): way
    for way in (
        _in_a_step,
        _in_a_thread,
        _in_a_batch,
        _in_a_stream,
        _in_a_tool,
        _read_by_a_later_step,
        _read_when_the_run_is_over,
    )
}


@pytest.mark.parametrize("way", WAYS)
def test_a_call_in_a_run_is_part_of_it(way: str, stage: Stage, client: Any) -> None:
    """Root, path, parent and tags are those of the run that made the call, however it did."""
    WAYS[way](client, _config(stage.handler))
    (record,) = stage.handler.records
    assert (record.root_name, _around(record)) == ("my_chain", ["my_chain", "step"])
    assert record.root_run_id == record.path[0].run_id
    assert record.parent_run_id == record.path[-1].run_id
    assert record.run_id not in {run.run_id for run in record.path}
    assert record.tags == ("mine",)
    assert record.step in {"converse", "converse_stream"}
    assert record.error is None


def test_a_run_is_one_row_of_the_report(stage: Stage, client: Any) -> None:
    """What boto3 and a chat model are asked in one run adds up, by run and by tag."""
    model = ChatBedrockConverse(model_id=CLAUDE, client=client, bedrock_client=client.wrapped)
    step: Any = RunnableLambda(lambda _: str(client.converse(**LONG)["usage"]))
    (step | model).invoke("?", _config(stage.handler))
    by_boto3, by_langchain = stage.handler.records
    assert by_boto3.root_run_id == by_langchain.root_run_id
    (totals,) = stage.handler.by_root_run().values()
    assert (totals.name, totals.calls) == ("my_chain", 2)
    assert stage.handler.by_tag()["mine"].calls == 2


def test_runs_that_a_recorder_does_not_hear_of_say_nothing(stage: Stage, client: Any) -> None:
    """A recorder that is no handler of the run has the call for itself, and so it is outside."""
    _in_a_step(client, _config(CacheUsageCallbackHandler()))
    _in_a_step(client, _config(stage.handler))
    client.converse(**LONG)
    apart, inside, outside = stage.handler.records
    assert inside.path
    for record in (apart, outside):
        assert record.root_run_id == record.run_id
        assert (record.root_name, record.path, record.tags) == ("converse", (), ())


def test_a_block_has_the_runs_inside(stage: Stage) -> None:
    """`get_cache_usage_callback` hears of the runs in its block, and so places their calls."""
    client = cached_client(stage.emulator.client(), memory=stage.memory)
    with get_cache_usage_callback() as usage:
        _in_a_step(client, _config())
    (record,) = usage.records
    assert _around(record) == ["my_chain", "step"]


class _Undecided:
    """A recorder that cannot say who takes a call."""

    def __init__(self) -> None:
        self.calls: list[EndedCall] = []

    def call_begins(self) -> Any:
        """Fail."""
        raise OSError

    def record_call(self, call: EndedCall) -> None:
        """Keep a call."""
        self.calls.append(call)


def test_a_recorder_that_fails_at_the_start_costs_no_call(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is handed on, what went wrong is logged, and the recorder is told of the call."""
    recorder = _Undecided()
    client = cached_client(stage.emulator.client(), memory=stage.memory, recorder=recorder)
    assert client.converse(**LONG)["usage"]
    assert "A recorder failed" in caplog.text
    assert [call.operation for call in recorder.calls] == ["converse"]
