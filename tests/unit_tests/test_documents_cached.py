"""`CachedDocuments`: many questions on few documents, at the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_aws import ChatBedrockConverse
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from wire import CLAUDE, LEGACY, LLAMA, NOVA, points, words

from langchain_bedrock_cache import (
    BedrockCacheError,
    CachePolicyError,
    CacheSkippedWarning,
    ChatBedrockCached,
    PrefixMemory,
)
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.documents import CachedDocuments, UnknownDocumentError
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.pricing import PriceMultipliers
from langchain_bedrock_cache.rag.warming import warming_pays, waves

CLAUDE_PRICES = PriceMultipliers(read=0.1, write_5m=1.25, write_1h=2.0)
MakeDocuments = Callable[..., CachedDocuments]


@pytest.fixture(params=["cached", "plain"])
def make(
    request: pytest.FixtureRequest, emulator: BedrockEmulator, clock: SimulatedClock
) -> MakeDocuments:
    """Make three documents of 3,000 tokens each, with our chat model and with langchain-aws's."""

    def documents(
        *, model: str = CLAUDE, options: dict[str, Any] | None = None, **settings: Any
    ) -> CachedDocuments:
        client = emulator.client()
        clients = {"client": client, "bedrock_client": client, **(options or {})}
        llm: ChatBedrockConverse
        if request.param == "cached":
            memory = PrefixMemory(clock=clock)
            llm = ChatBedrockCached(model_id=model, prefix_memory=memory, **clients)
        else:
            llm = ChatBedrockConverse(model_id=model, **clients)
            settings = {"clock": clock, **settings}
        loaded = CachedDocuments(llm, **settings)
        for name in ("alpha", "beta", "gamma"):
            loaded.add(name, words(3_000, name))
        return loaded

    return documents


def test_questions_in_any_order_pay_for_each_document_once(
    make: MakeDocuments, emulator: BedrockEmulator
) -> None:
    """The first question on a document writes it, all others read it."""
    documents = make(instructions="Be brief.")
    for name in ("alpha", "beta", "alpha", "gamma", "beta", "gamma", "alpha"):
        documents.ask(name, f"What about {name}?")
    written = [record.cache_write_tokens > 3_000 for record in emulator.ledger]
    assert written == [True, True, False, True, False, False, False]
    assert [r.cache_read_tokens > 3_000 for r in emulator.ledger] == [not w for w in written]


def test_point_stands_between_document_and_question(
    make: MakeDocuments, emulator: BedrockEmulator
) -> None:
    """Nothing of the question is written, whatever the traffic."""
    make().ask("beta", "Who?")
    [request] = emulator.requests
    assert points(request) == ["messages[0][0]"]
    assert request["messages"][0]["content"][-1] == {"text": "Who?"}


def test_several_documents_share_what_they_can(
    make: MakeDocuments, emulator: BedrockEmulator
) -> None:
    """Order and repetition do not matter, and a document asked about alone is found again."""
    documents = make()
    documents.ask(["beta", "alpha", "beta"], "Who?")
    documents.ask(["alpha", "beta"], "Where?")
    documents.ask("alpha", "When?")
    documents.ask(["alpha", "gamma"], "Why?")
    reads = [round(record.cache_read_tokens, -3) for record in emulator.ledger]
    assert reads == [0, 6_000, 3_000, 3_000]


def test_more_documents_than_points(make: MakeDocuments, emulator: BedrockEmulator) -> None:
    """Four points at most: instructions, the first documents, and the last."""
    documents = make(instructions="Be brief.")
    documents.add("delta", words(3_000, "delta"))
    documents.add("omega", words(3_000, "omega"))
    documents.ask(documents, "Who?")
    assert points(emulator.requests[0]) == [
        "system[0]",
        "messages[0][0]",
        "messages[0][1]",
        "messages[0][4]",
    ]


def test_warm_is_one_minimal_call(make: MakeDocuments, emulator: BedrockEmulator) -> None:
    """Warming writes the document with one token of output; the first question reads it."""
    documents = make()
    usage = documents.warm("alpha")
    documents.ask("alpha", "Who?")
    assert emulator.requests[0]["inferenceConfig"]["maxTokens"] == 1
    assert usage.cache_write_tokens == emulator.ledger[1].cache_read_tokens > 3_000


async def test_async_does_the_same(make: MakeDocuments, emulator: BedrockEmulator) -> None:
    """Every method has its async twin."""
    documents = make()
    usage = await documents.arewarm("alpha", expected_questions=9)
    assert usage is not None
    assert usage.cache_write_tokens > 3_000
    answer = await documents.aask("alpha", "Who?")
    answers = await documents.abatch([("alpha", "Who?"), ("alpha", "Where?")])
    chunks = [chunk async for chunk in documents.astream("alpha", "Who?")]
    assert {answer.text, *(a.text for a in answers)} == {"".join(c.text for c in chunks)}
    assert await documents.arewarm("alpha", expected_questions=9) is None
    assert [r.cache_read_tokens > 3_000 for r in emulator.ledger[1:]] == [True] * 4


