"""Prompt templates for documents and questions, cut where the stable part ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Self

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.prompts import (
    BasePromptTemplate,
    ChatPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    aformat_document,
    format_document,
)
from pydantic import Field

from langchain_bedrock_cache.checks import check_list
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.rag.pieces import Tokens, cut_messages
from langchain_bedrock_cache.runnables.splitting import SplitChatPromptTemplate

DOCUMENT_SEPARATOR = "\n\n"
"""What LangChain's stuff-documents chain puts between documents."""

# For templates without markers: a character that none of them holds.
_NO_MARKER = "\0"


def _page_content() -> BasePromptTemplate[str]:
    return PromptTemplate.from_template("{page_content}")


class _Values(NamedTuple):
    """The values of one formatting, as they are and with tokens."""

    plain: dict[str, Any]
    marked: dict[str, Any]


class DocumentsPromptTemplate(SplitChatPromptTemplate):
    """A chat prompt template that sends each document as a block; made by `split_stable`.

    Its stable variables take text or a list of `Document`s, which are formatted and joined as in
    LangChain's stuff-documents chain. Blocks that follow each other are that chain's text, to the
    character; a text that cannot be cut without changing it is sent whole.

    Attributes:
        stable: Variables that hold what comes again in other requests.
        document_prompt: How a document reads.
        document_separator: Stands between documents, at the head of the later one: so a list that
            grows keeps its prefix.
    """

    marker: str = _NO_MARKER
    stable: frozenset[str] = frozenset({"context"})
    document_prompt: BasePromptTemplate[str] = Field(default_factory=_page_content)
    document_separator: str = DOCUMENT_SEPARATOR

    def format_messages(self, **kwargs: Any) -> list[BaseMessage]:
        """Format the messages and cut their texts.

        Args:
            kwargs: Values of the variables; stable ones are text or a list of documents.
        """
        texts = {
            name: [format_document(document, self.document_prompt) for document in value]
            for name, value in self._documents_in(kwargs).items()
        }
        tokens = Tokens()
        values = self._values(kwargs, texts, tokens)
        bare = self._without_partials()
        return cut_messages(
            SplitChatPromptTemplate.format_messages(bare, **values.plain),
            SplitChatPromptTemplate.format_messages(bare, **values.marked),
            tokens,
        )

    async def aformat_messages(self, **kwargs: Any) -> list[BaseMessage]:
        """Format the messages and cut their texts.

        Args:
            kwargs: As in `format_messages`.
        """
        texts = {
            name: [await aformat_document(document, self.document_prompt) for document in value]
            for name, value in self._documents_in(kwargs).items()
        }
        tokens = Tokens()
        values = self._values(kwargs, texts, tokens)
        bare = self._without_partials()
        return cut_messages(
            await SplitChatPromptTemplate.aformat_messages(bare, **values.plain),
            await SplitChatPromptTemplate.aformat_messages(bare, **values.marked),
            tokens,
        )

    def _documents_in(self, values: Mapping[str, Any]) -> dict[str, Sequence[Document]]:
        return {name: values[name] for name in self.stable if _are_documents(values.get(name))}

    def _values(
        self, given: Mapping[str, Any], documents: Mapping[str, Sequence[str]], tokens: Tokens
    ) -> _Values:
        plain = self._merge_partial_and_user_variables(**given)
        fixed = {name for name, value in self.partial_variables.items() if not callable(value)}
        marked = {}
        for name, value in plain.items():
            if name in documents:
                texts = _separated(documents[name], self.document_separator)
                plain[name] = "".join(texts)
                marked[name] = tokens.around(texts)
            elif not isinstance(value, str):
                marked[name] = value
            elif name in self.stable:
                marked[name] = tokens.around([value])
            else:
                is_fixed = name in fixed and name not in given
                marked[name] = value if is_fixed else tokens.before(value)
        return _Values(plain, marked)

    def _without_partials(self) -> Self:
        """Return a copy without partial values, which are merged once for both formattings.

        A function among them (a date, say) may return something else when it is called again.
        """
        return self.model_copy(update={"partial_variables": {}})

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return where to find this class again."""
        return ["langchain_bedrock_cache", "rag", "prompts"]


def split_stable(
    prompt: ChatPromptTemplate | PromptTemplate,
    *,
    stable: Collection[str] = ("context",),
    document_prompt: BasePromptTemplate[str] | None = None,
    document_separator: str = DOCUMENT_SEPARATOR,
) -> DocumentsPromptTemplate:
    """Return a prompt template cut between its stable variables and those that change.

    A prompt with `{context}` and `{question}` in one text becomes blocks: what stands before the
    context, each document, what follows, and all from the question on; no cache point is added,
    that is for the model or a `CachePointTransformer` to decide. Where the question stands before
    the context, nothing can be shared, and the text stays whole.

    Args:
        prompt: Not modified. A `PromptTemplate` becomes one user message; one that was split at
            markers keeps its cache points.
        stable: Variables with text, or lists of documents, that come again in other requests.
        document_prompt: How a document reads; default: its `page_content` alone, or as in a prompt
            that was split before.
        document_separator: Stands between documents.

    Raises:
        TypeError: If `prompt` is of another type.
        CachePolicyError: If the prompt has none of the stable variables.
    """
    if isinstance(stable, str):
        stable = (stable,)
    check_list("stable", stable, what="a list of names of variables")
    if isinstance(prompt, PromptTemplate):
        prompt = ChatPromptTemplate([HumanMessagePromptTemplate(prompt=prompt)])
    if not can_split(prompt):
        msg = f"Give a ChatPromptTemplate or a PromptTemplate, not {type(prompt).__name__}."
        raise TypeError(msg)
    known = {*prompt.input_variables, *prompt.optional_variables, *prompt.partial_variables}
    if not known & {*stable}:
        msg = (
            f"The prompt has no variable {' or '.join(map(repr, sorted(stable)))}, only "
            f"{', '.join(map(repr, sorted(known))) or 'none'}. Name the ones that hold documents: "
            "stable={...}."
        )
        raise CachePolicyError(msg)
    changes = {"document_prompt": document_prompt} if document_prompt else {}
    return DocumentsPromptTemplate(
        **{
            "marker": _NO_MARKER,
            **prompt.__dict__,
            **changes,
            "stable": frozenset(stable),
            "document_separator": document_separator,
        }
    )


def can_split(prompt: object) -> bool:
    """Whether `split_stable` takes a prompt; subclasses may format in ways of their own."""
    kinds = (ChatPromptTemplate, SplitChatPromptTemplate, DocumentsPromptTemplate, PromptTemplate)
    return type(prompt) in kinds


def conversational_prompt(
    instructions: str,
    *,
    question: str = "{context}\n\nQuestion: {input}",
    history_variable: str = "chat_history",
    stable: Collection[str] = ("context",),
    document_prompt: BasePromptTemplate[str] | None = None,
) -> DocumentsPromptTemplate:
    """Return a prompt for RAG over a conversation: instructions, history, documents, question.

    The documents differ from turn to turn, and the prompt cache holds prefixes only. In the system
    prompt, where most examples put them, each turn's documents would make everything behind them
    new: the whole history is paid for again. Behind the history they cost just themselves.

    Args:
        instructions: The system prompt, a template; leave out what changes.
        question: Template of the last user message.
        history_variable: Holds the earlier messages: without their documents, which is cheaper; or
            as they were sent, if later questions build on earlier documents. Those are read from
            the cache then, and `PrefixOrder` leaves out what was sent.
        stable: As in `split_stable`.
        document_prompt: As in `split_stable`.
    """
    prompt = ChatPromptTemplate(
        [
            ("system", instructions),
            MessagesPlaceholder(history_variable, optional=True),
            ("human", question),
        ]
    )
    return split_stable(prompt, stable=stable, document_prompt=document_prompt)


def _are_documents(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(item, Document) for item in value)
    )


def _separated(texts: Sequence[str], separator: str) -> list[str]:
    return [separator * (i > 0) + text for i, text in enumerate(texts)]
