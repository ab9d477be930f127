"""Records as Bedrock's model invocation logging writes them, and what is read of one."""

from __future__ import annotations

import base64
from typing import Any

from wire import CLAUDE

from langchain_bedrock_cache.simulate.logs import read_record
from langchain_bedrock_cache.simulate.traffic import ReadCall

CLAUDE_BODY: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 100,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Where is it?"}],
}


def log(body: Any, *, model: str = CLAUDE, operation: str = "Converse", **more: Any) -> Any:
    """Return a record as Bedrock logs it."""
    record = {
        "schemaType": "ModelInvocationLog",
        "timestamp": "2026-11-01T12:00:00Z",
        "accountId": "123456789012",
        "region": "us-east-1",
        "requestId": "request-1",
        "operation": operation,
        "modelId": model,
        "input": {"inputContentType": "application/json", "inputBodyJson": body},
        "output": {},
    }
    return record | more


def body_of(request: dict[str, Any]) -> dict[str, Any]:
    """Return the body that Bedrock gets: the model is in the URL."""
    return {name: value for name, value in request.items() if name != "modelId"}


def read(record: Any, **options: Any) -> ReadCall:
    """Read a record that can be read."""
    call = read_record(record, name="n", **options)
    assert isinstance(call, ReadCall), call
    return call


def as_base64(data: bytes) -> str:
    """Return bytes as logs have them."""
    return base64.b64encode(data).decode()
