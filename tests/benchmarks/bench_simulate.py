"""What the default policy costs on real and on made-up traffic, against bound and fixed policies.

Run with `BEDROCK_CACHE_WORKLOADS=FOLDER python tests/benchmarks/bench_simulate.py [PART ...]`.
Parts: `table` (the first sessions of every file), `held-out` (later sessions; no constant was
fitted to them, but those of tau2, Claude Code, chat and two parts of Mooncake were watched while
constants were chosen, so only SQuALITY, OpenHands and Mooncake 4000..4300 are blind),
`adversaries`, `scale` (a whole hour of production; more workers).
All of them start cold. Columns:

* `bound`, `kept`: cost of auto over the bound, and over the bound if prefixes keep the lifetime
  they were written with (see `simulate.bound`)
* `none`: over the price of no caching; `best`: over the best single fixed policy in hindsight
* `aws`: cost of langchain-aws's own caching over `kept`
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.simulate import TrafficResult, simulate, simulate_traffic
from langchain_bedrock_cache.simulate.adversaries import ADVERSARIES, adversary_traffic

MODELS = {
    "Opus 4.8": "anthropic.claude-opus-4-8",
    "Haiku 4.5": "anthropic.claude-haiku-4-5-20251001-v1:0",
    "Nova Pro": "amazon.nova-pro-v1:0",
}
OPUS = MODELS["Opus 4.8"]
ADVERSARY_CALLS = (240, 1000)


class Part(NamedTuple):
    """Some sessions of a file."""

    file: str
    sessions: int
    skip: int = 0

    @property
    def name(self) -> str:
        """Spell file and sessions."""
        return f"{self.file} {self.skip}..{self.skip + self.sessions}"


FIRST = (
    Part("rag_squality", 20),
    Part("trace_claudecode", 30),
    Part("agents_tau2", 40),
    Part("chat", 80),
    Part("trace_mooncake_conversation", 300),
    Part("agents_openhands", 10),
    Part("agents_miniswe", 14),
)
HELD_OUT = (
    Part("rag_squality", 40, 20),
    Part("trace_claudecode", 60, 30),
    Part("agents_tau2", 20, 40),
    Part("chat", 100, 80),
    Part("trace_mooncake_conversation", 2000, 300),
    Part("trace_mooncake_conversation", 300, 4000),
    Part("trace_mooncake_conversation", 300, 9000),
    Part("agents_openhands", 8, 10),
)
WHOLE_HOUR = Part("trace_mooncake_conversation", 12_031)
SPREAD = (Part("agents_tau2", 60), Part("trace_claudecode", 90), WHOLE_HOUR)
WORKERS = (1, 8, 64)


def run(part: Part, model: str = OPUS, **options: object) -> TrafficResult:
    """Simulate a part of a file."""
    file = Path(os.environ["BEDROCK_CACHE_WORKLOADS"]) / f"{part.file}.jsonl.gz"
    [result] = simulate(
        [file],
        model=model,
        limit=part.sessions,
        skip=part.skip,
        **options,  # type: ignore[arg-type]
    ).traffics
    return result


def table(parts: tuple[Part, ...]) -> Callable[[], Iterator[str]]:
    """Return a section that compares auto with everything else, for every model."""

    def lines() -> Iterator[str]:
        for name, model in MODELS.items():
            yield f"{name:42s}{'calls':>7s}{_HEADINGS}"
            for part in parts:
                result = run(part, model)
                yield f"  {part.name:40s}{result.calls:7d}{_figures(result)}"

    return lines


def adversaries() -> Iterator[str]:
    """Return what auto and langchain-aws cost over no caching."""
    for name, model in MODELS.items():
        profile = find_profile(model)
        assert profile is not None
        yield f"{name:42s}{'calls':>7s}{'auto':>8s}{'aws':>8s}{'bound':>8s}"
        for adversary in ADVERSARIES:
            for calls in ADVERSARY_CALLS:
                traffic = adversary_traffic(adversary, calls=calls, model_id=model, profile=profile)
                result = simulate_traffic(traffic, policies=("auto", "langchain-aws"))
                auto, aws = (policy.over_no_caching for policy in result.policies)
                bound = result.bound_tokens / result.prompt_tokens
                yield f"  {adversary:40s}{calls:7d}{auto:8.4f}{aws:8.3f}{bound:8.3f}"


def scale() -> Iterator[str]:
    """Return what auto costs where sessions are spread over processes without a shared store."""
    yield f"{'Opus 4.8, each worker on its own':36s}{'workers':>8s}{'calls':>8s}{_AUTO_ONLY}"
    for part in SPREAD:
        for workers in WORKERS:
            start = time.perf_counter()
            result = run(part, policies=("auto",), workers=workers)
            seconds = time.perf_counter() - start
            yield (
                f"  {part.name:34s}{workers:8d}{result.calls:8d}{_auto_figures(result)}"
                f"{seconds:8.1f}s"
            )
    yield f"{WHOLE_HOUR.name:42s}{'calls':>7s}{_HEADINGS}"
    whole = run(WHOLE_HOUR)
    yield f"  {'all policies':40s}{whole.calls:7d}{_figures(whole)}"


_HEADINGS = f"{'bound':>8s}{'kept':>8s}{'none':>8s}{'best':>8s}{'aws':>8s}  best fixed policy"
_AUTO_ONLY = f"{'bound':>8s}{'kept':>8s}{'none':>8s}{'time':>9s}"


def _auto_figures(result: TrafficResult) -> str:
    auto = result.policy("auto")
    return f"{auto.over_bound:8.3f}{auto.over_kept_ttl_bound:8.3f}{auto.over_no_caching:8.3f}"


def _figures(result: TrafficResult) -> str:
    auto, best = result.policy("auto"), result.best_fixed
    assert best is not None
    over_best = auto.cost_tokens / best.cost_tokens
    aws = result.policy("langchain-aws").over_kept_ttl_bound
    return f"{_auto_figures(result)}{over_best:8.3f}{aws:8.3f}  {best.policy}"


SECTIONS: dict[str, Callable[[], Iterator[str]]] = {
    "table": table(FIRST),
    "held-out": table(HELD_OUT),
    "adversaries": adversaries,
    "scale": scale,
}


def main() -> None:
    """Print the parts that were asked for, or all of them."""
    if "BEDROCK_CACHE_WORKLOADS" not in os.environ:
        sys.exit("Set BEDROCK_CACHE_WORKLOADS to the folder of the session files.")
    for name in sys.argv[1:] or SECTIONS:
        print(f"\n{name}")
        for line in SECTIONS[name]():
            print(line, flush=True)


if __name__ == "__main__":
    main()
