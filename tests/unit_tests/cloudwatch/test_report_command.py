"""The command `report`: what it prints, deploys and says when AWS refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import boto3
import pytest
from cloudwatch_traffic import Traffic, deny
from wire import CLAUDE, NOVA

from langchain_bedrock_cache.__main__ import main
from langchain_bedrock_cache.cloudwatch import CloudWatchPublisher
from langchain_bedrock_cache.demo.clock import SimulatedClock


@pytest.fixture
def clock() -> SimulatedClock:
    """A clock an hour ago: the command reads the time of the machine."""
    return SimulatedClock(time.time() - 3_600)


@pytest.fixture
def ran(
    cloudwatch: Any,
    traffic: Callable[..., Traffic],
    bedrock_metrics: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> Traffic:
    """Traffic that Bedrock and a publisher have put into CloudWatch."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with CloudWatchPublisher(cloudwatch, dimensions={"Service": "leases"}) as publisher:
        done = traffic(publisher)
    bedrock_metrics(done.ledger())
    return done


def test_it_prints_the_report(ran: Traffic, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a model all of them are in it; with one, only that."""
    assert main(["report", "--hours", "24"]) == 0
    printed = capsys.readouterr().out
    assert f"\n{CLAUDE} " in printed
    assert f"\n{NOVA} " in printed
    assert main(["report", "--model", NOVA]) == 0
    assert CLAUDE not in capsys.readouterr().out
    assert ran.ledger()


def test_json(ran: Traffic, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` has the numbers of the ledger."""
    assert main(["report", "--json", "--model", CLAUDE, "--write-ttl", "1h"]) == 0
    total = json.loads(capsys.readouterr().out)["total"]
    assert total["cache_read_tokens"] == ran.usage(CLAUDE).cache_read_tokens
    assert total["cache_write_1h_tokens"] == ran.usage(CLAUDE).cache_write_tokens
    arguments = ["--published", "--namespace", "LangChainBedrockCache"]
    assert main(["report", "--json", *arguments, "--dimension", "Service=leases"]) == 0
    total = json.loads(capsys.readouterr().out)["total"]
    assert total["cache_write_1h_tokens"] == ran.usage().cache_write_1h_tokens
    assert total["calls"] == 9


def test_a_base_model_prices_an_arn(ran: Traffic, capsys: pytest.CaptureFixture[str]) -> None:
    """`--base-model` says what an ARN stands for."""
    arguments = ["report", "--json", "--model", CLAUDE, "--base-model", CLAUDE]
    assert main(arguments) == 0
    assert Decimal(json.loads(capsys.readouterr().out)["total"]["cost_usd"]) > 0
    assert ran.ledger()


def test_the_dashboard_is_printed_and_deployed(
    ran: Traffic, cloudwatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--dashboard` prints a body and leaves the account alone; `--deploy` creates it too."""
    assert main(["report", "--dashboard"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert cloudwatch.list_dashboards()["DashboardEntries"] == []
    assert main(["report", "--dashboard", "--deploy"]) == 0
    kept = cloudwatch.get_dashboard(DashboardName="prompt-cache")["DashboardBody"]
    assert json.loads(kept) == printed
    capsys.readouterr()
    assert main(["report", "--dashboard", "--published", "--model", CLAUDE]) == 0
    widgets = json.loads(capsys.readouterr().out)["widgets"]
    assert "LangChainBedrockCache" in json.dumps(widgets)
    assert ran.ledger()


def test_the_alarms_are_printed_and_deployed(
    ran: Traffic, cloudwatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--alarms` prints what `put-metric-alarm` takes; `--deploy` creates them too."""
    limits = ["--hit-ratio-below", "0.7", "--alarm-action", "arn:aws:sns:eu-west-1:1:oncall"]
    assert main(["report", "--alarms", *limits]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert len(printed) == 4
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []
    assert main(["report", "--alarms", "--deploy", *limits]) == 0
    kept = cloudwatch.describe_alarms()["MetricAlarms"]
    assert {one["AlarmName"] for one in kept} == {one["AlarmName"] for one in printed}
    assert {one["Threshold"] for one in kept} == {70.0, 1.0}
    assert ran.ledger()


def test_a_missing_permission_is_named(
    cloudwatch: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 1, and standard error says the action and the statement to add."""

    def client(*_args: Any, **_kwargs: Any) -> Any:
        return cloudwatch

    deny(cloudwatch, "ListMetrics")
    monkeypatch.setattr(boto3.session.Session, "client", client)
    assert main(["report"]) == 1
    said = capsys.readouterr().err
    assert "AccessDenied" in said
    assert "lacks cloudwatch:ListMetrics" in said


def test_what_aws_or_we_refuse(
    cloudwatch: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No Region, an unknown profile and impossible hours are one line each, and exit status 1."""
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    assert main(["report"]) == 1
    assert "You must specify a region" in capsys.readouterr().err
    assert main(["report", "--profile", "nobody"]) == 1
    assert "nobody" in capsys.readouterr().err
    assert main(["report", "--region", "eu-west-1", "--hours", "-1"]) == 1
    assert "hours is -1" in capsys.readouterr().err
    assert main(["report", "--region", "eu-west-1", "--dashboard"]) == 1
    assert "0 models were given" in capsys.readouterr().err
    assert cloudwatch.list_dashboards()["DashboardEntries"] == []


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """A dimension without a value, and nothing to deploy, are said to be wrong."""
    with pytest.raises(SystemExit) as ended:
        main(["report", "--dimension", "Service"])
    assert ended.value.code == 2
    assert "'Service' is not of the form NAME=VALUE" in capsys.readouterr().err
    assert main(["report", "--deploy"]) == 1
    assert "--dashboard or --alarms" in capsys.readouterr().err
