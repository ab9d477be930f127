"""A client that speaks to the emulator without boto3 and HTTP, for calls by the thousand."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.emulator.http import HttpRequest


class DirectClient:
    """What `cached_client` needs of a boto3 client, without boto3.

    Attributes:
        refused: What the emulator said of calls that it refused.
        sent: Arguments of the last call.
    """

    def __init__(self, emulator: BedrockEmulator) -> None:
        self.emulator = emulator
        self.refused: list[str] = []
        self.sent: dict[str, Any] = {}

    def converse(self, **request: Any) -> dict[str, Any]:
        """Call Converse."""
        body = {name: value for name, value in request.items() if name != "modelId"}
        raw = json.dumps(body, default=lambda value: b64encode(value).decode()).encode()
        answer, _ = self._send("converse", request, raw)
        return {**json.loads(answer), "ResponseMetadata": {}}

    def invoke_model(self, **request: Any) -> dict[str, Any]:
        """Call InvokeModel."""
        body = request["body"]
        raw = body.encode() if isinstance(body, str) else body
        answer, headers = self._send("invoke", request, raw)
        return {"body": io.BytesIO(answer), "ResponseMetadata": {"HTTPHeaders": headers}}

    def _send(
        self, action: str, request: dict[str, Any], raw: bytes
    ) -> tuple[bytes, dict[str, str]]:
        self.sent = request
        path = f"/model/{quote(request['modelId'], safe='')}/{action}"
        response = self.emulator.handle(HttpRequest(method="POST", path=path, body=raw))
        content = b"".join(response.body)
        if response.status != 200:
            message = str(json.loads(content)["message"])
            self.refused.append(message)
            code = response.headers["x-amzn-ErrorType"].partition(":")[0]
            raise ClientError({"Error": {"Code": code, "Message": message}}, action)
        return content, {name.lower(): value for name, value in response.headers.items()}
