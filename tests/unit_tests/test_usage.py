"""`CacheUsage`: arithmetic, every form of usage, malformed reports, recorded Bedrock traffic."""

import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
import yaml
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from hypothesis import given
from hypothesis import strategies as st

from langchain_bedrock_cache.usage import CacheUsage

counts = st.integers(min_value=0, max_value=10**7)
usages = st.builds(
    CacheUsage,
    uncached_input_tokens=counts,
    cache_read_tokens=counts,
    cache_write_5m_tokens=counts,
    cache_write_1h_tokens=counts,
    output_tokens=counts,
)
garbage = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


def _anything(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, garbage))


def test_input_tokens_includes_cached_tokens() -> None:
    """`input_tokens` is uncached + read + both writes, and `total_tokens` adds the output."""
    usage = CacheUsage(
        uncached_input_tokens=1,
        cache_read_tokens=20,
        cache_write_5m_tokens=300,
        cache_write_1h_tokens=4000,
        output_tokens=50000,
    )
    assert usage.cache_write_tokens == 4300
    assert usage.input_tokens == 4321
    assert usage.total_tokens == 54321


def test_hit_ratio_is_the_part_of_all_input_that_was_read() -> None:
    """The ratio divides by all input, cached tokens included, and is 0.0 without input."""
    assert CacheUsage(uncached_input_tokens=10, cache_read_tokens=90).hit_ratio == 0.9
    assert CacheUsage().hit_ratio == 0.0


@given(st.lists(usages, max_size=5))
def test_sum_adds_field_by_field(values: list[CacheUsage]) -> None:
    """`sum()` of usages has the sums of all counts."""
    total = sum(values, CacheUsage())
    for name, count in total.as_dict().items():
        assert count == sum(getattr(value, name) for value in values)


def test_sum_needs_no_start_value() -> None:
    """`sum()` works without a start, and adding anything else is a TypeError."""
    one = CacheUsage(cache_read_tokens=1, output_tokens=2)
    assert sum([one, one]) == CacheUsage(cache_read_tokens=2, output_tokens=4)
    with pytest.raises(TypeError):
        sum([one], 5)
    with pytest.raises(TypeError):
        one + 5  # type: ignore[operator]


def test_converse_input_tokens_excludes_cached_tokens() -> None:
    """Converse `inputTokens` becomes the uncached input, unknown keys are ignored."""
    assert CacheUsage.from_converse(
        {
            "inputTokens": 9,
            "outputTokens": 6,
            "totalTokens": 4623,
            "cacheReadInputTokens": 100,
            "cacheReadInputTokenCount": 100,
            "cacheWriteInputTokens": 4508,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 4000}, {"ttl": "5m", "inputTokens": 508}],
            "serverToolUsage": {},
        }
    ) == CacheUsage(
        uncached_input_tokens=9,
        cache_read_tokens=100,
        cache_write_5m_tokens=508,
        cache_write_1h_tokens=4000,
        output_tokens=6,
    )


@pytest.mark.parametrize(
    ("details", "written_5m", "written_1h"),
    [
        (None, 1000, 0),
        ([], 1000, 0),
        ([{"ttl": "1h", "inputTokens": 400}], 600, 400),
        ([{"ttl": "5m", "inputTokens": 400}], 1000, 0),
        ([{"ttl": "7d", "inputTokens": 1000}], 1000, 0),
        ([{"ttl": "1h", "inputTokens": 400}, {"ttl": "1h", "inputTokens": 100}], 500, 500),
        ([{"ttl": "1h"}, None, {"inputTokens": 3}], 1000, 0),
    ],
)
def test_converse_writes_without_ttl_count_as_5m(
    details: object, written_5m: int, written_1h: int
) -> None:
    """Whatever `cacheDetails` does not give to 1h counts as written for 5 minutes."""
    usage = CacheUsage.from_converse({"cacheWriteInputTokens": 1000, "cacheDetails": details})
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (written_5m, written_1h)


def test_converse_details_stand_in_for_a_missing_total() -> None:
    """Without `cacheWriteInputTokens` the details are the writes."""
    usage = CacheUsage.from_converse(
        {"cacheDetails": [{"ttl": "1h", "inputTokens": 7}, {"ttl": "5m", "inputTokens": 3}]}
    )
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (3, 7)


def test_details_beyond_the_total_are_clamped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """More 1-hour writes than writes cannot be: the total stands, and a warning says so."""
    usage = CacheUsage.from_converse(
        {"cacheWriteInputTokens": 100, "cacheDetails": [{"ttl": "1h", "inputTokens": 150}]}
    )
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (0, 100)
    assert "150 tokens were written for 1 hour" in caplog.text


