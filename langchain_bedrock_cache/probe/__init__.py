"""Probe a model's prompt cache: the same long prompt again and again, and what comes of it.

Measured are latency and tokens of each call, the shortest prefix that is cached, and how long an
entry lives. Works with any client: Amazon Bedrock's, or the emulator's.
"""

from langchain_bedrock_cache.probe.plan import ProbePlan
from langchain_bedrock_cache.probe.prober import run_probe
from langchain_bedrock_cache.probe.result import ProbeCall, ProbeResult, ProbeStep

__all__ = ["ProbeCall", "ProbePlan", "ProbeResult", "ProbeStep", "run_probe"]
