"""Publishing: what calls did is in CloudWatch, and CloudWatch never disturbs a call."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cloudwatch_traffic import Traffic, deny, record
from wire import CLAUDE

from langchain_bedrock_cache.cloudwatch import CloudWatchPublisher, read_report
from langchain_bedrock_cache.cloudwatch.metrics import PUBLISHED
from langchain_bedrock_cache.cloudwatch.publish import _flush_at_exit
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.pricing import price_of
from langchain_bedrock_cache.usage import CacheUsage


def requests_of(client: Any) -> list[dict[str, Any]]:
    """Return a list that fills with the arguments of what a client sends from now on."""
    sent: list[dict[str, Any]] = []
    client.meta.events.register(
        "provide-client-params.cloudwatch.PutMetricData", lambda params, **_: sent.append(params)
    )
    return sent


def sums(client: Any, metric: str, **dimensions: str) -> float:
    """Return the sum of a published metric over all time."""
    answer = client.get_metric_data(
        MetricDataQueries=[
            {
                "Id": "all",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "LangChainBedrockCache",
                        "MetricName": metric,
                        "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions.items()],
                    },
                    "Period": 86_400,
                    "Stat": "Sum",
                },
            }
        ],
        StartTime=1_790_000_000,
        EndTime=1_800_000_000,
    )
    return float(sum(answer["MetricDataResults"][0]["Values"]))


def test_what_is_published_is_what_the_ledger_says(
    cloudwatch: Any, traffic: Callable[..., Traffic]
) -> None:
    """Token metrics of real chains are the emulator's numbers, by model; the failed call counts."""
    publisher = CloudWatchPublisher(cloudwatch)
    ran = traffic(publisher)
    publisher.flush()
    used = ran.usage(CLAUDE)
    assert used.cache_read_tokens > 0
    assert used.cache_write_1h_tokens > 0
    assert used.cache_write_5m_tokens > 0
    published = {name: sums(cloudwatch, name, ModelId=CLAUDE) for name in PUBLISHED}
    assert published["Calls"] == 6
    assert published["FailedCalls"] == 1
    assert published["UncachedInputTokens"] == used.uncached_input_tokens
    assert published["CacheReadTokens"] == used.cache_read_tokens
    assert published["CacheWrite5mTokens"] == used.cache_write_5m_tokens
    assert published["CacheWrite1hTokens"] == used.cache_write_1h_tokens
    assert published["OutputTokens"] == used.output_tokens


def test_every_published_name_is_in_the_table(
    cloudwatch: Any, traffic: Callable[..., Traffic]
) -> None:
    """No metric is sent that the table does not name, and all it names are sent, with its units."""
    publisher = CloudWatchPublisher(cloudwatch)
    sent = requests_of(cloudwatch)
    traffic(publisher)
    publisher.flush()
    data = [datum for request in sent for datum in request["MetricData"]]
    assert {datum["MetricName"] for datum in data} == set(PUBLISHED)
    for datum in data:
        assert datum["Unit"] == PUBLISHED[datum["MetricName"]].unit


def test_unknown_is_left_out(cloudwatch: Any) -> None:
    """A call without usage, price and times publishes no tokens, no USD and no times."""
    publisher = CloudWatchPublisher(cloudwatch)
    sent = requests_of(cloudwatch)
    publisher(record(error="ThrottlingException"))
    publisher(record(usage=CacheUsage(output_tokens=3), model_id=None))
    publisher.flush()
    names = {
        (datum["Dimensions"][0]["Value"], datum["MetricName"])
        for request in sent
        for datum in request["MetricData"]
    }
    assert {name for model, name in names if model == CLAUDE} == {"Calls", "FailedCalls"}
    of_unknown = {name for model, name in names if model == "unknown"}
    assert of_unknown == {
        "Calls",
        "FailedCalls",
        "UnpricedCalls",
        "UncachedInputTokens",
        "CacheReadTokens",
        "CacheWrite5mTokens",
        "CacheWrite1hTokens",
        "OutputTokens",
    }


def test_values_have_the_minute_of_the_call(cloudwatch: Any, clock: SimulatedClock) -> None:
    """Calls of a minute go together under its start; without a start, the clock says when."""
    publisher = CloudWatchPublisher(cloudwatch, clock=clock)
    sent = requests_of(cloudwatch)
    publisher(record(started_at=clock.now - 60))
    publisher(record(started_at=None))
    publisher.flush()
    times = sorted(
        datum["Timestamp"].timestamp()
        for datum in sent[0]["MetricData"]
        if datum["MetricName"] == "Calls"
    )
    assert times == [1_794_999_960.0, 1_795_000_020.0]


def test_nothing_is_sent_before_there_is_enough(cloudwatch: Any, clock: SimulatedClock) -> None:
    """It sends when so many calls have come together, and the rest when asked or at the end."""
    sent = requests_of(cloudwatch)
    with CloudWatchPublisher(cloudwatch, max_pending_calls=3, clock=clock) as publisher:
        publisher(record())
        publisher(record())
        assert sent == []
        publisher(record())
        assert len(sent) == 1
        publisher(record())
    assert len(sent) == 2
    publisher.flush()
    assert len(sent) == 2
    assert sums(cloudwatch, "Calls", ModelId=CLAUDE) == 4