@given(usages)
def test_converse_round_trip(usage: CacheUsage) -> None:
    """A Converse usage made from any counts is read back as those counts."""
    assert usage == CacheUsage.from_converse(
        {
            "inputTokens": usage.uncached_input_tokens,
            "outputTokens": usage.output_tokens,
            "totalTokens": usage.total_tokens,
            "cacheReadInputTokens": usage.cache_read_tokens,
            "cacheWriteInputTokens": usage.cache_write_tokens,
            "cacheDetails": [
                {"ttl": "1h", "inputTokens": usage.cache_write_1h_tokens},
                {"ttl": "5m", "inputTokens": usage.cache_write_5m_tokens},
            ],
        }
    )


_HEADERS = {
    "x-amzn-bedrock-input-token-count": "4",
    "x-amzn-bedrock-cache-read-input-token-count": "30",
    "x-amzn-bedrock-cache-write-input-token-count": "200",
    "x-amzn-bedrock-output-token-count": "5",
}
_METRICS = {
    "inputTokenCount": 4,
    "cacheReadInputTokenCount": 30,
    "cacheWriteInputTokenCount": 200,
    "outputTokenCount": 5,
    "invocationLatency": 700,
}
_EXPECTED = CacheUsage(
    uncached_input_tokens=4, cache_read_tokens=30, cache_write_5m_tokens=200, output_tokens=5
)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (None, _HEADERS),
        ({"completion": "hi"}, _HEADERS),
        ({}, {name.title(): count for name, count in _HEADERS.items()}),
        ({"amazon-bedrock-invocationMetrics": _METRICS}, None),
        (
            {
                "usage": {
                    "input_tokens": 4,
                    "cache_read_input_tokens": 30,
                    "cache_creation_input_tokens": 200,
                    "output_tokens": 5,
                }
            },
            None,
        ),
        (
            {
                "usage": {
                    "inputTokens": 4,
                    "cacheReadInputTokenCount": 30,
                    "cacheWriteInputTokenCount": 200,
                    "outputTokens": 5,
                    "totalTokens": 239,
                }
            },
            None,
        ),
        ({"usage": {"input_tokens": 4, "output_tokens": 5}}, _HEADERS),
    ],
    ids=[
        "headers alone",
        "body without usage",
        "headers in title case",
        "invocation metrics",
        "Claude",
        "Nova",
        "body without cache counts",
    ],
)
def test_invoke_model_forms_agree(
    body: Mapping[str, Any] | None, headers: Mapping[str, str] | None
) -> None:
    """Every place InvokeModel reports usage in gives the same counts."""
    assert CacheUsage.from_invoke_model(body, headers=headers) == _EXPECTED


def test_invoke_model_body_wins_and_tells_the_ttl() -> None:
    """Claude's body has the TTLs, and wins over headers that do not."""
    usage = CacheUsage.from_invoke_model(
        {
            "usage": {
                "input_tokens": 4,
                "cache_read_input_tokens": 0,
                "cache_creation_input_tokens": 200,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 20,
                    "ephemeral_1h_input_tokens": 180,
                },
                "output_tokens": 5,
            }
        },
        headers=_HEADERS,
    )
    assert usage == CacheUsage(
        uncached_input_tokens=4,
        cache_write_5m_tokens=20,
        cache_write_1h_tokens=180,
        output_tokens=5,
    )


def test_invoke_model_stream_merges_start_and_delta() -> None:
    """Claude's input counts come first, its output last; nulls and trailer replace neither."""
    usage = CacheUsage.from_invoke_model_stream(
        [
            {
                "type": "message_start",
                "message": {
                    "usage": {
                        "input_tokens": 4,
                        "cache_read_input_tokens": 30,
                        "cache_creation_input_tokens": 200,
                        "cache_creation": {"ephemeral_1h_input_tokens": 150},
                        "output_tokens": 1,
                    }
                },
            },
            {"type": "content_block_delta", "delta": {"text": "hi"}},
            {
                "type": "message_delta",
                "usage": {"output_tokens": 5, "cache_read_input_tokens": None},
            },
            {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"outputTokenCount": 9}},
        ]
    )
    assert usage == CacheUsage(
        uncached_input_tokens=4,
        cache_read_tokens=30,
        cache_write_5m_tokens=50,
        cache_write_1h_tokens=150,
        output_tokens=5,
    )


def test_invoke_model_stream_of_nova_and_of_models_with_a_trailer_only() -> None:
    """Nova reports in its `metadata` chunk, other models in the trailer alone."""
    nova = {
        "usage": {
            "inputTokens": 4,
            "outputTokens": 5,
            "cacheReadInputTokenCount": 30,
            "cacheWriteInputTokenCount": 200,
        }
    }
    assert CacheUsage.from_invoke_model_stream([{"metadata": nova}]) == _EXPECTED
    trailer = {"amazon-bedrock-invocationMetrics": _METRICS}
    assert CacheUsage.from_invoke_model_stream([{"generation": "hi"}, trailer]) == _EXPECTED


