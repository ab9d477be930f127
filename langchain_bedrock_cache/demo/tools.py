"""The tools of the demonstration's agent: real functions over the documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from langchain_bedrock_cache.demo.documents import Document

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

_PART_CHARS = 9_000
_MAX_MATCHES = 12


def tools_for(documents: Sequence[Document]) -> list[BaseTool]:
    """Return the tools `search` and `read` over some documents.

    Args:
        documents: What they look at.

    Returns:
        Tools for `bind_tools`; their descriptions do not depend on the documents.
    """
    from langchain_core.tools import tool  # noqa: PLC0415 - a heavy import

    texts = {document.name: document.text for document in documents}

    @tool
    def search(words: str) -> str:
        """Find documents by words: their names, and the first line in which all words occur.

        Args:
            words: One or more words, separated by spaces.
        """
        wanted = words.lower().split()
        matches = []
        for name, text in texts.items():
            lines = (line for line in text.splitlines() if all(w in line.lower() for w in wanted))
            line = next(lines, None)
            if line is not None:
                matches.append(f"{name}: {line.strip()}")
        return "\n".join(matches[:_MAX_MATCHES]) or f"No line has {words!r}."

    @tool
    def read(name: str, part: int = 1) -> str:
        """Read a document, one part at a time.

        Args:
            name: Name of the document, as in the catalog.
            part: Which part of it, starting at 1.
        """
        if name not in texts:
            return f"There is no document {name!r}. The catalog lists all names."
        parts = -(-len(texts[name]) // _PART_CHARS)
        if not 1 <= part <= parts:
            return f"{name} has parts 1 to {parts}."
        text = texts[name][(part - 1) * _PART_CHARS : part * _PART_CHARS]
        return f"{name}, part {part} of {parts}:\n{text}"

    tools: list[BaseTool] = [search, read]
    for each in tools:
        each.handle_validation_error = True  # a live model may call them with anything
    return tools
