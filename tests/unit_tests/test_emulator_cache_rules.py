"""Where Bedrock accepts a cache point, and with which words it refuses one: on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from langchain_bedrock_cache.emulator import BedrockEmulator

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OLD_CLAUDE = "us.anthropic.claude-sonnet-4-20250514-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"

Blocks = list[dict[str, Any]]

TEXT = {"text": "Some text."}
POINT = {"cachePoint": {"type": "default"}}
POINT_5M = {"cachePoint": {"type": "default", "ttl": "5m"}}
POINT_1H = {"cachePoint": {"type": "default", "ttl": "1h"}}
TOOL = {"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}
TOOL_USE = {"toolUse": {"toolUseId": "t1", "name": "look", "input": {}}}
TOOL_RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "seen"}]}}
REASONING = {"reasoningContent": {"reasoningText": {"text": "Hmm.", "signature": "s"}}}
IMAGE = {"image": {"format": "png", "source": {"bytes": b"png"}}}
GUARD = {"guardContent": {"text": {"text": "guarded"}}}


def document(kind: str) -> dict[str, Any]:
    """Return a document block of one format."""
    return {"document": {"format": kind, "name": "d", "source": {"bytes": b"content"}}}


CSV, PDF = document("csv"), document("pdf")

MODEL_SAYS = "The model returned the following errors: "
NOTHING = (
    "There is nothing available to cache. Please remove the invalid cache point and try again."
)
UNSUPPORTED = (
    "You invoked an unsupported model or your request did not allow prompt caching. "
    "See the documentation for more information."
)
ORDER = (
    "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. "
    "Note that blocks are processed in the following order: `tools`, `system`, `messages`."
)
EXTENDED = "Extended TTL prompt caching is only supported for Anthropic models"


def malformed(what: str) -> str:
    """Return the words for a request that does not fit the schema of the model."""
    return f"Malformed input request: {what}, please reformat your input and try again."


def extraneous(pointer: str) -> str:
    """Return the words for one cache point in a wrong place on Nova."""
    return malformed(f"{pointer}: extraneous key [cachePoint] is not permitted")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request, and the words it is refused with; none if it is accepted."""

    id: str
    model: str = CLAUDE
    tools: Blocks = field(default_factory=list)
    system: Blocks = field(default_factory=list)
    user: Blocks = field(default_factory=lambda: [TEXT])
    assistant: Blocks = field(default_factory=list)
    reply: Blocks = field(default_factory=list)
    error: str = ""
    code: str = "ValidationException"

    @property
    def request(self) -> dict[str, Any]:
        """The arguments of `converse`."""
        turns = (("user", self.user), ("assistant", self.assistant), ("user", self.reply))
        messages = [{"role": role, "content": content} for role, content in turns if content]
        request: dict[str, Any] = {"modelId": self.model, "messages": messages}
        if self.tools:
            request["toolConfig"] = {"tools": self.tools}
        if self.system:
            request["system"] = self.system
        return request


ACCEPTED = [
    Case(id="everywhere", tools=[TOOL, POINT], system=[TEXT, POINT], user=[TEXT, POINT]),
    Case(id="four", system=[TEXT, POINT, TEXT, POINT], user=[TEXT, POINT, TEXT, POINT]),
    Case(id="two in a row", user=[TEXT, POINT, POINT]),
    Case(id="1h before 5m", tools=[TOOL, POINT_1H], system=[TEXT, POINT_1H], user=[TEXT, POINT]),
    Case(id="5m said aloud", user=[TEXT, POINT_5M]),
    Case(id="after tool result", tools=[TOOL], assistant=[TOOL_USE], reply=[TOOL_RESULT, POINT]),
    Case(id="after tool use", tools=[TOOL], assistant=[TOOL_USE, POINT], reply=[TOOL_RESULT]),
    Case(id="after image", user=[IMAGE, POINT, TEXT]),
    Case(id="after PDF", user=[PDF, POINT, TEXT]),
    Case(id="after text behind csv", user=[CSV, {"text": "\n"}, POINT, TEXT]),
    Case(id="after text behind reasoning", assistant=[REASONING, TEXT, POINT], reply=[TEXT]),
    Case(id="after guard content", system=[GUARD, POINT]),
    Case(id="old Claude, no ttl", model=OLD_CLAUDE, system=[TEXT, POINT]),
    Case(id="old Claude, 5m", model=OLD_CLAUDE, system=[TEXT, POINT_5M]),
    Case(id="Nova after text", model=NOVA, system=[TEXT, POINT], user=[TEXT, POINT]),
    Case(
        id="Nova after text behind tool result",
        model=NOVA,
        tools=[TOOL],
        assistant=[TOOL_USE],
        reply=[TOOL_RESULT, TEXT, POINT],
    ),
    Case(id="unsupported model without points", model="meta.llama3-1-8b-instruct-v1:0"),
]

