"""Cache points as people write them and should not: one case per form, and what becomes of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from wire import (
    CLAUDE,
    HOUR,
    LEGACY,
    NOVA,
    POINT,
    REASONING,
    ask,
    assistant,
    document,
    text,
    tool,
    tool_result,
    tool_use,
    user,
    words,
)

from langchain_bedrock_cache.exceptions import (
    CachePointPositionError,
    CachePolicyError,
    CacheTTLOrderError,
    TooManyCachePointsError,
)
from langchain_bedrock_cache.wrong_forms import Form, Outcome

LONG = words(2_000)
FIVE: dict[str, Any] = {"cachePoint": {"type": "default", "ttl": "5m"}}
CONTROL: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
Cached = type[Exception] | Literal["boto3", "sent", "mended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request with one wrong cache point.

    Attributes:
        id: Names the case.
        request: Converse keyword arguments.
        form: What `explain` calls it.
        place: Where `explain` finds it.
        outcome: What becomes of it without this package.
        cached: What `cached_client` does: lets boto3 complain, raises this error before anything
            is sent, sends it as it is, or sends it mended.
    """

    id: str
    request: dict[str, Any]
    form: Form
    place: str
    outcome: Outcome
    cached: Cached


def _result(*content: Any) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": "call-0", "content": list(content)}}


def _loop(*results: Any, model: str = CLAUDE, **more: Any) -> dict[str, Any]:
    """Return a request in the middle of a tool loop."""
    turns = (user(LONG, "?"), assistant(tool_use()), user(*results))
    return ask(*turns, model=model, tools=more.pop("tools", [tool()]), **more)


def _point(**members: Any) -> dict[str, Any]:
    return {"cachePoint": members}


def _after_text(
    name: str, block: Any, form: Form, outcome: Outcome, cached: Cached, *, model: str = CLAUDE
) -> Case:
    """Return the case of a block between a long text and the question."""
    return Case(
        id=name,
        request=ask(user(LONG, block, "?"), model=model),
        form=form,
        place="messages[0].content[1]",
        outcome=outcome,
        cached=cached,
    )


