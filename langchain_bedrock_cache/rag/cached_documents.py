"""`CachedDocuments`: many questions on few documents, each document paid for once."""

from __future__ import annotations

import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import RunnableConfig

from langchain_bedrock_cache.checks import check_flag, check_number, check_text, check_type
from langchain_bedrock_cache.exceptions import CachePolicyError, CacheSkippedWarning
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL, find_profile
from langchain_bedrock_cache.rag.blocks import documents_to_blocks, template_of
from langchain_bedrock_cache.rag.loaded import (
    DocumentIds,
    Layout,
    Request,
    Shelf,
    check_questions,
)
from langchain_bedrock_cache.rag.recovery import RecoveringModel
from langchain_bedrock_cache.rag.warming import warming_pays, waves, why_nothing
from langchain_bedrock_cache.usage import CacheUsage

if TYPE_CHECKING:
    from langchain_aws import ChatBedrockConverse  # a heavy import

Source = str | Document | Blob | Iterable[Document | Blob]
"""A text, a document, a file, or the parts of a document."""

_WARM_UP = "Reply with one word."
_THINKING = ("thinking", "reasoning_config", "reasoningConfig")


class CachedDocuments:
    """Documents that questions are asked about, in any order and as often as you like.

    A cache point stands after each document (after the first ones and the last, if a question is
    about more than three), whatever the traffic: you have said that more questions follow. Safe to
    use from many threads.

    Args:
        model: `ChatBedrockConverse` or `ChatBedrockCached`.
        instructions: System prompt of all questions.
        template: How a text document reads.
        citations: Whether the model is to cite.
        ttl: Lifetime of the cache entries; each use renews it.
        clock: Seconds; default: that of the model's memory, if it has one of its own.

    Raises:
        CachePolicyError: If the model does not know the ttl, or the template has no variable.
        TypeError: If the model is another kind of chat model, or something else of another type.

    Example:
        ```python
        documents = CachedDocuments(model, instructions="Answer from the document.")
        documents.add("handbook", Blob.from_path("handbook.pdf"))
        documents.warm("handbook")
        documents.ask("handbook", "How many days of leave are there?").text
        ```
    """

    def __init__(
        self,
        model: ChatBedrockConverse,
        *,
        instructions: str = "",
        template: BasePromptTemplate[str] | str = "<document>\n{page_content}\n</document>",
        citations: bool = False,
        ttl: CacheTTL = "5m",
        clock: Callable[[], float] | None = None,
    ) -> None:
        if not hasattr(model, "model_id"):
            what = "a ChatBedrockConverse or ChatBedrockCached (give bound settings to that)"
            check_type("model", model, (), what=what)
        profile = find_profile(model.model_id, base_model=model.base_model_id)
        points = profile.max_cache_points if profile else 0
        if profile and points and ttl not in profile.ttls:
            choices = ", ".join(map(repr, profile.ttls))
            msg = f"ttl is {ttl!r}, but {model.model_id} knows only {choices}."
            raise CachePolicyError(msg)
        memory = getattr(model, "prefix_memory", None)
        self._model = model
        self._template = template_of(template)
        check_flag("citations", citations)
        self._citations = citations
        self._layout = Layout(instructions=instructions, ttl=ttl, points=points)
        if clock is None:
            clock = time.time if memory is None else memory.clock
        self._calls = RecoveringModel(model, clock=clock)
        self._prices = price_multipliers(model.model_id, base_model=model.base_model_id)
        self._shelf = Shelf(self._layout, clock=clock)

    def __len__(self) -> int:
        """Count the documents."""
        return len(self._shelf)

    def __contains__(self, document_id: object) -> bool:
        return document_id in self._shelf

    def __iter__(self) -> Iterator[str]:
        """Iterate over the IDs, in the order they were added."""
        return iter(self._shelf)

    def add(self, document_id: str, source: Source) -> None:
        """Add a document, or replace it. Nothing is sent.

        Args:
            document_id: What to call it here; the model does not see it.
            source: A text, a `Document`, a file as a `Blob`, or several of these.

        Raises:
            ValueError: If it is blank, or a file that Bedrock does not take.
        """
        check_type("document_id", document_id, str, what="a string")
        what = "a text, a Document, a Blob, or a list of these"
        check_type("source", source, (str, Document, Blob, list, tuple, Iterator), what=what)
        if isinstance(source, str):
            source = Document(source)
        parts = [source] if isinstance(source, Document | Blob) else source
        blocks = documents_to_blocks(parts, template=self._template, citations=self._citations)
        if not blocks:
            msg = f"Document {document_id!r} is blank."
            raise ValueError(msg)
        self._shelf.put(document_id, blocks)

    def seconds_left(self, document_ids: DocumentIds) -> float:
        """Return for how long the documents, asked about together, stay cached, in seconds.

        Args:
            document_ids: One or several.

        Returns:
            What is left of the lifetime since they were last read or written here; 0.0 if they
            have expired or were never cached.

        Raises:
            UnknownDocumentError: If one of them was not added.
        """
        return self._shelf.seconds_left(document_ids)

    def ask(
        self, document_ids: DocumentIds, question: str, *, config: RunnableConfig | None = None
    ) -> AIMessage:
        """Ask a question.

        Args:
            document_ids: One document, or several to answer from together; their order does not
                matter, they are sent in the order they were added.
            question: The question.
            config: Callbacks, tags and the like.

        Returns:
            The answer; what was read and written is in its `usage_metadata`.

        Raises:
            UnknownDocumentError: If one of the documents was not added.
        """
        ids, messages = self._request(document_ids, question)
        answer = self._calls.invoke(messages, config)
        self._shelf.observe(ids, answer)
        return answer

    async def aask(
        self, document_ids: DocumentIds, question: str, *, config: RunnableConfig | None = None
    ) -> AIMessage:
        """Do the same as `ask`."""
        ids, messages = self._request(document_ids, question)
        answer = await self._calls.ainvoke(messages, config)
        self._shelf.observe(ids, answer)
        return answer

    def stream(
        self, document_ids: DocumentIds, question: str, *, config: RunnableConfig | None = None
    ) -> Iterator[AIMessageChunk]:
        """Ask a question, and yield the answer in chunks; arguments and errors as in `ask`."""
        ids, messages = self._request(document_ids, question)
        for chunk in self._calls.stream(messages, config):
            self._shelf.observe(ids, chunk)
            yield chunk

    async def astream(
        self, document_ids: DocumentIds, question: str, *, config: RunnableConfig | None = None
    ) -> AsyncIterator[AIMessageChunk]:
        """Ask a question, and yield the answer in chunks; arguments and errors as in `ask`."""
        ids, messages = self._request(document_ids, question)
        async for chunk in self._calls.astream(messages, config):
            self._shelf.observe(ids, chunk)
            yield chunk

    def batch(
        self,
        questions: Sequence[tuple[DocumentIds, str]],
        *,
        config: RunnableConfig | None = None,
    ) -> list[AIMessage]:
        """Ask many questions, in parallel where none writes what another one is writing.

        Args:
            questions: Documents and question of each.
            config: Callbacks, tags and the like; `max_concurrency` limits the parallel calls.

        Returns:
            The answers, in the order of the questions.

        Raises:
            UnknownDocumentError: If one of the documents was not added; nothing is sent then.
        """
        requests = self._requests(questions, config)
        answers: dict[int, AIMessage] = {}
        for wave in self._waves(requests):
            replies = self._calls.batch([requests[i][1] for i in wave], config)
            answers |= self._observe_wave(wave, requests, replies)
        return [answers[i] for i in range(len(requests))]

    async def abatch(
        self,
        questions: Sequence[tuple[DocumentIds, str]],
        *,
        config: RunnableConfig | None = None,
    ) -> list[AIMessage]:
        """Do the same as `batch`."""
        requests = self._requests(questions, config)
        answers: dict[int, AIMessage] = {}
        for wave in self._waves(requests):
            replies = await self._calls.abatch([requests[i][1] for i in wave], config)
            answers |= self._observe_wave(wave, requests, replies)
        return [answers[i] for i in range(len(requests))]

    def warm(
        self, document_ids: DocumentIds, *, config: RunnableConfig | None = None
    ) -> CacheUsage:
        """Write documents to the prompt cache, or renew them there, by one minimal call.

        The answer is one token long (unless the model thinks, which takes tokens of its own).

        Args:
            document_ids: One, or several that will be asked about together.
            config: Callbacks, tags and the like.

        Returns:
            What was read and written. If it was neither, a `CacheSkippedWarning` says so.

        Raises:
            UnknownDocumentError: If one of them was not added.
        """
        ids, messages = self._request(document_ids, _WARM_UP)
        answer = self._calls.invoke(messages, config, **self._minimal())
        return self._checked(self._shelf.observe(ids, answer))

    async def awarm(
        self, document_ids: DocumentIds, *, config: RunnableConfig | None = None
    ) -> CacheUsage:
        """Do the same as `warm`."""
        ids, messages = self._request(document_ids, _WARM_UP)
        answer = await self._calls.ainvoke(messages, config, **self._minimal())
        return self._checked(self._shelf.observe(ids, answer))

    def should_warm(self, document_ids: DocumentIds, *, expected_questions: float) -> bool:
        """Return whether `warm` pays now, see `warming_pays`.

        Args:
            document_ids: One, or several that will be asked about together.
            expected_questions: How many are expected within the next lifetime of the entry; a
                number below 1 is the chance of one.

        Returns:
            `False` also while more than half of the lifetime is left: later is soon enough.

        Raises:
            UnknownDocumentError: If one of them was not added.
        """
        check_number("expected_questions", expected_questions, least=0)
        left = self.seconds_left(document_ids)
        takes_points = self._layout.points > 0 and not self._calls.is_refused
        if not takes_points or left > TTL_SECONDS[self._layout.ttl] / 2:
            return False
        return warming_pays(
            self._prices,
            ttl=self._layout.ttl,
            is_cached=left > 0,
            expected_questions=expected_questions,
        )

    def rewarm(
        self,
        document_ids: DocumentIds,
        *,
        expected_questions: float,
        config: RunnableConfig | None = None,
    ) -> CacheUsage | None:
        """Call `warm` if it pays; arguments and errors as in `should_warm` and `warm`.

        Returns:
            What was read and written; `None` if nothing was sent.
        """
        if self.should_warm(document_ids, expected_questions=expected_questions):
            return self.warm(document_ids, config=config)
        return None

    async def arewarm(
        self,
        document_ids: DocumentIds,
        *,
        expected_questions: float,
        config: RunnableConfig | None = None,
    ) -> CacheUsage | None:
        """Do the same as `rewarm`."""
        if self.should_warm(document_ids, expected_questions=expected_questions):
            return await self.awarm(document_ids, config=config)
        return None

    def _request(self, document_ids: DocumentIds, question: str) -> Request:
        check_text("question", question, what="a string")
        return self._shelf.request(document_ids, question)

    def _requests(self, questions: Any, config: RunnableConfig | None) -> list[Request]:
        check_questions(questions, config)
        return [self._request(*pair) for pair in questions]

    def _waves(self, requests: Sequence[Request]) -> Iterator[list[int]]:
        return waves([ids for ids, _ in requests], self._shelf.all_cached())

    def _observe_wave(
        self, wave: Sequence[int], requests: Sequence[Request], replies: Sequence[AIMessage]
    ) -> dict[int, AIMessage]:
        """Take in the answers of a wave, and return them by the numbers of their requests."""
        answers = dict(zip(wave, replies, strict=True))
        for i, answer in answers.items():
            self._shelf.observe(requests[i][0], answer)
        return answers

    def _minimal(self) -> dict[str, Any]:
        fields = self._model.additional_model_request_fields or {}
        return {} if any(fields.get(name) for name in _THINKING) else {"max_tokens": 1}

    def _checked(self, usage: CacheUsage) -> CacheUsage:
        if not usage.cache_read_tokens and not usage.cache_write_tokens:
            reason = why_nothing(
                usage,
                self._model.model_id,
                base_model=self._model.base_model_id,
                is_refused=self._calls.is_refused,
            )
            warnings.warn(f"Nothing was cached: {reason}", CacheSkippedWarning, stacklevel=3)
        return usage
