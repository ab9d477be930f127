"""`assert_prefix_stable`: broken prefixes are found in chains as users build them."""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_aws import ChatBedrockConverse
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from wire import CLAUDE, words

from langchain_bedrock_cache import CachePointTransformer, ChatBedrockCached
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.testing import (
    aassert_prefix_stable,
    assert_prefix_stable,
    emulated_bedrock,
)
from langchain_bedrock_cache.testing.moments import find_moment

RULES = "Rule: answer with patience, and in whole sentences.\n" * 150
QUESTIONS = ["May I bring a dog?", "And a cat?"]
MODELS: dict[str, Callable[..., Any]] = {"plain": ChatBedrockConverse, "cached": ChatBedrockCached}


def model(kind: str = "plain", **settings: Any) -> Any:
    """Return a model as an application makes it: with a Region, and no client or credentials."""
    return MODELS[kind](model=CLAUDE, region_name="eu-west-1", **settings)


def chain(system: Callable[[], str], *, kind: str = "plain") -> Any:
    """Return a chain whose system prompt is made anew for each call."""
    return RunnableLambda(lambda q: [("system", system()), ("human", q)]) | model(kind)


def broken(runnable: Any, inputs: Sequence[Any] = QUESTIONS, **options: Any) -> str:
    """Return what is said about a chain that does not pass."""
    with pytest.raises(AssertionError) as raised:
        assert_prefix_stable(runnable, inputs, **options)
    return str(raised.value)


@pytest.mark.parametrize("kind", MODELS)
def test_a_stable_chain_passes(kind: str) -> None:
    """A chain that changes only its question passes, and says what is shared."""
    prompt = ChatPromptTemplate([("system", RULES), ("human", "{question}")])
    inputs = [{"question": question} for question in QUESTIONS]
    found = assert_prefix_stable(prompt | model(kind), inputs)
    assert (found.runs, found.calls, found.min_tokens_per_cache_point) == (3, 3, 1_024)
    assert found.shared_tokens == pytest.approx(len(RULES) / 3, abs=1)


def test_the_transformer_is_seen_through() -> None:
    """Cache points in the messages are no difference, wherever they are."""
    prompt = ChatPromptTemplate([("system", RULES), ("human", "{question}")])
    runnable = prompt | CachePointTransformer() | model()
    assert_prefix_stable(runnable, [{"question": q} for q in [*QUESTIONS, *QUESTIONS]])


def _shuffled() -> str:
    fields = [f'"field{n}": {n}' for n in range(30)]
    random.shuffle(fields)
    return "{" + ", ".join(fields) + "}" + RULES


