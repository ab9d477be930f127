"""Records of calls from callback arguments of every shape, which must not fail."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from langchain_bedrock_cache.call_readings import ModelNames, names_at_start, read_result
from langchain_bedrock_cache.callbacks import CacheUsageCallbackHandler
from langchain_bedrock_cache.callbacks import handler as handler_module
from langchain_bedrock_cache.pricing import price_of
from langchain_bedrock_cache.usage import CacheUsage

OPUS = "global.anthropic.claude-opus-4-8"


def _answer(
    *, read: int = 0, request_id: str | None = None, metadata: dict[str, Any] | None = None
) -> ChatGeneration:
    from_aws = {"ResponseMetadata": {"RequestId": request_id}} if request_id else {}
    message = AIMessage(
        content="hi",
        usage_metadata={
            "input_tokens": read,
            "output_tokens": 1,
            "total_tokens": read + 1,
            "input_token_details": {"cache_read": read},
        },
        response_metadata={"model_name": OPUS, **from_aws, **(metadata or {})},
    )
    return ChatGeneration(message=message)


def _end(handler: CacheUsageCallbackHandler, *generations: list[Any], run_id: UUID) -> None:
    handler.on_llm_end(LLMResult(generations=list(generations)), run_id=run_id)


def test_a_result_for_several_prompts_loses_none() -> None:
    """One `on_llm_end` with three prompts is three records of one run, each with its cost."""
    handler = CacheUsageCallbackHandler()
    run_id = uuid4()
    handler.on_chat_model_start({"kwargs": {"model_id": OPUS}}, [[], [], []], run_id=run_id)
    _end(handler, [_answer(read=1)], [_answer(read=1)], [_answer(read=100)], run_id=run_id)
    assert [record.run_id for record in handler.records] == [run_id] * 3
    assert handler.total == CacheUsage(cache_read_tokens=102, output_tokens=3)
    assert handler.total_cost == price_of(handler.total, OPUS)
    assert handler.totals.calls == 3


@pytest.mark.parametrize(
    ("answers", "read"),
    [
        ([_answer(read=7), _answer(read=7)], 7),
        ([_answer(read=7, request_id="a"), _answer(read=7, request_id="a")], 7),
        ([_answer(read=7, request_id="a"), _answer(read=7, request_id="b")], 14),
        ([_answer(read=7), _answer(read=8)], 15),
        ([Generation(text="no message"), _answer(read=7)], 7),
    ],
)
def test_candidates_of_one_request_count_once(answers: list[Any], read: int) -> None:
    """Candidates that repeat their request's usage count once, those of several requests add up."""
    handler = CacheUsageCallbackHandler()
    _end(handler, answers, run_id=uuid4())
    assert handler.totals.calls == 1
    assert handler.total.cache_read_tokens == read


def test_an_end_without_a_start_is_recorded() -> None:
    """A call whose start was not seen has usage, tags and cost, but no times."""
    handler = CacheUsageCallbackHandler(clock=lambda: 5.0)
    run_id, parent = uuid4(), uuid4()
    handler.on_llm_new_token("hi", run_id=run_id)
    result = LLMResult(generations=[[_answer(read=7)]])
    handler.on_llm_end(result, run_id=run_id, parent_run_id=parent, tags=["t"])
    (record,) = handler.records
    assert (record.started_at, record.latency_seconds) == (None, None)
    assert (record.root_run_id, record.parent_run_id, record.tags) == (parent, parent, ("t",))
    assert record.model_id == OPUS
    assert record.cost is not None


def test_a_clock_that_is_set_back_gives_no_negative_times() -> None:
    """Times are never negative, whatever the clock does."""
    times = iter([10.0, 4.0, 3.0])
    handler = CacheUsageCallbackHandler(clock=lambda: next(times))
    run_id = uuid4()
    handler.on_chat_model_start({}, [[]], run_id=run_id)
    handler.on_llm_new_token("hi", run_id=run_id)
    _end(handler, [_answer()], run_id=run_id)
    (record,) = handler.records
    assert (record.latency_seconds, record.time_to_first_token_seconds) == (0.0, 0.0)


def test_records_are_bounded_and_totals_go_on() -> None:
    """Beyond `max_records` the oldest records go, while totals keep counting."""
    handler = CacheUsageCallbackHandler(max_records=2)
    for read in (1, 10, 100):
        _end(handler, [_answer(read=read)], run_id=uuid4())
    reads = [record.usage.cache_read_tokens for record in handler.records if record.usage]
    assert reads == [10, 100]
    assert handler.totals.calls == 3
    assert handler.total.cache_read_tokens == 111
    assert handler.by_model()[OPUS].calls == 2
    lines = str(handler).splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [[OPUS, "2"], ["total", "3"]]
    assert lines[3] == "1 of the calls is in the total only"


