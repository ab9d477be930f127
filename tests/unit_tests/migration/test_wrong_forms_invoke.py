"""Wrong forms in the bodies of InvokeModel: Claude's own format, and Nova's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from botocore.exceptions import ClientError
from wire import CLAUDE, LEGACY, NOVA, POINT, words

from langchain_bedrock_cache import PrefixMemory, cached_client
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.exceptions import (
    CachePointPositionError,
    CachePolicyError,
    CacheTTLOrderError,
    TooManyCachePointsError,
)
from langchain_bedrock_cache.explain import UnreadableRequestError, explain, explain_log
from langchain_bedrock_cache.profiles import find_profile
from langchain_bedrock_cache.wrong_forms import find_wrong_forms, mended

LONG = words(2_000)
CONTROL: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
HOUR: dict[str, Any] = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
THOUGHT: dict[str, Any] = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


def text(content: str = LONG, **more: Any) -> dict[str, Any]:
    """Return a text block of Claude's format."""
    return {"type": "text", "text": content, **more}


def claude(*content: Any, **more: Any) -> dict[str, Any]:
    """Return a Claude body whose first message has this content."""
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": list(content)}],
        **more,
    }


def nova(*content: Any, **more: Any) -> dict[str, Any]:
    """Return a Nova body whose first message has this content."""
    messages = [{"role": "user", "content": list(content)}]
    return {"schemaVersion": "messages-v1", "messages": messages, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A body with one wrong cache point, what is found, and what `cached_client` does with it.

    `cached` is the error, or that it mends the body; `None` where the emulator does not know
    Bedrock's words for what is wrong.
    """

    id: str
    body: dict[str, Any]
    form: str
    place: str
    model: str = CLAUDE
    cached: type[Exception] | Literal["mended"] | None = None


def _with_message(**more: Any) -> dict[str, Any]:
    body = claude(text())
    return {**body, "messages": [{**body["messages"][0], **more}]}


CASES = [
    Case(
        id="a cachePoint block",
        body=claude(text(), POINT, text("?")),
        form="foreign_dialect",
        place="messages[0].content[1]",
    ),
    Case(
        id="a cachePoint on a text",
        body=claude(text(**POINT), text("?")),
        form="foreign_dialect",
        place="messages[0].content[0]",
    ),
    Case(
        id="a cachePoint in a tool result",
        body=claude(
            {"type": "tool_result", "tool_use_id": "a", "content": [text(**POINT)]}, text("?")
        ),
        form="foreign_dialect",
        place="messages[0].content[0].content[0]",
    ),
    Case(
        id="Converse's type",
        body=claude(text(cache_control={"type": "default"})),
        form="unknown_type",
        place="messages[0].content[0]",
        cached=CachePolicyError,
    ),
    Case(
        id="a bare true",
        body=claude(text(cache_control=True)),
        form="no_type",
        place="messages[0].content[0]",
        cached=CachePolicyError,
    ),
    Case(
        id="a ttl in seconds",
        body=claude(text(cache_control={"type": "ephemeral", "ttl": 300})),
        form="unknown_ttl",
        place="messages[0].content[0]",
        cached=CachePolicyError,
    ),
    Case(
        id="a member that does not exist",
        body=claude(text(cache_control={"type": "ephemeral", "scope": "global"})),
        form="unknown_member",
        place="messages[0].content[0]",
    ),
    Case(
        id="on the request, as the Anthropic API takes it",
        body=claude(text(), **CONTROL),
        form="outside_content",
        place="cache_control",
        cached="mended",
    ),
    Case(
        id="on a message",
        body=_with_message(**CONTROL),
        form="outside_content",
        place="messages[0].cache_control",
    ),
    Case(
        id="on thinking",
        body=claude(text(), {**THOUGHT, **CONTROL}),
        form="after_reasoning",
        place="messages[0].content[1]",
        cached=CachePointPositionError,
    ),
    Case(
        id="on an empty text",
        body=claude(text(), text("", **CONTROL)),
        form="after_empty_text",
        place="messages[0].content[1]",
        cached=ClientError,
    ),
    Case(
        id="five of them",
        body=claude(*[text(f"{n}", **CONTROL) for n in range(3)], text("?"))
        | {"system": [text(**CONTROL), text("b", **CONTROL)]},
        form="too_many",
        place="messages[0].content[2]",
        cached=TooManyCachePointsError,
    ),
    Case(
        id="an hour after five minutes",
        body=claude(text(**HOUR)) | {"system": [text(**CONTROL)]},
        form="ttl_order",
        place="messages[0].content[0]",
        cached=CacheTTLOrderError,
    ),
    Case(
        id="an hour on a model of five minutes",
        body=claude(text(**HOUR)),
        form="ttl_not_offered",
        place="messages[0].content[0]",
        model=LEGACY,
        cached=CacheTTLOrderError,
    ),
    Case(
        id="Nova: cache_control",
        body=nova({"text": LONG, **CONTROL}),
        form="foreign_dialect",
        place="messages[0].content[0]",
        model=NOVA,
    ),
    Case(
        id="Nova: a point on a tool",
        body=nova(
            {"text": "?"},
            toolConfig={"tools": [{"toolSpec": {"name": "a", "description": LONG}, **POINT}]},
        ),
        form="closed_section",
        place="toolConfig.tools[0]",
        model=NOVA,
        cached=CachePointPositionError,
    ),
]
RIGHT = {
    "cache_control on a text": (CLAUDE, claude(text(**CONTROL), text("?"))),
    "on system, tools and a text document": (
        CLAUDE,
        claude(
            {"type": "document", "source": {"type": "text", "data": LONG}, **CONTROL},
            text("?"),
            system=[text(**HOUR)],
            tools=[{"name": "a", "input_schema": {"type": "object"}, **HOUR}],
        ),
    ),
    "cache_control that is null": (CLAUDE, claude(text(cache_control=None), text("?"))),
    "Nova: text and point in one block": (NOVA, nova({"text": LONG, **POINT}, {"text": "?"})),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_found(case: Case) -> None:
    """Each wrong form is the only thing found; boto3 looks at no body, so Bedrock refuses them."""
    found = find_wrong_forms(case.body, find_profile(case.model))
    assert [(wrong.form, wrong.place) for wrong in found] == [(case.form, case.place)]
    assert found[0].outcome == "bedrock_refuses"
    assert "{m" not in found[0].problem + found[0].fix
    explanation = explain(case.body, model=case.model)
    assert explanation.wrong_forms == tuple(found)
    assert not explanation.is_fine


@pytest.mark.parametrize(("model", "body"), RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_left_alone(model: str, body: dict[str, Any]) -> None:
    """What the documentation shows is not complained about, and the prompt is seen as cached."""
    assert find_wrong_forms(body, find_profile(model)) == []
    assert explain(body, model=model).is_fine


@pytest.mark.parametrize("case", [c for c in CASES if c.cached], ids=lambda case: case.id)
def test_what_comes_of_it(emulator: BedrockEmulator, memory: PrefixMemory, case: Case) -> None:
    """Bedrock refuses these; a cached client says so before it sends them, if it can tell."""
    call = {"modelId": case.model, "body": json.dumps(case.body)}
    with pytest.raises(ClientError):
        emulator.client().invoke_model(**call)
    client = cached_client(emulator.client(), memory=memory)
    if case.cached == "mended":
        client.invoke_model(**call)
        return
    assert case.cached is not None
    with pytest.raises(case.cached):
        client.invoke_model(**call)


def test_mending_keeps_claude_marks() -> None:
    """Converse's points become `cache_control` on the block before; the content stays."""
    body = claude(POINT, text(), POINT, {**THOUGHT, **CONTROL}, text("", **CONTROL), **CONTROL)
    assert mended(body, api="claude") == claude(text(**CONTROL), THOUGHT, text(""))


def test_points_inside_a_tool_result_come_out() -> None:
    """A block of Converse in a result of Claude's becomes `cache_control` on the result."""
    result = {"type": "tool_result", "tool_use_id": "a", "content": [text()]}
    body = claude({**result, "content": [text(), POINT]}, text("?"))
    assert mended(body, api="claude") == claude({**result, **CONTROL}, text("?"))
    assert [wrong.form for wrong in explain(body, model=CLAUDE).wrong_forms] == ["foreign_dialect"]


def test_garbage_is_left_to_the_reader() -> None:
    """A body that is none of Claude's is not changed, and `explain` says that it cannot read it."""
    body = claude(3, {"text": LONG}, system=["?"], tools=[])
    assert find_wrong_forms(body) == []
    assert mended(body, api="claude") == body
    with pytest.raises(UnreadableRequestError, match="cannot be read"):
        explain(body, model=CLAUDE)


def test_logs_say_which_api_it_was() -> None:
    """Nova's own format is told from Converse by the operation in the log."""
    body = {"messages": [{"role": "user", "content": [{"text": LONG, **POINT}]}]}
    record = {
        "timestamp": "2026-11-20T10:00:00Z",
        "modelId": NOVA,
        "input": {"inputBodyJson": body, "inputTokenCount": 10},
        "output": {"outputBodyJson": {"usage": {"inputTokens": 9, "cacheWriteInputTokens": 2_000}}},
    }
    forms = {
        operation: [
            wrong.form
            for found in explain_log([{**record, "operation": operation}])
            for wrong in found.wrong_forms
        ]
        for operation in ("Converse", "InvokeModel")
    }
    assert forms == {"Converse": ["same_block"], "InvokeModel": []}
