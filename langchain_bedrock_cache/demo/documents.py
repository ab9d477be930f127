"""The documents that the questions are about: Python's own reference, or the user's files."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

# Longer ones are cut: about 50,000 tokens a question are enough to see what caching does.
MAX_DOCUMENT_CHARS = 150_000
_OPENING_WORDS = 40
_OPENING_CHARS = 120
_TEXT_SUFFIXES = frozenset({".md", ".rst", ".txt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A named text.

    Attributes:
        name: Unique among the documents of a demonstration.
        text: At most `MAX_DOCUMENT_CHARS` characters.
    """

    name: str
    text: str

    @property
    def opening(self) -> str:
        """The first words, for a catalog."""
        words = (word for word in self.text.split() if set(word) - set("*=-~^#"))
        return textwrap.shorten(" ".join(islice(words, _OPENING_WORDS)), _OPENING_CHARS)


def language_reference() -> tuple[Document, ...]:
    """Return the topics of Python's language reference, as `help("topics")` lists them.

    Returns:
        One document a topic, by name; their text differs a little between Python versions.
    """
    from pydoc_data.topics import topics  # noqa: PLC0415 - half a megabyte

    return tuple(Document(name=name, text=topics[name]) for name in sorted(topics))


def read_documents(paths: Iterable[Path]) -> tuple[Document, ...]:
    """Read text files, and the `.md`, `.rst` and `.txt` files in folders.

    Args:
        paths: Files and folders.

    Returns:
        One document a file, in the order given; files of a folder by name.

    Raises:
        OSError: If a path cannot be read.
        ValueError: If a file is empty or not UTF-8 text, or if a folder holds no text files.
    """
    documents: dict[str, Document] = {}
    for path in paths:
        for file in _files(path):
            name = file.stem if file.stem not in documents else str(file)
            documents[name] = Document(name=name, text=_text(file))
    return tuple(documents.values())


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in _TEXT_SUFFIXES and f.is_file())
    if not files:
        msg = f"{path} holds no {', '.join(sorted(_TEXT_SUFFIXES))} files. Name files of your own."
        raise ValueError(msg)
    yield from files


def _text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        msg = f"{file} is not UTF-8 text. Give text files, or convert it first."
        raise ValueError(msg) from None
    if not text.strip():
        msg = f"{file} is empty."
        raise ValueError(msg)
    return text[:MAX_DOCUMENT_CHARS]
