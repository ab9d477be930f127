"""The documents of a `CachedDocuments`, and its requests as messages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from langchain_bedrock_cache.checks import (
    check_callable,
    check_choice,
    check_concurrency,
    check_list,
    check_type,
    shown,
)
from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL
from langchain_bedrock_cache.runnables.marks import new_point
from langchain_bedrock_cache.usage import CacheUsage

DocumentIds = str | Iterable[str]
"""One document, or several to be sent together."""

Request = tuple[tuple[str, ...], list[BaseMessage]]
"""IDs of its documents, each once and in the order they were added; messages."""

Blocks = Sequence[Mapping[str, Any]]


class UnknownDocumentError(BedrockCacheError, LookupError):
    """A question names a document that was not added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How requests are built; the same for all of them, or they would share nothing.

    Attributes:
        instructions: System prompt; empty for none.
        ttl: Lifetime of the cache points.
        points: How many cache points a request may have; 0 for models without caching.
    """

    instructions: str
    ttl: CacheTTL
    points: int

    def __post_init__(self) -> None:
        check_type("instructions", self.instructions, str, what="a string")
        check_choice("ttl", self.ttl, TTL_SECONDS)

    def ends(self, documents: int) -> Iterator[int]:
        """Yield after how many of the documents a cache point stands.

        After the last one, and after the first ones, where requests with other documents branch
        off. Several points cost no more than one.
        """
        left = self.points - bool(self.instructions)
        if left > 0:
            yield from range(1, min(left, documents))
            yield documents

    def messages(self, documents: Sequence[Blocks], question: str) -> list[BaseMessage]:
        """Return a request: instructions, documents, question, and cache points between them.

        Args:
            documents: Blocks of each document.
            question: What is asked.
        """
        ends = {*self.ends(len(documents))}
        content: list[str | dict[str, Any]] = []
        for number, blocks in enumerate(documents, 1):
            content += [{**block} for block in blocks]
            content += [new_point(self.ttl)] if number in ends else []
        content.append({"type": "text", "text": question})
        return [*self._system(), HumanMessage(content)]

    def _system(self) -> list[BaseMessage]:
        if not self.instructions:
            return []
        text = {"type": "text", "text": self.instructions}
        return [SystemMessage([text, new_point(self.ttl)] if self.points else [text])]


def check_questions(questions: Any, config: Any) -> None:
    """Raise unless these are pairs of documents and question, to be asked some at once.

    Args:
        questions: As for `CachedDocuments.batch`.
        config: The same.

    Raises:
        CachePolicyError: If none may be asked at once.
        TypeError: If they are no pairs.
    """
    check_concurrency(config)
    what = "a list of pairs, each of a document's ID (or several) and a question"
    check_list("questions", questions, what=what)
    for pair in questions:
        if not (isinstance(pair, tuple | list) and len(pair) == 2):  # noqa: PLR2004 # a pair
            msg = f"A question is {shown(pair)}, but must be a pair: (document ID, question)."
            raise TypeError(msg)


class Shelf:
    """Documents by ID, and until when they are cached. Safe to use from many threads.

    Args:
        layout: How their requests are built.
        clock: Seconds.
    """

    def __init__(self, layout: Layout, *, clock: Callable[[], float]) -> None:
        check_callable("clock", clock, what="a function that returns seconds")
        self._layout = layout
        self._clock = clock
        self._blocks: dict[str, Blocks] = {}
        self._cached_until: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Count the documents."""
        return len(self._blocks)

    def __contains__(self, document_id: object) -> bool:
        return document_id in self._blocks

    def __iter__(self) -> Iterator[str]:
        """Iterate over the IDs, in the order they were added."""
        return iter([*self._blocks])

    def put(self, document_id: str, blocks: Blocks) -> None:
        """Add a document, or replace it; another text is not cached yet."""
        with self._lock:
            if self._blocks.get(document_id) == blocks:
                return
            self._blocks[document_id] = blocks
            for ids in [ids for ids in self._cached_until if document_id in ids]:
                del self._cached_until[ids]

    def request(self, document_ids: DocumentIds, question: str) -> Request:
        """Return a question as it is sent.

        Raises:
            UnknownDocumentError: If one of the documents was not added.
            ValueError: If there are none.
        """
        with self._lock:
            ids = self._resolve(document_ids)
            return ids, self._layout.messages([self._blocks[one] for one in ids], question)

    def observe(self, ids: tuple[str, ...], answer: AIMessage) -> CacheUsage:
        """Take in what an answer says of the cache; streams say it once, near the end.

        Args:
            ids: Of the request.
            answer: Or a chunk of it.
        """
        usage = CacheUsage.from_usage_metadata(answer.usage_metadata)
        if usage.cache_read_tokens or usage.cache_write_tokens:
            with self._lock:
                until = self._clock() + TTL_SECONDS[self._layout.ttl]
                self._cached_until |= {ids[:end]: until for end in self._layout.ends(len(ids))}
        return usage

    def seconds_left(self, document_ids: DocumentIds) -> float:
        """Return for how long the documents, sent together, are still cached; 0.0 if not.

        Raises:
            UnknownDocumentError: If one of them was not added.
            ValueError: If there are none.
        """
        with self._lock:
            now = self._clock()
            return max(0.0, self._cached_until.get(self._resolve(document_ids), now) - now)

    def all_cached(self) -> frozenset[tuple[str, ...]]:
        """Return the combinations that are cached."""
        with self._lock:
            now = self._clock()
            return frozenset(ids for ids, until in self._cached_until.items() if until > now)

    def _resolve(self, document_ids: DocumentIds) -> tuple[str, ...]:
        """Return IDs as they are sent: each once, in the order the documents were added."""
        if not isinstance(document_ids, str):
            check_list("document_ids", document_ids, what="an ID, or a list of IDs")
        wanted = {document_ids} if isinstance(document_ids, str) else {*document_ids}
        for document_id in sorted(wanted - self._blocks.keys(), key=str):
            known = f"{len(self)} document{'' if len(self) == 1 else 's'}"
            msg = f"No document {document_id!r} was added ({known} known). Use add() first."
            raise UnknownDocumentError(msg)
        if not wanted:
            msg = "Name at least one document."
            raise ValueError(msg)
        return tuple(document_id for document_id in self._blocks if document_id in wanted)
