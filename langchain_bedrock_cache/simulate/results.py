"""What a simulation found, as values; nothing here prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from langchain_bedrock_cache.pricing import usd_text
from langchain_bedrock_cache.simulate.logs import SkipReason
from langchain_bedrock_cache.simulate.policies import AS_LOGGED, AUTO
from langchain_bedrock_cache.usage import CacheUsage

_NOT_FIXED = frozenset({AUTO, AS_LOGGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """What one policy costs on one traffic. Input only: output costs the same under all of them.

    Attributes:
        policy: Its name.
        usage: Input tokens of all calls, by what became of them.
        cost_tokens: Price of all that, in tokens at the plain input price.
        cost_usd: The same in USD; `None` if no price is known.
        over_no_caching: Cost over the cost of no caching; below 1 is a saving.
        over_bound: Cost over the bound; 1 is perfect.
        over_kept_ttl_bound: Cost over the bound if prefixes keep the lifetime they were
            written with, see `bound`.
        refused_calls: Calls that Bedrock would have refused because of a cache point.
    """

    policy: str
    usage: CacheUsage
    cost_tokens: float
    cost_usd: Decimal | None
    over_no_caching: float
    over_bound: float
    over_kept_ttl_bound: float
    refused_calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficResult:
    """All policies on one traffic.

    Attributes:
        source: Where the traffic was read.
        model_id: The model.
        scope: Account and Region; empty if not known.
        calls: Number of calls.
        sessions: Number of conversations, documents or single requests.
        prompt_tokens: Input tokens of all calls.
        chars_per_token: What sizes were converted with.
        is_calibrated: Whether that comes from logged token counts.
        bound_tokens: The bound, in tokens at the plain input price.
        kept_ttl_bound_tokens: The bound if prefixes keep the lifetime they were written with.
        no_caching_usd: Cost without caching in USD; `None` if no price is known.
        bound_usd: The bound in USD; `None` if no price is known.
        policies: One result a policy, in the order asked for.
        impossible: Policies that this model or traffic does not allow.
    """

    source: str
    model_id: str
    scope: str
    calls: int
    sessions: int
    prompt_tokens: int
    chars_per_token: float
    is_calibrated: bool
    bound_tokens: float
    kept_ttl_bound_tokens: float
    no_caching_usd: Decimal | None
    bound_usd: Decimal | None
    policies: tuple[PolicyResult, ...]
    impossible: tuple[str, ...] = ()

    def policy(self, name: str) -> PolicyResult:
        """Return the result of a policy.

        Raises:
            KeyError: If it was not simulated.
        """
        for result in self.policies:
            if result.policy == name:
                return result
        raise KeyError(name)

    @property
    def best_fixed(self) -> PolicyResult | None:
        """The cheapest policy that learns nothing, chosen in hindsight; `None` if there is none."""
        fixed = [result for result in self.policies if result.policy not in _NOT_FIXED]
        return min(fixed, key=lambda result: result.cost_tokens, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What was read from one session file, or from all log files of a path.

    Attributes:
        name: Of the file or folder.
        calls: Number of calls that were simulated.
        skipped: Lines and records left out, by reason.
    """

    name: str
    calls: int
    skipped: Mapping[SkipReason, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult:
    """All that `simulate` found.

    Attributes:
        traffics: One result for each source, model, account and Region.
        sources: What was read.
    """

    traffics: tuple[TrafficResult, ...]
    sources: tuple[SourceReport, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; USD as strings, so that they stay exact."""
        return {
            "sources": [
                {"name": s.name, "calls": s.calls, "skipped": dict(s.skipped)} for s in self.sources
            ],
            "traffics": [_traffic_dict(result) for result in self.traffics],
        }


def _traffic_dict(result: TrafficResult) -> dict[str, Any]:
    return {
        "source": result.source,
        "model_id": result.model_id,
        "scope": result.scope,
        "calls": result.calls,
        "sessions": result.sessions,
        "prompt_tokens": result.prompt_tokens,
        "chars_per_token": result.chars_per_token,
        "is_calibrated": result.is_calibrated,
        "no_caching_usd": _usd(result.no_caching_usd),
        "bound_tokens": result.bound_tokens,
        "kept_ttl_bound_tokens": result.kept_ttl_bound_tokens,
        "bound_usd": _usd(result.bound_usd),
        "best_fixed": result.best_fixed.policy if result.best_fixed else None,
        "impossible": list(result.impossible),
        "policies": [_policy_dict(policy) for policy in result.policies],
    }


def _policy_dict(result: PolicyResult) -> dict[str, Any]:
    usage = result.usage
    return {
        "policy": result.policy,
        "uncached_input_tokens": usage.uncached_input_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_5m_tokens": usage.cache_write_5m_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "cost_tokens": result.cost_tokens,
        "cost_usd": _usd(result.cost_usd),
        "over_no_caching": result.over_no_caching,
        "over_bound": result.over_bound,
        "over_kept_ttl_bound": result.over_kept_ttl_bound,
        "refused_calls": result.refused_calls,
    }


def _usd(amount: Decimal | None) -> str | None:
    return None if amount is None else usd_text(amount)