REFUSED = [
    Case(id="first in message", user=[POINT, TEXT], error=NOTHING),
    Case(id="first in system", system=[POINT, TEXT], error=NOTHING),
    Case(id="first in tools", tools=[POINT, TOOL], error=NOTHING),
    Case(id="alone in message", assistant=[POINT], reply=[TEXT], error=NOTHING),
    Case(
        id="after reasoning",
        assistant=[REASONING, POINT, TEXT],
        reply=[TEXT],
        error="Cache point cannot be inserted after reasoning block. "
        "Please remove the invalid cache point and try again.",
    ),
    *(
        Case(
            id=f"after {kind}",
            user=[TEXT, document(kind), POINT],
            error=f"{MODEL_SAYS}messages.0.content.2.type: Field required",
        )
        for kind in ("csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md")
    ),
    Case(
        id="five",
        tools=[TOOL, POINT],
        system=[TEXT, POINT],
        user=[TEXT, POINT, TEXT, POINT, TEXT, POINT],
        error=f"{MODEL_SAYS}A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    Case(
        id="five, two in a row",
        user=[TEXT, POINT, POINT, POINT, POINT, POINT],
        error=f"{MODEL_SAYS}A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    Case(
        id="1h after 5m in one list",
        user=[TEXT, POINT, TEXT, POINT_1H],
        error=f"{MODEL_SAYS}messages.0.content.1.cache_control.ttl: {ORDER}",
    ),
    Case(
        id="1h in system after 5m in tools",
        tools=[TOOL, POINT],
        system=[TEXT, POINT_1H],
        error=f"{MODEL_SAYS}system.0.cache_control.ttl: {ORDER}",
    ),
    Case(
        id="1h in messages after 5m in system",
        system=[TEXT, POINT_5M],
        user=[TEXT, POINT_1H],
        error=f"{MODEL_SAYS}messages.0.content.0.cache_control.ttl: {ORDER}",
    ),
    Case(
        id="1h after 5m in tools",
        tools=[TOOL, POINT, {"toolSpec": {**TOOL["toolSpec"], "name": "see"}}, POINT_1H],
        error=f"{MODEL_SAYS}tools.1.cache_control.ttl: {ORDER}",
    ),
    Case(
        id="unknown ttl",
        user=[TEXT, {"cachePoint": {"type": "default", "ttl": "2h"}}],
        error="1 validation error detected: Value '2h' at "
        "'messages.1.member.content.2.member.cachePoint.ttl' failed to satisfy constraint: "
        "Member must satisfy enum value set: [5m, 1h]",
    ),
    Case(
        id="unknown type",
        system=[TEXT, {"cachePoint": {"type": "ephemeral"}}],
        error="1 validation error detected: Value 'ephemeral' at "
        "'system.2.member.cachePoint.type' failed to satisfy constraint: "
        "Member must satisfy enum value set: [default]",
    ),
    Case(
        id="1h on old Claude",
        model=OLD_CLAUDE,
        system=[TEXT, POINT_1H],
        error=f"{MODEL_SAYS}system.0.cache_control.ttl: Extra inputs are not permitted",
    ),
    Case(id="1h on Nova", model=NOVA, user=[TEXT, POINT_1H], error=EXTENDED),
    Case(id="5m said aloud on Nova", model=NOVA, user=[TEXT, POINT_5M], error=EXTENDED),
    Case(
        id="in tools on Nova",
        model=NOVA,
        tools=[TOOL, POINT],
        error=extraneous("#/toolConfig/tools/0"),
    ),
    Case(
        id="after tool result on Nova",
        model=NOVA,
        tools=[TOOL],
        assistant=[TOOL_USE],
        reply=[TOOL_RESULT, POINT],
        error=extraneous("#/messages/2/content/0"),
    ),
    Case(
        id="after tool use on Nova",
        model=NOVA,
        tools=[TOOL],
        assistant=[TEXT, TOOL_USE, POINT],
        reply=[TOOL_RESULT],
        error=extraneous("#/messages/1/content/1"),
    ),
    Case(
        id="after image on Nova",
        model=NOVA,
        user=[IMAGE, POINT, TEXT],
        error=extraneous("#/messages/0/content/0"),
    ),
    Case(
        id="after document on Nova",
        model=NOVA,
        user=[PDF, POINT, TEXT],
        error=extraneous("#/messages/0/content/0"),
    ),
    Case(
        id="two wrong places on Nova",
        model=NOVA,
        tools=[TOOL, POINT],
        user=[IMAGE, POINT, TEXT],
        error=malformed("2 schema violations found"),
    ),
    *(
        Case(
            id=model,
            model=model,
            user=[TEXT, POINT],
            error=UNSUPPORTED,
            code="AccessDeniedException",
        )
        for model in (
            "us.meta.llama4-maverick-17b-instruct-v1:0",
            "qwen.qwen3-coder-30b-a3b-v1:0",
            "deepseek.v3-v1:0",
            "openai.gpt-oss-120b-1:0",
            "moonshotai.kimi-k3",
            "anthropic.claude-3-haiku-20240307-v1:0",
        )
    ),
]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.id)
def test_cache_point_is_accepted(case: Case) -> None:
    """A point in a place that Bedrock is known to accept does not disturb the call."""
    response = BedrockEmulator().client().converse(**case.request)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_cache_point_is_refused(case: Case, operation: str) -> None:
    """A point in a wrong place is answered with Bedrock's status, code and words."""
    emulator = BedrockEmulator()
    client = emulator.client()
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**case.request)
    error = caught.value.response
    assert error["Error"]["Message"] == case.error
    assert error["Error"]["Code"] == case.code
    expected_status = {"ValidationException": 400, "AccessDeniedException": 403}[case.code]
    assert error["ResponseMetadata"]["HTTPStatusCode"] == expected_status
    assert isinstance(caught.value, getattr(client.exceptions, case.code))
    assert emulator.ledger[-1].error_code == case.code


def test_refused_request_writes_nothing() -> None:
    """A request that is refused for one point does not cache through its others."""
    client = BedrockEmulator().client()
    long = [{"text": "y" * 9_000}, POINT]
    alone = {"role": "user", "content": [POINT]}
    with pytest.raises(client.exceptions.ValidationException):
        client.converse(modelId=CLAUDE, system=long, messages=[alone])
    message = {"role": "user", "content": [TEXT]}
    usage = client.converse(modelId=CLAUDE, system=long, messages=[message])["usage"]
    assert usage["cacheReadInputTokens"] == 0
    assert usage["cacheWriteInputTokens"] == 3_000


def test_second_of_two_points_in_a_row_adds_nothing() -> None:
    """A doubled point costs and writes what a single one does."""
    single, double = (
        BedrockEmulator()
        .client()
        .converse(
            modelId=CLAUDE,
            system=[{"text": "y" * 9_000}, *points],
            messages=[{"role": "user", "content": [TEXT]}],
        )["usage"]
        for points in ([POINT_1H], [POINT_1H, POINT])
    )
    assert single == double
    assert single["cacheDetails"] == [{"ttl": "1h", "inputTokens": 3_000}]
