"""`cached_client` and bodies of InvokeModel: points aside, what arrives is what was given."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from client_calls import LONG
from echoing_client import echo
from hypothesis import given, settings
from hypothesis import strategies as st
from native_bodies import native, native_points
from wire import CLAUDE, NOVA, words

from langchain_bedrock_cache import CachePolicy, PrefixMemory, cached_client
from langchain_bedrock_cache.emulator import BedrockEmulator

BODY = native(LONG)["body"]
# One client for all examples of a property: to make one takes longer than to call it.
PLAIN, SENT = echo()


@pytest.fixture(autouse=True)
def _nothing_sent() -> None:
    SENT.clear()


@pytest.mark.parametrize(
    "form", [str, str.encode, lambda s: bytearray(s.encode()), lambda s: io.BytesIO(s.encode())]
)
def test_every_form_of_body_is_read(emulator: BedrockEmulator, client: Any, form: Any) -> None:
    """Text, bytes, a bytearray and a file are bodies alike."""
    client.invoke_model(modelId=CLAUDE, body=form(BODY))
    assert native_points(emulator.requests[0]) == ["system[0]", "messages[0][0]"]


def test_all_else_in_a_body_stays(emulator: BedrockEmulator, client: Any) -> None:
    """Points aside, the body that arrives is the one that was given, unknown keys included."""
    body = json.loads(BODY)
    body |= {"metadata": {"user_id": "u"}, "x-new": [1.5, None, "\U0001f600 \u00fc"]}
    body["messages"][0]["content"][0]["citations"] = [{"new": True}]
    given_body = json.dumps(body)
    client.invoke_model(modelId=CLAUDE, body=given_body, accept="application/json")
    sent = emulator.requests[0]
    assert native_points(sent)
    for block in sent["messages"][0]["content"]:
        block.pop("cache_control", None)
    sent["system"] = sent["system"][0]["text"]
    assert sent == body


def test_a_body_without_added_points_is_sent_to_the_byte() -> None:
    """Where nothing is added, spelling and spaces of the JSON are the caller's."""
    plain, sent = echo()
    client = cached_client(plain, memory=PrefixMemory())
    body = (
        '{ "anthropic_version":"bedrock-2023-05-31","messages": [{"role":"user","content":"Hi"}]}'
    )
    client.invoke_model(modelId=CLAUDE, body=body)
    off = BODY.replace(", ", " ,  ")
    client.invoke_model(modelId=CLAUDE, body=off, cache_policy=CachePolicy.off())
    assert [request.body for request in sent] == [body.encode(), off.encode()]


FOREIGN = {
    "titan embeddings": ("amazon.titan-embed-text-v2:0", b'{"inputText": "messages"}'),
    "llama": ("us.meta.llama3-3-70b-instruct-v1:0", b'{"prompt": "Hi",  "max_gen_len": 5}'),
    "a picture": ("amazon.nova-canvas-v1:0", b'{"taskType": "TEXT_IMAGE"}'),
    "messages of others": (
        "openai.gpt-oss-120b-1:0",
        b'{"messages": [{"role":"user","content":"a"}]}',
    ),
    "not JSON": (CLAUDE, b'"messages" \xff\xfe'),
    "a list": (CLAUDE, b'["messages"]'),
    "nested without end": (CLAUDE, b'{"messages": ' + b"[" * 100_000),
    "no messages": (CLAUDE, b'{"anthropic_version": "v", "prompt": "\\"messages\\""}'),
    "messages garbled": (CLAUDE, b'{"anthropic_version": "v", "messages": [{"role": 1}, 7]}'),
    "blocks garbled": (
        CLAUDE,
        b'{"anthropic_version": "v", "messages": [{"role": "x", "content": [{"type": "image"}]}]}',
    ),
    "nova garbled": (NOVA, b'{"messages": [{"role": "user", "content": "text"}]}'),
}


@pytest.mark.parametrize(("model", "body"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_bodies_pass_through(model: str, body: bytes) -> None:
    """What is no conversation of Claude's or Nova's is sent as it is, and so is the answer."""
    plain, sent = echo(b'{"embedding": [1, 2]}')
    client = cached_client(plain, memory=PrefixMemory())
    response = client.invoke_model(modelId=model, body=io.BytesIO(body))
    streamed = client.invoke_model_with_response_stream(modelId=model, body=body)
    assert [request.body for request in sent] == [body, body]
    assert response["body"].read() == b'{"embedding": [1, 2]}'
    assert "CachePlan" not in response["ResponseMetadata"]
    assert "CachePlan" not in streamed["ResponseMetadata"]


def test_other_arguments_pass_through() -> None:
    """A guardrail, a service tier and content types go where they belong."""
    plain, sent = echo()
    client = cached_client(plain, memory=PrefixMemory())
    client.invoke_model(
        modelId=CLAUDE,
        body=BODY,
        guardrailIdentifier="gr",
        guardrailVersion="1",
        trace="ENABLED",
        contentType="application/json",
    )
    headers = {name.lower(): value for name, value in sent[0].headers.items()}
    assert headers["x-amzn-bedrock-guardrailidentifier"] in ("gr", b"gr")


def test_a_view_that_cannot_be_written_back_is_sent_as_it_came(
    emulator: BedrockEmulator, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever planning makes of a view, the body that was given can always be sent."""
    prepare = client.planner.prepare

    def unwritable(*args: Any) -> Any:
        call = prepare(*args)
        return replace(call, request={**call.request, "messages": [{"content": [{"new": 1}]}]})

    client.planner.prepare = unwritable
    client.invoke_model(modelId=CLAUDE, body=BODY)
    assert emulator.requests == (json.loads(BODY),)
    assert "could not be written" in caplog.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=12,
)
contents = st.one_of(
    json_values,
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["text", "image", "tool_result", "thinking", "new"])},
            optional={"text": st.just(words(1500)), "content": json_values, "source": json_values},
        ),
        max_size=3,
    ),
)
bodies = st.fixed_dictionaries(
    {"messages": st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": contents}))},
    optional={
        "anthropic_version": st.just("v"),
        "schemaVersion": st.just("messages-v1"),
        "system": st.one_of(json_values, st.just(words(2000))),
        "tools": json_values,
        "other": json_values,
    },
)


def _bare(value: Any) -> Any:
    """Return a body without points, texts in blocks."""
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if isinstance(value, dict):
        return {k: _bare(v) for k, v in value.items() if k not in ("cache_control", "cachePoint")}
    return value


@settings(max_examples=100, deadline=None)
@given(bodies, st.sampled_from([CLAUDE, NOVA]))
def test_any_body_arrives(body: dict[str, Any], model: str) -> None:
    """Whatever JSON a body is, it is sent, and nothing in it is changed but for points."""
    client = cached_client(PLAIN, memory=PrefixMemory())
    before = len(SENT)
    client.invoke_model(modelId=model, body=json.dumps(body))
    (request,) = SENT[before:]
    arrived = json.loads(request.body)
    if isinstance(body.get("system"), str) and isinstance(arrived["system"], list):
        (block,) = arrived["system"]
        arrived["system"] = block["text"]
    for message, given_message in zip(arrived["messages"], body["messages"], strict=True):
        if isinstance(given_message["content"], str) and isinstance(message["content"], list):
            (block,) = message["content"]
            message["content"] = block["text"]
    assert _bare(arrived) == _bare(body)
