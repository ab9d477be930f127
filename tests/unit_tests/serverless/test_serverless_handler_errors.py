"""The answering function: what it says of bad requests, and of failures of Bedrock and its own."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from serverless.lease_questions import ASKED, LEASE, MODEL, http

from langchain_bedrock_cache import ChatBedrockCached
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.emulator.service_model import error_status
from langchain_bedrock_cache.serverless import (
    InvalidRequestError,
    ServerlessError,
    create_handler,
    errors,
)
from langchain_bedrock_cache.serverless.failures import _OF_BEDROCK
from langchain_bedrock_cache.serverless.handlers import Handler

BAD: dict[str, tuple[Any, int, str | None]] = {
    "no question": ({"document": LEASE}, 400, "question"),
    "blank question": ({**ASKED, "question": " "}, 400, "question"),
    "no document": ({"question": "?"}, 400, "document"),
    "document is a number": ({**ASKED, "document": 7}, 400, "document"),
    "blank document": ({**ASKED, "document": "\n"}, 400, "document"),
    "prompt_cache is a string": ({**ASKED, "prompt_cache": "no"}, 400, "prompt_cache"),
    "no key": ({**ASKED, "document": "s3://documents-bucket"}, 400, "document"),
    "strange file": ({**ASKED, "document": "s3://documents-bucket/a.exe"}, 400, "document"),
    "no text": ({**ASKED, "document": "s3://documents-bucket/latin.txt"}, 400, "document"),
    "other bucket": ({**ASKED, "document": "s3://other-bucket/lease.txt"}, 403, "document"),
    "no such object": ({**ASKED, "document": "s3://documents-bucket/no.txt"}, 404, "document"),
    "too large": ({**ASKED, "document": LEASE * 3}, 413, "document"),
    "too large in S3": ({**ASKED, "document": "s3://documents-bucket/large.txt"}, 413, "document"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests(answer: Handler, emulator: BedrockEmulator, s3: Any, name: str) -> None:
    """Over HTTP a status and the field, in Lambda the type; and Bedrock is not asked."""
    for key, body in {"a.exe": b"MZ", "latin.txt": b"caf\xe9", "large.txt": b"x" * 20_001}.items():
        s3.put_object(Bucket="documents-bucket", Key=key, Body=body)
    event, status, field = BAD[name]

    reply = answer(http(event), None)
    with pytest.raises(ServerlessError) as raised:
        answer(event, None)

    assert reply["statusCode"] == raised.value.status == status
    error = json.loads(reply["body"])["error"]
    assert (error["type"], error["field"]) == (type(raised.value).__name__, field)
    assert raised.value.is_permanent
    assert len(emulator.ledger) == 0


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (http("no JSON"), 400),
        (http("[1]"), 400),
        (http("&&", isBase64Encoded=True), 400),
        (http(ASKED, method="GET"), 405),
    ],
)
def test_bad_http(answer: Handler, event: dict[str, Any], status: int) -> None:
    """What is no request at all is told as well."""
    reply = answer(event, None)
    assert reply["statusCode"] == status
    assert ("Allow" in reply["headers"]) == (status == 405)


@pytest.mark.parametrize("event", [None, "text", [1], {"action": "erase", **ASKED}])
def test_bad_events(answer: Handler, event: Any) -> None:
    """A direct call with something else raises what it lacks."""
    with pytest.raises(InvalidRequestError):
        answer(event, None)


FAILURES = {
    "ThrottlingException": 429,
    "ServiceUnavailableException": 503,
    "ModelNotReadyException": 503,
    "ModelErrorException": 502,
    "InternalServerException": 502,
    "ModelTimeoutException": 504,
    "AccessDeniedException": 500,
    "ResourceNotFoundException": 500,
    "ValidationException": 400,
}


@pytest.mark.parametrize("code", FAILURES)
def test_failures_of_bedrock(answer: Handler, emulator: BedrockEmulator, code: str) -> None:
    """Each has its status, its type for Step Functions, and its cause."""
    error_status(code)  # it is one of Bedrock's
    emulator.fail_next(code, times=2)

    reply = answer(http(ASKED), None)
    with pytest.raises(ServerlessError) as raised:
        answer(ASKED, None)

    assert reply["statusCode"] == raised.value.status == FAILURES[code]
    assert ("Retry-After" in reply["headers"]) == (FAILURES[code] in {429, 503})
    assert raised.value.is_permanent == (FAILURES[code] in {400, 500})
    assert type(raised.value.__cause__).__name__ == code
    assert "ARN" not in reply["body"]


def test_too_much_for_the_model_is_413(answer: Handler, emulator: BedrockEmulator) -> None:
    """A caller can shorten a document, so it is told which kind of mistake it is."""
    emulator.fail_next("ValidationException", message="Input is too long for requested model.")
    assert answer(http(ASKED), None)["statusCode"] == 413


def test_every_error_of_converse_is_known() -> None:
    """None of those that botocore's service model lists falls through."""
    client = boto3.client("bedrock-runtime", region_name="us-east-1")
    listed = {
        shape.name for shape in client.meta.service_model.operation_model("Converse").error_shapes
    }
    assert listed
    assert listed <= set(_OF_BEDROCK)


def test_no_answer_in_time_and_nobody_there(s3: Any) -> None:
    """Connections that fail are told apart from the model's failures."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    client = boto3.client(
        "bedrock-runtime", region_name="us-east-1", config=config,
        endpoint_url="http://127.0.0.1:9",  # where nobody listens
    )  # fmt: skip
    model = ChatBedrockCached(model_id=MODEL, client=client, bedrock_client=client)
    reply = create_handler(model, s3_client=s3)(http(ASKED), None)
    assert reply["statusCode"] == 503


def test_surprises_are_500_without_details(
    plain_model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug is no business of whoever asks, and its message, which may quote, is in no log."""

    class Broken:
        model_id, base_model_id, prefix_memory = MODEL, None, None
        additional_model_request_fields = None

        def invoke(self, *_args: Any) -> None:
            raise RuntimeError(LEASE)

    broken: Any = Broken()
    reply = create_handler(broken)(http(ASKED), None)
    assert reply["statusCode"] == 500
    assert "balcony" not in reply["body"]
    assert "RuntimeError" in caplog.text
    assert "waters its balcony" not in caplog.text


def test_errors_are_told_by_their_class() -> None:
    """Statuses are right and the docstring of the module lists every class."""
    kinds = ServerlessError.__subclasses__()
    assert len(kinds) == 10
    for kind in kinds:
        assert f"* {kind.__name__}" in (errors.__doc__ or "")
        assert f", {kind.status}:" in (errors.__doc__ or "")
