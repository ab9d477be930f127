"""A real client that never reaches Bedrock: always answered the same, keeping what it sent."""

from __future__ import annotations

import io
from typing import Any

from botocore.awsrequest import AWSResponse

from langchain_bedrock_cache.emulator.client import new_client


def echo(answer: bytes = b"{}", **more: str) -> tuple[Any, list[Any]]:
    """Return a real client that is always answered the same, and the list of what it has sent."""
    sent: list[Any] = []

    def send(request: Any, **_: Any) -> AWSResponse:
        sent.append(request)
        raw: Any = io.BytesIO(answer)
        raw.stream = lambda *_a, **_k: iter([answer])
        headers: Any = {"content-type": "application/json", **more}
        return AWSResponse(request.url, 200, headers, raw)

    plain = new_client(region="us-east-1")
    plain.meta.events.register_first("before-send.bedrock-runtime", send)
    return plain, sent
