"""`simulate`: what prompt caching would have cost on recorded traffic, policy by policy."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Protocol

from langchain_bedrock_cache.checks import check_callable, check_list, check_number, check_type
from langchain_bedrock_cache.exceptions import PriceNotFoundError
from langchain_bedrock_cache.price_checks import check_rates
from langchain_bedrock_cache.pricing import PriceMultipliers, Rates, price_multipliers, price_of
from langchain_bedrock_cache.rates import listed_rates
from langchain_bedrock_cache.simulate.bound import lower_bound
from langchain_bedrock_cache.simulate.policies import (
    AS_LOGGED,
    DEFAULT_POLICIES,
    check_policy,
    make_placer,
)
from langchain_bedrock_cache.simulate.reading import DEFAULT_GAP_SECONDS, ReadOptions, read_sources
from langchain_bedrock_cache.simulate.replay import replay
from langchain_bedrock_cache.simulate.results import (
    PolicyResult,
    SimulationResult,
    SourceReport,
    TrafficResult,
)
from langchain_bedrock_cache.simulate.traffic import Traffic
from langchain_bedrock_cache.usage import CacheUsage


class Progress(Protocol):
    """Told how far a simulation is."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Take in that `done` of `total` units of a step are done."""


def simulate(
    paths: Sequence[str | PathLike[str]],
    *,
    model: str | None = None,
    policies: Sequence[str] = DEFAULT_POLICIES,
    chars_per_token: float | None = None,
    limit: int | None = None,
    skip: int = 0,
    gap_seconds: float = DEFAULT_GAP_SECONDS,
    workers: int = 1,
    rates: Rates | None = None,
    on_progress: Progress | None = None,
) -> SimulationResult:
    """Replay recorded traffic under each policy and say what it would have cost.

    Every policy begins with an empty prompt cache, `auto` with an empty memory as well. Nothing is
    sent anywhere. Prices are list prices of the standard tier, without dearer tiers of long calls.

    Args:
        paths: Session files, Bedrock's model invocation logs, or folders of either.
        model: Simulate all calls with this model; default: the logged one, or
            `reading.DEFAULT_MODEL` where files name none.
        policies: Names, see `policies`.
        chars_per_token: Converts sizes; default: what logged token counts say, else 3.0.
        limit: Simulate so many sessions of a session file, or calls of a log.
        skip: After leaving out so many.
        gap_seconds: Between the beginnings of the sessions of a file; logs have times.
        workers: Processes that the sessions are spread over, each with a memory of its own.
        rates: Your own prices, instead of the list prices.
        on_progress: Called as files are read and calls replayed.

    Returns:
        One result for each source, model, account and Region, and what was left out.

    Raises:
        FileNotFoundError: If a path does not exist.
        CachePolicyError: If a policy's name is unknown, a number is out of range, or `rates` are
            no `Rates`.
        TypeError: If `paths` or `policies` is no list.
        UnsupportedModelError: If `model` is not known, or has no prompt caching.
    """
    check_list("paths", paths, what="a list of paths")
    _check(policies, workers, rates, on_progress)
    sources = read_sources(
        [Path(path) for path in paths],
        options=ReadOptions(
            model=model,
            limit=limit,
            skip=skip,
            gap_seconds=gap_seconds,
            chars_per_token=chars_per_token,
        ),
        on_file=partial(on_progress, "reading") if on_progress else None,
    )
    traffics = [traffic for source in sources for traffic in source.traffics]
    count = _Counter(on_progress, sum(len(t.calls) for t in traffics) * len(policies))
    results = [
        _simulate(traffic, policies=policies, workers=workers, rates=rates, count=count)
        for traffic in traffics
    ]
    return SimulationResult(
        traffics=tuple(results),
        sources=tuple(SourceReport(name=s.name, calls=s.calls, skipped=s.skipped) for s in sources),
    )


