"""Where calls belong: chains, branches, tools, agents, threads, tasks and `with` blocks."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langchain_core.tracers import context as tracers_context
from recorded_calls import NOVA, SONNET, nothing_open, plain_chat

from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler, get_cache_usage_callback
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse, scripted
from langchain_bedrock_cache.records import OuterRun
from langchain_bedrock_cache.run_tree import RunPlace, RunTree
from langchain_bedrock_cache.usage import CacheUsage


@pytest.fixture
def emulator() -> BedrockEmulator:
    """A Bedrock of its own for each test."""
    return BedrockEmulator()


@pytest.fixture
def handler() -> CacheUsageCallbackHandler:
    """A fresh handler."""
    return CacheUsageCallbackHandler()


def _chain(emulator: BedrockEmulator, model_id: str = SONNET) -> Runnable[Any, Any]:
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    return prompt | plain_chat(emulator, model_id) | StrOutputParser()


def _billed(emulator: BedrockEmulator) -> CacheUsage:
    """Return what the emulator counted in all."""
    return CacheUsage(
        uncached_input_tokens=sum(entry.uncached_input_tokens for entry in emulator.ledger),
        output_tokens=sum(entry.output_tokens for entry in emulator.ledger),
    )


async def _collect(stream: Any) -> list[Any]:
    return [item async for item in stream]


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
def test_parallel_branches_and_nested_chains_are_one_run(
    how: str, emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """Calls in branches and in chains inside chains belong to the outermost run, by its name."""
    branches = RunnableParallel(
        short=_chain(emulator),
        long=RunnableLambda(lambda x: x) | _chain(emulator, NOVA).with_config(tags=["long"]),
    )
    chain = branches | RunnableLambda(str) | plain_chat(emulator)
    config: Any = {"callbacks": [handler], "run_name": "compare", "tags": ["nightly"]}
    question = {"question": "hi"}
    if how == "invoke":
        chain.invoke(question, config)
    elif how == "stream":
        list(chain.stream(question, config))
    elif how == "ainvoke":
        asyncio.run(chain.ainvoke(question, config))
    else:
        asyncio.run(_collect(chain.astream(question, config)))
    (run,) = handler.by_root_run().values()
    assert (run.name, run.calls, run.priced_calls) == ("compare", 3, 3)
    assert run.usage == handler.total == _billed(emulator)
    assert run.cost == handler.total_cost
    assert handler.by_tag()["nightly"] == run
    assert handler.by_tag()["long"].calls == 1
    assert {model: totals.calls for model, totals in handler.by_model().items()} == {
        SONNET: 2,
        NOVA: 1,
    }
    assert nothing_open(handler)


def test_each_invoke_and_each_batch_item_is_a_run(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """Two invokes and a batch of three are five runs, and their totals add up to the total."""
    chain = _chain(emulator)
    question = {"question": "hi"}
    for _ in range(2):
        chain.invoke(question, {"callbacks": [handler]})
    chain.batch([question] * 3, {"callbacks": [handler]})
    runs = handler.by_root_run()
    assert [run.calls for run in runs.values()] == [1] * 5
    assert sum((run.usage for run in runs.values()), CacheUsage()) == handler.total
    assert handler.total == _billed(emulator)


def test_a_call_without_parent_is_its_own_root(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A model that is called directly is the outermost run, and its run name is the root's."""
    plain_chat(emulator).invoke("hi", {"callbacks": [handler], "run_name": "asker"})
    (record,) = handler.records
    assert record.run_id == record.root_run_id
    assert record.parent_run_id is None
    assert (record.root_name, record.step) == ("asker", "asker")


def test_a_handler_on_the_model_takes_the_parent_for_the_root(emulator: BedrockEmulator) -> None:
    """A handler that sees no chain events groups calls by the run directly above."""
    handler = CacheUsageCallbackHandler()
    model = plain_chat(emulator, callbacks=[handler])
    chain: Runnable[Any, Any] = RunnableParallel(a=model, b=model)
    chain.invoke("hi")
    (root,) = handler.by_root_run()
    assert {record.parent_run_id for record in handler.records} == {root}


