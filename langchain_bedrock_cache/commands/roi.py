"""`roi`: what caching a prefix saves a day, by lifetime, and from how many requests on."""

from __future__ import annotations

import argparse
import json
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--model", required=True, help="model ID as sent, such as global.anthropic")
    parser.add_argument("--requests-per-day", type=float, required=True)
    parser.add_argument("--cached-tokens", type=int, required=True, help="length of the prefix")
    parser.add_argument("--fresh-tokens", type=int, default=0, help="input after it")
    parser.add_argument("--output-tokens", type=int, default=0)
    parser.add_argument("--gap-seconds", type=float, default=60.0, help="between two requests")
    parser.add_argument("--requests-per-session", type=int, help="default: all of a day")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the estimate; 0."""
    from langchain_bedrock_cache.roi import estimate_savings  # noqa: PLC0415 - only needed here

    estimate = estimate_savings(
        model_id=args.model,
        requests_per_day=args.requests_per_day,
        cached_tokens=args.cached_tokens,
        fresh_tokens=args.fresh_tokens,
        output_tokens=args.output_tokens,
        gap_seconds=args.gap_seconds,
        requests_per_session=args.requests_per_session,
    )
    usd = {way: float(cost) for way, cost in estimate.usd_per_day.items()}
    if args.json:
        data = {
            "usd_per_day": usd,
            "best": estimate.best,
            "savings_usd_per_day": float(estimate.savings_usd_per_day),
            "break_even_requests": estimate.break_even_requests,
            "pings_per_gap": estimate.pings_per_gap,
            "is_cacheable": estimate.is_cacheable,
        }
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return 0
    lines = [f"{way.replace('_', '-'):<11} ${cost:>12,.2f} a day" for way, cost in usd.items()]
    if not estimate.is_cacheable:
        lines.append("The model does not cache a prefix of this length.")
    for ttl, count in estimate.break_even_requests.items():
        lines.append(f"{ttl} pays from {count} requests within that time on.")
    saved = estimate.savings_usd_per_day
    lines.append(f"best: {estimate.best.replace('_', '-')}, which saves ${saved:,.2f} a day")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
