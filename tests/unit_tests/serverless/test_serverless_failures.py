"""What can go wrong with documents, connections and settings, and what it is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.stub import Stubber
from moto import mock_aws

from langchain_bedrock_cache import CachePolicy, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.serverless import (
    DeploymentError,
    DocumentForbiddenError,
    DocumentNotFoundError,
    InvalidRequestError,
    ModelFailedError,
    ModelTimeoutError,
    ServerlessError,
    ServiceUnavailableError,
    ThrottledError,
    create_handler,
    run_handler,
)
from langchain_bedrock_cache.serverless.container import container_storage
from langchain_bedrock_cache.serverless.failures import bedrock_failure, s3_failure
from langchain_bedrock_cache.serverless.settings import Settings
from langchain_bedrock_cache.serverless.storage import Location, Storage

URI = "s3://documents-bucket/lease.txt"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("NoSuchKey", DocumentNotFoundError),
        ("NoSuchBucket", DocumentNotFoundError),
        ("AccessDenied", DocumentForbiddenError),
        ("SlowDown", ThrottledError),
        ("InternalError", ServiceUnavailableError),
        ("SomethingNew", DeploymentError),
    ],
)
@pytest.mark.parametrize("operation", ["get_object", "put_object"])
def test_failures_of_s3(operation: str, code: str, kind: type[ServerlessError]) -> None:
    """Each has its type; what is forbidden names the action to allow."""
    client = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="secret"
    )
    storage, location = Storage(client), Location.of(URI, field="document")
    call: dict[str, Callable[[Location], object]] = {
        "get_object": storage.read,
        "put_object": lambda at: storage.write(at, "text"),
    }
    with Stubber(client) as stub:
        stub.add_client_error(operation, service_error_code=code)
        with pytest.raises(kind) as raised:
            call[operation](location)
    assert URI in str(raised.value)
    if kind is DocumentForbiddenError:
        assert ("s3:GetObject" in str(raised.value)) == (operation == "get_object")


CONNECTIONS: dict[str, tuple[Exception, type[ServerlessError], type[ServerlessError]]] = {
    "timeout": (
        exceptions.ReadTimeoutError(endpoint_url="https://aws"),
        ModelTimeoutError,
        ServiceUnavailableError,
    ),
    "nobody there": (
        exceptions.EndpointConnectionError(endpoint_url="https://aws"),
        ServiceUnavailableError,
        ServiceUnavailableError,
    ),
    "no credentials": (exceptions.NoCredentialsError(), DeploymentError, DeploymentError),
}


@pytest.mark.parametrize("name", CONNECTIONS)
def test_failures_of_the_connection(name: str) -> None:
    """No model took part where S3 does not answer."""
    error, of_bedrock, of_s3 = CONNECTIONS[name]
    assert type(bedrock_failure(error)) is of_bedrock
    assert type(s3_failure(error, uri=URI, action="s3:GetObject")) is of_s3


def test_bugs_are_no_failures_of_aws() -> None:
    """They are not re-labelled."""
    assert bedrock_failure(RuntimeError("bug")) is None
    assert s3_failure(RuntimeError("bug"), uri=URI, action="s3:GetObject") is None
    with pytest.raises(AttributeError):
        Storage(object()).read(Location.of(URI, field="document"))


def test_an_error_nobody_has_heard_of_is_of_bedrock() -> None:
    """It may pass, so a state machine tries again."""
    response: Any = {"Error": {"Code": "NewException", "Message": "new"}}
    failure = bedrock_failure(exceptions.ClientError(response, "Converse"))
    assert type(failure) is ModelFailedError
    assert not failure.is_permanent


def test_a_lifetime_the_model_does_not_know_is_a_mistake_of_the_deployment(
    emulator: BedrockEmulator,
) -> None:
    """No request is to blame for it."""
    client = emulator.client()
    model = ChatBedrockCached(
        model_id="amazon.nova-pro-v1:0",
        client=client,
        bedrock_client=client,
        cache_policy=CachePolicy(sections=()),
        prefix_memory=PrefixMemory(),
    )
    with pytest.raises(DeploymentError, match="'1h'"):
        create_handler(model, ttl="1h")({"document": "A lease.", "question": "Why?"}, None)


@pytest.mark.parametrize("prompt_cache", [True, False])
def test_an_empty_object_is_no_document(plain_model: Any, *, prompt_cache: bool) -> None:
    """Bedrock would refuse it, with or without cache points."""
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="documents-bucket")
        s3.put_object(Bucket="documents-bucket", Key="lease.txt", Body=b" \n")
        event = {"document": URI, "question": "Why?", "prompt_cache": prompt_cache}
        with pytest.raises(InvalidRequestError) as raised:
            create_handler(plain_model, s3_client=s3)(event, None)
    assert raised.value.field == "document"


def test_a_plain_model_answers_without_prompt_cache(plain_model: Any) -> None:
    """langchain-aws's own chat model has no planner to keep quiet."""
    event = {"document": "A lease.", "question": "Why?", "prompt_cache": False}
    assert create_handler(plain_model)(event, None)["answer"]


def test_the_run_function_makes_its_own_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler of the template plans with the role and Region of its container."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    container_storage.cache_clear()
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="runs-bucket")
        items = [{"document": "A lease.", "question": "Why?"}]
        event = {"action": "plan", "items": items, "run_uri": "s3://runs-bucket/runs/1/"}
        assert len(run_handler(event)["documents"]) == 1
        assert len(run_handler(event)["documents"]) == 1
    assert container_storage.cache_info().misses == 1
    container_storage.cache_clear()


def test_settings_come_from_the_environment() -> None:
    """Every setting has its variable; empty ones count as not set."""
    environment = {
        "MODEL": "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
        "BASE_MODEL": "amazon.nova-pro-v1:0",
        "INSTRUCTIONS": "",
        "MAX_DOCUMENT_BYTES": "5",
        "DOCUMENTS": "s3://a/, s3://b/c",
        "READ_TIMEOUT_SECONDS": "9",
    }
    named = {f"LANGCHAIN_BEDROCK_CACHE_{name}": value for name, value in environment.items()}
    assert Settings.from_environment(named) == Settings(
        model=environment["MODEL"],
        base_model="amazon.nova-pro-v1:0",
        max_document_bytes=5,
        documents=("s3://a/", "s3://b/c"),
        read_timeout_seconds=9,
    )