CASES = [
    Case(
        id="text and point in one block",
        request=ask(user({"text": LONG, **POINT}, "?")),
        form="same_block",
        place="messages[0].content[0]",
        outcome="boto3_refuses",
        cached="boto3",
    ),
    Case(
        id="the same in the system prompt",
        request=ask(user("?"), system=[{"text": LONG, **POINT}]),
        form="same_block",
        place="system[0]",
        outcome="boto3_refuses",
        cached="boto3",
    ),
    Case(
        id="the same on a tool",
        request=ask(user("?"), tools=[{**tool(), **POINT}]),
        form="same_block",
        place="toolConfig.tools[0]",
        outcome="boto3_refuses",
        cached="boto3",
    ),
    _after_text("an empty point", {"cachePoint": {}}, "no_type", "boto3_refuses", CachePolicyError),
    _after_text(
        "a point that is a word", {"cachePoint": "default"}, "no_type", "boto3_refuses", "boto3"
    ),
    _after_text(
        "Anthropic's type",
        _point(type="ephemeral"),
        "unknown_type",
        "bedrock_refuses",
        CachePolicyError,
    ),
    _after_text(
        "a ttl of seconds",
        _point(type="default", ttl=3600),
        "unknown_ttl",
        "boto3_refuses",
        CachePolicyError,
    ),
    _after_text(
        "a ttl of two hours",
        _point(type="default", ttl="2h"),
        "unknown_ttl",
        "bedrock_refuses",
        CachePolicyError,
    ),
    _after_text(
        "a ttl that is None",
        _point(type="default", ttl=None),
        "unknown_ttl",
        "boto3_refuses",
        CachePolicyError,
    ),
    _after_text(
        "a member that does not exist",
        _point(type="default", name="lease"),
        "unknown_member",
        "boto3_refuses",
        "boto3",
    ),
    _after_text(
        "cache_point",
        {"cache_point": {"type": "default"}},
        "other_spelling",
        "boto3_refuses",
        "boto3",
    ),
    Case(
        id="cache_control on a text",
        request=ask(user({"text": LONG, **CONTROL}, "?")),
        form="foreign_dialect",
        place="messages[0].content[0]",
        outcome="boto3_refuses",
        cached="boto3",
    ),
    _after_text("cache_control as a block", CONTROL, "foreign_dialect", "boto3_refuses", "boto3"),
    Case(
        id="a point inside a tool result",
        request=_loop(_result(text(2_000), POINT)),
        form="inside_tool_result",
        place="messages[2].content[0].toolResult.content[1]",
        outcome="boto3_refuses",
        cached="boto3",
    ),
    Case(
        id="a point inside a tool",
        request=ask(user("?"), tools=[{"toolSpec": {**tool()["toolSpec"], **POINT}}]),
        form="inside_block",
        place="toolConfig.tools[0].toolSpec",
        outcome="boto3_refuses",
        cached="boto3",
    ),
    Case(
        id="a point on a message",
        request=ask({**user(LONG), **POINT}),
        form="outside_content",
        place="messages[0].cachePoint",
        outcome="boto3_refuses",
        cached="boto3",
    ),
    Case(
        id="a point on the tool list",
        request=ask(user("?"), toolConfig={"tools": [tool()], **POINT}),
        form="outside_content",
        place="toolConfig.cachePoint",
        outcome="boto3_refuses",
        cached="boto3",
    ),
    Case(
        id="a point first in its list",
        request=ask(user(POINT, LONG)),
        form="first_in_list",
        place="messages[0].content[0]",
        outcome="bedrock_refuses",
        cached=CachePointPositionError,
    ),
    Case(
        id="a message of a point only",
        request=ask(user(LONG), assistant("Yes."), user(POINT)),
        form="first_in_list",
        place="messages[2].content[0]",
        outcome="bedrock_refuses",
        cached=CachePointPositionError,
    ),
    Case(
        id="two points in a row",
        request=ask(user(LONG, POINT, POINT, "?")),
        form="two_in_a_row",
        place="messages[0].content[2]",
        outcome="no_effect",
        cached="sent",
    ),
    Case(
        id="a point after an empty text",
        request=ask(user(LONG, {"text": ""}, POINT, "?")),
        form="after_empty_text",
        place="messages[0].content[2]",
        outcome="bedrock_refuses",
        cached="sent",
    ),
    Case(
        id="a point after reasoning",
        request=ask(user(LONG), assistant("Yes.", REASONING, POINT), user("?")),
        form="after_reasoning",
        place="messages[1].content[2]",
        outcome="bedrock_refuses",
        cached=CachePointPositionError,
    ),
    Case(
        id="a point after a text document",
        request=ask(user("Read:", document("txt"), POINT, "?")),
        form="after_document",
        place="messages[0].content[2]",
        outcome="bedrock_refuses",
        cached=CachePointPositionError,
    ),
    Case(
        id="five points",
        request=ask(
            user(LONG, POINT, "b", POINT, "c", POINT, "?"),
            system=[text(1_500), POINT],
            tools=[tool(), POINT],
        ),
        form="too_many",
        place="messages[0].content[5]",
        outcome="bedrock_refuses",
        cached=TooManyCachePointsError,
    ),
    Case(
        id="an hour after five minutes",
        request=ask(user(LONG, HOUR, "?"), system=[text(1_500), POINT]),
        form="ttl_order",
        place="messages[0].content[1]",
        outcome="bedrock_refuses",
        cached=CacheTTLOrderError,
    ),
    _after_text(
        "an hour on a model of five minutes",
        HOUR,
        "ttl_not_offered",
        "bedrock_refuses",
        CacheTTLOrderError,
        model=LEGACY,
    ),
    _after_text(
        "Nova: five minutes, spelled out",
        FIVE,
        "ttl_spelled_out",
        "bedrock_refuses",
        "mended",
        model=NOVA,
    ),
    Case(
        id="Nova: a point after a tool result",
        request=_loop(tool_result(), POINT, model=NOVA),
        form="not_after_text",
        place="messages[2].content[1]",
        outcome="bedrock_refuses",
        cached=CachePointPositionError,
    ),
    Case(
        id="Nova: a point after the tools",
        request=ask(user(LONG, "?"), tools=[tool(), POINT], model=NOVA),
        form="closed_section",
        place="toolConfig.tools[1]",
        outcome="bedrock_refuses",
        cached=CachePointPositionError,
    ),
]
RIGHT = {
    "a point of its own": ask(user(LONG, POINT, "?")),
    "five minutes, spelled out": ask(user(LONG, FIVE, "?")),
    "after the tools, the system prompt and the result": _loop(
        tool_result(), POINT, tools=[tool(), HOUR], system=[text(1_500), HOUR]
    ),
    "whitespace after a text document": ask(user("Read:", document("txt"), "\n", POINT, "?")),
    "after a PDF document": ask(user("Read:", document("pdf"), POINT, "?")),
    "Nova: after text": ask(user(LONG, POINT, "?"), system=[text(1_500), POINT], model=NOVA),
    "a word in the arguments of a tool": ask(
        user(LONG),
        assistant({"toolUse": {"toolUseId": "call-0", "name": "look_up", "input": POINT}}),
        user(tool_result(), POINT),
        tools=[tool()],
    ),
    "no points at all": ask(user(LONG, "?"), system=[text(1_500)]),
}
