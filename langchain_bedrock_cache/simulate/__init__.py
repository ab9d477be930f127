"""What prompt caching would cost on your own traffic: replay it, policy by policy, without AWS.

General layout, from the files to the figures:

* `jsonfiles.py`, `records.py`: JSON documents out of files, records out of CloudWatch's wrappings
* `sessions.py`, `logs.py`, `bodies.py`: calls out of sessions and log records
* `traffic.py`, `reading.py`: all calls that share one prompt cache, in time order
* `policies.py`, `auto.py`: who places which cache points
* `replay.py`, `bound.py`: what a policy costs, and what any policy must cost at least
* `run.py`, `results.py`: `simulate`, and what it returns
* `table.py`, `plot.py`, `cli.py`: the ways out
* `adversaries.py`: made-up traffic that caching should lose on, and must not

The replay uses the emulator's cache model, which is independent of the planner.
"""

from langchain_bedrock_cache.simulate.policies import DEFAULT_POLICIES
from langchain_bedrock_cache.simulate.reading import ReadOptions, Source, read_sources
from langchain_bedrock_cache.simulate.results import (
    PolicyResult,
    SimulationResult,
    SourceReport,
    TrafficResult,
)
from langchain_bedrock_cache.simulate.run import Progress, simulate, simulate_traffic
from langchain_bedrock_cache.simulate.traffic import Call, Traffic

__all__ = [
    "DEFAULT_POLICIES",
    "Call",
    "PolicyResult",
    "Progress",
    "ReadOptions",
    "SimulationResult",
    "Source",
    "SourceReport",
    "Traffic",
    "TrafficResult",
    "read_sources",
    "simulate",
    "simulate_traffic",
]
