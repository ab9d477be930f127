"""What can change between two requests, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

ChangeKind = Literal[
    "model",
    "region",
    "api",
    "thinking",
    "effort",
    "setting",
    "tool_choice",
    "tool_order",
    "tool_definition",
    "tool_added",
    "tool_removed",
    "key_order",
    "whitespace",
    "date",
    "time",
    "identifier",
    "number",
    "text",
    "media",
    "media_name",
    "block_added",
    "block_removed",
    "block_order",
    "history_trimmed",
    "history_summarized",
    "not_kept",
    "structure",
    "branch",
]

WORDS: Mapping[ChangeKind, str] = {
    "model": "another model",
    "region": "another Region",
    "api": "another API, with a prompt cache of its own as far as is known",
    "thinking": "other thinking settings",
    "effort": "another effort",
    "setting": "another request setting",
    "tool_choice": "another tool choice",
    "tool_order": "the order of the tools",
    "tool_definition": "the definition of a tool",
    "tool_added": "a new tool",
    "tool_removed": "a tool that is missing",
    "key_order": "the order of keys in JSON",
    "whitespace": "whitespace",
    "date": "a date, perhaps",
    "time": "a time, perhaps",
    "identifier": "an identifier, perhaps",
    "number": "a number, perhaps",
    "text": "the text",
    "media": "an image or document",
    "media_name": "the name of an image or document that is the same otherwise",
    "block_added": "a new block in front of the old ones",
    "block_removed": "a block that is missing",
    "block_order": "the order of blocks",
    "history_trimmed": "messages dropped from the beginning of the history",
    "history_summarized": "messages replaced by others, a summary perhaps",
    "not_kept": "a message that is not kept as it was sent",
    "structure": "how blocks are divided into messages",
    "branch": "other content from here on, where the earlier request had no cache point",
}
"""What changed, in words."""
