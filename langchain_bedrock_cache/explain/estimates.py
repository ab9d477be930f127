"""How many tokens a prompt has, estimated from its characters, and how far off that may be. Pure.

Only Bedrock can count them. What is said of a prompt because of its length has to hold for all
that its length may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.sent_requests.fingerprint import blocks_of, text_of

CHARS_PER_TOKEN = 3.0
"""What is assumed of any text; between prose (4 and more) and code, JSON and tools (2 to 3)."""


class RecordedPrompt(NamedTuple):
    """A prompt that Bedrock has counted.

    Attributes:
        source: File of the recordings, with the number of its request.
        chars: Size of the whole prompt, as `Prefix` counts it.
        tokens: All of its input tokens, read and written ones included.
    """

    source: str
    chars: int
    tokens: int


RECORDED: tuple[RecordedPrompt, ...] = (
    RecordedPrompt("ddtrace_converse_claude_3_7.yaml#0", 4_147, 1_039),
    RecordedPrompt("ddtrace_converse_stream_claude_3_7.yaml#0", 6_195, 1_039),
    RecordedPrompt("pydantic_tool_choice_claude_sonnet_4_5.yaml#0", 7_935, 3_185),
    RecordedPrompt("pydantic_tool_choice_claude_sonnet_4_5.yaml#1", 8_134, 3_138),
    RecordedPrompt("pydantic_tool_choice_nova_lite.yaml#0", 7_907, 2_514),
    RecordedPrompt("pydantic_tool_choice_nova_lite.yaml#1", 8_106, 2_556),
    RecordedPrompt("pydantic_write_and_read_claude_sonnet_4_5.yaml#0", 2_901, 1_324),
    RecordedPrompt("pydantic_write_nova_lite.yaml#0", 5_234, 1_308),
)
"""Requests to Bedrock that others recorded (dd-trace-py 3bb9ecda, pydantic-ai 4fda3898).

All are English; test_the_table_is_what_was_recorded counts them again.
"""

_RATIOS = [prompt.chars / prompt.tokens for prompt in RECORDED]
_LEAST_CHARS_PER_TOKEN, _MOST_CHARS_PER_TOKEN = min(_RATIOS), max(_RATIOS)
# Claude is told how to use tools in a prompt of its own; the longest that is documented.
# https://docs.anthropic.com/en/docs/tool-use-pricing-and-tokens (checked 2026-11-22)
_TOOL_PROMPT_TOKENS = 530
# What an image or a page costs depends on pixels and on what is drawn there.
_MEDIA_KINDS = frozenset({"image", "document", "pdf", "video", "audio"})
_MEDIA = frozenset({"image", "document", "video"})
_TEXT_FORMATS = frozenset({"txt", "md", "csv", "html"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruler:
    """Converts characters to tokens.

    Attributes:
        chars_per_token: Characters for each token.
        is_measured: Whether somebody has counted, so that nothing is uncertain.
    """

    chars_per_token: float = CHARS_PER_TOKEN
    is_measured: bool = False

    def tokens(self, chars: int) -> int:
        """Return how many tokens so many characters are."""
        return round(chars / self.chars_per_token)


class Span(NamedTuple):
    """How many tokens the beginning of a prompt has.

    Attributes:
        about: The estimate.
        least: No prompt on record had fewer characters in a token.
        most: The same the other way, with what comes on top; `None` if media are in it.
    """

    about: int
    least: int
    most: int | None

    def may_reach(self, tokens: int) -> bool:
        """Whether it may have so many tokens."""
        return self.most is None or self.most >= tokens

    def may_miss(self, tokens: int) -> bool:
        """Whether it may have fewer."""
        return self.least < tokens

    def __str__(self) -> str:
        """Say it, such as `about 967 tokens (487 to 1,854)`."""
        said = f"about {self.about:,} tokens"
        if self.least == self.most:
            return said
        if self.most is None:
            return f"{said} (what its images and documents take is not known)"
        return f"{said} ({self.least:,} to {self.most:,})"


def span_of(request: Mapping[str, Any], prefix: Prefix, position: int, ruler: Ruler) -> Span:
    """Return how many tokens the first blocks of a request have.

    Args:
        request: Converse arguments; not modified.
        prefix: The same, read.
        position: Number of blocks.
        ruler: For the estimate.
    """
    chars = prefix.chars_before(position)
    about = ruler.tokens(chars)
    if ruler.is_measured:
        return Span(about, about, about)
    least = round(chars / _MOST_CHARS_PER_TOKEN)
    blocks = [block for block, _ in zip(blocks_of(request), range(position), strict=False)]
    if any(_has_media(block, kind) for block, kind in zip(blocks, prefix.kinds, strict=False)):
        return Span(about, 0, None)
    texts = "".join(map(_text, blocks))
    # Other scripts than Latin take up to a token for each of their bytes, and never more.
    latin = len(texts.encode("ascii", "ignore"))
    other_bytes = len(texts.encode("utf-8", "surrogatepass")) - latin
    more = _TOOL_PROMPT_TOKENS if prefix.tools else 0
    most = round(latin / _LEAST_CHARS_PER_TOKEN) + other_bytes + more
    return Span(about, min(least, about), max(most, about))


def _has_media(block: Mapping[str, Any], kind: str) -> bool:
    content = (block.get("toolResult") or {}).get("content") or ()
    is_media = kind in _MEDIA_KINDS and _document_text(block) is None
    return is_media or any(_MEDIA & item.keys() for item in content)


def _text(block: Mapping[str, Any]) -> str:
    return text_of(block) + (_document_text(block) or "")


def _document_text(block: Mapping[str, Any]) -> str | None:
    """Return the text of a document that is nothing else; `None` for all others."""
    document = block.get("document") or {}
    content = (document.get("source") or {}).get("bytes")
    if document.get("format") not in _TEXT_FORMATS or not isinstance(content, bytes):
        return None
    return content.decode("utf-8", "replace")