def test_dimensions_are_of_every_metric(cloudwatch: Any) -> None:
    """Dimensions of the application are sent with the model ID."""
    sent = requests_of(cloudwatch)
    with CloudWatchPublisher(
        cloudwatch, namespace="Leases/Cache", dimensions={"Service": "leases"}
    ) as publisher:
        publisher(record())
    assert sent[0]["Namespace"] == "Leases/Cache"
    for datum in sent[0]["MetricData"]:
        assert datum["Dimensions"] == [
            {"Name": "ModelId", "Value": CLAUDE},
            {"Name": "Service", "Value": "leases"},
        ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"namespace": "AWS/Bedrock"}, "keeps AWS/ for itself"),
        ({"namespace": ""}, "1 to 255 printable ASCII"),
        ({"namespace": ":cache"}, "begins with a colon"),
        ({"dimensions": {"ModelId": "x"}}, "ModelId is set for each call"),
        ({"dimensions": {":a": "x"}}, "begins with a colon"),
        ({"dimensions": {"Service": " "}}, "not only spaces"),
        ({"dimensions": {"Service": "Mieterverträge"}}, "printable ASCII"),
        ({"dimensions": {"Service": "x" * 1025}}, "1 to 1024"),
        ({"dimensions": {f"d{n}": "x" for n in range(30)}}, "30 dimensions were given"),
    ],
)
def test_what_cloudwatch_would_refuse(arguments: dict[str, Any], said: str) -> None:
    """Namespaces and dimensions are checked when the publisher is made, not when it sends."""
    with pytest.raises(CachePolicyError, match=said):
        CloudWatchPublisher(**arguments)


def test_failures_are_logged_once_and_fail_no_call(
    cloudwatch: Any, traffic: Callable[..., Traffic], caplog: pytest.LogCaptureFixture
) -> None:
    """With no permission to publish every call goes well, and one warning names the action."""
    deny(cloudwatch, "PutMetricData")
    publisher = CloudWatchPublisher(cloudwatch, max_pending_calls=1)
    with caplog.at_level(logging.WARNING):
        ran = traffic(publisher)
    assert len(ran.ledger()) == 8
    assert publisher.failed_requests == 9
    (line,) = [one for one in caplog.records if "Metrics of the prompt cache" in one.message]
    assert "cloudwatch:PutMetricData" in line.message
    assert '"Effect": "Allow"' in line.message


def test_no_region_is_a_failure_like_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that cannot be made costs no call either, and the log says why."""
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    publisher = CloudWatchPublisher(max_pending_calls=1)
    publisher(record())
    assert publisher.failed_requests == 1
    assert "NoRegionError" in caplog.text


def test_threads_lose_nothing(cloudwatch: Any, clock: SimulatedClock) -> None:
    """Eight threads record at once while it sends, and every call is counted once."""
    publisher = CloudWatchPublisher(cloudwatch, max_pending_calls=7, clock=clock)

    def work() -> None:
        for _ in range(50):
            publisher(record())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    publisher.flush()
    assert publisher.failed_requests == 0
    assert sums(cloudwatch, "Calls", ModelId=CLAUDE) == 400


def test_the_end_of_the_process_flushes() -> None:
    """What has come together is sent when the process ends, if the publisher is still there."""
    code = """
import uuid, boto3
from botocore.awsrequest import AWSResponse
from langchain_bedrock_cache.cloudwatch import CloudWatchPublisher
from langchain_bedrock_cache.records import CallRecord
client = boto3.client("cloudwatch", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
def answer(params, **_):
    print("sent", len(params["body"]) > 0)
    return AWSResponse("", 200, {}, None), {"ResponseMetadata": {}}
client.meta.events.register("before-call.cloudwatch.PutMetricData", answer)
publisher = CloudWatchPublisher(client)
publisher(CallRecord(run_id=uuid.uuid4(), root_run_id=uuid.uuid4()))
print("end")
"""
    done = subprocess.run(  # noqa: S603 - our own code in our own interpreter
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split("\n")[:2] == ["end", "sent True"]


def test_what_is_called_at_the_end(cloudwatch: Any, clock: SimulatedClock) -> None:
    """A publisher that is still there is flushed, one that is gone is passed over."""
    publisher = CloudWatchPublisher(cloudwatch, clock=clock)
    publisher(record())
    reference = weakref.ref(publisher)
    _flush_at_exit(reference)
    assert sums(cloudwatch, "Calls", ModelId=CLAUDE) == 1
    del publisher
    gc.collect()
    assert reference() is None
    _flush_at_exit(reference)


def test_a_client_is_made_when_none_is_given(
    cloudwatch: Any, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With AWS settings in the environment it takes no client at all, to publish and to read."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    used = CacheUsage(uncached_input_tokens=7)
    with CloudWatchPublisher(clock=clock) as publisher:
        publisher(record(usage=used, cost=price_of(used, CLAUDE)))
        publisher(record())
    assert publisher.failed_requests == 0
    report = read_report(hours=1, source="published", clock=clock)
    assert (report.total.calls, report.total.usage, report.region) == (2, used, "eu-west-1")
    assert report.total.cost_usd == price_of(used, CLAUDE).total_usd
    assert report.knows_waste is False
    assert sums(cloudwatch, "WastedUSD", ModelId=CLAUDE) == 0


def test_a_forgotten_publisher_is_not_kept(cloudwatch: Any) -> None:
    """What waits for the end of the process does not keep publishers alive until then."""
    publisher = CloudWatchPublisher(cloudwatch)
    gone: list[bool] = []

    class Marked:
        def __del__(self) -> None:
            gone.append(True)

    publisher._clock = Marked()  # type: ignore[assignment] # only its end matters
    del publisher
    gc.collect()
    assert gone == [True]
