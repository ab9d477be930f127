"""From paths to traffic: session files one by one, all log files of a path together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, islice
from pathlib import Path
from types import NoneType
from typing import Any

from langchain_bedrock_cache.checks import check_list, check_number, check_text, check_type
from langchain_bedrock_cache.exceptions import UnsupportedModelError
from langchain_bedrock_cache.profiles import ModelProfile, find_profile
from langchain_bedrock_cache.simulate.jsonfiles import read_documents
from langchain_bedrock_cache.simulate.logs import Fetch, SkipReason, read_record
from langchain_bedrock_cache.simulate.records import records_in
from langchain_bedrock_cache.simulate.sessions import is_session_row, read_session
from langchain_bedrock_cache.simulate.traffic import ReadCall, Traffic, to_traffics

DEFAULT_MODEL = "anthropic.claude-opus-4-8"
"""Simulated where neither the caller nor the file names a Bedrock model."""

DEFAULT_GAP_SECONDS = 120.0

_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".log", ".gz"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What to read, and as what.

    Attributes:
        model: Simulate all calls with this model; `None`: the logged one, or `DEFAULT_MODEL`.
        limit: Read so many sessions of a session file, or calls of a log; `None` for all.
        skip: After leaving out so many.
        gap_seconds: Between the beginnings of the sessions of a file.
        chars_per_token: Converts sizes; `None`: what logged token counts say, else 3.0.

    Raises:
        CachePolicyError: If a number is out of range, or the model blank.
    """

    model: str | None = None
    limit: int | None = None
    skip: int = 0
    gap_seconds: float = DEFAULT_GAP_SECONDS
    chars_per_token: float | None = None

    def __post_init__(self) -> None:
        """Check the model and the numbers."""
        if self.model is not None:
            check_text("model", self.model, what="a model ID, or None")
        if self.limit is not None:
            check_number("limit", self.limit, least=1, is_whole=True)
        check_number("skip", self.skip, least=0, is_whole=True)
        check_number("gap_seconds", self.gap_seconds, least=0)
        if self.chars_per_token is not None:
            check_number("chars_per_token", self.chars_per_token, above=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What was found in one session file, or in all log files of a path.

    Attributes:
        name: Of the file or folder.
        traffics: One for each model, account and Region.
        skipped: Lines and records left out, by reason.
    """

    name: str
    traffics: tuple[Traffic, ...]
    skipped: Mapping[SkipReason, int] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """Number of calls read."""
        return sum(len(traffic.calls) for traffic in self.traffics)


def read_sources(
    paths: Sequence[Path],
    *,
    options: ReadOptions | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> list[Source]:
    """Read recorded sessions and invocation logs.

    Args:
        paths: Files, or folders that are searched for `.json`, `.jsonl`, `.log` and `.gz` files.
        options: Default: `ReadOptions()`.
        on_file: Called before each file with the number of files read, and of all.

    Returns:
        The sources in the order of the paths, session files before logs.

    Raises:
        FileNotFoundError: If a path does not exist.
        UnsupportedModelError: If `options.model` is not known, or has no prompt caching.
    """
    check_list("paths", paths, what="a list of paths")
    for path in paths:
        check_type("a path", path, Path, what="a pathlib.Path")
    check_type("options", options, (ReadOptions, NoneType), what="ReadOptions, or None")
    options = options or ReadOptions()
    model_id = options.model or DEFAULT_MODEL
    profile = find_profile(model_id)
    if profile is None or not profile.supports_caching:
        msg = (
            f"{model_id!r} is no model with explicit prompt caching. Give the ID that is sent to "
            "Bedrock, such as 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'."
        )
        raise UnsupportedModelError(msg)
    files = [_files_of(path) for path in paths]
    total = sum(map(len, files))
    done = 0
    sources: list[Source] = []
    for path, inside in zip(paths, files, strict=True):
        log = _Log(path, options)
        for file in inside:
            if on_file:
                on_file(done, total)
            done += 1
            documents = read_documents(file)
            start = list(islice(documents, 1))
            everything = chain(start, documents)
            if any(map(is_session_row, start)):
                sources.append(_read_sessions(file, everything, model_id, profile, options))
            else:
                log.add(everything)
        sources += log.sources()
    return sources


def _files_of(path: Path) -> list[Path]:
    """Return the file, or the files of a folder that may be sessions or logs."""
    if not path.is_dir():
        path.stat()  # FileNotFoundError, before anything long begins
        return [path]
    return [
        file
        for file in sorted(path.rglob("*"))
        if file.suffix in _SUFFIXES and file.is_file() and not _is_body(file)
    ]


def _is_body(file: Path) -> bool:
    """Whether a file is a request or response that was too long for the log."""
    stem = file.name.partition(".")[0]
    return file.parent.name == "data" and stem.endswith(("_input", "_output"))


def _read_sessions(
    file: Path,
    rows: Iterator[Any],
    model_id: str,
    profile: ModelProfile,
    options: ReadOptions,
) -> Source:
    name = file.name.partition(".")[0]
    calls: list[ReadCall] = []
    skipped: Counter[SkipReason] = Counter()
    end = None if options.limit is None else options.skip + options.limit
    for k, row in enumerate(islice(rows, options.skip, end)):
        try:
            calls += read_session(
                row,
                name=f"{name}/{k}",
                start_seconds=k * options.gap_seconds,
                model_id=model_id,
                profile=profile,
            )
        except ValueError:
            skipped["garbled"] += 1
    traffics = to_traffics(calls, source=name, chars_per_token=options.chars_per_token)
    return Source(name=name, traffics=tuple(traffics), skipped=skipped)


class _Log:
    """The calls in all log files of one path."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self._name = path.resolve().name
        self._options = options
        self._fetch = _body_finder(path if path.is_dir() else path.parent)
        self._calls: list[ReadCall] = []
        self._skipped: Counter[SkipReason] = Counter()

    def add(self, documents: Iterator[Any]) -> None:
        for record in chain.from_iterable(map(records_in, documents)):
            name = f"{self._name}/{len(self._calls)}"
            call = read_record(record, name=name, model=self._options.model, fetch=self._fetch)
            if isinstance(call, str):
                self._skipped[call] += 1
            else:
                self._calls.append(call)

    def sources(self) -> list[Source]:
        """Return what was found: nothing, or one source."""
        if not self._calls and not self._skipped:
            return []
        options = self._options
        calls = sorted(self._calls, key=lambda call: call.at_seconds)[options.skip :]
        traffics = to_traffics(
            calls[: options.limit], source=self._name, chars_per_token=options.chars_per_token
        )
        return [Source(name=self._name, traffics=tuple(traffics), skipped=self._skipped)]


def _body_finder(folder: Path) -> Fetch:
    """Return a function that finds the body behind an S3 path by its name in a folder."""

    @cache
    def index() -> dict[str, Path]:
        return {file.name: file for file in folder.rglob("*.json.gz")}

    def fetch(s3_path: str) -> Any:
        file = index().get(s3_path.rpartition("/")[2])
        return next(read_documents(file), None) if file else None

    return fetch