def test_the_step_is_the_nearest_name(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A call goes by its run name, or by the name of the chain that made it."""
    named = _chain(emulator).with_config(run_name="summarize")
    asker = plain_chat(emulator).with_config(run_name="asker")
    chain = named | RunnableLambda(str) | asker
    chain.invoke({"question": "hi"}, {"callbacks": [handler], "run_name": "all"})
    assert [(record.step, record.root_name) for record in handler.records] == [
        ("summarize", "all"),
        ("asker", "all"),
    ]


def test_calls_inside_tools_and_retrievers_belong_to_the_chain(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """A model that is called by a tool or a retriever is in the run that called that."""
    model = plain_chat(emulator)

    @tool
    def ask(question: str) -> str:
        """Ask the model."""
        return str(model.invoke(question).content)

    class _Expanding(BaseRetriever):
        def _get_relevant_documents(
            self, query: str, *, run_manager: CallbackManagerForRetrieverRun
        ) -> list[Document]:
            answer = model.invoke(query, {"callbacks": run_manager.get_child()})
            return [Document(page_content=str(answer.content))]

    chain: Runnable[Any, Any] = RunnableLambda(str)
    for step in (ask, _Expanding()):
        chain = chain | step
    chain.invoke("hi", {"callbacks": [handler], "run_name": "rag"})
    (run,) = handler.by_root_run().values()
    assert (run.name, run.calls) == ("rag", 2)
    assert [record.step for record in handler.records] == ["ask", "_Expanding"]
    assert nothing_open(handler)


def test_runs_that_fail_are_forgotten(handler: CacheUsageCallbackHandler) -> None:
    """Chains, tools and retrievers that end in an error leave nothing behind."""

    @tool
    def broken() -> str:
        """Fail."""
        msg = "broken"
        raise RuntimeError(msg)

    class _Broken(BaseRetriever):
        def _get_relevant_documents(
            self, query: str, *, run_manager: CallbackManagerForRetrieverRun
        ) -> list[Document]:
            raise RuntimeError(query)

    failing: list[Runnable[Any, Any]] = [
        RunnableLambda(lambda _: {}) | broken,
        RunnableLambda(str) | _Broken(),
    ]
    for chain in failing:
        with pytest.raises(RuntimeError, match="broken"):
            chain.invoke("broken", {"callbacks": [handler]})
    assert nothing_open(handler)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_an_agent_is_one_run(how: str, handler: CacheUsageCallbackHandler) -> None:
    """All model calls of an agent's loop are one run, billed as recorded, and named by node."""
    agents = pytest.importorskip("langchain.agents")
    turn = Reply(tool_uses=[ToolUse(name="add", input={"a": 1, "b": 2})])
    emulator = BedrockEmulator(responder=scripted([turn, turn, "3"]))

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    agent = agents.create_agent(plain_chat(emulator), [add])
    state = {"messages": [HumanMessage("What is 1 + 2?")]}
    config = {"callbacks": [handler], "run_name": "calculator"}
    if how == "invoke":
        agent.invoke(state, config)
    else:
        asyncio.run(agent.ainvoke(state, config))
    (run,) = handler.by_root_run().values()
    assert (run.name, run.calls) == ("calculator", 3)
    assert run.usage == _billed(emulator)
    assert {record.step for record in handler.records} == {"model"}
    assert nothing_open(handler)


def test_threads_lose_no_call(
    emulator: BedrockEmulator, handler: CacheUsageCallbackHandler
) -> None:
    """Calls from many threads into one handler are all counted."""
    chain = _chain(emulator)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(64):
            pool.submit(chain.invoke, {"question": "hi"}, {"callbacks": [handler]})
    assert handler.totals.calls == len(handler.records) == len(emulator.ledger) == 64
    assert handler.total == _billed(emulator)
    assert len(handler.by_root_run()) == 64
    assert nothing_open(handler)


def test_a_block_records_what_is_called_inside(emulator: BedrockEmulator) -> None:
    """`get_cache_usage_callback` sees calls inside the block, of chains too, and none outside."""
    chain = _chain(emulator)
    chain.invoke({"question": "before"})
    with get_cache_usage_callback() as usage:
        chain.batch([{"question": "one"}, {"question": "two"}])
        asyncio.run(chain.ainvoke({"question": "three"}))
    chain.invoke({"question": "after"})
    assert usage.totals.calls == 3
    assert len(usage.by_root_run()) == 3
    assert len(emulator.ledger) == 5


def test_blocks_inside_blocks_both_count(emulator: BedrockEmulator) -> None:
    """A call inside two blocks is in both; a call of the outer block is not in the inner one."""
    model = plain_chat(emulator)
    with get_cache_usage_callback() as outer:
        model.invoke("one")
        with get_cache_usage_callback() as inner:
            model.invoke("two")
        model.invoke("three")
    assert (outer.totals.calls, inner.totals.calls) == (3, 1)


def test_a_block_that_raises_stops_recording(emulator: BedrockEmulator) -> None:
    """After a block is left by an exception, later calls are not recorded in it."""
    with pytest.raises(ZeroDivisionError), get_cache_usage_callback() as usage:
        raise ZeroDivisionError
    plain_chat(emulator).invoke("hi")
    assert usage.totals.calls == 0


def test_blocks_leave_nothing_registered(emulator: BedrockEmulator) -> None:
    """A thousand blocks one after the other register no more hooks than the first did."""
    with get_cache_usage_callback(), get_cache_usage_callback():
        pass
    registered = len(tracers_context._configure_hooks)
    for _ in range(1000):
        with get_cache_usage_callback(), get_cache_usage_callback():
            pass
    assert len(tracers_context._configure_hooks) == registered


def test_blocks_in_threads_and_tasks_are_apart(emulator: BedrockEmulator) -> None:
    """Blocks that are open at the same time in different threads or tasks see their own calls."""
    model = plain_chat(emulator)
    everyone_is_inside = threading.Barrier(4)

    def in_thread(calls: int) -> int:
        with get_cache_usage_callback() as usage:
            everyone_is_inside.wait(timeout=10)
            for _ in range(calls):
                model.invoke("hi")
        return usage.totals.calls

    async def in_task(calls: int) -> int:
        with get_cache_usage_callback() as usage:
            for _ in range(calls):
                await model.ainvoke("hi")
        return usage.totals.calls

    async def tasks() -> list[int]:
        return await asyncio.gather(*map(in_task, (1, 2, 3)))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(in_thread, (1, 2, 3, 4))) == [1, 2, 3, 4]
    assert asyncio.run(tasks()) == [1, 2, 3]


