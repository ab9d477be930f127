"""Requests with cache points of their own, answered also where Bedrock refuses those."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import RunnableConfig

from langchain_bedrock_cache.cached_chat import CachedChat
from langchain_bedrock_cache.exceptions import CachePlanError
from langchain_bedrock_cache.notices import Notices
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.refusals import FORGET_AFTER_SECONDS, refusal_of

Messages = list[BaseMessage]


class RecoveringModel:
    """A chat model whose calls are made once more without cache points if those are refused.

    For an hour after that, requests are sent without points from the start. All other errors are
    the model's own; a stream that has begun is never restarted.

    Args:
        model: `ChatBedrockConverse` or `ChatBedrockCached`.
        clock: Seconds.
    """

    def __init__(self, model: Any, *, clock: Callable[[], float]) -> None:
        self._model = model
        self._clock = clock
        self._refused_until = float("-inf")
        self._notices = Notices()
        # Our own model would try again with points of its own, which may be refused as well.
        self._plain = {"cache_policy": CachePolicy.off()} if isinstance(model, CachedChat) else {}

    @property
    def is_refused(self) -> bool:
        """Whether points were refused within the hour."""
        return self._clock() < self._refused_until

    def invoke(
        self, messages: Messages, config: RunnableConfig | None, **settings: Any
    ) -> AIMessage:
        """Call the model."""
        sent = self._current(messages)
        try:
            answer = self._model.invoke(sent, config, **settings)
        except Exception as error:
            if not self._take(error, sent):
                raise
            answer = self._model.invoke(_bare(messages), config, **settings, **self._plain)
        return cast("AIMessage", answer)

    async def ainvoke(
        self, messages: Messages, config: RunnableConfig | None, **settings: Any
    ) -> AIMessage:
        """Call the model."""
        sent = self._current(messages)
        try:
            answer = await self._model.ainvoke(sent, config, **settings)
        except Exception as error:
            if not self._take(error, sent):
                raise
            answer = await self._model.ainvoke(_bare(messages), config, **settings, **self._plain)
        return cast("AIMessage", answer)

    def stream(self, messages: Messages, config: RunnableConfig | None) -> Iterator[AIMessageChunk]:
        """Stream the answer."""
        sent, has_begun = self._current(messages), False
        try:
            for chunk in self._model.stream(sent, config):
                has_begun = True
                yield chunk
        except Exception as error:
            if has_begun or not self._take(error, sent):
                raise
        else:
            return
        yield from self._model.stream(_bare(messages), config, **self._plain)

    async def astream(
        self, messages: Messages, config: RunnableConfig | None
    ) -> AsyncIterator[AIMessageChunk]:
        """Stream the answer."""
        sent, has_begun = self._current(messages), False
        try:
            async for chunk in self._model.astream(sent, config):
                has_begun = True
                yield chunk
        except Exception as error:
            if has_begun or not self._take(error, sent):
                raise
        else:
            return
        async for chunk in self._model.astream(_bare(messages), config, **self._plain):
            yield chunk

    def batch(self, requests: Sequence[Messages], config: RunnableConfig | None) -> list[AIMessage]:
        """Make several calls; the first error, in the order of the requests, is raised."""
        sent = [self._current(messages) for messages in requests]
        answers = self._model.batch(sent, config, return_exceptions=True)
        again = self._refused(answers, sent)
        if again:
            bare = [_bare(requests[i]) for i in again]
            answers = _merged(answers, again, self._model.batch(bare, config, **self._plain))
        return cast("list[AIMessage]", answers)

    async def abatch(
        self, requests: Sequence[Messages], config: RunnableConfig | None
    ) -> list[AIMessage]:
        """Make several calls; the first error, in the order of the requests, is raised."""
        sent = [self._current(messages) for messages in requests]
        answers = await self._model.abatch(sent, config, return_exceptions=True)
        again = self._refused(answers, sent)
        if again:
            bare = [_bare(requests[i]) for i in again]
            answers = _merged(answers, again, await self._model.abatch(bare, config, **self._plain))
        return cast("list[AIMessage]", answers)

    def _current(self, messages: Messages) -> Messages:
        return _bare(messages) if self.is_refused else messages

    def _take(self, error: Exception, sent: Messages) -> bool:
        """Return whether an error is about cache points that were sent, and remember it if so."""
        points = sum(map(_is_point, _blocks(sent)))
        if not points or not _is_refusal(error, points=points):
            return False
        self._refused_until = self._clock() + FORGET_AFTER_SECONDS
        self._notices.once(
            "refused",
            f"Bedrock refused a cache point after a document ({error}). The question was sent "
            "again without cache points; documents get none for the next hour.",
        )
        return True

    def _refused(self, answers: Sequence[Any], sent: Sequence[Messages]) -> list[int]:
        """Return which calls to make again; raise the first error of any other kind."""
        again = []
        for number, (answer, messages) in enumerate(zip(answers, sent, strict=True)):
            if isinstance(answer, Exception):
                if not self._take(answer, messages):
                    raise answer
                again.append(number)
        return again


def _is_refusal(error: Exception, *, points: int) -> bool:
    return isinstance(error, CachePlanError) or refusal_of(error, placed=points) is not None


def _is_point(block: Any) -> bool:
    return isinstance(block, dict) and "cachePoint" in block


def _blocks(messages: Messages) -> Iterator[Any]:
    for message in messages:
        yield from message.content if isinstance(message.content, list) else ()


def _bare(messages: Messages) -> Messages:
    """Return messages without the cache points between their blocks."""
    return [
        message.model_copy(update={"content": [b for b in message.content if not _is_point(b)]})
        if isinstance(message.content, list)
        else message
        for message in messages
    ]


def _merged(answers: Sequence[Any], places: Sequence[int], later: Sequence[Any]) -> list[Any]:
    return [*({**dict(enumerate(answers)), **dict(zip(places, later, strict=True))}).values()]
