"""Token usage with its prompt cache parts: one value, read from every form Bedrock reports it in.

The forms disagree on whether input counts include cached tokens (Converse and InvokeModel: no,
LangChain: yes) and on how cache writes are split by TTL. They are converted here, once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from langchain_bedrock_cache.written_twice import (
    settle_langchain_counts,
    tell_once,
    writes_that_add_up,
)

_logger = logging.getLogger(__name__)

_INVOCATION_METRICS = "amazon-bedrock-invocationMetrics"

# The same count has a name per model family and place: Claude bodies, Nova bodies (which spell the
# uncached input as Converse does), the stream trailer, the HTTP headers.
_INPUT = ("input_tokens", "inputTokens", "inputTokenCount", "x-amzn-bedrock-input-token-count")
_OUTPUT = ("output_tokens", "outputTokens", "outputTokenCount", "x-amzn-bedrock-output-token-count")
_READ = (
    "cache_read_input_tokens",
    "cacheReadInputTokens",
    "cacheReadInputTokenCount",
    "x-amzn-bedrock-cache-read-input-token-count",
)
_CONVERSE_WRITE = "cacheWriteInputTokens"
_WRITE = (
    "cache_creation_input_tokens",
    _CONVERSE_WRITE,
    "cacheWriteInputTokenCount",
    "x-amzn-bedrock-cache-write-input-token-count",
)
# Converse and Nova bodies have a sum of their own.
_TOTAL = "totalTokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUsage:
    """Tokens of one model call, or of several added up; no token is in two of the fields.

    Adds with `+` and `sum()`. The `from_...` readers never raise: a count that is missing is 0,
    one that cannot be right is clamped and logged as a warning, and of writes that do not add up
    with Bedrock's own total, those that do are taken (see `written_twice`).

    Attributes:
        uncached_input_tokens: Input tokens neither read from nor written to the prompt cache.
        cache_read_tokens: Input tokens read from the prompt cache.
        cache_write_5m_tokens: Input tokens written for 5 minutes, and writes of unknown TTL.
        cache_write_1h_tokens: Input tokens written for 1 hour.
        output_tokens: Generated tokens.
    """

    uncached_input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0

    @property
    def cache_write_tokens(self) -> int:
        """Input tokens written to the prompt cache, whatever the TTL."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def input_tokens(self) -> int:
        """All input tokens: uncached, read and written."""
        return self.uncached_input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def total_tokens(self) -> int:
        """All tokens, input and output; equals Bedrock's `totalTokens` where that is given."""
        return self.input_tokens + self.output_tokens

    @property
    def hit_ratio(self) -> float:
        """Part of the input that was read from the prompt cache, 0.0 to 1.0.

        0.0 also when there was no input at all, so that it can be printed and averaged as it is.
        """
        return self.cache_read_tokens / self.input_tokens if self.input_tokens else 0.0

    def __add__(self, other: CacheUsage) -> CacheUsage:
        if not isinstance(other, CacheUsage):
            return NotImplemented
        return CacheUsage(
            uncached_input_tokens=self.uncached_input_tokens + other.uncached_input_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_5m_tokens=self.cache_write_5m_tokens + other.cache_write_5m_tokens,
            cache_write_1h_tokens=self.cache_write_1h_tokens + other.cache_write_1h_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )

    def __radd__(self, other: int) -> CacheUsage:
        """Let `sum()` start from its 0."""
        return self if other == 0 else NotImplemented

    def as_dict(self) -> dict[str, int]:
        """Return the five counts by name, as for logs, metrics and JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_converse(cls, usage: Mapping[str, Any] | None) -> Self:
        """Read the `usage` of a Converse response or of a ConverseStream `metadata` event.

        Args:
            usage: A `TokenUsage` structure; its `inputTokens` excludes cached tokens. Writes that
                `cacheDetails` does not account for count as 5-minute writes. `totalTokens` says
                how many there are, if `cacheWriteInputTokens` does not add up with it.

        Returns:
            The counts; all 0 if there is no usage.
        """
        usage = _mapping(usage)
        details = usage.get("cacheDetails")
        detailed = written_1h = 0
        for entry in map(_mapping, details if isinstance(details, list) else ()):
            tokens = _tokens(entry.get("inputTokens"))
            detailed += tokens
            written_1h += tokens if entry.get("ttl") == "1h" else 0
        return cls._with_writes(
            _pick(_WRITE, usage, default=detailed),
            written_1h,
            detailed=detailed,
            total=usage.get(_TOTAL),
            uncached_input_tokens=_pick(_INPUT, usage),
            cache_read_tokens=_pick(_READ, usage),
            output_tokens=_pick(_OUTPUT, usage),
        )

    @classmethod
    def from_invoke_model(
        cls, body: Mapping[str, Any] | None, *, headers: Mapping[str, str] | None = None
    ) -> Self:
        """Read the usage of an InvokeModel response of Claude, Nova or any model with headers.

        Each count comes from the first place that has it: the body's `usage`, its
        `amazon-bedrock-invocationMetrics`, the HTTP headers. Only Claude bodies tell the TTL.

        Args:
            body: The decoded JSON response body, or `None`.
            headers: Response headers, as in boto3's `["ResponseMetadata"]["HTTPHeaders"]`.

        Returns:
            The counts; all 0 if there is no usage.
        """
        body = _mapping(body)
        usage = _mapping(body.get("usage"))
        metrics = _mapping(body.get(_INVOCATION_METRICS))
        lowered = {str(name).lower(): value for name, value in _mapping(headers).items()}
        by_ttl = _mapping(usage.get("cache_creation"))
        written_1h = _tokens(by_ttl.get("ephemeral_1h_input_tokens"))
        written_5m = _tokens(by_ttl.get("ephemeral_5m_input_tokens"))
        places = (usage, metrics, lowered)
        return cls._with_writes(
            _pick(_WRITE, *places, default=written_5m + written_1h),
            written_1h,
            total=usage.get(_TOTAL),
            uncached_input_tokens=_pick(_INPUT, *places),
            cache_read_tokens=_pick(_READ, *places),
            output_tokens=_pick(_OUTPUT, *places),
        )

    @classmethod
    def from_invoke_model_stream(cls, chunks: Iterable[Mapping[str, Any]]) -> Self:
        """Read the usage of an InvokeModelWithResponseStream response.

        Args:
            chunks: The decoded JSON of every `chunk` event, in order. Claude reports input in
                `message_start` and output in `message_delta`, Nova everything in `metadata`.

        Returns:
            The counts; all 0 if no chunk has any.
        """
        usage: dict[str, Any] = {}
        metrics: Mapping[str, Any] = {}
        for chunk in map(_mapping, chunks):
            for holder in (chunk.get("message"), chunk.get("metadata"), chunk):
                counts = _mapping(_mapping(holder).get("usage"))
                usage.update((name, count) for name, count in counts.items() if count is not None)
            metrics = _mapping(chunk.get(_INVOCATION_METRICS)) or metrics
        return cls.from_invoke_model({"usage": usage, _INVOCATION_METRICS: metrics})

    @classmethod
    def from_usage_metadata(cls, usage_metadata: Mapping[str, Any] | None) -> Self:
        """Read LangChain's `AIMessage.usage_metadata`.

        Its `input_tokens` includes cached tokens. Writes are `cache_creation` plus the two
        `ephemeral_...` counts: langchain-aws and langchain-anthropic set `cache_creation` to 0
        when they give the TTLs. langchain-anthropic 1.0 left the total there: not counted twice.

        Args:
            usage_metadata: A `UsageMetadata` dict, or `None`.

        Returns:
            The counts; all 0 if there is no usage.
        """
        usage = _mapping(usage_metadata)
        details = _mapping(usage.get("input_token_details"))
        total = _tokens(usage.get("input_tokens"))
        read = _tokens(details.get("cache_read"))
        unsplit = _tokens(details.get("cache_creation"))
        written_5m = _tokens(details.get("ephemeral_5m_input_tokens"))
        written_1h = _tokens(details.get("ephemeral_1h_input_tokens"))
        split = written_5m + written_1h
        if unsplit == split or (unsplit > split and read + unsplit + split > total):
            unsplit -= split
        written = unsplit + split
        uncached = total - read - written
        output = _tokens(usage.get("output_tokens"))
        stated = _tokens(usage.get("total_tokens"))
        if written and stated and stated != total + output:
            # langchain-aws hands on Bedrock's own total, and adds up `input_tokens` by itself.
            others = {"read": read, "uncached": uncached, "output": output}
            uncached, settled = settle_langchain_counts(
                written, split=split, total=stated, **others
            )
            written_1h = written_1h * settled // written
            written = settled
        if uncached < 0:
            # Some model classes leave cached tokens out of `input_tokens`; losing the uncached
            # ones would be worse than taking the count at its word.
            _logger.warning(
                "usage_metadata counts %d cached tokens in %d input tokens: "
                "input_tokens is taken as the uncached ones.",
                read + written,
                total,
            )
            uncached = total
        return cls(
            uncached_input_tokens=uncached,
            cache_read_tokens=read,
            cache_write_5m_tokens=written - written_1h,
            cache_write_1h_tokens=written_1h,
            output_tokens=output,
        )

    @classmethod
    def _with_writes(
        cls,
        written: int,
        written_1h: int,
        *,
        total: Any,
        detailed: int = 0,
        uncached_input_tokens: int,
        cache_read_tokens: int,
        output_tokens: int,
    ) -> Self:
        uncached_and_output = uncached_input_tokens + output_tokens
        if total is None or total != written + cache_read_tokens + uncached_and_output:
            settled = writes_that_add_up(
                written,
                read=cache_read_tokens,
                uncached_and_output=uncached_and_output,
                total=_tokens(total),
                detailed=detailed,
            )
            if settled != written:
                tell_once()
                if detailed == written:  # reported twice as well, lifetime by lifetime
                    written_1h = written_1h * settled // written
                written = settled
        if written_1h > written:
            _logger.warning(
                "%d tokens were written for 1 hour, but only %d were written at all: clamped.",
                written_1h,
                written,
            )
            written_1h = written
        return cls(
            uncached_input_tokens=uncached_input_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_5m_tokens=written - written_1h,
            cache_write_1h_tokens=written_1h,
            output_tokens=output_tokens,
        )


def reported_write_tokens(usage: Mapping[str, Any], counts: CacheUsage) -> int | None:
    """Return the number of written tokens that a report has, where `CacheUsage` has another one.

    Args:
        usage: Of Converse, or LangChain's `usage_metadata`.
        counts: What was read from it.

    Returns:
        The number as reported; `None` if that is what counts, or nothing was reported.
    """
    written = usage.get(_CONVERSE_WRITE)
    if written is None:
        # LangChain makes its `input_tokens` of the number that was reported.
        total = usage.get("input_tokens")
        beyond = total - counts.input_tokens if type(total) is int else 0
        return counts.cache_write_tokens + beyond if beyond > 0 else None
    return written if type(written) is int and 0 <= written != counts.cache_write_tokens else None


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, dict):  # asking an ABC is slow
        return value
    return value if value is not None and isinstance(value, Mapping) else {}


def _pick(names: tuple[str, ...], *places: Mapping[str, Any], default: int = 0) -> int:
    """Return the count of the first place that has one, under any of its names."""
    for place in places:
        for name in names:
            if place.get(name) is not None:
                return _tokens(place[name])
    return default


def _tokens(value: Any) -> int:
    """Return a reported count as a number of tokens; what cannot be one is 0, and is logged."""
    if value is None:
        return 0
    if type(value) is int and value >= 0:
        return value
    try:
        count = int(value)  # HTTP headers are strings
    except (TypeError, ValueError, OverflowError):
        _logger.warning("A token count is a %s, not a number: taken as 0.", type(value).__name__)
        return 0
    if count < 0:
        _logger.warning("A token count is negative (%d): taken as 0.", count)
        return 0
    return count
