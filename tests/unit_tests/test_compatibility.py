"""What prompt caching needs: packages, model, credentials, and what errors of AWS mean."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from wire import CLAUDE, LLAMA, NOVA, PROFILE_ARN, ask, text, user

from langchain_bedrock_cache.compatibility import (
    check_access,
    check_model,
    check_packages,
    explain_error,
    installed_versions,
    known_members,
)
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.profiles import shipped_profiles

ALL = frozenset({"cachePoint", "ttl", "cacheDetails"})
VERSIONS: dict[str, str | None] = {
    "boto3": "1.42.31",
    "botocore": "1.42.31",
    "langchain-aws": "1.7",
}


def test_what_is_installed_is_enough() -> None:
    """The environment that the tests run in passes every check."""
    assert known_members() == ALL
    assert {check.state for check in check_packages(installed_versions(), ALL)} == {"ok"}


@pytest.mark.parametrize(
    ("known", "least", "missing"),
    [
        (frozenset(), "1.42.31", "cachePoint (to mark what is cached)"),
        (frozenset({"cachePoint"}), "1.42.31", "cacheDetails (to tell writes for an hour"),
        (ALL - {"ttl"}, "1.42.31", "ttl (to cache for an hour)"),
        (ALL - {"cachePoint"}, "1.37.24", "cachePoint"),
    ],
)
def test_an_old_botocore(known: frozenset[str], least: str, missing: str) -> None:
    """What it does not know is named, with what for, and the release that does."""
    check = check_packages(VERSIONS, known)[0]
    assert check.state == "failed"
    assert missing in check.detail
    assert check.remedy == f"pip install -U 'boto3>={least}' 'botocore>={least}'"


@pytest.mark.parametrize("old", [None, "1.6.9", "0.2.35", "1.6.10rc1"])
def test_an_old_langchain_aws(old: str | None) -> None:
    """One that is older than what this package asks for, or missing, is named with a remedy."""
    check = check_packages(VERSIONS | {"langchain-aws": old}, ALL)[1]
    assert (check.state, check.remedy) == ("failed", "pip install -U 'langchain-aws>=1.7'")
    assert check.as_dict()["name"] == f"langchain-aws {old or 'missing'}"
    assert check_packages(VERSIONS | {"langchain-aws": "1.10.0"}, ALL)[1].state == "ok"


def test_the_versions_are_those_of_the_project() -> None:
    """What is checked here is what the installer is told to install."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    least = {m[1]: m[2] for d in project["dependencies"] if (m := re.match(r"(.*)>=(.*)", d))}
    too_old = check_packages(VERSIONS | {"langchain-aws": "0"}, frozenset())
    assert f"'boto3>={least['boto3']}'" in too_old[0].remedy
    assert f"'langchain-aws>={least['langchain-aws']}'" in too_old[1].remedy


def test_models() -> None:
    """Models that cache, do not, and are not known; IDs that do not name one; wrong lifetimes."""
    fine = check_model(CLAUDE, ttl="1h")
    assert (fine.state, fine.remedy) == ("ok", "")
    assert "from 1,024 tokens, for 5m or 1h, with up to 4 points" in fine.detail
    assert check_model(PROFILE_ARN).state == "unknown"
    assert "--base-model" in check_model(PROFILE_ARN).remedy
    assert check_model(PROFILE_ARN, base_model=CLAUDE).state == "ok"
    assert "register_profile" in check_model("new.model").remedy
    wrong = check_model(NOVA, ttl="1h")
    assert (wrong.state, wrong.remedy) == (
        "failed",
        "Ask for 5m, or use a model that caches for 1h.",
    )


@pytest.mark.parametrize("profile", shipped_profiles(), ids=lambda profile: profile.id)
def test_every_shipped_model_has_its_answer(profile: Any) -> None:
    """What the table says is supported passes, and the rest fails with a remedy."""
    check = check_model(profile.id)
    assert check.state == ("ok" if profile.supports_caching else "failed")
    assert bool(check.remedy) is not profile.supports_caching


def test_access(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials and Region are looked for without sending anything, and missed with a remedy."""
    without = list(check_access(boto3.Session()))
    assert [check.state for check in without] == ["failed", "failed"]
    assert "aws sso login" in without[0].remedy
    assert "--region" in without[1].remedy
    assert next(reversed(list(check_access(boto3.Session(), region="eu-west-1")))).state == "ok"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    found = list(check_access(boto3.Session()))
    assert [(check.state, check.detail) for check in found] == [
        ("ok", "found (env)"),
        ("ok", "eu-west-1"),
    ]
    assert not any("secret" in str(check) for check in found)


def _client_error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Converse")


ERRORS: list[tuple[Exception, str]] = [
    (exceptions.NoCredentialsError(), "aws configure"),
    (exceptions.ProfileNotFound(profile="work"), "AWS_PROFILE"),
    (exceptions.NoRegionError(), "--region"),
    (exceptions.EndpointConnectionError(endpoint_url="https://x"), "cannot be reached"),
    (_client_error("ExpiredTokenException", "The security token is expired"), "sign in again"),
    (_client_error("UnrecognizedClientException", "The token is invalid"), "sign in again"),
    (
        _client_error(
            "AccessDeniedException",
            "User: arn:aws:iam::1:user/me is not authorized to perform: bedrock:InvokeModel on "
            "resource: arn:aws:bedrock:us-east-1::foundation-model/x",
        ),
        "Allow bedrock:InvokeModel",
    ),
    (_client_error("AccessDeniedException", "You don't have access to the model"), "Model access"),
    (
        _client_error(
            "ValidationException",
            "Invocation of model ID x with on-demand throughput isn't supported.",
        ),
        "inference profile",
    ),
    (_client_error("ValidationException", "The provided model identifier is invalid."), "model ID"),
    (_client_error("ResourceNotFoundException", "Could not resolve it"), "offered in this Region"),
    (_client_error("ThrottlingException", "Too many tokens"), "quota"),
    (_client_error("ValidationException", "Something else."), ""),
    (ValueError("not of AWS"), ""),
]


@pytest.mark.parametrize(("error", "remedy"), ERRORS)
def test_errors_are_explained(error: Exception, remedy: str) -> None:
    """Each error of boto3 that a first call meets has its remedy; others have none."""
    said = explain_error(error)
    assert remedy in said
    assert bool(said) is bool(remedy)


def test_a_refused_point_is_explained() -> None:
    """What the service says of a model without caching is told from a missing permission."""
    client = BedrockEmulator().client()
    system = [text(2_000), {"cachePoint": {"type": "default"}}]
    with pytest.raises(ClientError) as raised:
        client.converse(**ask(user("Hi"), model=LLAMA, system=system))
    assert "takes no cache points" in explain_error(raised.value)
