"""Where a call goes: the first client, or another Region or inference profile while that fails.

Every place has a prompt cache of its own, so after a failure calls stay where their prefix is warm
and come back when that is the cheaper way: a prefix that went cold elsewhere, or is warm here too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.checks import check_runtime_client, check_text
from langchain_bedrock_cache.pricing import estimate_cost, price_multipliers
from langchain_bedrock_cache.usage import CacheUsage

# Throttling and failures of the service: another Region may answer. `botocore` has tried again
# already, as often as the client's retry mode says.
TRANSIENT_CODES = frozenset(
    {
        "InternalServerException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "ServiceUnavailableException",
        "ThrottlingException",
    }
)
# A place that failed comes last for this long; a minute is the window of Bedrock's quotas.
_COOLDOWN_SECONDS = 60.0
# After this long without a call elsewhere, no entry there can be alive, so nobody needs to look.
_LONGEST_TTL_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A place that can answer calls.

    Attributes:
        client: A boto3 `bedrock-runtime` client, of another Region, say.
        model_id: Replaces `modelId`: an inference profile of that Region, or a wider one such as
            `global.`; `None` to leave it.
        base_model_id: The model behind a `model_id` that does not name it.

    Raises:
        CachePolicyError: If a model ID is blank.
        TypeError: If the client is none of `bedrock-runtime`, or a model ID is no string.
    """

    client: Any
    model_id: str | None = None
    base_model_id: str | None = None

    def __post_init__(self) -> None:
        check_runtime_client("client", self.client)
        for name in ("model_id", "base_model_id"):
            if (value := getattr(self, name)) is not None:
                check_text(name, value, what="a model ID, or None")

    @property
    def region(self) -> str:
        """AWS Region of the client; empty if it does not say."""
        return str(getattr(getattr(self.client, "meta", None), "region_name", None) or "")

    @property
    def locality(self) -> str:
        """Which prompt cache this is."""
        return f"{self.region}/{self.model_id}" if self.model_id else self.region


def is_transient(error: Exception) -> bool:
    """Whether another place may answer what this one did not."""
    from botocore import exceptions  # noqa: PLC0415 - a heavy import

    if isinstance(error, exceptions.ClientError):
        return error.response.get("Error", {}).get("Code") in TRANSIENT_CODES
    return isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError)


class Router:
    """Chooses among the places in the order given, by health and by what is warm; thread-safe.

    Args:
        routes: At least one, the preferred one first.
        clock: Seconds.
    """

    def __init__(self, routes: Sequence[Route], *, clock: Callable[[], float]) -> None:
        self.routes = tuple(routes)
        self._clock = clock
        self._lock = threading.Lock()
        self._rests_until: dict[int, float] = {}
        self._elsewhere_at = float("-inf")

    def order(self, price_of: Callable[[Route], float]) -> list[Route]:
        """Return all places, the one to try first in front.

        Args:
            price_of: What the request at hand costs at a place; asked only if calls went elsewhere
                within the hour. The same price everywhere means the first place.
        """
        if len(self.routes) == 1:
            return list(self.routes)
        now = self._clock()
        with self._lock:
            resting = [now < self._rests_until.get(n, now) for n in range(len(self.routes))]
            all_home = now - self._elsewhere_at >= _LONGEST_TTL_SECONDS
        if all_home and not any(resting):
            return list(self.routes)
        prices = [price_of(route) for route in self.routes]
        order = sorted(range(len(self.routes)), key=lambda n: (resting[n], prices[n], n))
        return [self.routes[n] for n in order]

    def failed(self, route: Route) -> None:
        """Let a place rest that throttled or failed."""
        with self._lock:
            self._rests_until[self.routes.index(route)] = self._clock() + _COOLDOWN_SECONDS

    def answered(self, route: Route) -> None:
        """Note where a call was answered."""
        if route is not self.routes[0]:
            with self._lock:
                self._elsewhere_at = self._clock()


def expected_price(*, model_id: str, base_model: str | None, warm_chars: int, chars: int) -> float:
    """Return what a prompt is expected to cost at a place, in USD for a million of its characters.

    Args:
        model_id: What would be sent as `modelId`.
        base_model: The model behind an ARN that does not name it.
        warm_chars: How much of it is in the cache there; the rest is taken to be written.
        chars: Its size.
    """
    ratios = price_multipliers(model_id, base_model=base_model)
    million = CacheUsage(uncached_input_tokens=1_000_000)
    cost = estimate_cost(million, model_id, base_model=base_model)
    rate = float(cost.total_usd) if cost else 1.0
    return rate * (warm_chars * ratios.read + (chars - warm_chars) * ratios.write_5m)
