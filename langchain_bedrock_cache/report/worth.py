"""What mending a call is worth: tokens that it could have read, and what that would have saved."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report.pauses import (
    Bridge,
    Pauses,
    ratios_of,
    rewritten_and_plain,
)


class Worth(NamedTuple):
    """What mending a call is worth.

    Attributes:
        tokens: What it could have read more, had nothing changed and everything been cached.
        usd: What that would have saved, less what it would have cost; `None` if it could not have
            read more or its price is not known.
        wasted_usd: What it would have cost less, had it read all that had been in the cache;
            `None` if it wasted nothing or its price is not known.
    """

    tokens: int = 0
    usd: Decimal | None = None
    wasted_usd: Decimal | None = None


_NOTHING = Worth()


class Mending:
    """What mending the calls of a report is worth; remembers it, for all rows they are in.

    Args:
        records: All calls of the report, which has to keep them: what bridges their pauses depends
            on all of them.
    """

    def __init__(self, records: Iterable[CallRecord]) -> None:
        self._pauses = Pauses(records)
        self._worths: dict[int, Worth] = {}

    def bridge(self, record: CallRecord) -> Bridge | None:
        """Return what would have kept the entry that a call did not find any more.

        Returns:
            `"1h"` or `"keep_alive"`; `None` if nothing would pay, or the verdict is another.
        """
        return self._pauses.bridge(record)

    def worth(self, record: CallRecord) -> Worth:
        """Return what mending a call is worth.

        What no call had written would have had to be written: at the price for 5 minutes. A longer
        lifetime makes writes dearer, and pings read.
        """
        found = record.diagnosis
        if found is None or not (found.wasted_tokens or found.readable_tokens):
            return _NOTHING
        known = self._worths.get(id(record))
        if known is None:
            wasted, tokens = wasted_usd(record), self._tokens(record)
            usd = self._usd(record, tokens, wasted) if tokens else None
            self._worths[id(record)] = known = Worth(tokens, usd, wasted)
        return known

    def _tokens(self, record: CallRecord) -> int:
        usage, found = record.usage, record.diagnosis
        if usage is None or found is None:
            return 0
        if found.verdict == "expired":
            return found.wasted_tokens if self.bridge(record) else 0
        return max(found.wasted_tokens, found.readable_tokens - usage.cache_read_tokens, 0)

    def _usd(self, record: CallRecord, tokens: int, wasted: Decimal | None) -> Decimal | None:
        found = record.diagnosis
        if found is None:
            return None
        if found.verdict == "expired":
            return self._bridging_usd(record, wasted)
        if tokens == found.wasted_tokens and not found.unwritten_tokens:
            return wasted
        saved, input_usd = _saved_usd(record, tokens), _input_usd(record)
        if saved is None or input_usd is None:
            return None
        unwritten = min(tokens, found.unwritten_tokens)
        return saved - unwritten * input_usd * (Decimal(str(ratios_of(record).write_5m)) - 1)

    def _bridging_usd(self, record: CallRecord, wasted: Decimal | None) -> Decimal | None:
        """Return what bridging the pause before a call would have saved, and cost."""
        input_usd = _input_usd(record)
        if wasted is None or input_usd is None:
            return None
        if self.bridge(record) == "1h":
            return wasted * Decimal(str(self._pauses.kept_share(record)))
        return wasted - self._pauses.ping_tokens(record) * input_usd * Decimal(
            str(ratios_of(record).read)
        )


def wasted_usd(record: CallRecord) -> Decimal | None:
    """Return what a call would have cost less, had it read all that had been in the cache.

    What was not read was written again, as far as the call wrote, and plain input otherwise.

    Returns:
        USD; `None` if the call wasted nothing or its price is not known.
    """
    found = record.diagnosis
    return _saved_usd(record, found.wasted_tokens) if found and found.wasted_tokens else None


def _saved_usd(record: CallRecord, tokens: int) -> Decimal | None:
    usage, cost, input_usd = record.usage, record.cost, _input_usd(record)
    if usage is None or cost is None or input_usd is None:
        return None
    read_usd = input_usd * Decimal(str(ratios_of(record).read))
    rewritten, plain = rewritten_and_plain(tokens, usage)
    saved = plain * (input_usd - read_usd)
    if rewritten:
        saved += rewritten * (cost.cache_write_usd / usage.cache_write_tokens - read_usd)
    return saved


def _input_usd(record: CallRecord) -> Decimal | None:
    """Return the price of a token of plain input, as the call paid it."""
    usage, cost = record.usage, record.cost
    if usage is None or cost is None or not usage.input_tokens:
        return None
    return (cost.without_caching_usd - cost.output_usd) / usage.input_tokens
