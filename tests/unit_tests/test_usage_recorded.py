"""`CacheUsage` of recorded Bedrock traffic, read through boto3, has the recorded counts."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
import yaml
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from langchain_bedrock_cache.usage import CacheUsage


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
