"""The boto3 client of the emulator: real, offline, and alone in what it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from langchain_bedrock_cache.emulator import BedrockEmulator

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LONG = [{"text": "z" * 6_000}, {"cachePoint": {"type": "default"}}]


def usage(client: Any, model_id: str = CLAUDE) -> dict[str, Any]:
    """Send the same request with one cache point and return its usage."""
    message = {"role": "user", "content": [{"text": "Hello"}]}
    response = client.converse(modelId=model_id, system=LONG, messages=[message])
    return dict(response["usage"])


def test_client_ignores_a_broken_aws_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No profile, config file, endpoint or token of the environment can get in the way."""
    broken = tmp_path / "config"
    broken.write_text("[profile nobody\nregion = nowhere", encoding="utf-8")
    for name, value in {
        "AWS_PROFILE": "nobody",
        "AWS_CONFIG_FILE": str(broken),
        "AWS_SHARED_CREDENTIALS_FILE": str(broken),
        "AWS_DEFAULT_REGION": "nowhere-1",
        "AWS_ENDPOINT_URL": "http://192.0.2.1/prefix",
        "AWS_BEARER_TOKEN_BEDROCK": "token",
        "AWS_MAX_ATTEMPTS": "9",
    }.items():
        monkeypatch.setenv(name, value)
    client = BedrockEmulator().client()
    assert client.meta.region_name == "us-east-1"
    assert usage(client)["cacheWriteInputTokens"] == 2_000


def test_response_is_parsed_by_botocore() -> None:
    """The result carries botocore's own metadata, and only members of the service model."""
    client = BedrockEmulator(responder=lambda _request: "Hi.").client()
    message = {"role": "user", "content": [{"text": "Hello"}]}
    response = client.converse(modelId=CLAUDE, messages=[message])
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert response["output"] == {"message": {"role": "assistant", "content": [{"text": "Hi."}]}}
    assert response["stopReason"] == "end_turn"
    assert "serverToolUsage" not in response["usage"]


def test_request_is_serialized_by_botocore() -> None:
    """The captured body is what goes over the wire: binary members in base64, no model ID."""
    emulator = BedrockEmulator(capture_requests=True)
    image = {"format": "png", "source": {"bytes": b"\x00\xff"}}
    message = {"role": "user", "content": [{"image": image}]}
    emulator.client().converse(modelId=CLAUDE, messages=[message])
    sent = {"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": "AP8="}}}]}
    assert emulator.requests == ({"messages": [sent]},)


def test_request_bodies_are_kept_only_on_demand() -> None:
    """Asking for bodies that were not kept is an error, not an empty answer."""
    emulator = BedrockEmulator()
    usage(emulator.client())
    with pytest.raises(RuntimeError, match="capture_requests=True"):
        _ = emulator.requests


def test_clients_of_one_region_share_a_cache_and_others_do_not() -> None:
    """What one client wrote, another of the same Region reads; other Regions start cold."""
    emulator = BedrockEmulator()
    usage(emulator.client())
    assert usage(emulator.client())["cacheReadInputTokens"] == 2_000
    assert usage(emulator.client(region="eu-west-1"))["cacheReadInputTokens"] == 0
    assert usage(emulator.client(account="999999999999"))["cacheReadInputTokens"] == 0


def test_profiles_of_one_model_share_a_cache_and_other_models_do_not() -> None:
    """Geo prefix, bare ID and ARN mean the same model; a sibling model has its own cache."""
    client = BedrockEmulator().client()
    usage(client)
    bare = CLAUDE.removeprefix("us.")
    foundation = f"arn:aws:bedrock:us-east-1::foundation-model/{bare}"
    inference = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.{bare}"
    for model_id in (bare, foundation, inference):
        assert usage(client, model_id)["cacheReadInputTokens"] == 2_000
    assert usage(client, "us.anthropic.claude-sonnet-4-6")["cacheReadInputTokens"] == 0


def test_opaque_arn_is_resolved_through_the_mapping() -> None:
    """An application inference profile works once the emulator knows what is behind it."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
    client = BedrockEmulator(model_arns={arn: CLAUDE}).client()
    usage(client)
    assert usage(client, arn)["cacheReadInputTokens"] == 2_000


def test_what_a_prompt_router_chose_is_in_the_trace() -> None:
    """A call through a prompt router says which model answered."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:default-prompt-router/anthropic.claude:1"
    client = BedrockEmulator(model_arns={arn: CLAUDE}).client()
    message = {"role": "user", "content": [{"text": "Hello"}]}
    response = client.converse(modelId=arn, messages=[message])
    invoked = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CLAUDE}"
    assert response["trace"]["promptRouter"]["invokedModelId"] == invoked


def test_own_client_can_be_attached_and_others_stay_untouched() -> None:
    """Attaching redirects one client; a second one still wants to reach the network."""
    session = boto3.Session("x", "y", region_name="us-west-2")
    quick = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    own, other = (
        session.client("bedrock-runtime", config=quick, endpoint_url="http://127.0.0.1:9")
        for _ in range(2)
    )
    emulator = BedrockEmulator()
    assert emulator.attach(own) is own
    usage(own)
    assert emulator.ledger[-1].region == "us-west-2"
    with pytest.raises(Exception, match="Could not connect"):
        usage(other)
    assert len(emulator.ledger) == 1


def test_last_attached_emulator_wins() -> None:
    """A client can be moved to another emulator by attaching it there."""
    first, second = BedrockEmulator(), BedrockEmulator()
    client = second.attach(first.client())
    usage(client)
    assert (len(first.ledger), len(second.ledger)) == (0, 1)


def test_client_of_another_service_is_refused() -> None:
    """Attaching an S3 client is a mistake, and is named as one."""
    s3 = boto3.Session("x", "y", region_name="us-east-1").client("s3")
    with pytest.raises(ValueError, match="client of 's3'"):
        BedrockEmulator().attach(s3)


def test_own_config_is_merged_over_the_default() -> None:
    """A caller's retry setting replaces ours; the rest of the default stays."""
    client = BedrockEmulator().client(config=Config(read_timeout=7))
    assert client.meta.config.read_timeout == 7
    assert client.meta.config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chars_per_token": 0}, "chars_per_token is 0"),
        ({"first_byte_latency_seconds": -1.0}, "first_byte_latency_seconds is -1.0"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any], message: str) -> None:
    """A setting that makes no sense raises at once, naming the value."""
    with pytest.raises(ValueError, match=message):
        BedrockEmulator(**options)
