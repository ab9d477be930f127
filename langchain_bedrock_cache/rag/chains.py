"""The drop-in for LangChain's stuff-documents chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from langchain_core.documents import BaseDocumentTransformer
from langchain_core.language_models import LanguageModelLike
from langchain_core.output_parsers import BaseOutputParser, StrOutputParser
from langchain_core.prompts import (
    BasePromptTemplate,
    ChatPromptTemplate,
    SystemMessagePromptTemplate,
)
from langchain_core.runnables import Runnable, RunnableBinding, RunnableLambda

from langchain_bedrock_cache.checks import check_type
from langchain_bedrock_cache.client import CachedClient
from langchain_bedrock_cache.rag.prompts import DOCUMENT_SEPARATOR, can_split, split_stable
from langchain_bedrock_cache.runnables import CachePointTransformer


def create_cached_stuff_documents_chain(
    llm: LanguageModelLike,
    prompt: BasePromptTemplate[Any],
    *,
    output_parser: BaseOutputParser[Any] | None = None,
    document_prompt: BasePromptTemplate[str] | None = None,
    document_separator: str = DOCUMENT_SEPARATOR,
    document_variable_name: str = "context",
    order: BaseDocumentTransformer | None = None,
) -> Runnable[dict[str, Any], Any]:
    """Create a chain for passing a list of documents to a model that pays for each of them once.

    Arguments and text are those of `create_stuff_documents_chain` in LangChain; documents are
    blocks of their own. A `ChatBedrockConverse` gets a `CachePointTransformer` before it;
    `ChatBedrockCached` needs none, and longer chains are taken as they are.

    Args:
        llm: Language model.
        prompt: Prompt template with the document variable; best with the question after it.
        output_parser: Default: `StrOutputParser()`.
        document_prompt: How a document reads; default: its `page_content` alone.
        document_separator: Stands between documents.
        document_variable_name: The prompt's variable for the documents.
        order: Rearranges the documents, such as `PrefixOrder()`; default: the order they come in.

    Returns:
        A chain that takes a dict with the documents and all other variables of the prompt.

    Raises:
        ValueError: If the prompt has no such variable.
        TypeError: If the prompt is neither a chat prompt nor a `PromptTemplate`, or the order no
            document transformer.
    """
    check_type("prompt", prompt, BasePromptTemplate, what="a prompt template")
    if order is not None and not hasattr(order, "transform_documents"):
        what = "a document transformer such as PrefixOrder(), or None"
        check_type("order", order, (), what=what)
    if document_variable_name not in prompt.input_variables:
        msg = (
            f"Prompt must accept {document_variable_name} as an input variable. "
            f"Received prompt with input variables: {prompt.input_variables}"
        )
        raise ValueError(msg)
    if not can_split(prompt):
        msg = (
            f"A {type(prompt).__name__} may format in ways of its own and cannot be cut. Give a "
            "ChatPromptTemplate or a PromptTemplate, or use create_stuff_documents_chain."
        )
        raise TypeError(msg)
    cut = split_stable(
        prompt,  # type: ignore[arg-type] # can_split
        stable={document_variable_name},
        document_prompt=document_prompt,
        document_separator=document_separator,
    )
    formatted: Runnable[dict[str, Any], Any] = cut
    if order is not None:
        formatted = _ordering(order, document_variable_name) | cut
    model = with_cache_points(llm)
    if _in_system(prompt, document_variable_name):
        model = with_lifetime_of_documents(model)
    chain = formatted | model | (output_parser or StrOutputParser())
    return chain.with_config(run_name="stuff_documents_chain")


def with_cache_points(llm: LanguageModelLike) -> LanguageModelLike:
    """Return a model that places cache points: itself, or with a transformer before it.

    Args:
        llm: A `ChatBedrockConverse` that has neither our client nor our class gets a transformer,
            also under `bind`; everything else is returned as it is.
    """
    from langchain_aws import ChatBedrockConverse  # noqa: PLC0415 - a heavy import

    model, _ = _unbound(llm)
    if not isinstance(model, ChatBedrockConverse) or isinstance(model.client, CachedClient):
        return llm
    model_id = model.base_model_id or model.model_id
    return CachePointTransformer(model=model_id) | llm


def with_lifetime_of_documents(llm: LanguageModelLike) -> LanguageModelLike:
    """Return a model that expects documents in the system prompt, which come and go.

    System prompts usually come back for hours, and are written for an hour, at 2.0 times the input
    price; the questions on a document follow each other within minutes. A policy that says
    anything about lifetimes is left alone.

    Args:
        llm: A `ChatBedrockCached`, also under `bind`; everything else is returned as it is.
    """
    from langchain_bedrock_cache.chat_models import ChatBedrockCached  # noqa: PLC0415 - heavy

    model, bound = _unbound(llm)
    if not isinstance(model, ChatBedrockCached):
        return llm
    # That of the client: the user may have wrapped it with a policy of its own.
    policy = bound.get("cache_policy") or model.client.planner.policy
    if policy.mode != "auto" or policy.ttl != "auto" or policy.section_ttls:
        return llm
    return llm.bind(cache_policy=replace(policy, section_ttls={"system": "5m"}))


def _unbound(llm: LanguageModelLike) -> tuple[Any, dict[str, Any]]:
    """Return the model under all bindings, and what they bind."""
    model: Any = llm
    bound: dict[str, Any] = {}
    while isinstance(model, RunnableBinding):
        bound = {**model.kwargs, **bound}
        model = model.bound
    return model, bound


def _in_system(prompt: BasePromptTemplate[Any], variable: str) -> bool:
    """Whether a prompt has a variable in its system prompt."""
    return isinstance(prompt, ChatPromptTemplate) and any(
        isinstance(message, SystemMessagePromptTemplate) and variable in message.input_variables
        for message in prompt.messages
    )


def _ordering(
    order: BaseDocumentTransformer, variable: str
) -> Runnable[dict[str, Any], dict[str, Any]]:
    def arranged(values: Mapping[str, Any]) -> dict[str, Any]:
        return {**values, variable: [*order.transform_documents(values[variable])]}

    async def aarranged(values: Mapping[str, Any]) -> dict[str, Any]:
        return {**values, variable: [*await order.atransform_documents(values[variable])]}

    return RunnableLambda(arranged, aarranged, name="arrange_documents")
