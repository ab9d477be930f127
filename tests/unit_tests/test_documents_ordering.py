"""The order that shares prefixes: what it moves, what it leaves, and what it remembers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from langchain_bedrock_cache import CachePolicyError
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.documents import CacheOrderedRetriever, PrefixOrder

CHARS = 1_500  # three of these are a prefix that can be cached


def documents(names: str) -> list[Document]:
    """Return a document for each letter."""
    return [Document(name * CHARS, metadata={"name": name}) for name in names]


def names(found: list[Document]) -> str:
    """Return the letters of documents."""
    return "".join(document.metadata["name"] for document in found)


def arranged(order: PrefixOrder, wanted: str, *, sent: str = "") -> str:
    """Return the letters of documents after they went through an order."""
    return names(order.transform_documents(documents(wanted), sent=documents(sent)))


@pytest.fixture
def order(clock: SimulatedClock) -> PrefixOrder:
    """An order that has seen nothing."""
    return PrefixOrder(clock=clock)


def test_first_request_keeps_its_order(order: PrefixOrder) -> None:
    """Without a past, documents stay in order of relevance."""
    assert arranged(order, "dcba") == "dcba"
    assert order.counts.reordered == 0


def test_documents_follow_an_earlier_request(order: PrefixOrder) -> None:
    """What an earlier request began with comes first, in its order; the rest by relevance."""
    arranged(order, "abcd")
    assert arranged(order, "ycxab") == "abcyx"
    assert order.counts.reordered_ratio == 0.5


def test_of_two_beginnings_the_longer_one_counts(order: PrefixOrder) -> None:
    """The order with the larger shared prefix is followed."""
    arranged(order, "abc")
    arranged(order, "defg")
    assert arranged(order, "abcdefg") == "defgabc"


def test_nothing_moves_for_a_prefix_too_short_to_be_cached(order: PrefixOrder) -> None:
    """One shared document below the model's minimum changes nothing."""
    arranged(order, "abcd")
    assert arranged(order, "yxa") == "yxa"


def test_minimum_of_the_model_counts(clock: SimulatedClock) -> None:
    """With a larger minimum, more has to be shared."""
    order = PrefixOrder(clock=clock, min_tokens=4096)
    arranged(order, "abcd")
    assert arranged(order, "xabc") == "xabc"


def test_documents_that_keep_coming_back_go_first(order: PrefixOrder) -> None:
    """Five uses within minutes make documents popular, wherever they stood."""
    for other in "12345":
        arranged(order, f"{other}abc")
    assert arranged(order, "yxcba") == "cbayx"
    assert arranged(order, "zabc") == "cbaz"


def test_popularity_fades(order: PrefixOrder, clock: SimulatedClock) -> None:
    """What was popular hours ago is not popular now."""
    for other in "12345":
        arranged(order, f"{other}abc")
    clock.advance(2 * 3600)
    assert arranged(order, "yxcba") == "yxcba"


def test_order_of_an_hour_ago_is_forgotten(order: PrefixOrder, clock: SimulatedClock) -> None:
    """Nothing lives longer in the prompt cache."""
    arranged(order, "abcd")
    clock.advance(3600)
    assert arranged(order, "dcba") == "dcba"


def test_memory_is_bounded(clock: SimulatedClock) -> None:
    """The oldest sequences are forgotten first."""
    order = PrefixOrder(clock=clock, max_entries=4)
    arranged(order, "abcd")
    arranged(order, "efgh")
    assert arranged(order, "hgfe") == "efgh"
    assert arranged(order, "dcba") == "dcba"


def test_duplicates_are_dropped(order: PrefixOrder) -> None:
    """The first of equal documents stays."""
    assert arranged(order, "abacb") == "abc"
    assert order.counts.duplicates == 2


def test_key_says_what_is_the_same(clock: SimulatedClock) -> None:
    """Documents may be told apart by their metadata."""
    order = PrefixOrder(clock=clock, key=lambda document: document.metadata["id"])
    found = [Document("same", metadata={"id": "1"}), Document("same", metadata={"id": "2"})]
    assert order.transform_documents(found) == found


def test_conversation_keeps_what_was_sent(order: PrefixOrder) -> None:
    """Documents already sent stay in place, new ones go after them, known ones are dropped."""
    assert arranged(order, "cxay", sent="abc") == "abcxy"


def test_relevance_only_drops_duplicates(clock: SimulatedClock) -> None:
    """With `order="relevance"` nothing moves."""
    order = PrefixOrder(order="relevance", clock=clock)
    arranged(order, "abcd")
    assert arranged(order, "dcbad") == "dcba"
    assert order.counts.reordered == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [({"order": "random"}, "order is 'random'"), ({"max_shift": -1}, "max_shift is -1")],
)
def test_unknown_options_are_errors(options: dict[str, object], message: str) -> None:
    """A value that means nothing is refused, with the choices."""
    with pytest.raises(CachePolicyError, match=message):
        PrefixOrder(**options)  # type: ignore[arg-type] # on purpose


async def test_async_does_the_same(order: PrefixOrder) -> None:
    """`atransform_documents` arranges as `transform_documents` does."""
    arranged(order, "abcd")
    assert names(await order.atransform_documents(documents("dcba"))) == "abcd"


@given(
    requests=st.lists(st.text(alphabet="abcdefgh", max_size=8), max_size=12),
    max_shift=st.none() | st.integers(0, 4),
)
def test_every_document_comes_once_and_moves_no_further(
    requests: list[str], max_shift: int | None
) -> None:
    """Whatever came before, nothing is lost, added or moved by more than the limit."""
    order = PrefixOrder(clock=SimulatedClock(), max_shift=max_shift)
    for wanted in requests:
        relevance = "".join(dict.fromkeys(wanted))
        result = arranged(order, wanted)
        assert sorted(result) == sorted(relevance)
        limit = len(relevance) if max_shift is None else max_shift
        assert all(abs(result.index(c) - relevance.index(c)) <= limit for c in relevance)


@given(requests=st.lists(st.permutations("abcdef"), min_size=2, max_size=8))
def test_same_documents_come_in_the_same_order(requests: list[list[str]]) -> None:
    """However a retriever ranks the same documents, the model sees one order."""
    order = PrefixOrder(clock=SimulatedClock())
    assert len({arranged(order, "".join(wanted)) for wanted in requests}) == 1


class FixedRetriever(BaseRetriever):
    """Finds a document for each letter of the query."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return documents(query)


async def test_retriever_arranges_what_another_one_finds(order: PrefixOrder) -> None:
    """The wrapper takes any retriever; sync and async share one order."""
    retriever = CacheOrderedRetriever(retriever=FixedRetriever(), order=order)
    assert names(retriever.invoke("abcd")) == "abcd"
    assert names(retriever.invoke("dcba")) == "abcd"
    assert names(await retriever.ainvoke("xcba")) == "abcx"


async def test_retriever_is_told_what_a_conversation_has_sent(order: PrefixOrder) -> None:
    """`sent=` goes through `invoke` and `ainvoke`."""
    retriever = CacheOrderedRetriever(retriever=FixedRetriever(), order=order)
    assert names(retriever.invoke("cxa", sent=documents("ab"))) == "abcx"
    assert names(await retriever.ainvoke("cxa", sent=documents("ab"))) == "abcx"
