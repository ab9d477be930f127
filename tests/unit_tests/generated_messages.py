"""Lists of messages for property tests: any that langchain-aws can send, marked or not."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

_IMAGE = base64.b64encode(b"\x89PNG" + bytes(16)).decode()
_PDF = base64.b64encode(b"%PDF-1.7" + bytes(64)).decode()


_texts = st.sampled_from(["a", "b c", "line\n", "  lead", "tail  ", ".", "", " ", "\n"])
_typed_text = _texts.map(lambda text: {"type": "text", "text": text})
_media: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_IMAGE}"}},
        {"type": "image", "base64": _IMAGE, "mime_type": "image/png"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": _IMAGE},
        },
        {"type": "image", "source_type": "base64", "data": _IMAGE, "mime_type": "image/png"},
        {"type": "file", "base64": _PDF, "mime_type": "application/pdf", "name": "p"},
        {"type": "file", "base64": _PDF, "mime_type": "text/plain", "name": "t"},
        {"type": "document", "document": {"name": "d", "format": "md", "source": {"text": "x"}}},
        {"document": {"name": "n", "format": "csv", "source": {"bytes": b"a,b"}}},
        {"type": "guard_content", "text": "guarded"},
        {"text": "native"},
        {"type": "non_standard", "value": {"text": "wrapped"}},
    ]
)
_said: st.SearchStrategy[dict[str, Any]] = st.one_of(
    _typed_text,
    st.sampled_from(
        [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "thinking", "thinking": "unsigned"},
            {"type": "reasoning_content", "reasoning_content": {"text": "so", "signature": "c2ln"}},
            {"type": "something_else", "value": 1},
        ]
    ),
)


def _contents(
    blocks: st.SearchStrategy[dict[str, Any]],
) -> st.SearchStrategy[str | list[str | dict[str, Any]]]:
    return st.one_of(_texts, st.lists(st.one_of(_texts, blocks), max_size=4))


def tool_calls(count: int) -> list[Any]:
    """Return so many calls of a tool, in LangChain's form."""
    return [
        {"name": "look_up", "args": {"search_term": n}, "id": f"call-{n}", "type": "tool_call"}
        for n in range(count)
    ]


@st.composite
def _answers(draw: st.DrawFn) -> AIMessage:
    """An assistant message: tool calls in its content, beside it, or both; any provider."""
    content = draw(_contents(_said))
    calls = tool_calls(draw(st.integers(0, 2)))
    in_content = draw(st.booleans())
    if isinstance(content, list) and calls and in_content:
        content = [
            *content,
            {"type": "tool_use", "id": "call-0", "name": "look_up", "input": {"search_term": 0}},
        ]
    provider = draw(st.sampled_from([None, "bedrock_converse", "openai", "anthropic"]))
    metadata: dict[str, Any] = {"model_provider": provider} if provider else {}
    if isinstance(content, str) and draw(st.integers(0, 4)) == 0:
        content = [{"type": "text", "text": content}]
        metadata = {"model_provider": "bedrock_converse", "output_version": "v1"}
    return AIMessage(content, tool_calls=calls, response_metadata=metadata)


_systems = st.builds(SystemMessage, _contents(_typed_text))
any_messages: st.SearchStrategy[list[BaseMessage]] = st.lists(
    st.one_of(
        _systems,
        st.builds(HumanMessage, _contents(st.one_of(_typed_text, _media))),
        _answers(),
        st.builds(
            ToolMessage,
            _contents(st.one_of(_typed_text, _media.filter(lambda b: "text" not in b))),
            tool_call_id=st.sampled_from(["call-0", "call-1"]),
            status=st.sampled_from(["success", "error"]),
        ),
    ),
    min_size=1,
    max_size=6,
)
_points = st.sampled_from(
    [
        {"cachePoint": {"type": "default"}},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
        {"type": "non_standard", "value": {"cachePoint": {"type": "default"}}},
    ]
)
_controls = st.sampled_from([{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}])


@st.composite
def conversations(draw: st.DrawFn) -> list[BaseMessage]:
    """Messages that Bedrock takes: turns alternate, and tool calls have results."""
    user = _contents(st.one_of(_typed_text, _media)).map(HumanMessage)
    messages: list[BaseMessage] = [*draw(st.lists(_systems, max_size=2))]
    messages += [HumanMessage("Hello."), *draw(st.lists(user, max_size=2))]
    for _ in range(draw(st.integers(0, 3))):
        answer = draw(_answers())
        messages += [answer]
        messages += [
            ToolMessage(draw(_contents(_typed_text)), tool_call_id=str(call["id"]))
            for call in answer.tool_calls
        ]
        messages += [HumanMessage("Go on."), *draw(st.lists(user, max_size=2))]
    return messages


@st.composite
def marked(draw: st.DrawFn, messages: list[BaseMessage]) -> list[BaseMessage]:
    """Return messages with up to three marks anywhere in their lists of blocks, legal or not.

    Except in v1 content: langchain-aws itself cannot read a point there.
    """
    markable = [m for m in messages if m.response_metadata.get("output_version") != "v1"]
    lists = [m.content for m in markable if isinstance(m.content, list) and m.content]
    for _ in range(draw(st.integers(1, 3)) if lists else 0):
        content = draw(st.sampled_from(lists))
        index = draw(st.integers(0, len(content) - 1))
        block = content[index]
        if isinstance(block, dict) and "type" in block and draw(st.booleans()):
            content[index] = {**block, "cache_control": draw(_controls)}
        else:
            content.insert(index + draw(st.integers(0, 1)), draw(_points))
    return messages
