"""The Lambda handlers. Importing this module is cheap; the first request imports the rest."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

from langchain_bedrock_cache.checks import check_choice, check_number, check_type
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.serverless.errors import DeploymentError, ServerlessError
from langchain_bedrock_cache.serverless.replies import http_error, http_reply
from langchain_bedrock_cache.serverless.requests import is_http, read_http, read_request

if TYPE_CHECKING:  # heavy imports
    from langchain_aws import ChatBedrockConverse

    from langchain_bedrock_cache.serverless.answers import DocumentAnswers
    from langchain_bedrock_cache.serverless.storage import Storage

_logger = logging.getLogger(__name__)

Handler = Callable[[Any, Any], dict[str, Any]]
"""A Lambda handler: event and context in, JSON out."""


def handler(event: Any, context: Any = None) -> dict[str, Any]:  # noqa: ARG001 - Lambda's form
    """Answer a question on a document; the Lambda handler, configured by its environment.

    `LANGCHAIN_BEDROCK_CACHE_MODEL` is required; `Settings` lists the other variables. Model and
    connections are made by the first request of a container, and kept.

    Args:
        event: `{"document": ..., "question": ...}` of a direct call or a Step Functions task, where
            `document` is a text or an S3 URI; or the same as the JSON body of an HTTP request.
        context: Lambda's; not used.

    Returns:
        The answer with `usage` and `cost`, see `DocumentAnswers.reply`; over HTTP as the body of a
        response, and errors as responses with their status, too.

    Raises:
        ServerlessError: What went wrong, as the type; never over HTTP.
    """
    from langchain_bedrock_cache.serverless.container import (  # noqa: PLC0415 - heavy
        container_answers,
    )

    return _answer(event, container_answers)


def create_handler(
    model: ChatBedrockConverse,
    *,
    s3_client: Any = None,
    instructions: str = "Answer the question from the document.",
    ttl: CacheTTL = "5m",
    max_document_bytes: int = 4_500_000,
    documents: tuple[str, ...] = (),
) -> Handler:
    """Return a handler like `handler` that answers with a model of your own.

    Make it once, outside of the function Lambda calls. The points after instructions and document
    need no memory, and `CachePolicy(sections=())` adds no others. Containers share what a planner
    learns only through a store: `ChatBedrockCached(prefix_memory=PrefixMemory(store=...))`.

    Args:
        model: `ChatBedrockConverse` or `ChatBedrockCached`.
        s3_client: Of boto3; default: one is made by the first request that needs S3.
        instructions: System prompt of all questions; part of what is cached.
        ttl: Lifetime of a document in the prompt cache.
        max_document_bytes: Largest document.
        documents: Beginnings of S3 URIs that may be read; empty for any.

    Raises:
        CachePolicyError: If `ttl` or `max_document_bytes` is out of range, or `documents` has
            something else than S3 URIs.
        TypeError: If an argument is of another type.
    """
    if not hasattr(model, "model_id"):
        check_type("model", model, (), what="a ChatBedrockConverse or ChatBedrockCached")
    check_choice("ttl", ttl, get_args(CacheTTL))
    check_type("instructions", instructions, str, what="a string")
    check_number("max_document_bytes", max_document_bytes, least=1, is_whole=True)
    check_type("documents", documents, (tuple, list), what="a tuple of beginnings of S3 URIs")
    for uri in documents:
        check_type("a beginning of documents", uri, str, what="an S3 URI")
        if not uri.startswith("s3://"):
            msg = f"documents has {uri!r}; give beginnings of S3 URIs, such as s3://bucket/folder/."
            raise CachePolicyError(msg)
    _check_s3(s3_client)

    def make() -> DocumentAnswers:
        from langchain_bedrock_cache.serverless.answers import (  # noqa: PLC0415 - heavy
            DocumentAnswers,
        )
        from langchain_bedrock_cache.serverless.sources import (  # noqa: PLC0415 - heavy
            DocumentSource,
        )

        source = DocumentSource(
            storage=_storage(s3_client), max_bytes=max_document_bytes, allowed=documents
        )
        return DocumentAnswers(model, source=source, instructions=instructions, ttl=ttl)

    def answer(event: Any, _context: Any = None) -> dict[str, Any]:
        return _answer(event, make)

    return answer


def run_handler(event: Any, context: Any = None) -> dict[str, Any]:
    """Plan a run of many questions, or sum it up; the Lambda handler of the Step Functions tasks.

    Args:
        event: `{"action": "plan", "run_uri": ..., "items": [...]}` (or `items_uri`), or
            `{"action": "summarize", "run_uri": ..., "results": [...]}` (or `manifest`).
        context: Lambda's; not used.

    Returns:
        The plan, see `Runs.plan`, or the summary, see `Runs.summarize`.

    Raises:
        ServerlessError: What went wrong, as the type.
    """
    return create_run_handler()(event, context)


def create_run_handler(*, s3_client: Any = None) -> Handler:
    """Return a handler like `run_handler` with an S3 client of your own.

    Args:
        s3_client: Of boto3; default: one is made by the first request, and kept.

    Raises:
        TypeError: If it is no such client.
    """
    _check_s3(s3_client)

    def run(event: Any, _context: Any = None) -> dict[str, Any]:
        from langchain_bedrock_cache.serverless.runs import Runs  # noqa: PLC0415 - heavy

        return Runs(_storage(s3_client)).reply(event)

    return run


def _storage(s3_client: Any) -> Storage:
    from langchain_bedrock_cache.serverless.container import (  # noqa: PLC0415 - heavy
        container_storage,
    )
    from langchain_bedrock_cache.serverless.storage import Storage  # noqa: PLC0415 - heavy

    return container_storage() if s3_client is None else Storage(s3_client)


def _check_s3(client: Any) -> None:
    if isinstance(client, str | int | dict):  # stand-ins need no method but those that are called
        check_type("s3_client", client, (), what="a boto3 `s3` client, or None")


def _answer(event: Any, answers: Callable[[], DocumentAnswers]) -> dict[str, Any]:
    if not is_http(event):
        try:
            return answers().reply(read_request(event))
        except ServerlessError as error:
            _logger.warning("%s (%d)", type(error).__name__, error.status)
            raise
    try:
        return http_reply(answers().reply(read_http(event)))
    except ServerlessError as error:
        # What is wrong with a deployment is for its logs, not for whoever asks over HTTP.
        if isinstance(error, DeploymentError):
            _logger.error("%s", error)  # noqa: TRY400 - the message says it all
            error = DeploymentError("The function is not set up right; its log says more.")
        else:
            _logger.warning("%s (%d)", type(error).__name__, error.status)
        return http_error(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, HTTP wants a response
        # Where and what, but not the message, which may quote a prompt.
        where = "".join(traceback.format_tb(error.__traceback__))
        _logger.error("%s\n%s", type(error).__name__, where)  # noqa: TRY400
        return http_error(ServerlessError("Something went wrong; the log says more."))