@pytest.mark.parametrize(
    ("details", "written_5m", "written_1h"),
    [
        ({"cache_creation": 100}, 100, 0),
        ({"cache_creation": 0, "ephemeral_5m_input_tokens": 100}, 100, 0),
        ({"ephemeral_1h_input_tokens": 100}, 0, 100),
        (
            {
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 40,
                "ephemeral_1h_input_tokens": 60,
            },
            40,
            60,
        ),
        ({"cache_creation": 40, "ephemeral_1h_input_tokens": 60}, 40, 60),
        # langchain-anthropic 1.0 leaves the total beside its parts.
        (
            {
                "cache_creation": 100,
                "ephemeral_5m_input_tokens": 40,
                "ephemeral_1h_input_tokens": 60,
            },
            40,
            60,
        ),
        ({"cache_creation": None, "ephemeral_5m_input_tokens": 100}, 100, 0),
    ],
)
def test_usage_metadata_writes_are_counted_once(
    details: dict[str, int], written_5m: int, written_1h: int
) -> None:
    """Total, split, partial split and total-beside-split all give 100 tokens written."""
    usage = CacheUsage.from_usage_metadata(
        {
            "input_tokens": 1000,
            "output_tokens": 7,
            "total_tokens": 1007,
            "input_token_details": {"cache_read": 300, **details},
        }
    )
    assert usage == CacheUsage(
        uncached_input_tokens=600,
        cache_read_tokens=300,
        cache_write_5m_tokens=written_5m,
        cache_write_1h_tokens=written_1h,
        output_tokens=7,
    )


def test_usage_metadata_total_beside_a_partial_split() -> None:
    """A total that cannot be in addition to its parts, for want of input, holds them."""
    usage = CacheUsage.from_usage_metadata(
        {
            "input_tokens": 110,
            "output_tokens": 0,
            "input_token_details": {"cache_creation": 100, "ephemeral_1h_input_tokens": 60},
        }
    )
    assert usage == CacheUsage(
        uncached_input_tokens=10, cache_write_5m_tokens=40, cache_write_1h_tokens=60
    )