def test_stream_yields_the_answer_and_renews(make: MakeDocuments, clock: SimulatedClock) -> None:
    """Chunks come as from the model, and what they read counts as renewed."""
    documents = make()
    documents.warm("alpha")
    clock.advance(200)
    assert "".join(chunk.text for chunk in documents.stream("alpha", "Who?"))
    assert documents.seconds_left("alpha") == 300


def test_batch_writes_each_document_once(make: MakeDocuments, emulator: BedrockEmulator) -> None:
    """Questions in parallel wait for the one that writes their document; answers keep order."""
    documents = make()
    questions: list[tuple[Any, str]] = [
        (name, f"Question {n}?") for n in range(3) for name in ("alpha", "beta")
    ]
    answers = documents.batch(questions, config={"max_concurrency": 2})
    assert len(answers) == 6
    assert sum(record.cache_write_tokens > 0 for record in emulator.ledger) == 2
    assert {record.cache_write_tokens > 0 for record in emulator.ledger[:2]} == {True}


def test_batch_answers_in_order(emulator: BedrockEmulator, clock: SimulatedClock) -> None:
    """Each answer is the one to its question."""
    echo = BedrockEmulator(
        clock=clock, responder=lambda request: request["messages"][-1]["content"][-1]["text"]
    )
    client = echo.client()
    model = ChatBedrockConverse(model_id=CLAUDE, client=client, bedrock_client=client)
    documents = CachedDocuments(model, clock=clock)
    documents.add("alpha", words(3_000))
    documents.add("beta", words(3_000, "beta"))
    asked = [(name, f"{name} {n}") for n in range(3) for name in ("alpha", "beta")]
    answers = documents.batch(asked)
    assert [answer.text for answer in answers] == [question for _, question in asked]


def test_unknown_document_is_an_error_that_counts_the_known(make: MakeDocuments) -> None:
    """The message names the ID and how many are known, and nothing is sent."""
    documents = make()
    with pytest.raises(UnknownDocumentError, match=r"'delta' was added \(3 documents known\)") as e:
        documents.ask("delta", "Who?")
    assert isinstance(e.value, BedrockCacheError)
    assert isinstance(e.value, LookupError)
    for call in (documents.warm, documents.seconds_left):
        with pytest.raises(UnknownDocumentError):
            call(["alpha", "delta"])
    with pytest.raises(UnknownDocumentError):
        documents.batch([("alpha", "Who?"), ("delta", "Who?")])


def test_no_document_is_an_error(make: MakeDocuments) -> None:
    """A question about nothing is refused."""
    with pytest.raises(ValueError, match="at least one"):
        make().ask([], "Who?")


def test_expiry_is_known(make: MakeDocuments, clock: SimulatedClock) -> None:
    """Each use renews the entry; after its lifetime it is gone."""
    documents = make()
    assert documents.seconds_left("alpha") == 0
    documents.ask("alpha", "Who?")
    clock.advance(100)
    assert documents.seconds_left("alpha") == 200
    documents.ask("alpha", "Where?")
    assert documents.seconds_left("alpha") == 300
    clock.advance(300)
    assert documents.seconds_left("alpha") == 0


def test_ttl_of_an_hour(
    make: MakeDocuments, emulator: BedrockEmulator, clock: SimulatedClock
) -> None:
    """With `ttl="1h"` points say so, and entries live for an hour."""
    documents = make(ttl="1h")
    documents.warm("alpha")
    clock.advance(3_000)
    assert documents.seconds_left("alpha") == 600
    documents.ask("alpha", "Who?")
    assert emulator.ledger[1].cache_read_tokens > 3_000


def test_rewarms_only_if_it_pays(
    make: MakeDocuments, emulator: BedrockEmulator, clock: SimulatedClock
) -> None:
    """Not while there is time, nor for nobody; before expiry for one likely question."""
    documents = make()
    documents.warm("alpha")
    assert documents.rewarm("alpha", expected_questions=9) is None
    clock.advance(250)
    assert documents.rewarm("alpha", expected_questions=0.05) is None
    usage = documents.rewarm("alpha", expected_questions=0.5)
    assert usage is not None
    assert usage.cache_read_tokens > 3_000
    clock.advance(301)
    assert documents.rewarm("alpha", expected_questions=1) is None
    usage = documents.rewarm("alpha", expected_questions=2)
    assert usage is not None
    assert usage.cache_write_tokens > 3_000
    assert len(emulator.ledger) == 3


