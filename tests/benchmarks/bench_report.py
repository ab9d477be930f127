"""What diagnosis is worth and what it costs: the confusion table, time and memory per call.

Run with `PYTHONPATH=tests/unit_tests python tests/benchmarks/bench_report.py`. The table is of the
broken situations of the unit tests, each run as a real chain against the emulator.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections import Counter
from typing import Any
from uuid import UUID

from broken_situations import SITUATIONS
from situation_stage import ANSWER, run_situation
from wire import CLAUDE, ask, assistant, user, words

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.diagnosis import Diagnoser, Diagnosis
from langchain_bedrock_cache.pricing import estimate_cost
from langchain_bedrock_cache.profiles import CacheTTL, find_profile
from langchain_bedrock_cache.records import CallRecord
from langchain_bedrock_cache.report import CacheReport
from langchain_bedrock_cache.sent_requests import SentRequests
from langchain_bedrock_cache.usage import CacheUsage

CALLS = 10_000
TURNS = 20


def confusion() -> None:
    """Print which verdicts were expected, which were given, and how many places are right."""
    table: Counter[tuple[str, str]] = Counter()
    right_places = 0
    for situation in SITUATIONS.values():
        diagnosis, _ = run_situation(situation)
        table[situation.verdict, diagnosis.verdict if diagnosis else "none"] += 1
        right_places += diagnosis is not None and diagnosis.place == situation.place
    names = sorted({name for pair in table for name in pair})
    letters = {name: chr(ord("a") + i) for i, name in enumerate(names)}
    print(f"{'expected':<22}" + "".join(f"{letters[name]:>4}" for name in names))
    for expected in names:
        row = "".join(f"{table[expected, given] or '.':>4}" for given in names)
        print(f"{letters[expected]} {expected:<20}{row}")
    right = sum(count for (expected, given), count in table.items() if expected == given)
    total = len(SITUATIONS)
    print(f"verdicts right: {right} of {total}; places right: {right_places} of {total}\n")


def conversation(number: int) -> list[dict[str, Any]]:
    """Return the requests of a conversation, turn by turn."""
    system = [{"text": words(2_000, "rules")}]
    messages: list[dict[str, Any]] = []
    requests = []
    for turn in range(TURNS):
        messages.append(user(f"Question {turn} of conversation {number}: {words(100)}"))
        requests.append(ask(*messages, system=system, model=CLAUDE))
        messages.append(assistant(f"{ANSWER} {words(60)}"))
    return requests


def cost() -> None:
    """Print time and memory of fingerprints and verdicts, for conversations of many turns."""
    profile = find_profile(CLAUDE)
    requests = SentRequests()
    times: tuple[list[int], list[int]] = ([], [])
    diagnoser = Diagnoser(requests)
    diagnoser.listen(diagnoser)
    usage = CacheUsage(cache_read_tokens=2_000, cache_write_5m_tokens=100)
    for number in range(CALLS // TURNS):
        for turn, request in enumerate(conversation(number)):
            prefix = read_converse(request, profile)
            points: list[tuple[int, CacheTTL]] = [(len(prefix), "5m")]
            start = time.thread_time_ns()
            noted = requests.note(
                request, prefix=prefix, profile=profile, points=points, token=object()
            )
            middle = time.thread_time_ns()
            diagnoser.call_ended(
                noted, usage=usage, plan=None, started_at=number + turn, readable_at=number + turn
            )
            times[0].append(middle - start)
            times[1].append(time.thread_time_ns() - middle)
    for name, measured in zip(("fingerprint", "diagnosis"), times, strict=True):
        later = [t / 1e6 for t in measured[TURNS:]]
        print(
            f"{name:<12} median {statistics.median(later):.3f} ms, mean "
            f"{statistics.mean(later):.3f} ms, 99 % {sorted(later)[int(len(later) * 0.99)]:.3f} ms"
        )


def reports() -> None:
    """Print time and memory of a report of many calls, in every form."""
    wasted = Diagnosis(verdict="expired", expected_read_tokens=2_000, wasted_tokens=2_000)
    hit = Diagnosis(verdict="hit", expected_read_tokens=2_000)
    records = []
    for n in range(CALLS):
        read = CacheUsage(cache_read_tokens=2_000, uncached_input_tokens=50, output_tokens=20)
        written = CacheUsage(cache_write_5m_tokens=2_000, uncached_input_tokens=n, output_tokens=20)
        usage = written if n % 5 == 0 else read
        record = CallRecord(
            run_id=UUID(int=n),
            root_run_id=UUID(int=n // 4),
            root_name="chain",
            step="model",
            tags=("a", f"seq:step:{n % 3}"),
            model_id=CLAUDE,
            started_at=float(n),
            latency_seconds=1.0,
            usage=usage,
            cost=estimate_cost(usage, CLAUDE),
            diagnosis=wasted if n % 5 == 0 else hit,
        )
        records.append(record)
    for form in (str, CacheReport._repr_html_, CacheReport.to_json):
        start = time.thread_time()
        form(CacheReport(records))
        print(f"{form.__name__:<12} of {CALLS:,} calls: {time.thread_time() - start:.2f} s")
    tracemalloc.start()
    report = CacheReport(records)
    kept = [str(report), report.to_json(), report._repr_html_()]
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    print(f"memory of all {len(kept)} forms: {peak:.1f} MiB at most")


if __name__ == "__main__":
    confusion()
    cost()
    reports()
