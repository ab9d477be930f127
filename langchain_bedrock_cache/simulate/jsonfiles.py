"""JSON documents out of files as people have them: lines, arrays, gzipped or not, some garbled."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

_GZIP_MAGIC = b"\x1f\x8b"
_decoder = json.JSONDecoder()


def read_documents(path: Path) -> Iterator[Any]:
    """Yield the JSON documents of one file; `None` for every line that holds none.

    Reads JSON lines, one pretty-printed document, documents without a line break between them
    (as Firehose delivers) and lines with a timestamp before the document (as CloudWatch exports).

    Args:
        path: The file; gzip is told by its first bytes, not by its name.

    Raises:
        OSError: If the file cannot be opened.
    """
    data, broken = _read(path)
    yield from parse_documents(data)
    if broken:
        yield None


def parse_documents(data: bytes) -> Iterator[Any]:
    """Yield the JSON documents of a text; `None` for every line that holds none.

    Args:
        data: The text, UTF-8.
    """
    lines = [line for line in data.splitlines() if line.strip()]
    if len(lines) > 1 and _load(lines[0]) is None and (whole := _load(data)) is not None:
        yield whole
        return
    for line in lines:
        document = _load(line)
        if document is not None:
            yield document
        else:
            yield from _inside(line.decode("utf-8", "replace"))


def _read(path: Path) -> tuple[bytes, bool]:
    """Return the text of a file, and whether its end is missing or damaged."""
    raw = path.read_bytes()
    if not raw.startswith(_GZIP_MAGIC):
        return raw, False
    parts: list[bytes] = []
    with gzip.open(io.BytesIO(raw)) as unpacked:
        try:
            while part := unpacked.read1():
                parts.append(part)
        except (EOFError, OSError, zlib.error):
            return b"".join(parts).rpartition(b"\n")[0], True
    return b"".join(parts), False


def _load(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _inside(line: str) -> Iterator[Any]:
    """Yield the objects of a line that is more than one document; `None` if there is none."""
    position = line.find("{")
    if position < 0:
        yield None
        return
    while position < len(line):
        try:
            document, position = _decoder.raw_decode(line, position)
        except json.JSONDecodeError:
            yield None
            return
        yield document
        while position < len(line) and line[position].isspace():
            position += 1
