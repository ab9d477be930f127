"""The answering function: every form of event, on the emulator and on moto's S3."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from serverless.lease_questions import ASKED, LEASE, http

from langchain_bedrock_cache import CachePolicy, ChatBedrockCached, PrefixMemory
from langchain_bedrock_cache.converse import has_points
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import CacheSkippedWarning
from langchain_bedrock_cache.serverless import create_handler
from langchain_bedrock_cache.serverless.handlers import Handler


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


@pytest.mark.parametrize("model", ["plain_model", "cached_model"])
def test_a_refused_cache_point_is_no_reason_to_fail(
    model: str, emulator: BedrockEmulator, request: pytest.FixtureRequest
) -> None:
    """The question is asked again without, whoever else could place points."""
    emulator.refuse_cache_points()
    with pytest.warns(CacheSkippedWarning, match="Bedrock refused a cache point"):
        assert create_handler(request.getfixturevalue(model))(ASKED, None)["answer"]
    assert [has_points(sent) for sent in emulator.requests] == [True, False]


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
