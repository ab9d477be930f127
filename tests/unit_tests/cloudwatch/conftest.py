"""CloudWatch as moto keeps it, and traffic to publish there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from cloudwatch_traffic import Traffic
from moto import mock_aws

from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, LedgerRecord

REGION = "eu-west-1"
# The emulator answers what goes to Bedrock, and moto the rest.
_MOTO: Any = {"core": {"passthrough": {"urls": [r"https://bedrock-runtime\."]}}}


@pytest.fixture
def clock() -> SimulatedClock:
    """A clock in the days of CloudWatch, in the middle of a minute."""
    return SimulatedClock(1_795_000_030.0)


@pytest.fixture
def cloudwatch() -> Iterator[Any]:
    """A boto3 client of an empty CloudWatch."""
    with mock_aws(config=_MOTO):
        yield boto3.client("cloudwatch", region_name=REGION)


@pytest.fixture
def traffic(clock: SimulatedClock) -> Callable[..., Traffic]:
    """Return a function that runs traffic into sinks."""

    def run(*sinks: Any) -> Traffic:
        emulator = BedrockEmulator(clock=clock)
        made = Traffic(clock=clock, emulator=emulator, sinks=sinks)
        made.run()
        return made

    return run


@pytest.fixture
def bedrock_metrics(cloudwatch: Any) -> Callable[..., None]:
    """Return a function that puts what Bedrock would put for requests, under either names."""

    def put(requests: Iterable[LedgerRecord], *, older_names: bool = False) -> None:
        cached = "TokenCount" if older_names else "Tokens"
        for one in requests:
            values = {
                "Invocations": 1,
                "InputTokenCount": one.uncached_input_tokens,
                f"CacheReadInput{cached}": one.cache_read_tokens,
                f"CacheWriteInput{cached}": one.cache_write_tokens,
                "OutputTokenCount": one.output_tokens,
                "InvocationLatency": 2_000,
                "TimeToFirstToken": 500,
            }
            cloudwatch.put_metric_data(
                Namespace="AWS/Bedrock",
                MetricData=[
                    {
                        "MetricName": name,
                        "Dimensions": [{"Name": "ModelId", "Value": one.model_id}],
                        "Timestamp": datetime.fromtimestamp(one.at, tz=UTC),
                        "Value": float(value),
                    }
                    for name, value in values.items()
                ],
            )

    return put