@pytest.mark.parametrize(
    ("cached", "ttl", "questions", "pays"),
    [
        (True, "5m", 0.08, False),
        (True, "5m", 0.09, True),
        (True, "1h", 0.05, False),
        (True, "1h", 0.06, True),
        (False, "5m", 1.38, False),
        (False, "5m", 1.39, True),
        (False, "1h", 2.2, False),
        (False, "1h", 2.3, True),
    ],
)
def test_break_even(cached: bool, ttl: Any, questions: float, pays: bool) -> None:  # noqa: FBT001
    """A renewal costs 0.1 and saves 1.15 (1.9); a write costs 1.25 (2.0), a question saves 0.9."""
    assert pays == warming_pays(
        CLAUDE_PRICES, ttl=ttl, is_cached=cached, expected_questions=questions
    )


def test_short_document_is_not_cached_and_says_so(make: MakeDocuments) -> None:
    """A warm-up that cached nothing warns, with the model's minimum."""
    documents = make()
    documents.add("short", "Too short.")
    with pytest.warns(CacheSkippedWarning, match="caches from 1024 on") as caught:
        usage = documents.warm("short")
    assert caught[0].filename == __file__
    assert usage.cache_write_tokens == 0
    assert documents.seconds_left("short") == 0


@pytest.mark.filterwarnings("ignore::langchain_bedrock_cache.CacheSkippedWarning")
def test_model_without_caching_answers_all_the_same(
    make: MakeDocuments, emulator: BedrockEmulator
) -> None:
    """It gets no cache points, which it would refuse, and warming never pays."""
    documents = make(model=LLAMA)
    documents.ask("alpha", "Who?")
    assert not documents.should_warm("alpha", expected_questions=100)
    documents.warm("alpha")
    assert [points(request) for request in emulator.requests] == [[], []]


def test_nova_takes_points_after_text(make: MakeDocuments, emulator: BedrockEmulator) -> None:
    """Files and texts are cached on Nova, too."""
    documents = make(model=NOVA)
    documents.add("file", Blob.from_data(b"a,b\n" * 4_000, mime_type="text/csv"))
    for _ in range(2):
        documents.ask(["alpha", "file"], "Who?")
    assert emulator.ledger[1].cache_read_tokens > 7_000


def test_unknown_lifetime_is_an_error(make: MakeDocuments) -> None:
    """A lifetime the model does not know is refused at once."""
    with pytest.raises(CachePolicyError, match="knows only '5m'"):
        make(model=LEGACY, ttl="1h")


def test_thinking_model_keeps_its_tokens(make: MakeDocuments, emulator: BedrockEmulator) -> None:
    """Thinking takes tokens, and belongs to the prefix: a warm-up must not touch it."""
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}
    options = {"additional_model_request_fields": thinking, "max_tokens": 3_000}
    documents = make(options=options)
    documents.warm("alpha")
    assert emulator.requests[0]["inferenceConfig"]["maxTokens"] == 3_000


def test_replaced_document_is_not_cached(make: MakeDocuments) -> None:
    """Another text under the same ID has to be written; the same text again has not."""
    documents = make()
    documents.warm(["alpha", "beta"])
    documents.warm("gamma")
    documents.add("alpha", words(3_000, "alpha"))
    assert documents.seconds_left("alpha") > 0
    documents.add("alpha", words(3_000, "other"))
    assert documents.seconds_left("alpha") == 0
    assert documents.seconds_left(["alpha", "beta"]) == 0
    assert documents.seconds_left("gamma") > 0


def test_documents_of_several_parts(make: MakeDocuments, emulator: BedrockEmulator) -> None:
    """A document may come in parts, as loaders return them; blank ones are an error."""
    documents = make()
    documents.add("parts", [Document(words(2_000, "one")), Document(words(2_000, "two"))])
    documents.ask("parts", "Who?")
    assert points(emulator.requests[0]) == ["messages[0][1]"]
    with pytest.raises(ValueError, match="'blank' is blank"):
        documents.add("blank", Document(" "))
    with pytest.raises(ValueError, match="'blank' is blank"):
        documents.add("blank", [])


def test_it_is_a_collection_of_ids(make: MakeDocuments) -> None:
    """Length, membership and iteration are those of the IDs."""
    documents = make()
    assert len(documents) == 3
    assert "alpha" in documents
    assert list(documents) == ["alpha", "beta", "gamma"]


@given(
    requests=st.lists(st.lists(st.sampled_from("abc"), min_size=1, unique=True).map(tuple)),
    cached=st.frozensets(st.lists(st.sampled_from("abc"), min_size=1, unique=True).map(tuple)),
)
def test_waves_send_everything_once_and_write_nothing_twice(
    requests: list[tuple[str, ...]], cached: frozenset[tuple[str, ...]]
) -> None:
    """Of the requests in a wave that are not cached yet, no two begin with the same document."""
    known = set(cached)
    sent: list[int] = []
    for wave in waves(requests, cached):
        cold = [requests[i][0] for i in wave if requests[i] not in known]
        assert len(cold) == len(set(cold))
        known |= {requests[i] for i in wave}
        sent += wave
    assert sorted(sent) == list(range(len(requests)))
