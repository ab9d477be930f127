"""Answers from documents: one request at a time, and nothing kept between them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.pricing import estimate_cost
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.serverless.errors import DeploymentError, InvalidRequestError
from langchain_bedrock_cache.serverless.failures import bedrock_failure
from langchain_bedrock_cache.serverless.replies import usage_fields
from langchain_bedrock_cache.serverless.requests import DocumentRequest
from langchain_bedrock_cache.serverless.sources import DocumentSource
from langchain_bedrock_cache.serverless.storage import Location
from langchain_bedrock_cache.usage import CacheUsage

if TYPE_CHECKING:  # heavy imports
    from langchain_aws import ChatBedrockConverse
    from langchain_core.documents.base import Blob
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

    from langchain_bedrock_cache.rag.cached_documents import CachedDocuments

_Answer = TypeVar("_Answer")

_TEMPLATE = "<document>\n{page_content}\n</document>"
_NAME = "document"


class DocumentAnswers:
    """Answers questions on documents, with a cache point after each document.

    What is cached is in Bedrock, and every function that sends the same document reads it there:
    here only the model and its connections are kept.

    Args:
        model: `ChatBedrockConverse` or `ChatBedrockCached`.
        source: Where documents may come from.
        instructions: System prompt of all questions.
        ttl: Lifetime of a document in the prompt cache.
    """

    def __init__(
        self,
        model: ChatBedrockConverse,
        *,
        source: DocumentSource,
        instructions: str,
        ttl: CacheTTL,
    ) -> None:
        self._model = model
        self._source = source
        self._instructions = instructions
        self._ttl = ttl

    def reply(self, request: DocumentRequest) -> dict[str, Any]:
        """Answer a question, or warm a document.

        Args:
            request: What is asked.

        Returns:
            `id`, `status` (`"answered"` or `"warmed"`), `model_id`, `usage`, `cost` and, for
            questions, `stop_reason` and `answer` (or `answer_uri`, if it was written there).

        Raises:
            ServerlessError: If the document cannot be had, or Bedrock fails.
        """
        # Where it goes is checked first: an answer that cannot be kept would be paid for nothing.
        target = Location.of(request.answer_uri, field="answer_uri") if request.answer_uri else None
        document = self._source.load(request.document)
        if request.action == "warm":
            usage = _sent(lambda: self._documents(document).warm(_NAME))
            return {"id": request.id, "status": "warmed", **self._account(usage)}
        answer = _sent(lambda: self._ask(document, request))
        reply = {
            "id": request.id,
            "status": "answered",
            "stop_reason": answer.response_metadata.get("stopReason"),
            **self._account(CacheUsage.from_usage_metadata(answer.usage_metadata)),
        }
        if target is None:
            return {**reply, "answer": answer.text}
        content = json.dumps({**reply, "answer": answer.text}, ensure_ascii=False)
        self._source.storage.write(target, content)
        return {**reply, "answer_uri": target.uri}

    def _account(self, usage: CacheUsage) -> dict[str, Any]:
        model_id = self._model.model_id
        cost = estimate_cost(usage, model_id, base_model=self._model.base_model_id)
        return {"model_id": model_id, **usage_fields(usage, cost)}

    def _ask(self, document: str | Blob, request: DocumentRequest) -> AIMessage:
        if request.prompt_cache:
            return self._documents(document).ask(_NAME, request.question)
        return self._unplanned().invoke(self._uncached(document, request.question))

    def _unplanned(self) -> Runnable[Any, AIMessage]:
        """Return the model without a planner, which might add points of its own."""
        from langchain_bedrock_cache.chat_models import ChatBedrockCached  # noqa: PLC0415 - heavy
        from langchain_bedrock_cache.policy import CachePolicy  # noqa: PLC0415 - heavy

        if isinstance(self._model, ChatBedrockCached):
            return self._model.bind(cache_policy=CachePolicy.off())
        return self._model

    def _documents(self, document: str | Blob) -> CachedDocuments:
        from langchain_bedrock_cache.documents import CachedDocuments  # noqa: PLC0415 - heavy

        try:
            documents = CachedDocuments(
                self._model, instructions=self._instructions, template=_TEMPLATE, ttl=self._ttl
            )
        except CachePolicyError as error:
            raise DeploymentError(str(error)) from error
        try:
            documents.add(_NAME, document)
        except ValueError as error:
            raise InvalidRequestError(str(error), field="document") from error
        return documents

    def _uncached(self, document: str | Blob, question: str) -> list[Any]:
        """Return the request without cache points, for a document that nobody asks about again."""
        from langchain_core.documents import Document  # noqa: PLC0415 - heavy

        from langchain_bedrock_cache.rag.blocks import documents_to_blocks  # noqa: PLC0415 - heavy
        from langchain_bedrock_cache.rag.loaded import Layout  # noqa: PLC0415 - heavy

        part = Document(document) if isinstance(document, str) else document
        blocks = documents_to_blocks([part], template=_TEMPLATE)
        if not blocks:
            msg = "The document is blank."
            raise InvalidRequestError(msg, field="document")
        layout = Layout(instructions=self._instructions, ttl=self._ttl, points=0)
        return layout.messages([blocks], question)


def _sent(send: Callable[[], _Answer]) -> _Answer:
    try:
        return send()
    except Exception as error:
        failure = bedrock_failure(error)
        if failure is None:
            raise
        raise failure from error
