"""Finished calls as lines of JSON, in a file or on a stream, and back: reports survive restarts.

`record_lines` says what a line holds; never text of prompts or answers.
"""

from __future__ import annotations

import gzip
import io
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from langchain_bedrock_cache.checks import check_type
from langchain_bedrock_cache.record_lines import record_from_line, record_to_line
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report import CacheReport

_logger = logging.getLogger(__name__)

# Windows would write line breaks as two bytes.
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)

LineSource = str | os.PathLike[str] | Iterable[str]
"""A path (gzipped if it ends in `.gz`), or anything that yields lines, such as an open file."""


class JsonLinesSink:
    """Append each finished call to a file as one line of JSON: a sink for the usage callback.

    Threads and processes may share a file on a local disk: a line is written in one piece, at the
    end. The file is opened for each line, so it may be moved away (rotated) at any time, nothing
    needs closing, and no line waits in a buffer. Not for network file systems, where appending
    processes may overwrite one another.

    Args:
        target: A path, created if it is not there, or a text stream such as `sys.stdout`, which is
            flushed after each line and never closed.

    Raises:
        OSError: If the file cannot be opened for writing.
        TypeError: If the stream takes bytes, or it is neither a path nor a stream.

    Example:
        ```python
        handler = CacheUsageCallbackHandler(sinks=[JsonLinesSink("calls.jsonl")])
        ```
    """

    def __init__(self, target: str | os.PathLike[str] | TextIO) -> None:
        self._target: Path | TextIO
        self._is_torn = False
        self._lock = threading.Lock()
        if isinstance(target, (str, os.PathLike)):
            # A relative path means what it means now, also if the process changes its folder.
            self._target = Path(target).absolute()
            _append(self._target, b"")  # a path that is wrong is an error here, not in a log later
        elif isinstance(target, (io.RawIOBase, io.BufferedIOBase)):
            msg = (
                f"JsonLinesSink writes text, but this {type(target).__name__} takes bytes. "
                'Open it with mode "a" instead of "ab", or pass the path.'
            )
            raise TypeError(msg)
        else:
            if not hasattr(target, "write"):
                check_type("target", target, (), what="a path, or a text stream")
            self._target = target

    def __call__(self, record: CallRecord) -> None:
        """Write a finished call.

        Args:
            record: The call.

        Raises:
            OSError: If the line could not be written, or not all of it.
        """
        line = record_to_line(record) + "\n"
        with self._lock:
            if isinstance(self._target, Path):
                self._write(self._target, line.encode("ascii"))
            else:
                self._target.write(line)
                self._target.flush()

    def _write(self, path: Path, line: bytes) -> None:
        # What a full disk left of a line must not spoil the next one too.
        line = b"\n" + line if self._is_torn else line
        self._is_torn = True
        if _append(path, line) < len(line):
            msg = f"Only a part of a line could be written to {path}. Is the disk full?"
            raise OSError(msg)
        self._is_torn = False


def read_records(*sources: LineSource) -> Iterator[CallRecord]:
    """Read finished calls back, one by one.

    Lines that are something else (other programs' output, what a crash left of a line) are
    skipped; how many, and where the first one is, is logged as a warning.

    Args:
        sources: Read in this order; give rotated files oldest first.

    Yields:
        Records equal to those that were written.

    Raises:
        OSError: If a file cannot be read.
        EOFError: If a gzipped file is cut off; what was whole has been yielded by then.
        ValueError: If a line was written by a newer version of this package.
    """
    for source in sources:
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            opened = gzip.open if path.suffix == ".gz" else io.open
            # What is not UTF-8 is no line of ours; it must not end the reading.
            with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
                yield from _read(lines, str(path))
        else:
            yield from _read(source, "the stream")


def read_report(*sources: LineSource) -> CacheReport:
    """Return a report of calls that were written as lines of JSON.

    Args:
        sources: As for `read_records`.

    Returns:
        The report that `CacheUsageCallbackHandler.report` would have given of the same calls.

    Raises:
        OSError: If a file cannot be read.
        EOFError: If a gzipped file is cut off.
        ValueError: If a line was written by a newer version of this package.
    """
    return CacheReport(read_records(*sources))


def _append(path: Path, data: bytes) -> int:
    """Write at the end of a file, in one piece, and return how many bytes went there."""
    file = os.open(path, _APPEND, 0o666)
    try:
        return os.write(file, data) if data else 0
    finally:
        os.close(file)


def _read(lines: Iterable[str], name: str) -> Iterator[CallRecord]:
    skipped = first = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = record_from_line(line)
        except ValueError as error:
            error.add_note(f"Line {number} of {name}.")
            raise
        if record is not None:
            yield record
            continue
        skipped += 1
        first = first or number
    if skipped:
        _logger.warning(
            "%d of the %d lines of %s hold no finished call and are skipped; the first is line %d.",
            skipped,
            number,
            name,
            first,
        )
