"""The answering function: every form of event, on the emulator and on moto's S3."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from langchain_bedrock_cache import CachePolicy, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.emulator.service_model import error_status
from langchain_bedrock_cache.serverless import (
    DeploymentError,
    InvalidRequestError,
    ServerlessError,
    create_handler,
    errors,
    handler,
)
from langchain_bedrock_cache.serverless.container import container_answers
from langchain_bedrock_cache.serverless.failures import _OF_BEDROCK
from langchain_bedrock_cache.serverless.handlers import Handler

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LEASE = "The tenant of the flat waters its balcony. " * 200
ASKED = {"document": LEASE, "question": "Who waters the balcony?"}
CONFIG: Any = {"core": {
    "mock_credentials": True,
    "reset_boto3_session": True,
    "passthrough": {"services": ["bedrockruntime"], "urls": []},
}}  # fmt: skip


@pytest.fixture
def s3() -> Iterator[Any]:
    """A bucket with a lease in it."""
    with mock_aws(config=CONFIG):
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="documents-bucket")
        client.put_object(Bucket="documents-bucket", Key="lease.txt", Body=LEASE.encode())
        yield client


@pytest.fixture
def answer(emulator: BedrockEmulator, memory: PrefixMemory, s3: Any) -> Handler:
    """A handler that takes 20 kB at most."""
    client = emulator.client()
    model = ChatBedrockCached(
        model_id=MODEL,
        client=client,
        bedrock_client=client,
        cache_policy=CachePolicy(sections=()),
        prefix_memory=memory,
    )
    return create_handler(
        model, s3_client=s3, max_document_bytes=20_000, documents=("s3://documents-bucket/",)
    )


def http(body: Any, *, method: str = "POST", **event: Any) -> dict[str, Any]:
    """Return the event of a function URL."""
    text = body if isinstance(body, str) else json.dumps(body)
    context = {"http": {"method": method}}
    return {"version": "2.0", "requestContext": context, "body": text, **event}


def test_the_second_question_reads_what_the_first_one_wrote(answer: Handler) -> None:
    """Usage and cost are in the reply, and the cost is exact."""
    first, second = answer(ASKED, None), answer({**ASKED, "question": "And when?"}, None)

    assert first["status"] == "answered"
    assert first["answer"]
    assert first["stop_reason"] == "end_turn"
    written = first["usage"]["cache_write_5m_tokens"]
    assert written > 2_000
    assert second["usage"]["cache_read_tokens"] == written
    assert Decimal(second["cost"]["total_usd"]) < Decimal(second["cost"]["without_caching_usd"])
    assert json.loads(json.dumps(second)) == second


def test_a_text_and_the_same_text_in_s3_share_an_entry(answer: Handler) -> None:
    """The document counts, not where it came from."""
    answer(ASKED, None)
    reply = answer({**ASKED, "document": "s3://documents-bucket/lease.txt"}, None)
    assert reply["usage"]["cache_write_5m_tokens"] == 0
    assert reply["usage"]["cache_read_tokens"] > 2_000


def test_a_pdf_is_sent_as_a_document(answer: Handler, emulator: BedrockEmulator, s3: Any) -> None:
    """Files that are no text go as Bedrock's document blocks."""
    s3.put_object(Bucket="documents-bucket", Key="lease.PDF", Body=b"%PDF-1.7")
    answer({**ASKED, "document": "s3://documents-bucket/lease.PDF"}, None)
    block, *_ = emulator.requests[0]["messages"][0]["content"]
    assert block["document"]["format"] == "pdf"


def test_warm_writes_and_the_question_reads(answer: Handler) -> None:
    """A warm-up is a call of its own, for callers who know that questions follow."""
    warm = answer({"action": "warm", "document": LEASE}, None)
    assert warm["status"] == "warmed"
    assert warm["usage"]["output_tokens"] == 1
    reply = answer(ASKED, None)
    assert reply["usage"]["cache_read_tokens"] == warm["usage"]["cache_write_5m_tokens"] > 0


def test_without_prompt_cache_nothing_is_written_and_the_words_are_the_same(
    answer: Handler, emulator: BedrockEmulator
) -> None:
    """Both ways the model sees the same request."""
    answer({**ASKED, "prompt_cache": False}, None)
    answer(ASKED, None)
    texts = [
        [block["text"] for block in request["messages"][0]["content"] if "text" in block]
        for request in emulator.requests
    ]
    assert texts[0] == texts[1]
    assert [r.cache_write_tokens > 0 for r in emulator.ledger] == [False, True]


def test_nothing_is_written_for_a_model_with_a_planner_either(
    cached_model: ChatBedrockCached, emulator: BedrockEmulator
) -> None:
    """Whoever says that nobody asks again knows more than the planner."""
    create_handler(cached_model)({**ASKED, "prompt_cache": False}, None)
    assert emulator.ledger[0].cache_write_tokens == 0


def test_a_refused_cache_point_is_no_reason_to_fail(
    answer: Handler, emulator: BedrockEmulator
) -> None:
    """The question is asked again without."""
    emulator.refuse_cache_points()
    assert answer(ASKED, None)["answer"]


def test_unknown_prices_are_null(emulator: BedrockEmulator) -> None:
    """Not zero: a sum must be able to tell."""
    client = emulator.client()
    model = ChatBedrockCached(
        model_id="somebody.new-model-v1:0", client=client, bedrock_client=client,
        cache_policy=CachePolicy(unsupported_model_behavior="ignore"), prefix_memory=PrefixMemory(),
    )  # fmt: skip
    assert create_handler(model)(ASKED, None)["cost"] is None


@pytest.mark.parametrize("encoded", [False, True])
def test_http(answer: Handler, *, encoded: bool) -> None:
    """A function URL gets status, headers and a JSON body; API Gateway may encode the request."""
    event = http(ASKED)
    if encoded:
        event |= {"body": base64.b64encode(event["body"].encode()).decode()}
        event |= {"isBase64Encoded": True}
    reply = answer(event, None)
    assert (reply["statusCode"], reply["headers"]["Content-Type"]) == (200, "application/json")
    assert json.loads(reply["body"])["usage"]["cache_write_5m_tokens"] > 0


def test_http_callers_may_not_choose_where_answers_go(answer: Handler, s3: Any) -> None:
    """What only a state machine may say is ignored."""
    uri = "s3://documents-bucket/lease.txt"
    body = json.loads(answer(http({**ASKED, "answer_uri": uri, "action": "warm"}), None)["body"])
    assert body["answer"]
    assert (
        s3.get_object(Bucket="documents-bucket", Key="lease.txt")["Body"].read() == LEASE.encode()
    )


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


def test_errors_are_told_by_their_class() -> None:
    """Statuses are right and the docstring of the module lists every class."""
    kinds = ServerlessError.__subclasses__()
    assert len(kinds) == 10
    for kind in kinds:
        assert f"* {kind.__name__}" in (errors.__doc__ or "")
        assert f", {kind.status}:" in (errors.__doc__ or "")
