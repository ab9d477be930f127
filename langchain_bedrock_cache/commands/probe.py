"""`probe`: does prompt caching work here, how fast is it, from how many tokens on, for how long."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_bedrock_cache.pricing import usd_text

if TYPE_CHECKING:
    from langchain_bedrock_cache.compatibility import Check
    from langchain_bedrock_cache.probe import ProbeCall, ProbePlan, ProbeResult

DEFAULT_MODEL = "us.anthropic.claude-sonnet-5"
_EPILOG = """\
without --yes, nothing is sent to Amazon Bedrock: packages, model and credentials are checked, and
the cost is said. exit status: 0 if all is well, 1 if a check fails or the prompt is not cached."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="MODEL_ID",
        help="model ID, inference profile or ARN (default: %(default)s)",
    )
    parser.add_argument("--base-model", help="the model behind an ARN that does not name it")
    parser.add_argument("--region", help="AWS Region (default: that of your AWS settings)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--yes", action="store_true", help="make the calls, and pay for them")
    where.add_argument(
        "--emulator", action="store_true", help="ask the emulator instead: no AWS, no waiting"
    )
    parser.add_argument("--calls", type=int, default=5, help="identical requests (default: 5)")
    parser.add_argument("--tokens", type=int, help="about how long their system prompt is")
    parser.add_argument("--ttl", choices=("5m", "1h"), default="5m", help="lifetime to ask for")
    parser.add_argument(
        "--no-minimum", action="store_true", help="do not look for the shortest cached prompt"
    )
    parser.add_argument(
        "--wait", action="store_true", help="wait for the end of the lifetime, twice"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Check, say the cost, probe and print.

    Returns:
        0 if all is well, 1 if a check fails or the prompt is not cached.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - a heavy import

    from langchain_bedrock_cache.probe import ProbePlan  # noqa: PLC0415 - only needed here

    plan = ProbePlan(
        model_id=args.model,
        base_model=args.base_model,
        calls=args.calls,
        prompt_tokens=args.tokens,
        ttl=args.ttl,
        find_minimum=not args.no_minimum,
        find_lifetime=args.wait or args.emulator,
    )
    show = _Show(as_json=args.json)
    try:
        checks = _checks(args)
        show.checks(checks)
        show.plan(plan, args)
        failed = any(check.state == "failed" for check in checks)
        if failed or not (args.yes or args.emulator):
            return show.end(failed=failed)
        result = _probe(args, plan, show)
    except (BotoCoreError, ClientError) as error:
        return show.error(error)
    return show.result(result)


def _checks(args: argparse.Namespace) -> list[Check]:
    from langchain_bedrock_cache.compatibility import (  # noqa: PLC0415 - only needed here
        check_access,
        check_model,
        check_packages,
        installed_versions,
        known_members,
    )

    checks = check_packages(installed_versions(), known_members())
    checks.append(check_model(args.model, base_model=args.base_model, ttl=args.ttl))
    if not args.emulator:
        import boto3  # noqa: PLC0415 - a heavy import

        checks += check_access(boto3.Session(), region=args.region)
    return checks


def _probe(args: argparse.Namespace, plan: ProbePlan, show: _Show) -> ProbeResult:
    from langchain_bedrock_cache.probe import run_probe  # noqa: PLC0415 - only needed here

    salt = secrets.token_hex(8)
    if not args.emulator:
        import boto3  # noqa: PLC0415 - a heavy import

        client = boto3.client("bedrock-runtime", region_name=args.region)
        return run_probe(client, plan, salt=salt, wait=show.wait, on_call=show.call)
    from langchain_bedrock_cache.demo.clock import SimulatedClock  # noqa: PLC0415 - as above
    from langchain_bedrock_cache.emulator import BedrockEmulator  # noqa: PLC0415 - as above

    clock = SimulatedClock()
    arns = {args.model: args.base_model} if args.base_model else None
    emulator = BedrockEmulator(clock=clock, model_arns=arns)
    client = emulator.client(**({"region": args.region} if args.region else {}))
    return run_probe(client, plan, salt=salt, wait=clock.advance, on_call=show.call)


class _Show:
    """Prints what happens as it happens, or all of it at the end as JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._data: dict[str, Any] = {}
        self._is_emulated = False
        self._calls = 0

    def checks(self, checks: Sequence[Check]) -> None:
        self._data["checks"] = [check.as_dict() for check in checks]
        for check in checks:
            self._print(f"{check.state:<8}{check.name}: {check.detail}")
            if check.remedy:
                self._print(f"{'':<8}{check.remedy}")

    def plan(self, plan: ProbePlan, args: argparse.Namespace) -> None:
        self._is_emulated = args.emulator
        usd = plan.estimate_usd()
        self._data["plan"] = {
            "model_id": plan.model_id,
            "is_emulated": self._is_emulated,
            "max_calls": plan.max_calls,
            "prompt_tokens": plan.tokens,
            "ttl": plan.ttl,
            "wait_seconds": plan.wait_seconds,
            "estimated_usd": None if usd is None else usd_text(usd),
        }
        what = f"\nUp to {plan.max_calls} calls, {plan.calls} of them with {plan.tokens:,} tokens"
        if self._is_emulated:
            self._print(f"{what}, on the emulator: nothing is paid, and latencies mean nothing.")
            return
        cost = "an unknown amount" if usd is None else f"at most about {usd:.2f} USD"
        waiting = f", and {plan.wait_seconds / 60:.0f} minutes" if plan.find_lifetime else ""
        self._print(f"{what}, will cost {cost}{waiting}.")

    def call(self, call: ProbeCall) -> None:
        self._calls += 1
        if self._calls == 1:
            self._print("\ncall  latency    read  written  uncached")
        used = call.usage
        note = {"same": "", "shorter": "  shorter", "later": f"  {call.waited_seconds:.0f} s later"}
        self._print(
            f"{self._calls:>4}  {call.latency_seconds:5.2f} s  {used.cache_read_tokens:>6,}  "
            f"{used.cache_write_tokens:>7,}  {used.uncached_input_tokens:>8,}{note[call.step]}"
        )

    def wait(self, seconds: float) -> None:
        self._print(f"      waiting {seconds:.0f} s")
        time.sleep(seconds)

    def result(self, result: ProbeResult) -> int:
        self._data |= {
            "calls": [call.as_dict() for call in result.calls],
            "works": result.works,
            "speed_up": None if self._is_emulated else result.speed_up,
            "observed_minimum_tokens": result.observed_minimum,
            "observed_lifetime_seconds": result.observed_lifetime,
            "cost_usd": usd_text(result.cost.total_usd) if result.cost else None,
        }
        for line in _findings(result, is_emulated=self._is_emulated):
            self._print(line)
        return self.end(failed=not result.works)

    def error(self, error: Exception) -> int:
        from langchain_bedrock_cache.compatibility import explain_error  # noqa: PLC0415

        remedy = explain_error(error)
        self._data["error"] = {"message": str(error), "remedy": remedy}
        if not self._as_json:
            lines = filter(None, ("Bedrock could not be asked.", str(error), remedy))
            sys.stderr.write("\n".join(lines) + "\n")
        return self.end(failed=True)

    def end(self, *, failed: bool) -> int:
        if self._as_json:
            sys.stdout.write(json.dumps(self._data, indent=2) + "\n")
        elif not failed and not self._calls:
            sys.stdout.write("Nothing was sent: --yes makes the calls, --emulator plays them.\n")
        return int(failed)

    def _print(self, line: str) -> None:
        if not self._as_json:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()  # calls and waits take their time


def _findings(result: ProbeResult, *, is_emulated: bool) -> list[str]:
    plan, lines = result.plan, [""]
    others = len(result.same) - 1
    if result.works:
        lines.append(f"cached:    written once, and read by all {others} others")
    elif result.same[0].usage.cache_write_tokens:
        lines.append(
            f"cached:    written, but read by {len(result.reads)} of {others} others: cross-Region "
            "routing, perhaps"
        )
    else:
        lines.append("cached:    no: nothing was written. Is the prompt long enough (--tokens)?")
    if result.speed_up and not is_emulated:
        lines.append(f"speed-up:  {result.speed_up:.1f} times as fast when read")
    if result.observed_minimum:
        missed, cached = result.observed_minimum
        known = f"; documented: {plan.documented_minimum:,}" if plan.documented_minimum else ""
        lines.append(f"minimum:   not at {missed:,} tokens, but at {cached:,}{known}")
    if result.observed_lifetime:
        alive, gone = result.observed_lifetime
        lines.append(f"lifetime:  read after {_or_never(alive)}, gone after {_or_never(gone)}")
    if result.cost and not is_emulated:
        lines.append(f"cost:      {result.cost.total_usd:.4f} USD")
    return lines


def _or_never(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds else "no wait"
