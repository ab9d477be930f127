"""Hypothesis strategies for Converse requests as applications send them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

MODELS = (
    "us.anthropic.claude-opus-4-8",
    "anthropic.claude-haiku-4-5-20251001-v1:0",
    "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    "us.amazon.nova-pro-v1:0",
    "amazon.nova-lite-v1:0",
    "us.meta.llama3-3-70b-instruct-v1:0",
)

_PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(32)
_words = st.sampled_from(["alpha ", "beta ", "gamma\n", "ünï ", "日本語 ", "delta, "])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Text from a few to some ten thousand characters, never empty."""
    return draw(_words) * draw(st.sampled_from([1, 3, 40, 400, 1500])) + "."


def text_blocks() -> st.SearchStrategy[dict[str, Any]]:
    """Text blocks, blank ones included."""
    return st.one_of(texts(), st.sampled_from([" ", "\n"])).map(lambda t: {"text": t})


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """PDF and text documents with stable names."""
    return st.builds(
        lambda kind, size: {
            "document": {"name": "doc", "format": kind, "source": {"bytes": b"%PDF" * size}}
        },
        st.sampled_from(["pdf", "txt", "csv", "md"]),
        st.sampled_from([10, 2000]),
    )


def images() -> st.SearchStrategy[dict[str, Any]]:
    """A PNG image."""
    return st.just({"image": {"format": "png", "source": {"bytes": _PIXEL}}})


def user_contents() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Contents of a user message; documents come with text, as Bedrock wants."""
    blocks = st.one_of(text_blocks(), text_blocks(), documents(), images())
    return st.builds(
        lambda first, rest: [{"text": first}, *rest], texts(), st.lists(blocks, max_size=4)
    )


@st.composite
def _tool_turns(draw: st.DrawFn, n: int) -> list[dict[str, Any]]:
    """An assistant message with tool calls (and reasoning, perhaps) and the results."""
    ids = [f"call-{n}-{i}" for i in range(draw(st.integers(1, 12)))]
    said: list[dict[str, Any]] = []
    if draw(st.booleans()):
        said.append({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}})
    if draw(st.booleans()):
        said.append({"text": draw(texts())})
    said += [{"toolUse": {"toolUseId": i, "name": "look_up", "input": {"q": i}}} for i in ids]
    results: list[dict[str, Any]] = [
        {
            "toolResult": {
                "toolUseId": i,
                "content": [{"text": draw(texts())}],
                "status": "success",
            }
        }
        for i in ids
    ]
    return [{"role": "assistant", "content": said}, {"role": "user", "content": results}]


@st.composite
def _messages(draw: st.DrawFn, *, with_tools: bool) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": draw(user_contents())}]
    for n in range(draw(st.integers(0, 4))):
        if with_tools and draw(st.booleans()):
            messages += draw(_tool_turns(n))
        else:
            answer: list[dict[str, Any]] = [{"text": draw(texts())}]
            if draw(st.booleans()):
                answer.append(
                    {"reasoningContent": {"reasoningText": {"text": "so", "signature": "c2ln"}}}
                )
            messages.append({"role": "assistant", "content": answer})
            messages.append({"role": "user", "content": draw(user_contents())})
    return messages


@st.composite
def requests(draw: st.DrawFn, *, models: tuple[str, ...] = MODELS) -> dict[str, Any]:
    """Converse keyword arguments without cache points."""
    with_tools = draw(st.booleans())
    request: dict[str, Any] = {
        "modelId": draw(st.sampled_from(models)),
        "messages": draw(_messages(with_tools=with_tools)),
    }
    if draw(st.booleans()):
        request["system"] = [{"text": t} for t in draw(st.lists(texts(), min_size=1, max_size=3))]
    if with_tools:
        request["toolConfig"] = {
            "tools": [
                {
                    "toolSpec": {
                        "name": name,
                        "description": draw(texts()),
                        "inputSchema": {"json": {"type": "object", "properties": {}}},
                    }
                }
                for name in ["look_up", *draw(st.sampled_from([[], ["b"], ["b", "c"]]))]
            ]
        }
        if draw(st.booleans()):
            request["toolConfig"]["toolChoice"] = {"any": {}}
    return request


@st.composite
def marked(draw: st.DrawFn, request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with up to five cache points, anywhere, legal or not."""
    lists = [m["content"] for m in request["messages"]]
    lists += [request["system"]] if "system" in request else []
    lists += [request["toolConfig"]["tools"]] if "toolConfig" in request else []
    copies = {id(blocks): list(blocks) for blocks in lists}
    for _ in range(draw(st.integers(0, 5))):
        blocks = copies[id(draw(st.sampled_from(lists)))]
        point: dict[str, Any] = {"type": "default"}
        if draw(st.integers(0, 3)) == 0:
            point["ttl"] = draw(st.sampled_from(["5m", "1h"]))
        blocks.insert(draw(st.integers(0, len(blocks))), {"cachePoint": point})
    out = dict(request)
    out["messages"] = [{**m, "content": copies[id(m["content"])]} for m in request["messages"]]
    if "system" in request:
        out["system"] = copies[id(request["system"])]
    if "toolConfig" in request:
        tools = copies[id(request["toolConfig"]["tools"])]
        out["toolConfig"] = {**request["toolConfig"], "tools": tools}
    return out
