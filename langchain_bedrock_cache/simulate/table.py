"""Results as tables for people."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from langchain_bedrock_cache.simulate.logs import SKIP_REASONS
from langchain_bedrock_cache.simulate.policies import AS_LOGGED, AUTO
from langchain_bedrock_cache.simulate.results import PolicyResult, SourceReport, TrafficResult

if TYPE_CHECKING:
    from rich.table import Table

UNKNOWN = "unknown"
# Bounds that differ by less look the same in the table.
_VISIBLE = 0.0005


def to_table(result: TrafficResult) -> Table:
    """Return the table of one traffic: a row a policy, the bound last.

    Args:
        result: What `simulate` found.

    Returns:
        A rich table; print it with `rich.console.Console().print(table)`.
    """
    from rich.table import Table  # noqa: PLC0415 - 50 ms, and only people need it

    table = Table(
        title=_title(result),
        title_justify="left",
        caption=_caption(result),
        caption_justify="left",
    )
    table.add_column("policy", no_wrap=True)
    for heading in ("uncached", "read", "written", "USD", "x no caching", "x bound"):
        table.add_column(heading, justify="right", no_wrap=True)
    best = result.best_fixed
    for policy in result.policies:
        style = "bold" if policy.policy == AUTO or policy is best else None
        table.add_row(*_cells(policy), style=style)
    table.add_section()
    table.add_row(*_bound_cells("bound", result.bound_tokens, result, _usd(result.bound_usd)))
    if result.kept_ttl_bound_tokens > result.bound_tokens * (1 + _VISIBLE):
        table.add_row(*_bound_cells("bound, lifetimes kept", result.kept_ttl_bound_tokens, result))
    return table


def describe_skipped(report: SourceReport) -> list[str]:
    """Return a line for each reason why lines or records of a source were left out."""
    return [
        f"{report.name}: {count:,} left out, {SKIP_REASONS[reason]}"
        for reason, count in report.skipped.items()
    ]


def _title(result: TrafficResult) -> str:
    where = f" in {result.scope}" if result.scope else ""
    return f"{result.source}: {result.model_id}{where}"


def _caption(result: TrafficResult) -> str:
    ratio = "as logged" if result.is_calibrated else "assumed"
    caption = (
        f"{result.calls:,} calls, {result.sessions:,} sessions, "
        f"{_short(result.prompt_tokens)} input tokens "
        f"({result.chars_per_token:.2f} characters a token, {ratio})"
    )
    # Nobody expects logged points where nothing was logged.
    impossible = [name for name in result.impossible if name != AS_LOGGED]
    if impossible:
        caption += f"\nnot possible with this model: {', '.join(impossible)}"
    for policy in result.policies:
        if policy.refused_calls:
            caption += f"\n{policy.policy}: Bedrock refuses {policy.refused_calls:,} of the calls"
    return caption


def _cells(policy: PolicyResult) -> tuple[str, ...]:
    usage = policy.usage
    return (
        policy.policy,
        _short(usage.uncached_input_tokens),
        _short(usage.cache_read_tokens),
        _short(usage.cache_write_tokens),
        _usd(policy.cost_usd),
        f"{policy.over_no_caching:.3f}",
        f"{policy.over_bound:.3f}",
    )


def _bound_cells(name: str, tokens: float, result: TrafficResult, usd: str = "") -> tuple[str, ...]:
    over_none, over_bound = tokens / result.prompt_tokens, tokens / result.bound_tokens
    return (name, "", "", "", usd, f"{over_none:.3f}", f"{over_bound:.3f}")


def _short(tokens: int) -> str:
    """Return a count with about three digits: 812, 9.13k, 262M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if tokens >= size:
            value = tokens / size
            digits = 0 if value >= 100 else 1 if value >= 10 else 2  # noqa: PLR2004 - digits
            return f"{value:.{digits}f}{unit}"
    return str(tokens)


def _usd(amount: Decimal | None) -> str:
    return UNKNOWN if amount is None else f"{amount:,.2f}" if amount >= 1 else f"{amount:.4f}"
