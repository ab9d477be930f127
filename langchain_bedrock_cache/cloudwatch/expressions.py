"""Metric math on Bedrock's own metrics: hit ratio, and writes that are not read. Pure.

Syntax: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
(checked 2026-11-22)
"""

from __future__ import annotations

from collections.abc import Mapping

# The names that the expressions below use, which are IDs of queries.
INPUT_METRICS: Mapping[str, str] = {
    "uncached": "InputTokenCount",
    "read": "CacheReadInputTokens",
    "written": "CacheWriteInputTokens",
}
_READ, _WRITTEN = "FILL(read, 0)", "FILL(written, 0)"
_INPUT = f"(FILL(uncached, 0) + {_READ} + {_WRITTEN})"

HIT_RATIO_PERCENT = f"100 * {_READ} / {_INPUT}"


def hit_ratio_percent(*, min_input_tokens: int) -> str:
    """Return the hit ratio in per cent, 100 where there is too little input to judge.

    Args:
        min_input_tokens: Input of a period from which on it is judged, cached tokens included.
    """
    return f"IF({_INPUT} >= {min_input_tokens}, {HIT_RATIO_PERCENT}, 100)"


def unread_writes(*, min_written_tokens: int, reads_per_write: float) -> str:
    """Return 1 where much is written and too little of it is read, else 0.

    Args:
        min_written_tokens: Tokens written in a period from which on it is judged.
        reads_per_write: Tokens read for each one written that make the write pay; 0: any read.
    """
    paid = f"{_READ} <= {reads_per_write:.4f} * {_WRITTEN}"
    return f"IF({_WRITTEN} >= {min_written_tokens} AND {paid}, 1, 0)"
