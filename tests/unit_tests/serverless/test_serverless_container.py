"""The answering function in its container: made once, from settings of the environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from serverless.lease_questions import ASKED, MODEL, http

from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.serverless import DeploymentError, handler
from langchain_bedrock_cache.serverless.container import container_answers


def test_the_container_is_made_once_from_its_environment(
    monkeypatch: pytest.MonkeyPatch, emulator: BedrockEmulator
) -> None:
    """The handler of the template, over HTTP: model, instructions and lifetime are used."""
    container_answers.cache_clear()
    with emulator.serve(port=0) as server:
        for name, value in {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "LANGCHAIN_BEDROCK_CACHE_MODEL": MODEL,
            "LANGCHAIN_BEDROCK_CACHE_INSTRUCTIONS": "Answer from the lease.",
            "LANGCHAIN_BEDROCK_CACHE_TTL": "1h",
            "LANGCHAIN_BEDROCK_CACHE_MAX_TOKENS": "77",
        }.items():
            monkeypatch.setenv(name, value)
        replies = [handler(ASKED), handler(ASKED)]
    assert container_answers.cache_info().misses == 1
    container_answers.cache_clear()
    assert replies[0]["usage"]["cache_write_1h_tokens"] > 0
    assert replies[1]["usage"]["cache_read_tokens"] > 0
    request = emulator.requests[0]
    assert request["system"][0]["text"] == "Answer from the lease."
    assert request["inferenceConfig"]["maxTokens"] == 77


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "LANGCHAIN_BEDROCK_CACHE_MODEL"),
        ({"MODEL": MODEL, "TTL": "2h"}, "'2h'"),
        ({"MODEL": MODEL, "MAX_TOKENS": "0"}, "'0'"),
        ({"MODEL": MODEL, "DOCUMENTS": "bucket"}, "'bucket'"),
        ({"MODEL": MODEL}, "Region"),
    ],
)
def test_wrong_settings(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], named: str
) -> None:
    """The log says which setting; HTTP callers learn only that something is wrong."""
    container_answers.cache_clear()
    for name, value in environment.items():
        monkeypatch.setenv(f"LANGCHAIN_BEDROCK_CACHE_{name}", value)
    with pytest.raises(DeploymentError, match=named):
        handler(ASKED)
    reply = handler(http(ASKED))
    assert reply["statusCode"] == 500
    assert named not in reply["body"]


def test_importing_the_handler_is_cheap() -> None:
    """Neither boto3 nor LangChain is imported before the first request."""
    code = (
        "import sys; from langchain_bedrock_cache.serverless import handler, run_handler;"
        "heavy = {'boto3', 'botocore', 'langchain_core', 'pydantic'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.strip() == "[]"
