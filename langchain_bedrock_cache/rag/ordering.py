"""Retrieved documents in an order that shares prefixes: as a transformer, around any retriever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import xxhash
from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import BaseDocumentTransformer, Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field
from typing_extensions import override

from langchain_bedrock_cache.checks import check_callable, check_number
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.rag.sequences import Candidate, SentSequences

Order = Literal["cache", "relevance"]
"""Which order documents are sent in."""

# Claude takes 2.9 to 3.2 characters a token on real prompts.
_CHARS_PER_TOKEN = 3.0


def page_content_of(document: Document) -> str:
    """Return what identifies a document: its text, for metadata may hold a score."""
    return document.page_content


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCounts:
    """What a `PrefixOrder` did so far.

    Attributes:
        requests: Lists of documents that went through it.
        reordered: Those that came out in another order, duplicates aside.
        duplicates: Documents that were dropped since they were in the request already.
    """

    requests: int = 0
    reordered: int = 0
    duplicates: int = 0

    @property
    def reordered_ratio(self) -> float:
        """Share of the requests that were reordered; 0.0 before the first."""
        return self.reordered / self.requests if self.requests else 0.0


class PrefixOrder(BaseDocumentTransformer):
    """Arrange retrieved documents so that requests share long prefixes.

    The prompt cache holds prefixes, so five of eight documents in common are worth nothing if they
    come in another order. Documents keep the order of a request that is still cached, as far as
    that goes, and those that keep coming back go before others; all others, and ties, stay in order
    of relevance, and nothing moves for a prefix too short to be cached. Models mind the order a
    little: limit it with `max_shift`, or choose `"relevance"`.

    Args:
        order: `"cache"`, or `"relevance"` to leave the order alone and only drop duplicates.
        max_shift: By how many ranks a document may move; `None` for any number.
        min_tokens: Your model's minimum for a cache point; default: that of most Claude models.
        key: What makes two documents the same; default: their text.
        clock: Seconds.
        max_entries: Documents and sequences remembered, as hashes; the oldest are forgotten first.

    Raises:
        CachePolicyError: If a value is unknown or negative.
    """

    def __init__(
        self,
        *,
        order: Order = "cache",
        max_shift: int | None = None,
        min_tokens: int = 1024,
        key: Callable[[Document], str] = page_content_of,
        clock: Callable[[], float] = time.time,
        max_entries: int = 20_000,
    ) -> None:
        if order not in get_args(Order):
            msg = f"order is {order!r}; choose one of {', '.join(map(repr, get_args(Order)))}."
            raise CachePolicyError(msg)
        if max_shift is not None:
            check_number("max_shift", max_shift, least=0, is_whole=True)
        check_number("min_tokens", min_tokens, least=0)
        check_number("max_entries", max_entries, least=1, is_whole=True)
        check_callable("key", key, what="a function of a Document")
        check_callable("clock", clock, what="a function that returns seconds")
        self._max_shift = 0 if order == "relevance" else max_shift
        self._key = key
        self._sequences = SentSequences(
            clock=clock, min_chars=min_tokens * _CHARS_PER_TOKEN, max_entries=max_entries
        )
        self._counts = OrderCounts()
        self._lock = threading.Lock()

    @property
    def counts(self) -> OrderCounts:
        """What it did so far."""
        return self._counts

    @override
    def transform_documents(
        self, documents: Sequence[Document], *, sent: Iterable[Document] = (), **kwargs: Any
    ) -> list[Document]:
        """Return the documents in the order to send them in, each of them once.

        Args:
            documents: The most relevant first; not modified.
            sent: Documents that this conversation has sent already, in that order. They stay in
                front, and others go after them: `result[n:]` is what to send after `n` of them.
            kwargs: Not used.
        """
        before = self._unique(sent, {})
        new = self._unique(documents, before)
        duplicates = len(documents) - len(new)
        candidates = [
            Candidate(digest=xxhash.xxh3_128_digest(key), chars=len(document.page_content))
            for key, document in new.items()
        ]
        if before:
            # A conversation of its own: where others branch off says nothing about it.
            order = [*range(len(candidates))]
        else:
            order = self._sequences.arrange(candidates, max_shift=self._max_shift)
        with self._lock:
            self._counts = replace(
                self._counts,
                requests=self._counts.requests + 1,
                reordered=self._counts.reordered + (order != sorted(order)),
                duplicates=self._counts.duplicates + duplicates,
            )
        arranged = [*new.values()]
        return [*before.values(), *(arranged[i] for i in order)]

    @override
    async def atransform_documents(
        self, documents: Sequence[Document], **kwargs: Any
    ) -> list[Document]:
        """Do the same as `transform_documents`, which waits for nothing."""
        return self.transform_documents(documents, **kwargs)

    def _unique(
        self, documents: Iterable[Document], known: dict[bytes, Document]
    ) -> dict[bytes, Document]:
        """Return documents by their keys, the first of equals, without the known ones."""
        unique: dict[bytes, Document] = {}
        for document in documents:
            key = self._key(document).encode("utf-8", "surrogatepass")
            if key not in known:
                unique.setdefault(key, document)
        return unique


class CacheOrderedRetriever(BaseRetriever):
    """A retriever whose documents come in an order that shares prefixes.

    Example:
        ```python
        retriever = CacheOrderedRetriever(retriever=vector_store.as_retriever())
        retriever.invoke("Which engine burns out?")
        retriever.invoke("And which does not?", sent=documents_of_earlier_turns)
        ```

    Attributes:
        retriever: Any retriever; what it finds is not changed, only arranged.
        order: How; one for all conversations of an application.
    """

    retriever: BaseRetriever
    order: PrefixOrder = Field(default_factory=PrefixOrder)

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        sent: Iterable[Document] = (),
    ) -> list[Document]:
        found = self.retriever.invoke(query, {"callbacks": run_manager.get_child()})
        return self.order.transform_documents(found, sent=sent)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        sent: Iterable[Document] = (),
    ) -> list[Document]:
        found = await self.retriever.ainvoke(query, {"callbacks": run_manager.get_child()})
        return self.order.transform_documents(found, sent=sent)