def simulate_traffic(
    traffic: Traffic,
    *,
    policies: Sequence[str] = DEFAULT_POLICIES,
    workers: int = 1,
    rates: Rates | None = None,
    on_progress: Progress | None = None,
) -> TrafficResult:
    """Replay one traffic, however it came about; see `simulate`.

    Raises:
        CachePolicyError: If a policy's name is unknown, `workers` is not positive, or `rates` are
            no `Rates`.
        TypeError: If `traffic` is none, or `policies` is no list.
    """
    check_type("traffic", traffic, Traffic, what="a Traffic")
    _check(policies, workers, rates, on_progress)
    count = _Counter(on_progress, len(traffic.calls) * len(policies))
    return _simulate(traffic, policies=policies, workers=workers, rates=rates, count=count)


def _check(
    policies: Sequence[str], workers: int, rates: Rates | None, on_progress: Progress | None
) -> None:
    check_list("policies", policies, what="a list of names of policies")
    for name in policies:
        check_policy(name)
    check_number("workers", workers, least=1, is_whole=True)
    check_rates(rates)
    if on_progress is not None:
        check_callable("on_progress", on_progress, what="a function of step, done and total")


class _Counter:
    """Adds up the replayed calls of all policies and traffics."""

    def __init__(self, on_progress: Progress | None, total: int) -> None:
        self._on_progress = on_progress
        self._total = total
        self._done = 0

    def __call__(self, calls: int) -> None:
        self._done += calls
        if self._on_progress:
            self._on_progress("replaying", self._done, self._total)


def _simulate(
    traffic: Traffic,
    *,
    policies: Sequence[str],
    workers: int,
    rates: Rates | None,
    count: _Counter,
) -> TrafficResult:
    rates = rates or _listed(traffic.model_id)
    multipliers = price_multipliers(traffic.model_id, rates=rates)
    no_caching = traffic.prompt_tokens
    bound = lower_bound(traffic, multipliers)
    kept = lower_bound(traffic, multipliers, prolonging=False)
    results: list[PolicyResult] = []
    impossible: list[str] = []
    for name in policies:
        placer = make_placer(name, traffic, multipliers=multipliers, workers=workers)
        if placer is None:
            impossible.append(name)
            count(len(traffic.calls))
            continue
        done = replay(traffic, placer, may_refuse=name != AS_LOGGED, on_progress=count)
        cost = cost_tokens(done.usage, multipliers)
        results.append(
            PolicyResult(
                policy=name,
                usage=done.usage,
                cost_tokens=cost,
                cost_usd=_usd(done.usage, traffic.model_id, rates),
                over_no_caching=cost / no_caching,
                over_bound=cost / bound,
                over_kept_ttl_bound=cost / kept,
                refused_calls=done.refused_calls,
            )
        )
    return TrafficResult(
        source=traffic.source,
        model_id=traffic.model_id,
        scope=traffic.scope,
        calls=len(traffic.calls),
        sessions=traffic.sessions,
        prompt_tokens=no_caching,
        chars_per_token=traffic.chars_per_token,
        is_calibrated=traffic.is_calibrated,
        bound_tokens=bound,
        kept_ttl_bound_tokens=kept,
        no_caching_usd=_usd(CacheUsage(uncached_input_tokens=no_caching), traffic.model_id, rates),
        bound_usd=_usd(CacheUsage(uncached_input_tokens=round(bound)), traffic.model_id, rates),
        policies=tuple(results),
        impossible=tuple(impossible),
    )


def cost_tokens(usage: CacheUsage, multipliers: PriceMultipliers) -> float:
    """Return the price of input, in tokens at the plain input price."""
    return (
        usage.uncached_input_tokens
        + usage.cache_read_tokens * multipliers.read
        + usage.cache_write_5m_tokens * multipliers.write_5m
        + usage.cache_write_1h_tokens * multipliers.write_1h
    )


def _listed(model_id: str) -> Rates | None:
    try:
        return listed_rates(model_id)
    except PriceNotFoundError:
        return None


def _usd(usage: CacheUsage, model_id: str, rates: Rates | None) -> Decimal | None:
    return price_of(usage, model_id, rates=rates).total_usd if rates else None
