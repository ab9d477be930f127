"""`assert_prefix_stable`: broken prefixes are found in chains as users build them."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from prefix_chains import MODELS, QUESTIONS, RULES, broken, chain, model
from wire import words

from langchain_bedrock_cache import CachePointTransformer
from langchain_bedrock_cache.testing import assert_prefix_stable


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


def test_text_is_shown_of_a_time_and_not_of_settings() -> None:
    """A time in one prompt shows that prompt; another model has no text to show."""
    moment = f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M}"
    said = broken(chain(lambda: f"{RULES}Now: {moment}. {RULES}"), show_text=True)
    assert f"Now: {moment}. Rule" in said
    models = itertools.cycle([model(), model().bind(model_id="us.anthropic.claude-sonnet-5")])
    said = broken(RunnableLambda(lambda q: next(models).invoke(q)), show_text=True)
    assert "now:" not in said


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


def test_the_message_is_data_enough() -> None:
    """The failure is one line a place, however many runs show it."""
    said = broken(chain(lambda: json.dumps({"id": uuid.uuid4().hex}) + RULES), ["a", "b", "c"])
    assert said.count("* run") == 1
    assert said.endswith("show_text=True shows the text at each place.")
