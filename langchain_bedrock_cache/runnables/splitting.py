"""Prompt templates with markers: each splits the text around it and leaves a cache point there.

Only markers of the template count. A document, a question or any other variable may contain the
marker's text and stays whole: while a prompt is formatted, the template's markers are replaced by
a token that nobody could know before.
"""

from __future__ import annotations

import operator
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, cast

from langchain_core.messages import BaseMessage
from langchain_core.prompts import (
    ChatPromptTemplate,
    DictPromptTemplate,
    HumanMessagePromptTemplate,
    PromptTemplate,
)
from langchain_core.prompts.message import BaseMessagePromptTemplate

from langchain_bedrock_cache.checks import check_type
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.runnables.marks import Block, new_point, text_of
from langchain_bedrock_cache.runnables.messages import merged_runs

MARKER = "<<cache-point>>"
"""The default marker."""

# Where a template or a message keeps its text, or its parts.
_TEXT_IN = (
    (ChatPromptTemplate, "messages"),
    (BaseMessagePromptTemplate, "prompt"),
    (PromptTemplate, "template"),
    (DictPromptTemplate, "template"),
    (BaseMessage, "content"),
)


class SplitChatPromptTemplate(ChatPromptTemplate):
    """A chat prompt template whose texts are split at markers; made by `split_prompt`.

    The pieces are consecutive text blocks with a cache point between them. Together they are the
    text without the markers, to the character.
    """

    marker: str = MARKER
    ttl: CacheTTL = "5m"

    def format_messages(self, **kwargs: Any) -> list[BaseMessage]:
        """Format the messages and split their texts.

        Args:
            kwargs: Values of the variables.
        """
        token = secrets.token_hex(16)
        whole = ChatPromptTemplate.format_messages(self._with_token(token), **kwargs)
        return [*_split(whole, token, self.ttl)]

    async def aformat_messages(self, **kwargs: Any) -> list[BaseMessage]:
        """Format the messages and split their texts.

        Args:
            kwargs: Values of the variables.
        """
        token = secrets.token_hex(16)
        whole = await ChatPromptTemplate.aformat_messages(self._with_token(token), **kwargs)
        return [*_split(whole, token, self.ttl)]

    def _with_token(self, token: str) -> ChatPromptTemplate:
        return cast("ChatPromptTemplate", _replaced(self, self.marker, token))

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return where to find this class again."""
        return ["langchain_bedrock_cache", "runnables", "splitting"]


def split_prompt(
    prompt: ChatPromptTemplate | PromptTemplate, *, marker: str = MARKER, ttl: CacheTTL = "5m"
) -> SplitChatPromptTemplate:
    """Return a prompt template with a cache point at every marker in its texts.

    Args:
        prompt: Not modified. A `PromptTemplate` becomes one user message. Markers count in
            message templates and in literal messages, not in placeholders and few-shot examples.
        marker: Text without braces.
        ttl: Lifetime of the cache points.

    Returns:
        A template with the same variables.

    Raises:
        TypeError: If `prompt` is of another type.
        CachePolicyError: If there is no marker in it, or marker or ttl cannot be used.
    """
    new_point(ttl)
    check_type("marker", marker, str, what="a string")
    if not marker or "{" in marker or "}" in marker:
        msg = f"marker is {marker!r}; use some text without braces, such as {MARKER!r}."
        raise CachePolicyError(msg)
    if isinstance(prompt, PromptTemplate):
        prompt = ChatPromptTemplate([HumanMessagePromptTemplate(prompt=prompt)])
    if type(prompt) not in (ChatPromptTemplate, SplitChatPromptTemplate):
        msg = f"Give a ChatPromptTemplate or a PromptTemplate, not {type(prompt).__name__}."
        raise TypeError(msg)
    if _replaced(prompt, marker, "") is prompt:
        msg = f"There is no {marker!r} in the prompt's texts. Put it where the stable part ends."
        raise CachePolicyError(msg)
    return SplitChatPromptTemplate(**{**prompt.__dict__, "marker": marker, "ttl": ttl})


def _replaced(part: Any, marker: str, token: str) -> Any:
    """Return a template, message, block or text with another marker; itself if it has none."""
    if isinstance(part, str):
        return part.replace(marker, token) if marker in part else part
    if isinstance(part, list):
        parts = [_replaced(p, marker, token) for p in part]
        return part if all(map(operator.is_, parts, part)) else parts
    if isinstance(part, dict):
        text = text_of(part)
        return {**part, "text": text.replace(marker, token)} if marker in text else part
    for kind, attribute in _TEXT_IN:
        if isinstance(part, kind):
            old = getattr(part, attribute, None)
            new = _replaced(old, marker, token)
            return part if new is old else part.model_copy(update={attribute: new})
    return part


def _split(messages: Sequence[BaseMessage], token: str, ttl: CacheTTL) -> Iterator[BaseMessage]:
    """Split every text at the token, after merging what langchain-aws would merge.

    It joins texts by a newline, but not once one of them is a list of blocks.
    """
    for run, merged in merged_runs(messages):
        if merged is not None and any(_has(message, token) for message in run):
            yield _split_message(merged, token, ttl)
        else:
            yield from (_split_message(message, token, ttl) for message in run)


def _split_message(message: BaseMessage, token: str, ttl: CacheTTL) -> BaseMessage:
    if not _has(message, token):
        return message
    content = [piece for block in _blocks(message) for piece in _pieces(block, token, ttl)]
    return message.model_copy(update={"content": content})


def _has(message: BaseMessage, token: str) -> bool:
    return any(token in text_of(block) for block in _blocks(message))


def _blocks(message: BaseMessage) -> Sequence[Block]:
    return [message.content] if isinstance(message.content, str) else message.content


def _pieces(block: Block, token: str, ttl: CacheTTL) -> list[Block]:
    """Split a block. The pieces are bare strings: langchain-aws sends those as they are.

    What else the block says, it says of its end.
    """
    *pieces, last = text_of(block).split(token)
    if not pieces:
        return [block]
    blocks: list[Block] = [b for piece in pieces for b in (piece, new_point(ttl))]
    if last and isinstance(block, dict) and not block.keys() <= {"type", "text"}:
        blocks.append({**block, "text": last})
    else:
        blocks.append(last)
    return [b for b in blocks if b]
