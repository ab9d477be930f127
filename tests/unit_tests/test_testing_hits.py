"""`assert_cache_hit` and `emulated_bedrock`: what tests of applications are made of."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from wire import CLAUDE

from langchain_bedrock_cache import (
    CacheUsage,
    CacheUsageCallbackHandler,
    ChatBedrockCached,
    get_cache_usage_callback,
)
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.memory import default_memory
from langchain_bedrock_cache.testing import assert_cache_hit, emulated_bedrock

RULES = "Rule: answer with patience, and in whole sentences.\n" * 150
PROMPT = ChatPromptTemplate([("system", RULES), ("human", "{q}")])


def ask(model: Any, question: str = "A dog?") -> Any:
    """Run a chain with a long system prompt."""
    return (PROMPT | model).invoke({"q": question})


def cached(**settings: Any) -> ChatBedrockCached:
    """Return a model as an application makes it."""
    return ChatBedrockCached(model_id=CLAUDE, **settings)


def test_every_client_talks_to_the_emulator() -> None:
    """Models and clients made before and inside, in whatever Region, need no credentials."""
    early = ChatBedrockConverse(model_id=CLAUDE, region_name="eu-west-1")
    with emulated_bedrock() as bedrock:
        ask(early)
        ask(ChatBedrockConverse(model_id=CLAUDE))
        list(cached().stream("Hi"))
        bedrock.client(region="ap-south-1").converse(
            modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": "Hi"}]}]
        )
    regions = [record.region for record in bedrock.ledger]
    assert regions == ["eu-west-1", "us-east-1", "us-east-1", "ap-south-1"]
    assert bedrock.ledger[2].operation == "ConverseStream"
    assert len(bedrock.requests) == 4
    with pytest.raises(NoCredentialsError):
        ask(early)


def test_other_services_are_left_alone() -> None:
    """Only `bedrock-runtime` is redirected: others still want credentials."""
    with emulated_bedrock(), pytest.raises(NoCredentialsError):
        boto3.client("s3", region_name="us-east-1").list_buckets()


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regions that are set stay, those that are not are lent, and all is as before afterwards."""
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    before = dict(os.environ)
    with emulated_bedrock() as bedrock:
        ask(ChatBedrockConverse(model_id=CLAUDE))
    assert bedrock.ledger[0].region == "eu-north-1"
    assert dict(os.environ) == before


def test_blocks_may_be_nested_and_overlap() -> None:
    """The innermost emulator answers; the last block to close, in any thread, undoes the patch."""
    client = cached(region_name="us-east-1")
    with emulated_bedrock() as outer:
        with emulated_bedrock() as inner:
            ask(client)
        ask(client)
        assert (len(inner.ledger), len(outer.ledger)) == (1, 1)
    opened, done = threading.Event(), threading.Event()

    def other() -> None:
        with emulated_bedrock():
            opened.set()
            done.wait(timeout=10)

    with emulated_bedrock() as mine:
        thread = threading.Thread(target=other)
        thread.start()
        assert opened.wait(timeout=10)
    model = ChatBedrockConverse(model_id=CLAUDE, region_name="us-east-1")
    ask(model)  # the other block is still open
    done.set()
    thread.join(timeout=10)
    assert not mine.ledger
    with pytest.raises(NoCredentialsError):
        ask(model)


def test_clients_of_another_emulator_stay_there() -> None:
    """A model with an emulator of its own goes on talking to that."""
    own = BedrockEmulator()
    model = ChatBedrockConverse(model_id=CLAUDE, client=own.client(), bedrock_client=own.client())
    with emulated_bedrock() as bedrock:
        ask(model)
    assert (len(own.ledger), len(bedrock.ledger)) == (1, 0)


def test_what_was_learned_stays_in_the_block() -> None:
    """The memory of the process is another one inside, and a third one afterwards."""
    outside = default_memory()
    with emulated_bedrock():
        ask(cached())
        inside = default_memory()
        assert len(inside)
    assert default_memory() is not inside
    assert outside is not inside
    assert not len(default_memory())


def test_no_block_judges_by_the_requests_of_another() -> None:
    """A prompt that another block sent in another form is a first write, and then a hit."""
    early = CacheUsageCallbackHandler()
    verdicts = []
    for day in (20, 21):
        prompt = ChatPromptTemplate([("system", f"It is 2026-11-{day}. {RULES}"), ("human", "Hi")])
        with emulated_bedrock() as bedrock, get_cache_usage_callback(clock=bedrock.clock) as usage:
            chain = prompt | cached()
            for _ in range(2):
                chain.invoke({}, {"callbacks": [early]})
        verdicts += [record.diagnosis.verdict for record in usage.records if record.diagnosis]
    assert verdicts == ["first_write", "hit"] * 2
    # A handler made before says the same.
    said = [record.diagnosis.verdict for record in early.records if record.diagnosis]
    assert said == verdicts


