"""Fuzz: generated requests through the client and the emulator's validation; none may be refused.

Run: `PYTHONPATH=tests/unit_tests python tests/benchmarks/bench_fuzz.py [--requests 200000]
[--processes 2] [--seed 0] [--lint]`. Converse and InvokeModel, all models of the profile table,
policies of every kind, points of the application among ours, batches. With `--lint` (needs
`pip install cachecanary`), what is sent to Claude is linted as well: an error there is ours unless
the request had it before, or it is about an estimate of tokens. Exits with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import sys
import time
import warnings
from base64 import b64encode
from importlib import import_module
from typing import Any

from fuzzed_requests import Found, Linter, fuzz, known_models

# Its tokens are characters by another rule than the emulator's; Bedrock ignores points that turn
# out to be too early, and charges nothing for them.
_ESTIMATES = frozenset({"prefix-too-short"})


def _linter() -> Linter:
    """Return CacheCanary's errors as texts."""
    read = import_module("cachecanary.request")
    lint: Any = import_module("cachecanary.lint").lint

    def errors(request: dict[str, Any]) -> list[str]:
        body = request.get("body", request)
        if not isinstance(body, str | bytes):
            body = json.dumps(body, default=lambda raw: b64encode(raw).decode())
        found = lint(read.normalize(json.loads(body), request["modelId"]))
        return [finding.rule for finding in found if _is_error(finding)]

    return errors


def _is_error(finding: Any) -> bool:
    return finding.severity == "error" and finding.rule not in _ESTIMATES


def _work(arguments: tuple[int, int, bool]) -> Found:
    seed, requests, is_linted = arguments
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    return fuzz(seed, requests, lint=_linter() if is_linted else None)


def main() -> int:
    """Run the fuzz and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lint", action="store_true")
    options = parser.parse_args()
    started = time.monotonic()
    share = -(-options.requests // options.processes)
    seeds = range(options.seed, options.seed + options.processes)
    found = Found()
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for part in pool.map(_work, [(seed, share, options.lint) for seed in seeds]):
            found.add(part)
    seconds = time.monotonic() - started
    print(f"{found.models.total():,} requests in {seconds:.0f} s", end=", ")
    print(f"{len(found.models)} of {known_models()} models")
    for kind, count in sorted(found.counts.items()):
        print(f"  {kind:56} {count:>8,}")
    print("wrong:", dict(found.wrong) or "nothing")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
