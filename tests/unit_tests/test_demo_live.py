"""The demonstration on a live model: what it says before it spends, and what it sends."""

from __future__ import annotations

import argparse
from decimal import Decimal

import pytest
from botocore.exceptions import NoCredentialsError

from langchain_bedrock_cache.demo import cli
from langchain_bedrock_cache.demo.comparison import Workload, compare
from langchain_bedrock_cache.demo.script import responder_for
from langchain_bedrock_cache.demo.stage import Stage, emulated_stage
from langchain_bedrock_cache.emulator import BedrockEmulator


def _emulated(workload: Workload) -> Stage:
    return emulated_stage(responder_for(workload))


def _arguments(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(argv)


class _Bedrock:
    """Stands where boto3 is asked for a client: an emulator instead of AWS."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        responder = responder_for(cli.workloads(None, cli.LIVE_SIZE)[1])
        self.emulator = BedrockEmulator(responder=responder, capture_requests=True)
        monkeypatch.setattr("boto3.client", lambda _service: self.emulator.client())


def test_live_runs_on_the_client_of_boto3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Live, the cost estimate comes first, and no run can read what another one wrote."""
    bedrock = _Bedrock(monkeypatch)
    assert cli.run(_arguments("--live", cli.DEFAULT_MODEL)) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("About 34 calls to us.anthropic.claude-sonnet-5 on Amazon Bedrock")
    assert printed.count("totals") == 2
    assert "seconds apart" not in printed
    systems = {request["system"][0]["text"] for request in bedrock.emulator.requests}
    assert len(systems) == 7


def test_live_asks_before_it_spends_much(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dear model is not called without --yes."""
    bedrock = _Bedrock(monkeypatch)
    dear = "us.anthropic.claude-fable-5"
    assert (cli.estimate_live_usd(cli.workloads(None, cli.LIVE_SIZE), dear) or 0) > Decimal(1)
    assert cli.run(_arguments("--live", dear)) == 1
    assert "say --yes to go on" in capsys.readouterr().out
    assert not bedrock.emulator.ledger


def test_live_estimate_is_not_below_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With replies as long as is allowed taken for granted, the estimate is on the safe side."""
    planned = cli.workloads(None, cli.LIVE_SIZE)
    estimate = cli.estimate_live_usd(planned, cli.DEFAULT_MODEL)
    runs = [
        run
        for comparison in compare(planned, cli.DEFAULT_MODEL, stage_for=_emulated)
        for run in comparison.runs
    ]
    assert estimate is not None
    assert estimate > sum((run.cost_usd or Decimal(0) for run in runs), Decimal(0))


def test_live_without_credentials_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of AWS ends the command with its message."""

    def no_client(_service: str) -> object:
        raise NoCredentialsError

    monkeypatch.setattr("boto3.client", no_client)
    assert cli.run(_arguments("--live", cli.DEFAULT_MODEL)) == 1
    assert "Unable to locate credentials" in capsys.readouterr().err
