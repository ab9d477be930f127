"""`roi`: what caching a prefix saves a day, by lifetime, and from how many requests on."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_bedrock_cache.rates import Rates
    from langchain_bedrock_cache.roi import SavingsEstimate

_PRICES = ("INPUT", "OUTPUT", "READ", "WRITE_5M", "WRITE_1H")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--model", required=True, help="model ID as sent, such as global.anthropic")
    parser.add_argument("--base-model", help="the model behind an ARN that does not name it")
    parser.add_argument("--requests-per-day", type=float, required=True)
    parser.add_argument("--cached-tokens", type=int, required=True, help="length of the prefix")
    parser.add_argument("--fresh-tokens", type=int, default=0, help="input after it")
    parser.add_argument("--output-tokens", type=int, default=0)
    parser.add_argument("--gap-seconds", type=float, default=60.0, help="between two requests")
    parser.add_argument("--requests-per-session", type=int, help="default: all of a day")
    parser.add_argument(
        "--rates",
        nargs=len(_PRICES),
        metavar=_PRICES,
        help="your own prices in USD per million tokens, instead of the list prices",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the estimate.

    Returns:
        0; 1 if no price is known.
    """
    from langchain_bedrock_cache.exceptions import PriceNotFoundError  # noqa: PLC0415
    from langchain_bedrock_cache.roi import estimate_savings  # noqa: PLC0415 - only needed here

    try:
        estimate = estimate_savings(
            model_id=args.model,
            base_model=args.base_model,
            requests_per_day=args.requests_per_day,
            cached_tokens=args.cached_tokens,
            fresh_tokens=args.fresh_tokens,
            output_tokens=args.output_tokens,
            gap_seconds=args.gap_seconds,
            requests_per_session=args.requests_per_session,
            rates=_rates(args.rates),
        )
    except PriceNotFoundError as error:
        options = f"Here that is --rates {' '.join(_PRICES)}, or --base-model MODEL_ID."
        sys.stderr.write(f"langchain-bedrock-cache roi: {error} {options}\n")
        return 1
    sys.stdout.write(_as_json(estimate) if args.json else _as_text(estimate))
    return 0


def _rates(prices: Sequence[Any] | None) -> Rates | None:
    from langchain_bedrock_cache.rates import Rates  # noqa: PLC0415 - only needed here

    if prices is None:
        return None
    plain, output, read, write_5m, write_1h = prices
    return Rates(
        input_usd_per_mtok=plain,
        output_usd_per_mtok=output,
        cache_read_usd_per_mtok=read,
        cache_write_5m_usd_per_mtok=write_5m,
        cache_write_1h_usd_per_mtok=write_1h,
    )


def _as_json(estimate: SavingsEstimate) -> str:
    from langchain_bedrock_cache.pricing import usd_text  # noqa: PLC0415 - only needed here

    data = {
        "usd_per_day": {way: usd_text(cost) for way, cost in estimate.usd_per_day.items()},
        "best": estimate.best,
        "savings_usd_per_day": usd_text(estimate.savings_usd_per_day),
        "break_even_requests": estimate.break_even_requests,
        "pings_per_gap": estimate.pings_per_gap,
        "is_cacheable": estimate.is_cacheable,
        "why_not_cached": estimate.why_not_cached or None,
    }
    return json.dumps(data, indent=2) + "\n"


def _as_text(estimate: SavingsEstimate) -> str:
    usd = estimate.usd_per_day
    lines = [f"{way.replace('_', '-'):<11} ${cost:>12,.2f} a day" for way, cost in usd.items()]
    if estimate.why_not_cached:
        lines.append(estimate.why_not_cached)
    for ttl, count in estimate.break_even_requests.items():
        lines.append(f"{ttl} pays from {count} requests within that time on.")
    saved = estimate.savings_usd_per_day
    lines.append(f"best: {estimate.best.replace('_', '-')}, which saves ${saved:,.2f} a day")
    return "\n".join(lines) + "\n"