def test_block_options_reach_the_handler(emulator: BedrockEmulator) -> None:
    """The block's options are the handler's."""
    with get_cache_usage_callback(max_records=1, clock=lambda: 7.0) as usage:
        for _ in range(2):
            plain_chat(emulator).invoke("hi")
    assert [record.started_at for record in usage.records] == [7.0]
    assert usage.totals.calls == 2


def test_the_tree_forgets_the_oldest_run_beyond_its_limit() -> None:
    """Runs that never end do not pile up, and runs below a forgotten one keep their root."""
    tree = RunTree(max_runs=3)
    root, child, grandchild = uuid4(), uuid4(), uuid4()
    tree.start(root, None, "root")
    tree.start(child, root, "child")
    tree.start(grandchild, child, "grandchild")
    tree.start(uuid4(), None, "other")
    assert len(tree) == 3
    path = (OuterRun(root, "root"), OuterRun(child, "child"), OuterRun(grandchild, "grandchild"))
    assert tree.place(uuid4(), grandchild, None) == RunPlace(root, "root", "grandchild", path)
    assert tree.place(uuid4(), root, None) == RunPlace(root, path=(OuterRun(root),))
    for _ in range(100):
        tree.start(uuid4(), None, None)
    assert len(tree) == 3


def test_the_tree_forgets_runs_that_end() -> None:
    """A run that ends is forgotten; one that was never seen is no error."""
    tree = RunTree(max_runs=3)
    run = UUID(int=1)
    tree.start(run, None, "root")
    tree.end(run)
    tree.end(run)
    assert len(tree) == 0