def test_open_calls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that never end do not pile up; one that was forgotten is still recorded at its end."""
    monkeypatch.setattr(handler_module, "_MAX_OPEN_RUNS", 3)
    handler = CacheUsageCallbackHandler()
    first = uuid4()
    for run_id in (first, *(uuid4() for _ in range(9))):
        handler.on_chat_model_start({}, [[]], run_id=run_id)
    assert len(handler._calls) == 3
    _end(handler, [_answer(read=7)], run_id=first)
    assert handler.total.cache_read_tokens == 7


def test_a_routed_call_has_the_price_of_its_model() -> None:
    """Behind a prompt router the response names the model, and that decides the price."""
    router = "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1"
    handler = CacheUsageCallbackHandler()
    run_id = uuid4()
    handler.on_chat_model_start({"kwargs": {"model_id": router}}, [[]], run_id=run_id)
    trace = {"trace": {"promptRouter": {"invokedModelId": OPUS}}, "model_name": router}
    _end(handler, [_answer(read=1000, metadata=trace)], run_id=run_id)
    assert handler.records[0].model_id == router
    assert handler.total_cost == price_of(handler.total, OPUS)


def test_only_known_parts_of_a_plan_are_kept() -> None:
    """A plan is copied key by key, so nothing else a client may put there is stored."""
    plan = {"points": [{"section": "system"}], "skipped": [], "refused": "no", "prompt": "text"}
    metadata = {"ResponseMetadata": {"CachePlan": plan}}
    (reading,) = read_result(LLMResult(generations=[[_answer(metadata=metadata)]]))
    assert reading.plan == {"points": [{"section": "system"}], "skipped": [], "refused": "no"}


@pytest.mark.parametrize(
    ("serialized", "params", "metadata", "model_id", "base_model"),
    [
        (
            {"kwargs": {"model_id": "a", "base_model_id": "b"}},
            {"model": "b"},
            {"ls_model_name": "b"},
            "a",
            "b",
        ),
        ({"kwargs": {"model_id": "a"}}, {"model_id": "z", "model": "a"}, None, "z", None),
        ({"kwargs": {"model_id": "a"}}, {"modelId": "z"}, None, "z", None),
        (None, {"model": "gpt"}, None, "gpt", None),
        ({}, {"model_name": "gpt"}, {"ls_model_name": "other"}, "gpt", None),
        ({}, None, {"ls_model_name": "other"}, "other", None),
        ({"kwargs": ["model_id"]}, "params", 3, None, None),
        ({"kwargs": {"model_id": ""}}, {"model": None}, {}, None, None),
    ],
)
def test_model_names(
    serialized: Any, params: Any, metadata: Any, model_id: str | None, base_model: str | None
) -> None:
    """The ID that is sent comes before the base model, and that of the call before all."""
    names = names_at_start(serialized, params, metadata)
    assert names == ModelNames(model_id=model_id, base_model=base_model)


class _Odd:
    """A stand-in for what no model should return."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__ |= attributes


odd_values = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(
        st.sampled_from(["ResponseMetadata", "usage", "trace", "serviceTier", "total_cost"]),
        st.one_of(
            st.none(),
            st.integers(),
            st.dictionaries(
                st.sampled_from(["type", "RequestId", "ConverseUsage", "CachePlan"]),
                st.lists(st.integers(), max_size=1),
            ),
        ),
        max_size=3,
    ),
)


@given(odd_values, odd_values, odd_values)
def test_no_result_makes_the_handler_fail(usage: object, metadata: object, message: object) -> None:
    """Whatever a model returns, ending the call raises nothing and counts it at most once."""
    handler = CacheUsageCallbackHandler()
    odd = _Odd(message=_Odd(usage_metadata=usage, response_metadata=metadata))
    result: Any = _Odd(generations=[[odd, _Odd(message=message), _Odd()]])
    handler.on_llm_end(result, run_id=uuid4())
    assert len(handler.records) <= 1
    handler.on_llm_error(RuntimeError(), run_id=uuid4(), response=result)
    assert handler.totals.failed_calls == 1


@pytest.mark.parametrize("result", [None, _Odd(), _Odd(generations=None), _Odd(generations=[])])
def test_a_result_without_generations_is_a_call(result: Any) -> None:
    """A call that returned nothing to read is still a call."""
    handler = CacheUsageCallbackHandler()
    handler.on_llm_end(result, run_id=uuid4())
    handler.on_llm_error(KeyError(), run_id=uuid4(), response=result)
    assert [record.error for record in handler.records] == [None, "KeyError"]


def test_a_call_counts_under_each_of_its_tags() -> None:
    """Groups may overlap: a call with two tags is in both, and once in each."""
    handler = CacheUsageCallbackHandler()
    result = LLMResult(generations=[[_answer(read=7)]])
    handler.on_llm_end(result, run_id=uuid4(), tags=["a", "b", "a"])
    handler.on_llm_end(result, run_id=uuid4(), tags=["b"])
    assert {tag: totals.calls for tag, totals in handler.by_tag().items()} == {"a": 1, "b": 2}
    assert handler.summary(by="tag").splitlines()[1].startswith("a ")


def test_the_table_by_run_names_the_runs() -> None:
    """Rows by run have the run's name, or "run", and the end of its ID."""
    handler = CacheUsageCallbackHandler()
    chain, call = UUID(int=0xABC), uuid4()
    handler.on_chain_start(None, {}, run_id=chain, name="rag")
    handler.on_chat_model_start({}, [[]], run_id=call, parent_run_id=chain)
    result = LLMResult(generations=[[_answer(read=7)]])
    handler.on_llm_end(result, run_id=call, parent_run_id=chain)
    handler.on_llm_end(result, run_id=UUID(int=0xDEF))
    _, first, second, _ = handler.summary(by="run").splitlines()
    assert first.startswith("rag 000000000abc ")
    assert second.startswith("run 000000000def ")
