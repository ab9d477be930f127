"""A text cut where documents begin and end, and where what changes begins. Pure.

Where to cut cannot be seen in a formatted text, and must not be searched for in it: a document may
contain anything. So texts are formatted twice, as they are and with unguessable tokens in the
values, and a cut counts only if the pieces without the tokens are the text, to the character.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_bedrock_cache.runnables.marks import Block
from langchain_bedrock_cache.runnables.messages import merged_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens that nobody could know before, for one formatting.

    Attributes:
        boundary: Stands around every document.
        change: Stands before every value that changes.
    """

    boundary: str = field(default_factory=lambda: token_hex(16))
    change: str = field(default_factory=lambda: token_hex(16))

    def around(self, texts: Iterable[str]) -> str:
        """Return the texts joined, with a boundary around each; nothing for nothing."""
        inside = [text for text in texts if text]
        return "".join([self.boundary, *(t + self.boundary for t in inside)]) if inside else ""

    def before(self, text: str) -> str:
        """Return a text that changes, with its token; nothing for nothing."""
        return self.change + text if text else text


def pieces_of(text: str, tokens: Tokens) -> list[str]:
    """Return the pieces of a text with tokens in it; together they are the text without them.

    What stands before the first value that changes is cut at every boundary; all after it is one
    piece, since nothing there can be shared. Blank pieces join a neighbor, for Bedrock refuses
    them. A text without a stable document is one piece.
    """
    stable, _, changing = text.partition(tokens.change)
    if tokens.boundary not in stable:
        return [_without(text, tokens)]
    parts = [*stable.split(tokens.boundary), _without(changing, tokens)]
    pieces: list[str] = []
    blank = ""
    for part in parts:
        if part.strip():
            pieces.append(blank + part)
            blank = ""
        else:
            blank += part
    if blank and pieces:
        pieces[-1] += blank
    return pieces or [blank]


def cut_messages(
    plain: Sequence[BaseMessage], marked: Sequence[BaseMessage], tokens: Tokens
) -> list[BaseMessage]:
    """Return messages whose texts are cut into one block a piece.

    Args:
        plain: Messages as they are; not modified.
        marked: The same ones, formatted with tokens in the values.
        tokens: Those tokens.

    Returns:
        The messages; texts that the tokens changed in any way (a template that pads, counts or
        changes case) stay whole. Messages of one role in a row, which langchain-aws would join
        with a newline, are one message if a text of theirs is cut.
    """
    if len(plain) != len(marked):
        return [*plain]
    cut: list[BaseMessage] = []
    for (run, merged), (marked_run, marked_merged) in zip(
        merged_runs(plain), merged_runs(marked), strict=True
    ):
        one = _cut(merged, marked_merged, tokens) if merged and marked_merged else None
        if one is not None and one is not merged:
            cut.append(one)
        else:
            cut += [
                _cut(m, with_tokens, tokens) for m, with_tokens in zip(run, marked_run, strict=True)
            ]
    return cut


def _cut(message: BaseMessage, marked: BaseMessage, tokens: Tokens) -> BaseMessage:
    """Return the message with its texts cut; itself if there is nothing to cut."""
    blocks, marked_blocks = _blocks(message), _blocks(marked)
    if len(blocks) != len(marked_blocks):
        return message
    content = [
        [*_cut_block(block, with_tokens, tokens)]
        for block, with_tokens in zip(blocks, marked_blocks, strict=True)
    ]
    if all(len(pieces) == 1 for pieces in content):
        return message
    return message.model_copy(update={"content": [p for pieces in content for p in pieces]})


def _cut_block(block: Block, marked: Block, tokens: Tokens) -> Iterator[Block]:
    text, marked_text = _text(block), _text(marked)
    pieces = pieces_of(marked_text, tokens) if marked_text else []
    if len(pieces) < 2 or "".join(pieces) != text:  # noqa: PLR2004 - one piece is no cut
        yield block
        return
    for piece in pieces:
        yield piece if isinstance(block, str) else {**block, "text": piece}


def _blocks(message: BaseMessage) -> list[Any]:
    return [message.content] if isinstance(message.content, str) else [*message.content]


def _text(block: Block) -> str:
    text = block if isinstance(block, str) else block.get("text")
    return text if isinstance(text, str) else ""


def _without(text: str, tokens: Tokens) -> str:
    return text.replace(tokens.boundary, "").replace(tokens.change, "")