def test_time_and_answers() -> None:
    """The clock moves when told to, and the model says what it is told to say."""
    with emulated_bedrock() as bedrock:
        model = cached(prefix_memory=bedrock.memory())
        bedrock.answer_with(["One.", "Two."])
        assert ask(model).content == "One."
        bedrock.advance(299)
        assert_cache_hit(ask(model), min_read_tokens=2_600, min_hit_ratio=0.99)
        with pytest.raises(LookupError):
            ask(model)
        bedrock.answer_with(lambda request: f"{len(request['messages'])} message")
        bedrock.advance(301)
        answer = ask(model)
        assert answer.content == "1 message"
        with pytest.raises(AssertionError, match="0 tokens were read"):
            assert_cache_hit(answer)


def test_a_block_that_hits() -> None:
    """The second question reads what the first wrote, and the handler can be asked for more."""
    with emulated_bedrock():
        model = cached()
        ask(model)
        with assert_cache_hit(min_read_tokens=2_600) as usage:
            ask(model, "A cat?")
            ask(model, "A bird?")
        assert len(usage.records) == 2


def _said(*steps: Callable[[], object]) -> str:
    """Return what is said about a block that does not pass."""
    with pytest.raises(AssertionError) as raised, assert_cache_hit():
        [step() for step in steps]
    return str(raised.value)


def test_a_block_that_misses_says_why() -> None:
    """Tokens of each call, the verdict, the place and a remedy are in the message."""
    with emulated_bedrock() as bedrock:
        model = cached()
        expired = _said(lambda: ask(model), lambda: bedrock.advance(3_601), lambda: ask(model))
        dated = ChatPromptTemplate([("system", "{day}. " + RULES), ("human", "Hi")]) | model
        days = [{"day": f"It is 2026-11-{n}"} for n in (20, 21)]
        changed = _said(*(partial(dated.invoke, day) for day in days))
    assert "call 2: 0 read, 2,602 written, 2 uncached: expired: last used 1 h" in expired
    assert "max_wasted_tokens is 0" in expired
    assert "(a date, perhaps)" in changed
    assert "let a tool tell the date" in changed
    assert "Rule" not in changed


def test_waste_may_be_allowed() -> None:
    """A read that falls short fails by default, and passes if so many tokens may be lost."""
    with emulated_bedrock() as bedrock, get_cache_usage_callback(clock=bedrock.clock) as usage:
        model = cached()
        for _ in range(2):
            ask(model)
            ask(model)
            bedrock.advance(3_601)
    with pytest.raises(AssertionError, match="could have been read"):
        assert_cache_hit(usage)
    assert_cache_hit(usage, max_wasted_tokens=None)
    assert_cache_hit(usage, max_wasted_tokens=3_000)


def test_many_things_can_be_judged() -> None:
    """Handlers, records, answers, responses, usages, emulators, ledgers, and lists of them."""
    with emulated_bedrock() as bedrock:
        model = cached()
        ask(model)
        with get_cache_usage_callback() as usage:
            answer = ask(model)
    response = {"usage": {"inputTokens": 5, "outputTokens": 1, "cacheReadInputTokens": 100}}
    for what in (
        usage,
        usage.records,
        usage.records[0],
        answer,
        [answer, response],
        response,
        response | {"ResponseMetadata": {}},
        CacheUsage(cache_read_tokens=100),
        bedrock,
        bedrock.emulator,
        bedrock.ledger,
        bedrock.ledger[-1],
    ):
        assert_cache_hit(what, min_read_tokens=100)
        with pytest.raises(AssertionError):
            assert_cache_hit(what, min_read_tokens=100_000)
    with pytest.raises(AssertionError, match=r"min_hit_ratio is 99\.9%"):
        assert_cache_hit(response, min_hit_ratio=0.999)


def test_refused_calls_are_no_calls() -> None:
    """What the emulator refused, and what reported nothing, is not counted as a miss."""
    with emulated_bedrock() as bedrock:
        ask(cached())
        bedrock.emulator.fail_next("ValidationException")
        with pytest.raises(Exception, match="ValidationException"):
            ask(cached())
    with pytest.raises(AssertionError, match="call 1") as raised:
        assert_cache_hit(bedrock)
    assert "call 2" not in str(raised.value)
    with pytest.raises(AssertionError, match="No model call"):
        assert_cache_hit(AIMessage("Hi"))


@pytest.mark.parametrize("what", ["text", 3, {"no": "usage"}])
def test_other_things_cannot_be_judged(what: Any) -> None:
    """A type that tells no tokens is named, with what can be given instead."""
    with pytest.raises(TypeError, match=type(what).__name__):
        assert_cache_hit(what)


def test_a_block_without_calls_fails() -> None:
    """An assertion about nothing is no success; an error of the block comes first."""
    with pytest.raises(AssertionError, match="No model call"), assert_cache_hit():
        pass
    with pytest.raises(LookupError), assert_cache_hit():
        raise LookupError


def test_a_block_that_is_never_entered_warns() -> None:
    """A forgotten `with` does not pass silently."""
    with pytest.warns(RuntimeWarning, match="unless used with `with`"):
        assert_cache_hit()
