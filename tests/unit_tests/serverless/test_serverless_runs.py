"""Planning and summing up: general rules as properties, files as Step Functions leaves them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from langchain_bedrock_cache.pricing import CostBreakdown
from langchain_bedrock_cache.serverless import InvalidRequestError, create_run_handler
from langchain_bedrock_cache.serverless.grouping import MAX_QUESTIONS, group_items, planned_ids
from langchain_bedrock_cache.serverless.item_files import read_items
from langchain_bedrock_cache.serverless.replies import usage_fields
from langchain_bedrock_cache.serverless.totals import collect
from langchain_bedrock_cache.usage import CacheUsage

RUN = "s3://runs-bucket/runs/1/"
ITEMS = st.lists(
    st.fixed_dictionaries({"document": st.sampled_from("abc"), "question": st.just("Why?")}),
    min_size=1,
    max_size=40,
)


@given(items=ITEMS, most=st.integers(1, 10))
def test_every_question_is_planned_once_with_its_document(
    items: list[dict[str, str]], most: int
) -> None:
    """Groups hold one document each, no more questions than allowed, and all of them in order."""
    groups = group_items(items, run_uri=RUN, max_questions=most)

    assert sorted(planned_ids(groups), key=int) == [str(n) for n in range(len(items))]
    for group in groups:
        ids = [group["first"]["id"], *(question["id"] for question in group["rest"])]
        assert len(ids) <= most
        assert {items[int(name)]["document"] for name in ids} == {group["document"]}
        assert ids == sorted(ids, key=int)
        asked = sum(item["document"] == group["document"] for item in items)
        assert group["first"]["prompt_cache"] == (asked > 1)
    addresses = [q["answer_uri"] for g in groups for q in (g["first"], *g["rest"])]
    assert len(set(addresses)) == len(items)


USAGES = st.builds(
    CacheUsage,
    uncached_input_tokens=st.integers(0, 10**6),
    cache_read_tokens=st.integers(0, 10**6),
    cache_write_5m_tokens=st.integers(0, 10**6),
    cache_write_1h_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**5),
)
COSTS = st.none() | st.builds(
    CostBreakdown,
    cache_read_usd=st.decimals(0, 10, places=9),
    output_usd=st.decimals(0, 10, places=9),
    without_caching_usd=st.decimals(0, 10, places=9),
)


@given(calls=st.lists(st.tuples(USAGES, COSTS), min_size=1, max_size=30))
def test_the_summary_is_the_sum_of_its_items(
    calls: list[tuple[CacheUsage, CostBreakdown | None]],
) -> None:
    """To the token and the last digit, through JSON; unknown costs are counted, never zero."""
    first, *rest = (
        json.loads(json.dumps({"id": str(n), "status": "answered", **usage_fields(usage, cost)}))
        for n, (usage, cost) in enumerate(calls)
    )
    documents = [{"first": first, "rest": rest, "warm_up": None}]
    summary = collect(documents, planned=[str(n) for n in range(len(calls))]).summary()

    total = summary["total"]
    assert total == summary["answers"]
    assert total["usage"] == sum((usage for usage, _ in calls), CacheUsage()).as_dict()
    known = [cost for _, cost in calls if cost is not None]
    assert total["unpriced_calls"] == len(calls) - len(known)
    if known:
        assert Decimal(total["total_usd"]) == sum(cost.total_usd for cost in known)
        assert Decimal(total["without_caching_usd"]) == sum(c.without_caching_usd for c in known)
    else:
        assert total["total_usd"] is None


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ([], "items"),
        ("text", "items"),
        ([{"document": "a", "question": "?"}, {"document": "a"}], "items[1].question"),
        ([7], "items[0].event"),
        ([{"id": "x", "document": "a", "question": "?"}] * 2, "items[1].id"),
        ([{"document": "a", "question": "?"}] * (MAX_QUESTIONS + 1), "items"),
    ],
)
def test_bad_items_are_named(items: Any, field: str) -> None:
    """The plan fails before anything is asked, and says where."""
    with pytest.raises(InvalidRequestError) as raised:
        create_run_handler(s3_client=object())(
            {"action": "plan", "items": items, "run_uri": RUN}, None
        )
    assert raised.value.field == field


@pytest.mark.parametrize(
    "event",
    [None, {}, {"action": "plan", "items": []}, {"action": "summarize", "run_uri": "s3://b/x"}],
)
def test_bad_events_of_runs(event: Any) -> None:
    """Without an action or a folder there is nothing to do."""
    with pytest.raises(InvalidRequestError):
        create_run_handler(s3_client=object())(event, None)


FILES = {
    "items.json": b'[{"document": "a, b", "question": "Why?"}]',
    "items.JSONL": b'{"document": "a, b", "question": "Why?"}\n\n',
    "items.csv": b'\xef\xbb\xbfid,document,question\n,"a, b",Why?\n',
}


@pytest.mark.parametrize("name", FILES)
def test_lists_of_items_in_files(name: str) -> None:
    """The same items, whatever the file."""
    assert read_items(FILES[name], name=name) == [{"document": "a, b", "question": "Why?"}]


@pytest.mark.parametrize(
    ("name", "content"), [("a.txt", b""), ("a.json", b"{"), ("a.csv", b"\xff")]
)
def test_other_files_are_refused(name: str, content: bytes) -> None:
    """A file that is not what its name says is an error of the request."""
    with pytest.raises(InvalidRequestError) as raised:
        read_items(content, name=name)
    assert raised.value.field == "items_uri"


def test_results_of_a_full_state_fit() -> None:
    """Results of as many questions as one state may have stay below 256 KiB."""
    usage = CacheUsage(
        uncached_input_tokens=99_999,
        cache_read_tokens=199_999,
        cache_write_5m_tokens=199_999,
        cache_write_1h_tokens=199_999,
        output_tokens=64_000,
    )
    cost = CostBreakdown(
        output_usd=Decimal("12.123456789"), without_caching_usd=Decimal("12.123456789")
    )
    run = "s3://a-stack-name-of-its-own-runbucket-1a2b3c4d5e6f/runs/" + "0" * 36
    result = {
        "id": "a rather long identifier of it",
        "status": "answered",
        "stop_reason": "model_context_window_exceeded",
        "model_id": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        **usage_fields(usage, cost),
        "answer_uri": f"{run}/answers/00000000.json",
    }
    assert len(json.dumps([result] * MAX_QUESTIONS)) < 256 * 1024


@pytest.fixture
def s3() -> Iterator[Any]:
    """The bucket of the runs."""
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="runs-bucket")
        yield client


def test_batches_that_failed_or_were_never_run_are_failures(s3: Any) -> None:
    """Every planned question is in the results, with the error of its batch, or with NoResult."""
    run = create_run_handler(s3_client=s3)
    lines = "".join(json.dumps({"document": d, "question": "Why?"}) + "\n" for d in "abc")
    s3.put_object(Bucket="runs-bucket", Key="items.jsonl", Body=lines.encode())
    plan = run(
        {"action": "plan", "items_uri": "s3://runs-bucket/items.jsonl", "run_uri": RUN}, None
    )
    body = s3.get_object(Bucket=plan["bucket"], Key=plan["key"])["Body"].read()
    groups = json.loads(body)
    answered = {"id": "0", "status": "answered", **usage_fields(CacheUsage(output_tokens=5), None)}
    output: list[Any] = [{"first": answered, "rest": [], "warm_up": None}]
    failed = {
        "Status": "FAILED",
        "Error": "States.DataLimitExceeded",
        "Input": json.dumps({"Items": [groups[1]]}),
    }
    files: dict[str, Any] = {
        "SUCCEEDED_0.json": [{"Status": "SUCCEEDED", "Output": json.dumps(output)}],
        "FAILED_0.json": [failed],
        "manifest.json": {
            "ResultFiles": {
                "SUCCEEDED": [{"Key": "SUCCEEDED_0.json", "Size": 1}],
                "FAILED": [{"Key": "FAILED_0.json", "Size": 1}],
                "PENDING": [],
            }
        },
    }
    for key, content in files.items():
        s3.put_object(Bucket="runs-bucket", Key=key, Body=json.dumps(content).encode())

    manifest = {"Bucket": "runs-bucket", "Key": "manifest.json"}
    summary = run({"action": "summarize", "manifest": manifest, "run_uri": RUN}, None)

    assert (summary["items"], summary["answered"], summary["failed"]) == (3, 1, 2)
    assert summary["failures"] == [
        {"id": "1", "error": "States.DataLimitExceeded"},
        {"id": "2", "error": "NoResult"},
    ]
    assert summary["total"]["usage"]["output_tokens"] == 5
    assert summary["total"]["total_usd"] is None
