"""Who records the calls of a cached client: recorders, blocks and LangChain, each call once."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from langchain_aws import ChatBedrockConverse
from situation_stage import Stage
from wire import CLAUDE, ask, text, user, words

from langchain_bedrock_cache import (
    CachePolicy,
    CacheUsageCallbackHandler,
    ChatBedrockCached,
    ChatBedrockInvokeCached,
    cached_client,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.settling import EndedCall

LONG = ask(user("What is rule 7 about?"), system=[text(2_000)])


def client_of(stage: Stage, **settings: Any) -> Any:
    """Return a client whose calls the handler of the stage records."""
    settings.setdefault("recorder", stage.handler)
    return cached_client(stage.emulator.client(), memory=stage.memory, **settings)


@pytest.mark.parametrize("through", ["converse", "invoke"])
@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream", "batch"])
def test_a_call_of_langchain_is_recorded_once(through: str, way: str, stage: Stage) -> None:
    """A handler that hears of a run from LangChain is not told of its call by the client."""
    client = client_of(stage)
    kind: Any = ChatBedrockCached if through == "converse" else ChatBedrockInvokeCached
    model = kind(model_id=CLAUDE, client=client, bedrock_client=client.wrapped)
    prompt = [("system", words(2_000)), ("human", "Hi")]
    for config in ({"callbacks": [stage.handler], "run_name": "mine"}, None):
        if way == "invoke":
            model.invoke(prompt, config)
        elif way == "stream":
            list(model.stream(prompt, config))
        elif way == "ainvoke":
            asyncio.run(model.ainvoke(prompt, config))
        elif way == "astream":
            asyncio.run(_drain(model.astream(prompt, config)))
        else:
            model.batch([prompt], config)
    assert len(stage.emulator.ledger) == 2
    heard, unheard = stage.handler.records
    assert heard.step == "mine"
    assert unheard.step is not None
    assert unheard.step.startswith("converse" if through == "converse" else "invoke_model")
    assert _verdict(unheard) == "hit"


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


def test_the_context_of_a_run_goes_on_without_it(stage: Stage) -> None:
    """A call that follows a run of LangChain in the same thread is recorded for itself."""
    client = client_of(stage)
    model = ChatBedrockConverse(model_id=CLAUDE, client=client, bedrock_client=client.wrapped)
    config: Any = {"callbacks": [stage.handler], "run_name": "chat"}
    model.invoke("Hi", config)
    client.converse(**LONG)
    stage.emulator.fail_next("ThrottlingException")
    with suppress(ClientError):
        model.invoke("Hi", config)
    client.converse(**LONG)
    steps = [record.step for record in stage.handler.records]
    assert steps == ["chat", "converse", "chat", "converse"]


def test_every_recorder_has_each_call_once(stage: Stage) -> None:
    """Another handler of LangChain, and blocks around, record what the recorder records, once."""
    client = client_of(stage)
    other = CacheUsageCallbackHandler()
    config: Any = {"callbacks": [other], "run_name": "chat"}
    model = ChatBedrockConverse(model_id=CLAUDE, client=client, bedrock_client=client.wrapped)
    with get_cache_usage_callback() as outer, get_cache_usage_callback() as inner:
        model.invoke([("system", words(2_000)), ("human", "Hi")], config)
        client.converse(**LONG)
    client.converse(**LONG)
    counts = [len(one.records) for one in (stage.handler, other, outer, inner)]
    assert counts == [3, 1, 2, 2]
    assert [record.step for record in outer.records] == ["chat", "converse"]
    assert outer.records[1].diagnosis == stage.handler.records[1].diagnosis


def test_a_block_records_a_client_without_recorder(stage: Stage) -> None:
    """`get_cache_usage_callback` is enough for boto3, in its own thread; no call is left out."""
    client = client_of(stage, recorder=None)
    client.converse(**LONG)
    with get_cache_usage_callback() as usage:
        client.converse(**LONG)
        list(client.converse_stream(**LONG)["stream"])
    client.converse(**LONG)
    assert [_verdict(record) for record in usage.records] == ["hit", "hit"]


def test_threads_share_a_recorder(stage: Stage) -> None:
    """Calls of many threads are all recorded."""
    client = client_of(stage, policy=CachePolicy.fixed(system="5m"))

    def work(number: int) -> None:
        for n in range(5):
            client.converse(**ask(user(f"{number}-{n}?"), system=[text(2_000)]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert stage.handler.totals.calls == len(stage.emulator.ledger) == 40
    assert all(record.diagnosis is not None for record in stage.handler.records)


class _Broken:
    """A recorder that fails."""

    def record_call(self, call: EndedCall) -> None:
        """Fail."""
        raise RuntimeError(call.operation)


def test_a_recorder_that_fails_costs_no_call(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Answers, streams and errors are those of the call; what was wrong is logged."""
    client = client_of(stage, recorder=_Broken())
    with get_cache_usage_callback() as usage:
        assert client.converse(**LONG)["usage"]
        assert list(client.converse_stream(**LONG)["stream"])
        stage.emulator.fail_next("ThrottlingException")
        with pytest.raises(ClientError, match="Throttling"):
            client.converse(**LONG)
    assert caplog.text.count("A recorder failed") == 3
    assert len(usage.records) == 3


def test_sinks_get_the_calls_of_a_client(emulator: BedrockEmulator) -> None:
    """A sink of the recorder takes each record as it takes LangChain's."""
    seen: list[CallRecord] = []
    handler = CacheUsageCallbackHandler(sinks=[seen.append])
    cached_client(emulator.client(), recorder=handler).converse(**LONG)
    assert seen == list(handler.records)
    assert len(seen) == 1


def test_a_recorder_stays_with_a_client_that_is_wrapped_anew(stage: Stage) -> None:
    """Another policy leaves the recorder; another recorder replaces it."""
    client = client_of(stage)
    assert cached_client(client) is client
    cached_client(client, policy=CachePolicy.off()).converse(**LONG)
    assert len(stage.handler.records) == 1
    other = CacheUsageCallbackHandler()
    cached_client(client, recorder=other).converse(**LONG)
    assert (len(stage.handler.records), len(other.records)) == (1, 1)


def test_what_cannot_record_is_refused(emulator: BedrockEmulator) -> None:
    """A recorder without `record_call`, such as another callback handler, is named."""
    with pytest.raises(TypeError, match=r"recorder is .*CacheUsageCallbackHandler"):
        cached_client(emulator.client(), recorder=print)  # type: ignore[arg-type] # the point


def test_a_handler_goes_when_nobody_needs_it(emulator: BedrockEmulator) -> None:
    """Neither the context of a run that has ended nor what it left keeps a handler alive."""
    client = emulator.client()
    model = ChatBedrockCached(model_id=CLAUDE, client=client, bedrock_client=client)
    handler = CacheUsageCallbackHandler()
    gone = weakref.ref(handler)
    model.invoke("Hi", {"callbacks": [handler]})
    del handler
    gc.collect()
    assert gone() is None


def _verdict(record: CallRecord) -> str | None:
    return record.diagnosis.verdict if record.diagnosis else None
