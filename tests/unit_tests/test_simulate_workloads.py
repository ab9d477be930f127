"""Real workloads, from a folder that is not part of the repository: what auto must reach there.

The folder is named by BEDROCK_CACHE_WORKLOADS; without it these tests are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from langchain_bedrock_cache.simulate import TrafficResult, simulate

_FOLDER = os.environ.get("BEDROCK_CACHE_WORKLOADS")
pytestmark = pytest.mark.skipif(not _FOLDER, reason="BEDROCK_CACHE_WORKLOADS is not set")


class Workload(NamedTuple):
    """A file, how many of its sessions, and cost over the bound (lifetimes kept) on Opus 4.8.

    `langchain_aws` is what its own caching costs, measured; `auto` is at most allowed.
    """

    name: str
    sessions: int
    calls: int
    langchain_aws: float
    auto: float


WORKLOADS = [
    Workload("rag_squality", 20, 100, 3.775, 1.01),
    Workload("trace_claudecode", 30, 1618, 1.177, 1.06),
    Workload("agents_tau2", 40, 432, 1.198, 1.03),
    Workload("chat", 80, 363, 1.080, 1.12),
    Workload("trace_mooncake_conversation", 300, 300, 1.289, 1.04),
    Workload("agents_openhands", 10, 155, 1.002, 1.01),
    Workload("agents_miniswe", 14, 1109, 1.000, 1.01),
]


def _simulate(workload: Workload, *policies: str) -> TrafficResult:
    file = Path(_FOLDER or "") / f"{workload.name}.jsonl.gz"
    [result] = simulate([file], limit=workload.sessions, policies=policies).traffics
    return result


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_auto_is_near_the_bound_on_real_traffic(workload: Workload) -> None:
    """From a cold start, on the first sessions of every file, auto stays within its limit."""
    result = _simulate(workload, "langchain-aws", "auto")
    langchain_aws, auto = result.policies
    assert (result.sessions, result.calls) == (workload.sessions, workload.calls)
    assert langchain_aws.over_kept_ttl_bound == pytest.approx(workload.langchain_aws, abs=0.0006)
    assert auto.over_kept_ttl_bound <= workload.auto
    assert auto.over_no_caching <= 1.01
    assert auto.over_bound > 1 - 1e-9
    assert auto.refused_calls == 0
