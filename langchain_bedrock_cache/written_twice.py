"""Written tokens that Bedrock reports twice: which count adds up with the rest of the report. Pure.

Streamed with extended thinking, Converse reported about twice the tokens that it wrote, until AWS
mended it in May 2026: the service, and not LangChain. What was billed is not said there, but those
who were billed extra are sent to AWS support. So the tokens that add up are what counts here, and
`CallRecord.reported_write_tokens` keeps the others, which an invoice may show.

Source: https://github.com/langchain-ai/langchain-aws/issues/983 (checked 2026-11-22)
"""

from __future__ import annotations

import logging
from functools import cache

_logger = logging.getLogger(__name__)


def writes_that_add_up(
    written: int, *, read: int, uncached_and_output: int, total: int, detailed: int = 0
) -> int:
    """Return how many tokens were written, if the reported number does not fit the others.

    Args:
        written: Tokens written, as reported.
        read: Tokens read.
        uncached_and_output: All other tokens of the call.
        total: What Bedrock says that all of them are together; 0 if it does not.
        detailed: What it says was written, lifetime by lifetime; 0 if it does not.

    Returns:
        The number with which the sum is `total`, if writes explain the difference; else `written`.
        Without a total, `detailed` if `written` is exactly twice that.
    """
    if not total:
        return detailed if 0 < 2 * detailed == written else written
    due = total - read - uncached_and_output
    if due == written or due <= 0:
        return written
    # A total that leaves out what was read says nothing about writes.
    is_explained = due == detailed or 2 * due == written or (due < written != due + read)
    return due if is_explained else written


def settle_langchain_counts(
    written: int, *, split: int, read: int, uncached: int, output: int, total: int
) -> tuple[int, int]:
    """Return uncached and written tokens with which LangChain's counts make up Bedrock's total.

    Args:
        written: Tokens written.
        split: Those of them that have a lifetime.
        read: Tokens read.
        uncached: What is left of `input_tokens`; negative if that leaves cached tokens out.
        output: Tokens of output.
        total: `total_tokens`.

    Returns:
        Both; as they are if writes do not explain the difference.
    """
    rest = total - output - read - written
    # By lifetime the number may be right where the one in `input_tokens` is not.
    if split == written and rest >= 0 and (rest > uncached or uncached - rest == split):
        tell_once()
        return rest, written
    if uncached < 0:
        return uncached, written
    settled = writes_that_add_up(
        written, read=read, uncached_and_output=uncached + output, total=total
    )
    if settled != written:
        tell_once()
    return uncached, settled


@cache  # one call in a thousand or each of them: it is the same news
def tell_once() -> None:
    """Log, once, that reported numbers of written tokens do not add up."""
    _logger.warning(
        "Bedrock reports written tokens that do not add up with totalTokens or cacheDetails. The "
        "number that adds up is counted; CallRecord.reported_write_tokens keeps the other one. "
        "Said once. See https://github.com/langchain-ai/langchain-aws/issues/983."
    )
