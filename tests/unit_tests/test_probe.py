"""`probe`: what is measured, what it costs, and the command."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import boto3
import pytest
from wire import CLAUDE, HAIKU, LLAMA, NOVA

from langchain_bedrock_cache.__main__ import main
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.probe import ProbePlan, ProbeResult, run_probe
from langchain_bedrock_cache.profiles import find_profile, register_profile, unregister_profile


def probed(plan: ProbePlan, *, salt: str = "salt", **settings: Any) -> ProbeResult:
    """Return what is found on an emulator whose calls take 2 seconds, and 1 second if read."""
    clock = SimulatedClock()
    emulator = BedrockEmulator(clock=clock, **settings)
    ticks = itertools.count()

    def timer() -> float:
        number = next(ticks)
        reading = bool(emulator.ledger and emulator.ledger[-1].cache_read_tokens)
        return number * 10.0 + (number % 2) * (1.0 if reading else 2.0)

    return run_probe(emulator.client(), plan, salt=salt, timer=timer, wait=clock.advance)


@pytest.mark.parametrize("ttl", ["5m", "1h"])
@pytest.mark.parametrize("model", [CLAUDE, HAIKU])
def test_everything_is_found(model: str, ttl: Any) -> None:
    """One write, reads, minimum and lifetime as the emulator keeps them."""
    result = probed(ProbePlan(model_id=model, ttl=ttl, find_lifetime=True, calls=3))
    assert result.works
    profile = find_profile(model)
    assert profile is not None
    assert result.observed_minimum is not None
    missed, cached = result.observed_minimum
    assert missed < profile.min_tokens_per_cache_point <= cached
    assert cached < 1.3 * missed
    seconds = {"5m": 300, "1h": 3600}[ttl]
    assert result.observed_lifetime == (seconds - 30, seconds + 30)
    assert result.speed_up == pytest.approx(12 / 11)


def test_nova_is_asked_in_its_own_way() -> None:
    """No ttl is sent where five minutes are meant: Nova refuses the field."""
    assert probed(ProbePlan(model_id=NOVA, calls=2)).works


def test_a_minimum_that_is_documented_wrong_is_narrowed_down() -> None:
    """If the prompts beside the documented minimum do not confirm it, a few more find it."""
    profile = find_profile(CLAUDE)
    assert profile is not None
    clock = SimulatedClock()
    emulator = BedrockEmulator(clock=clock)
    plan = ProbePlan(model_id="us.anthropic.claude-mine", calls=2)
    register_profile(replace(profile, id="anthropic.claude-mine", min_tokens_per_cache_point=3_000))
    try:
        # The plan is asked for a documented minimum only while it runs: the emulator has 3,000.
        wrong = _Documented(model_id=plan.model_id, calls=2)
        result = run_probe(emulator.client(), wrong, salt="s", timer=clock, wait=clock.advance)
    finally:
        unregister_profile("anthropic.claude-mine")
    assert result.observed_minimum is not None
    missed, cached = result.observed_minimum
    assert missed < 3_000 <= cached
    assert cached <= 1.3 * missed
    assert len(result.calls) <= wrong.max_calls


class _Documented(ProbePlan):
    """A plan that believes in a minimum of 1,024 tokens, whatever the table says."""

    @property
    def documented_minimum(self) -> int:
        """What is documented, wrongly."""
        return 1_024


def test_another_salt_is_another_prompt() -> None:
    """The first call writes although the same probe was made a moment ago; the same salt reads."""
    client = BedrockEmulator().client()
    plan = ProbePlan(model_id=CLAUDE, calls=2, find_minimum=False)
    for salt in ("one", "two"):
        assert run_probe(client, plan, salt=salt).works
    assert not run_probe(client, plan, salt="one").works


def test_a_prompt_that_is_too_short() -> None:
    """Nothing is written, nothing is looked for, and no speed-up is claimed."""
    plan = ProbePlan(model_id=CLAUDE, calls=2, prompt_tokens=100, find_lifetime=True)
    result = probed(plan)
    assert (result.works, result.speed_up, len(result.calls)) == (False, None, 2)
    assert result.observed_minimum is None
    assert result.observed_lifetime is None


@pytest.mark.parametrize("model", [CLAUDE, HAIKU, NOVA])
def test_it_costs_no_more_than_was_said(model: str) -> None:
    """The estimate is above the cost, and not by orders of magnitude."""
    for lifetime in (False, True):
        result = probed(ProbePlan(model_id=model, find_lifetime=lifetime))
        estimate = result.plan.estimate_usd()
        assert estimate is not None
        assert result.cost is not None
        assert result.cost.total_usd <= estimate <= 8 * result.cost.total_usd
        assert len(result.calls) <= result.plan.max_calls


def test_an_unknown_price_is_unknown() -> None:
    """A model without a price has no cost, rather than none to pay."""
    plan = ProbePlan(model_id="new.model-of-nobody")
    assert plan.estimate_usd() is None
    found = probed(ProbePlan(model_id=CLAUDE, calls=2, find_minimum=False))
    assert ProbeResult(plan=plan, calls=found.calls).cost is None
    assert found.cost is not None
    assert found.cost.total_usd > Decimal(0)


@pytest.mark.parametrize("wrong", [{"calls": 1}, {"prompt_tokens": 0}])
def test_wrong_plans(wrong: dict[str, Any]) -> None:
    """A probe that could find nothing is refused, with the limit."""
    with pytest.raises(CachePolicyError, match="must be a whole number"):
        ProbePlan(model_id=CLAUDE, **wrong)


def test_the_command_on_the_emulator(capsys: pytest.CaptureFixture[str]) -> None:
    """Checks, calls and findings are printed, and no latency is praised."""
    assert main(["probe", "--emulator", "--model", CLAUDE]) == 0
    printed = capsys.readouterr().out
    assert "written once, and read by all 4 others" in printed
    assert "documented: 1,024" in printed
    assert "read after 270 s, gone after 330 s" in printed
    assert "speed-up" not in printed
    assert "USD" not in printed


def test_the_command_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` prints one object with everything, and nothing else."""
    arguments = ["probe", "--emulator", "--json", "--calls", "2", "--no-minimum", "--ttl", "1h"]
    assert main(arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["works"] is True
    assert said["speed_up"] is None
    assert said["observed_lifetime_seconds"] == [3570, 3630]
    assert [call["step"] for call in said["calls"]] == ["same", "same", "later", "later"]
    assert said["calls"][0]["cache_write_1h_tokens"] > 5_000
    assert {check["state"] for check in said["checks"]} == {"ok"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, clock: SimulatedClock) -> BedrockEmulator:
    """An AWS account: credentials, a Region, and a Bedrock that is the emulator."""
    emulator = BedrockEmulator(clock=clock)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    real: Any = boto3.client

    def client(service: str, **kwargs: Any) -> Any:
        return emulator.attach(real(service, **kwargs))

    monkeypatch.setattr(boto3, "client", client)
    return emulator


def test_nothing_is_sent_without_yes(
    aws: BedrockEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cost is said first, and nothing is paid for before somebody says yes."""
    assert main(["probe", "--model", CLAUDE, "--wait"]) == 0
    printed = capsys.readouterr().out
    assert "USD, and 10 minutes." in printed
    assert "Nothing was sent: --yes" in printed
    assert not aws.ledger
    assert main(["probe", "--model", CLAUDE, "--json"]) == 0
    assert Decimal(json.loads(capsys.readouterr().out)["plan"]["estimated_usd"]) > 0
    assert not aws.ledger


def test_a_live_probe(aws: BedrockEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--yes` the calls are made in the Region asked for, timed and priced."""
    assert main(["probe", "--model", CLAUDE, "--yes", "--region", "us-west-2"]) == 0
    printed = capsys.readouterr().out
    assert "times as fast when read" in printed
    assert "cost:" in printed
    assert {record.region for record in aws.ledger} == {"us-west-2"}


def test_a_live_probe_waits_if_asked(
    aws: BedrockEmulator,
    clock: SimulatedClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With `--wait` it says how long it sleeps, and finds out how long an entry lives."""
    monkeypatch.setattr("langchain_bedrock_cache.commands.probe.time.sleep", clock.advance)
    assert main(["probe", "--model", CLAUDE, "--yes", "--wait", "--no-minimum"]) == 0
    printed = capsys.readouterr().out
    assert "waiting 270 s" in printed
    assert "read after 270 s, gone after 330 s" in printed


def test_a_probe_that_finds_no_cache(
    aws: BedrockEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status is 1 where the prompt is not cached, and it says what to try."""
    assert main(["probe", "--model", CLAUDE, "--yes", "--tokens", "50"]) == 1
    assert "nothing was written. Is the prompt long enough" in capsys.readouterr().out


def test_refusals_are_explained(aws: BedrockEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    """An error of AWS is shown as it is, with what to do; also as JSON."""
    assert main(["probe", "--model", LLAMA, "--yes"]) == 1
    said = capsys.readouterr().err
    assert "AccessDeniedException" in said
    assert "takes no cache points" in said
    aws.fail_next("ThrottlingException", times=9)
    assert main(["probe", "--model", CLAUDE, "--yes", "--json"]) == 1
    assert "quota" in json.loads(capsys.readouterr().out)["error"]["remedy"]


def test_failed_checks_send_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without credentials, or for a lifetime the model does not know, it ends before the calls."""
    assert main(["probe", "--model", CLAUDE, "--yes"]) == 1
    assert "AWS credentials: none found" in capsys.readouterr().out
    assert main(["probe", "--model", NOVA, "--emulator", "--ttl", "1h"]) == 1
    assert "caches for 5m only" in capsys.readouterr().out


def test_an_arn_on_the_emulator(capsys: pytest.CaptureFixture[str]) -> None:
    """An ARN that does not name its model is probed as the model behind it."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
    assert main(["probe", "--emulator", "--model", arn, "--base-model", CLAUDE]) == 0
    assert "documented: 1,024" in capsys.readouterr().out
