"""`ProbePlan`: what is to be probed, and what that costs at most."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import get_args

from langchain_bedrock_cache.checks import check_choice, check_number, check_text
from langchain_bedrock_cache.pricing import CostBreakdown, estimate_cost
from langchain_bedrock_cache.profiles import TTL_SECONDS, CacheTTL, ModelProfile, find_profile
from langchain_bedrock_cache.usage import CacheUsage

QUESTION = "Reply with the word OK."
"""Of each call, after the prompt."""
MAX_OUTPUT_TOKENS = 16
"""Of each answer."""
MORE_STEPS = 4
"""How many calls at most look on for the minimum if the documentation turns out to be wrong."""

# Long enough that reading it is faster than computing it, short enough to be cheap.
_PROMPT_TOKENS = 5_000
# Of a model that nothing is known of.
_USUAL_MINIMUM = 1_024
# Nobody should pay more than was said, whatever the tokenizer.
_DEARER = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePlan:
    """What is to be probed.

    Attributes:
        model_id: What is sent as `modelId`.
        base_model: The model behind an ARN that does not name it.
        calls: Identical requests, 2 or more; the first writes, the others should read.
        prompt_tokens: About how long their system prompt is; `None` for 5,000, or twice the
            model's minimum.
        ttl: Lifetime that is asked for.
        find_minimum: Whether to look for the shortest prefix that is cached, in 2 to 6 calls.
        find_lifetime: Whether to wait until just before and just after the end of the lifetime.

    Raises:
        CachePolicyError: If there are fewer than 2 calls, or the prompt has no token.
    """

    model_id: str
    base_model: str | None = None
    calls: int = 5
    prompt_tokens: int | None = None
    ttl: CacheTTL = "5m"
    find_minimum: bool = True
    find_lifetime: bool = False

    def __post_init__(self) -> None:
        check_text("model_id", self.model_id, what="a model ID")
        if self.base_model is not None:
            check_text("base_model", self.base_model, what="a model ID, or None")
        check_number("calls", self.calls, least=2, is_whole=True)  # one to write, one to read
        if self.prompt_tokens is not None:
            check_number("prompt_tokens", self.prompt_tokens, least=1, is_whole=True)
        check_choice("ttl", self.ttl, get_args(CacheTTL))

    @property
    def profile(self) -> ModelProfile | None:
        """What is documented of the model; `None` if nothing is."""
        return find_profile(self.model_id, base_model=self.base_model)

    @property
    def documented_minimum(self) -> int | None:
        """The shortest prefix that is documented to be cached, in tokens."""
        profile = self.profile
        supported = profile is not None and profile.supports_caching
        return profile.min_tokens_per_cache_point if profile and supported else None

    @property
    def likely_minimum(self) -> int:
        """The same; where nothing is documented, what is usual."""
        return self.documented_minimum or _USUAL_MINIMUM

    @property
    def tokens(self) -> int:
        """About how long the system prompt of the identical requests is."""
        return self.prompt_tokens or max(_PROMPT_TOKENS, 2 * self.likely_minimum)

    @property
    def max_calls(self) -> int:
        """How many calls are made at most."""
        return self.calls + self.find_minimum * (2 + MORE_STEPS) + 2 * self.find_lifetime

    @property
    def wait_seconds(self) -> float:
        """How long is waited, altogether."""
        return 2.0 * TTL_SECONDS[self.ttl] if self.find_lifetime else 0.0

    def estimate_usd(self) -> Decimal | None:
        """Return about what it costs at most, at list prices; `None` if no price is known."""
        tokens = round(_DEARER * self.tokens)
        write, read = _usage(written=tokens, ttl=self.ttl), _usage(read=tokens)
        calls = [write, *[read] * (self.calls - 1)]
        if self.find_minimum:
            beside = round(_DEARER * self.likely_minimum)
            calls += [_usage(written=beside, ttl=self.ttl)] * 2
            calls += [write] * MORE_STEPS
        if self.find_lifetime:
            calls += [read, write]
        cost = self.cost_of(calls)
        return None if cost is None else cost.total_usd

    def cost_of(self, usages: Iterable[CacheUsage]) -> CostBreakdown | None:
        """Return what calls cost at list prices; `None` if no price is known.

        Args:
            usages: Of each call.
        """
        costs = [estimate_cost(u, self.model_id, base_model=self.base_model) for u in usages]
        known = [cost for cost in costs if cost is not None]
        return sum(known, CostBreakdown()) if len(known) == len(costs) else None


def _usage(*, written: int = 0, read: int = 0, ttl: CacheTTL = "5m") -> CacheUsage:
    return CacheUsage(
        uncached_input_tokens=len(QUESTION),
        cache_read_tokens=read,
        cache_write_5m_tokens=written if ttl == "5m" else 0,
        cache_write_1h_tokens=written if ttl == "1h" else 0,
        output_tokens=MAX_OUTPUT_TOKENS,
    )