_numbers = itertools.count(1_000)
SYSTEMS: dict[str, tuple[Callable[[], str], str, str]] = {
    "identifier": (
        lambda: f"Session {uuid.uuid4()}. {RULES}",
        "system[0], character 8 (an identifier, perhaps)",
        "requestMetadata",
    ),
    "number": (
        lambda: f"You serve customer {next(_numbers)}. {RULES}",
        "(a number, perhaps)",
        "last user message",
    ),
    "isoformat": (
        lambda: f"Now: {datetime.now(tz=UTC).isoformat()}. {RULES}",
        "system[0], character 16 (a time, perhaps)",
        "let a tool tell the time",
    ),
    "ctime": (lambda: f"{RULES} {datetime.now(tz=UTC):%c}", "(a time, perhaps)", "tool"),
    "epoch": (
        lambda: f"t={datetime.now(tz=UTC).timestamp():.0f} {RULES}",
        "system[0], character 2 (a time, perhaps)",
        "tool",
    ),
    "whitespace": (
        lambda: RULES + " " * next(_numbers),
        " (whitespace)",
        "the same way",
    ),
    "another": (lambda: words(900, uuid.uuid4().hex), "system[0], character", "last user message"),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_prompt_that_changes(name: str, kind: str) -> None:
    """Section, block, character, a guess and a remedy are said; the prompt's text is not."""
    system, place, remedy = SYSTEMS[name]
    said = broken(chain(system, kind=kind))
    assert place in said
    assert remedy in said
    assert "Rule" not in said


def test_text_is_shown_if_asked() -> None:
    """`show_text` puts both sides of a change into the message, and nothing else does."""
    said = broken(chain(lambda: f"Call {next(_numbers)}. {RULES}"), show_text=True)
    assert said.count("'Call ") == 2
    assert "Rule: answer with" in said


@contextmanager
def _at(moment: datetime) -> Iterator[None]:
    """Stand in for time_machine.travel: `NOW` is what the chain takes for the time."""
    NOW.append(moment)
    yield
    NOW.pop()


NOW = [datetime(2026, 11, 20, tzinfo=UTC)]


def test_a_date_is_seen_to_change_by_who_travels() -> None:
    """Runs at once share their date; runs that are days apart do not."""
    today = chain(lambda: f"Today is {NOW[-1]:%A, %d %B %Y}. {RULES}")
    assert_prefix_stable(today, QUESTIONS)
    said = broken(today, travel=_at)
    assert "system[0], character 9 (a date, perhaps)" in said
    assert_prefix_stable(today, QUESTIONS, travel=_at, apart=timedelta(0))


def _tools(count: int = 3) -> list[Any]:
    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @tool
    def multiply(a: int, b: int) -> int:
        """Multiply two numbers."""
        return a * b

    @tool
    def divide(a: int, b: int) -> float:
        """Divide two numbers."""
        return a / b

    return [add, multiply, divide][:count]


def test_tools_that_change_their_order() -> None:
    """Tools bound in another order are named as such, with the place where it begins."""
    orders = itertools.cycle([_tools(), _tools()[::-1]])
    runnable = RunnableLambda(lambda q: model().bind_tools(next(orders)).invoke(q))
    said = broken(runnable)
    assert "tools[0] (the order of the tools)" in said
    assert "in the same order" in said


def test_tools_that_come_and_go() -> None:
    """A tool that is missing in some calls is named as such."""
    counts = itertools.cycle([3, 2])
    runnable = RunnableLambda(lambda q: model().bind_tools(_tools(next(counts))).invoke(q))
    assert "tools[2] (a tool that is missing)" in broken(runnable)


def test_settings_that_change() -> None:
    """Another model or thinking budget makes another prefix, though no text differs."""
    models = itertools.cycle([model(), model().bind(model_id="us.anthropic.claude-sonnet-5")])
    assert "model (another model" in broken(RunnableLambda(lambda q: next(models).invoke(q)))
    budgets = itertools.count(2_000)

    def think(question: str) -> Any:
        fields = {"thinking": {"type": "enabled", "budget_tokens": next(budgets)}}
        return model(additional_model_request_fields=fields, max_tokens=9_000).invoke(
            [("system", RULES), ("human", question)]
        )

    assert "thinking (other thinking settings)" in broken(RunnableLambda(think))


def _calls(*names: str) -> list[str | Reply]:
    uses: list[str | Reply] = [
        Reply(tool_uses=[ToolUse(name=name, input={"a": 6, "b": 3})]) for name in names
    ]
    return [*uses, "Done."]


def test_an_agent_passes() -> None:
    """Every call of a tool loop goes on where the last one ended, in all runs."""
    agent = create_agent(model("cached"), _tools(), system_prompt=RULES)
    inputs = [{"messages": [("human", question)]} for question in QUESTIONS]
    with emulated_bedrock() as bedrock:
        bedrock.answer_with(_calls("add", "divide") * 2 + _calls("add", "divide"))
        found = assert_prefix_stable(agent, inputs)
    assert (found.runs, found.calls) == (3, 9)


def test_an_agent_with_the_time_in_its_prompt() -> None:
    """A prompt that is made anew within a tool loop is found between two calls of one run."""
    clock = itertools.count()

    def loop(question: str) -> Any:
        messages: list[Any] = [HumanMessage(question)]
        while True:
            system = ("system", f"{RULES} It is {next(clock)} o'clock.")
            answer = model().bind_tools(_tools()).invoke([system, *messages])
            messages.append(answer)
            if not answer.tool_calls:
                return answer
            calls = answer.tool_calls
            messages += [_tools()[0].invoke(call) for call in calls]

    emulator = BedrockEmulator(responder=_looping(("add", "add")))
    said = broken(RunnableLambda(loop), emulator=emulator)
    assert "(3 runs, 9 calls)" in said
    assert "system[0], character" in said


def _looping(names: Sequence[str]) -> Callable[[dict[str, Any]], str | Reply]:
    """Return a model that uses these tools one after the other, whatever is asked."""

    def respond(request: dict[str, Any]) -> str | Reply:
        used = sum("toolResult" in b for m in request["messages"] for b in m["content"])
        return _calls(*names)[used]

    return respond


def _conversation(cut: Callable[[list[Any]], list[Any]]) -> Any:
    """Return a chain with a history of its own, which it cuts before each call."""
    history: list[Any] = []

    def turn(question: str) -> Any:
        history.append(HumanMessage(f"{question} {words(40, question[:5])}"))
        answer = model().invoke([("system", RULES), *cut(history)])
        history.append(AIMessage(f"{answer.content} {len(history)}"))
        return answer

    return RunnableLambda(turn)


def test_a_conversation_passes() -> None:
    """Turns of one conversation, given one after the other, each add to the last."""
    assert_prefix_stable(_conversation(lambda history: history), [*QUESTIONS, "Why?", "Really?"])


def test_a_trimmed_history() -> None:
    """A history that loses its beginning is found, and may be left out of the judgement."""

    def trim(history: list[Any]) -> list[Any]:
        return history[-3:]

    inputs = [*QUESTIONS, "And how many of them?", "Why is that so?"]
    said = broken(_conversation(trim), inputs)
    assert "messages[0][0] (messages dropped from the beginning of the history)" in said
    assert "cut it seldom" in said
    assert_prefix_stable(_conversation(trim), inputs, through="system")


def test_the_same_input_makes_the_same_prompt() -> None:
    """What changes in a long message without being in the input is found by the first input."""
    lease = "The tenant waters its balcony. " * 100
    numbers = itertools.count(1)  # as good as random, but never alike at the beginning
    prompt: Any = RunnableLambda(
        lambda q: f"Case {uuid.UUID(int=next(numbers) << 124)}\n{lease}\n{q}"
    )
    said = broken(prompt | model(), ["Who waters it?"])
    assert "run 2 (input 1 once more) (against run 1): messages[0][0], character 5" in said


def test_documents_must_be_shared_if_asked() -> None:
    """A document and a question in one text share nothing, and two blocks share the document."""
    lease = "The tenant waters its balcony. " * 200
    together = RunnableLambda(lambda q: f"{lease}\n{q}") | model()
    assert_prefix_stable(together, QUESTIONS)
    said = broken(together, min_shared_tokens=2_000)
    assert "share 0 tokens" in said
    assert "min_shared_tokens is 2,000" in said
    assert "messages[0][0], character 6,201 (the text)" in said
    assert "split_stable" in said
    blocks = RunnableLambda(lambda q: [HumanMessage([lease, q])]) | model()
    found = assert_prefix_stable(blocks, QUESTIONS, min_shared_tokens=2_000)
    assert found.shared_tokens == 2_067


def test_branches_are_compared_each_with_its_own() -> None:
    """Parallel calls with prompts of their own are stable, in whatever order they are made."""
    branches = {
        name: ChatPromptTemplate([("system", words(500, name)), ("human", "{q}")]) | model()
        for name in ("summary", "critique", "title")
    }
    found = assert_prefix_stable(RunnableParallel(**branches), [{"q": q} for q in QUESTIONS])
    assert found.calls == 9


def test_functions_of_boto3_are_chains_too() -> None:
    """Code without LangChain is judged as well, and may change its own lists meanwhile."""
    client = BedrockEmulator().client()
    messages: list[Any] = []

    def ask(question: str) -> None:
        messages.append({"role": "user", "content": [{"text": question}]})
        system: Any = [{"text": RULES}, {"cachePoint": {"type": "default"}}]
        answer = client.converse(modelId=CLAUDE, system=system, messages=messages)
        messages.append(answer["output"]["message"])

    assert assert_prefix_stable(ask, QUESTIONS).calls == 3


def test_claude_on_invoke_model_is_judged_too() -> None:
    """Bodies of InvokeModel are compared like Converse requests."""
    client = BedrockEmulator().client()

    def ask(question: str, system: str = RULES) -> None:
        body = {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 100,
            "system": system,
            "messages": [{"role": "user", "content": question}],
        }
        client.invoke_model(modelId=CLAUDE, body=json.dumps(body))

    assert assert_prefix_stable(ask, QUESTIONS).shared_tokens == 2_600
    said = broken(lambda question: ask(question, f"{uuid.uuid4()} {RULES}"))
    assert "system[0], character 0 (an identifier, perhaps)" in said


def test_a_checkpointed_agent() -> None:
    """An agent that keeps its conversations itself goes on with them in each run, and passes."""
    agent = create_agent(model("cached"), [], system_prompt=RULES, checkpointer=InMemorySaver())
    inputs = [{"messages": [("human", question)]} for question in QUESTIONS]
    config = {"configurable": {"thread_id": "one"}}
    found = assert_prefix_stable(agent, inputs, config=config)
    assert (found.runs, found.calls) == (3, 3)


async def test_async_chains() -> None:
    """The async twin says the same, of chains and of functions."""
    await aassert_prefix_stable(chain(lambda: RULES), QUESTIONS)
    with pytest.raises(AssertionError, match="identifier"):
        await aassert_prefix_stable(chain(lambda: f"{uuid.uuid4()} {RULES}"), QUESTIONS)
    stable = chain(lambda: RULES)

    async def ask(question: str) -> Any:
        return await stable.ainvoke(question)

    assert (await aassert_prefix_stable(ask, QUESTIONS)).calls == 3


def test_a_chain_that_does_not_call_bedrock_fails() -> None:
    """An assertion about nothing is no success."""
    fake = GenericFakeChatModel(messages=iter([AIMessage("Yes.")] * 9))
    assert "no chat call to Bedrock" in broken(fake)


def test_errors_of_the_chain_are_its_own() -> None:
    """What the chain raises comes through as it is, and nothing stays patched."""

    def fail(_question: str) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        assert_prefix_stable(fail, QUESTIONS)
    with pytest.raises(NoCredentialsError):
        model().invoke("Hi")


@pytest.mark.parametrize(
    "options", [{"inputs": []}, {"inputs": QUESTIONS, "through": "everything"}]
)
def test_wrong_arguments(options: dict[str, Any]) -> None:
    """No inputs and an unknown extent are said before anything runs."""
    with pytest.raises(CachePolicyError):
        assert_prefix_stable(lambda _q: None, **options)


def test_a_single_input_need_not_be_in_a_list() -> None:
    """A text or a dict is one input, not a sequence of characters or keys."""
    assert assert_prefix_stable(chain(lambda: RULES), "A dog?").runs == 2
    prompt = ChatPromptTemplate([("system", RULES), ("human", "{q}")])
    given: Any = {"q": "A dog?"}
    assert assert_prefix_stable(prompt | model(), given).runs == 2


ZONES = st.integers(-48, 56).map(lambda quarters: timedelta(minutes=15 * quarters))
MOMENTS = st.datetimes(datetime(2025, 1, 3), datetime(2030, 1, 1))  # noqa: DTZ001 - zone is added
FORMATS = (
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%SZ",
    "%A, %d %B %Y, %H:%M",
    "%c",
    "%x %X",
    "%b %d %H:%M",
)


@given(moment=MOMENTS, zone=ZONES, form=st.sampled_from(FORMATS))
def test_the_present_is_found_in_any_zone(moment: datetime, zone: timedelta, form: str) -> None:
    """Whatever format and zone a prompt tells the time in, it is found where it stands."""
    now = moment.replace(tzinfo=UTC)
    said = (now + zone).strftime(form)
    offset = find_moment(f"It is {said}. Be kind.", now)
    assert offset is not None
    assert 6 <= offset < 6 + len(said)


@given(moment=MOMENTS)
def test_a_date_and_other_numbers_are_no_moment(moment: datetime) -> None:
    """Dates alone, opening hours, amounts and other years are left alone."""
    now = moment.replace(tzinfo=UTC)
    for text in (f"Today is {now:%Y-%m-%d}.", "Open 08:00 to 20:15 all year, for 1234567890 EUR."):
        assert find_moment(text, now) is None
    assert find_moment(f"On 1999-01-01 at {now:%H:%M}.", now) is None


def test_the_message_is_data_enough() -> None:
    """The failure is one line a place, however many runs show it."""
    said = broken(chain(lambda: json.dumps({"id": uuid.uuid4().hex}) + RULES), ["a", "b", "c"])
    assert said.count("* run") == 1
    assert said.endswith("show_text=True shows the text at each place.")