def test_usage_metadata_without_details_is_all_uncached() -> None:
    """A model that reports no cache details used no prompt cache."""
    usage = CacheUsage.from_usage_metadata(
        {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
    )
    assert usage == CacheUsage(uncached_input_tokens=10, output_tokens=2)


def test_usage_metadata_that_leaves_cached_tokens_out(caplog: pytest.LogCaptureFixture) -> None:
    """More cached tokens than input tokens: the input count is the uncached one, with a warning."""
    usage = CacheUsage.from_usage_metadata(
        {"input_tokens": 10, "output_tokens": 2, "input_token_details": {"cache_read": 500}}
    )
    assert usage == CacheUsage(uncached_input_tokens=10, cache_read_tokens=500, output_tokens=2)
    assert "500 cached tokens in 10 input tokens" in caplog.text


@pytest.mark.parametrize("value", [-5, "many", [], float("nan"), float("inf")])
def test_a_count_that_cannot_be_right_is_zero_and_logged(
    value: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A negative or non-numeric count is 0, the other counts stay, and a warning says so."""
    usage = CacheUsage.from_converse({"inputTokens": value, "outputTokens": 5})
    assert usage == CacheUsage(output_tokens=5)
    assert "taken as 0" in caplog.text


@given(
    _anything("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
    st.one_of(garbage, st.lists(_anything("ttl", "inputTokens"), max_size=3)),
    _anything("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_creation"),
    _anything("cache_read", "cache_creation", "ephemeral_1h_input_tokens"),
)
def test_no_report_makes_reading_fail(
    converse: dict[str, Any], details: object, body: dict[str, Any], langchain: dict[str, Any]
) -> None:
    """Whatever a response holds, reading it gives counts that are not negative."""
    readings = [
        CacheUsage.from_converse(converse | {"cacheDetails": details}),
        CacheUsage.from_invoke_model({"usage": body}, headers={"x-amzn-bedrock-x": "y"}),
        CacheUsage.from_invoke_model_stream([{"usage": body}, {"message": body}]),
        CacheUsage.from_usage_metadata(body | {"input_token_details": langchain}),
    ]
    for usage in readings:
        assert all(isinstance(count, int) and count >= 0 for count in usage.as_dict().values())


@pytest.mark.parametrize("nothing", [None, {}, [], "usage", {"usage": None}])
def test_no_report_is_no_tokens(nothing: Any) -> None:
    """A response without usage is all zeros, in every form."""
    assert CacheUsage.from_converse(nothing) == CacheUsage()
    assert CacheUsage.from_invoke_model(nothing, headers=nothing) == CacheUsage()
    assert CacheUsage.from_invoke_model_stream([nothing]) == CacheUsage()
    assert CacheUsage.from_usage_metadata(nothing) == CacheUsage()


def _interactions() -> Iterator[tuple[str, str, int, str, bytes, dict[str, str]]]:
    """Yield (file, path, status, content type, body, headers) of every recorded response."""
    folder = Path(os.environ.get("BEDROCK_CACHE_RECORDED", "/nonexistent"))
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.json")]):
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        for number, item in enumerate(document.get("interactions", [document])):
            request, response = item["request"], item["response"]
            path = unquote((request.get("uri") or request["url"]).partition(".com")[2])
            status = response["status"]
            body = response.get("parsed_body") or response["body"]
            body = body.get("string", body)
            headers = {k: v[0] for k, v in response.get("headers", {}).items() if k[0] in "Xx"}
            if not isinstance(body, str | bytes):
                body = json.dumps(body)
            yield (
                f"{file.stem}-{number}",
                path,
                status["code"] if isinstance(status, dict) else status,
                "application/vnd.amazon.eventstream"
                if isinstance(body, bytes)
                else "application/json",
                body if isinstance(body, bytes) else body.encode(),
                headers,
            )


class _RawBody(io.BytesIO):
    """What botocore expects of a urllib3 response."""

    def stream(self, amt: int = 1024, **kwargs: Any) -> Iterator[bytes]:
        while data := self.read(amt):
            yield data


def _replay(path: str, content_type: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """Return what boto3 makes of a recorded response."""
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )

    def answer(request: Any, **kwargs: Any) -> AWSResponse:
        all_headers = HTTPHeaders.from_dict({"content-type": content_type} | headers)
        return AWSResponse(request.url, 200, all_headers, _RawBody(body))

    events: Any = client.meta.events  # its stubs know of handlers that return nothing only
    events.register("before-send.bedrock-runtime.*", answer)
    _, _, model_id, operation = path.split("/")
    if operation == "invoke":
        return dict(client.invoke_model(modelId=model_id, body=b"{}"))
    method = client.converse_stream if operation == "converse-stream" else client.converse
    return dict(
        method(modelId=model_id, messages=[{"role": "user", "content": [{"text": "question"}]}])
    )


def _read(response: dict[str, Any]) -> tuple[CacheUsage, dict[str, Any]]:
    """Return our reading and the counts as they were recorded."""
    if "stream" in response:
        (usage,) = [
            event["metadata"]["usage"] for event in response["stream"] if "metadata" in event
        ]
        return CacheUsage.from_converse(usage), usage
    if "body" in response:
        body = json.loads(response["body"].read())
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        usage = CacheUsage.from_invoke_model(body, headers=headers)
        assert usage == CacheUsage.from_invoke_model(None, headers=headers)
        recorded = body["usage"]
        return usage, {
            "inputTokens": recorded["input_tokens"],
            "cacheReadInputTokens": recorded["cache_read_input_tokens"],
            "cacheWriteInputTokens": recorded["cache_creation_input_tokens"],
            "outputTokens": recorded["output_tokens"],
            "totalTokens": sum(recorded.values()),
        }
    return CacheUsage.from_converse(response["usage"]), response["usage"]


@pytest.mark.skipif(
    "BEDROCK_CACHE_RECORDED" not in os.environ,
    reason="BEDROCK_CACHE_RECORDED does not name the folder of recorded Bedrock traffic",
)
def test_recorded_responses_are_read_as_recorded() -> None:
    """Every recorded response, through boto3, has the recorded counts, and they add up."""
    names = []
    for name, path, status, content_type, body, headers in _interactions():
        if status != 200:
            continue
        usage, recorded = _read(_replay(path, content_type, body, headers))
        assert usage.uncached_input_tokens == recorded["inputTokens"], name
        assert usage.cache_read_tokens == recorded["cacheReadInputTokens"], name
        assert usage.cache_write_tokens == recorded["cacheWriteInputTokens"], name
        assert usage.output_tokens == recorded["outputTokens"], name
        assert usage.total_tokens == recorded["totalTokens"], name
        for entry in recorded.get("cacheDetails", []):
            assert getattr(usage, f"cache_write_{entry['ttl']}_tokens") == entry["inputTokens"], (
                name
            )
        names.append(name)
    assert len(names) >= 19, names
