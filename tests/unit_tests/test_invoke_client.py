"""`cached_client` and InvokeModel: bodies, answers, refusals, and what is none of its business."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody
from hypothesis import given, settings
from hypothesis import strategies as st
from native_bodies import INVOKES, MODELS, Call, invoke, native, native_points
from refusal_texts import OTHER_ERRORS, REFUSALS
from wire import (
    CLAUDE,
    HOUR,
    LEGACY,
    NOVA,
    POINT,
    PROFILE_ARN,
    ask,
    document,
    text,
    tool,
    user,
    words,
)

from langchain_bedrock_cache import CachePolicy, PrefixMemory, cached_client
from langchain_bedrock_cache.emulator import BedrockEmulator
from langchain_bedrock_cache.emulator.client import new_client
from langchain_bedrock_cache.exceptions import (
    CachePolicyError,
    CacheSkippedWarning,
    CacheTTLOrderError,
    TooManyCachePointsError,
)

LONG = ask(user(text(2000), "?"), system=[text(2000)])
BODY = native(LONG)["body"]
HAIKU_35 = "anthropic.claude-3-5-haiku-20241022-v1:0"


@pytest.fixture
def client(emulator: BedrockEmulator, memory: PrefixMemory) -> Any:
    """A cached client on the emulator."""
    return cached_client(emulator.client(), memory=memory)


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


@INVOKES
@MODELS
def test_points_reach_bedrock(
    emulator: BedrockEmulator, client: Any, call: Call, model: str
) -> None:
    """A long prompt is sent with points, written once, and read by the next call."""
    first = call(client, {**LONG, "modelId": model})["usage"]
    second = call(client, {**LONG, "modelId": model})["usage"]
    places = native_points(emulator.requests[0])
    assert places[:2] == ["system[0]", "messages[0][0]"]
    assert first["cacheWriteInputTokens"] >= 4000
    assert second["cacheReadInputTokens"] >= 4000


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


@MODELS
def test_the_body_of_the_answer_can_be_read_once(
    emulator: BedrockEmulator, client: Any, model: str
) -> None:
    """It is boto3's kind of body with the bytes that came, and then it is empty."""
    request = native({**LONG, "modelId": model})
    response = client.invoke_model(**request)
    plain = emulator.client().invoke_model(**request)
    assert isinstance(response["body"], StreamingBody)
    lines = b"".join(response["body"].iter_chunks(7))
    expected = plain["body"].read()
    assert json.loads(lines).keys() == json.loads(expected).keys()
    assert response["body"].read() == b""
    length = response["ResponseMetadata"]["HTTPHeaders"]["content-length"]
    assert len(lines) == int(length)


def test_an_answer_that_breaks_off_breaks_off_for_the_caller(client: Any) -> None:
    """An error while the body is read is raised where the caller reads it."""

    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise ReadTimeoutError(endpoint_url="https://x")

    raw = client.wrapped.invoke_model
    response = raw(**native(LONG))
    response["body"] = StreamingBody(Broken(), 3)

    class Stub:
        meta = client.wrapped.meta

        @staticmethod
        def invoke_model(**_: Any) -> Any:
            return response

    answer = cached_client(Stub(), memory=PrefixMemory()).invoke_model(**native(LONG))
    with pytest.raises(ReadTimeoutError):
        answer["body"].read()


USAGES: dict[str, tuple[Any, dict[str, str], tuple[int, int, int]]] = {
    "body": (
        {"usage": {"input_tokens": 4, "cache_creation_input_tokens": 9, "output_tokens": 5}},
        {"x-amzn-bedrock-input-token-count": "77"},
        (4, 0, 9),
    ),
    "headers": (
        {"content": []},
        {
            "x-amzn-bedrock-input-token-count": "4",
            "x-amzn-bedrock-cache-read-input-token-count": "18131",
        },
        (4, 18131, 0),
    ),
    "metrics": (
        {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "cacheReadInputTokenCount": 2}},
        {},
        (3, 2, 0),
    ),
}


@pytest.mark.parametrize(("body", "headers", "expected"), USAGES.values(), ids=USAGES)
def test_usage_comes_from_wherever_it_is(body: Any, headers: Any, expected: Any) -> None:
    """From the body, the invocation metrics in it, or the headers."""

    class Stub:
        class meta:  # noqa: N801 # as boto3 spells it
            region_name = "us-east-1"

        @staticmethod
        def invoke_model(**_: Any) -> Any:
            raw = json.dumps(body).encode()
            stream = StreamingBody(io.BytesIO(raw), len(raw))
            return {"body": stream, "ResponseMetadata": {"HTTPHeaders": headers}}

    response = cached_client(Stub(), memory=PrefixMemory()).invoke_model(**native(LONG))
    usage = response["ResponseMetadata"]["ConverseUsage"]
    names = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    assert tuple(usage[name] for name in names) == expected
    assert json.loads(response["body"].read()) == body


RECORDED = os.environ.get("BEDROCK_CACHE_RECORDED", "")


@pytest.mark.skipif(
    not RECORDED, reason="BEDROCK_CACHE_RECORDED does not name the folder of recorded traffic"
)
def test_recorded_answers_are_read() -> None:
    """What Bedrock answered in 2025 says what was written, then read; body and headers agree."""
    path = Path(RECORDED) / "openllmetry_invoke_model_claude_3_5_haiku.yaml"
    usages = []
    for interaction in yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"]:
        raw = interaction["response"]["body"]["string"].encode()
        counted = {
            name.lower(): values[0]
            for name, values in interaction["response"]["headers"].items()
            if name.startswith("X-Amzn-Bedrock")
        }
        body = interaction["request"]["body"]
        for answer, headers in ((raw, {}), (raw, counted), (b"{}", counted)):
            client = cached_client(echo(answer, **headers)[0], memory=PrefixMemory())
            response = client.invoke_model(modelId=HAIKU_35, body=body)
            assert response["body"].read() == answer
            usages.append(response["ResponseMetadata"]["ConverseUsage"])
    assert len(usages) == 6
    written, read = usages[0], usages[3]
    assert usages == [written] * 3 + [read] * 3
    assert (written["cacheWriteInputTokens"], written["cacheReadInputTokens"]) == (18131, 0)
    assert (read["cacheWriteInputTokens"], read["cacheReadInputTokens"]) == (0, 18131)


def test_the_lifetime_of_writes_is_known(client: Any) -> None:
    """Claude's bodies say what was written for how long, streamed or not."""
    policy = CachePolicy.fixed(system="1h", messages="5m")
    for operation in (client.invoke_model, client.invoke_model_with_response_stream):
        response = operation(
            modelId=CLAUDE,
            body=native(ask(user(text(900, str(operation))), system=[text(1500, str(operation))]))[
                "body"
            ],
            cache_policy=policy,
        )
        list(response["body"])
        details = response["ResponseMetadata"]["ConverseUsage"]["cacheDetails"]
        assert [entry["ttl"] for entry in details] == ["1h", "5m"]


@INVOKES
@pytest.mark.parametrize(("code", "message", "section"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_point_costs_one_more_call(
    emulator: BedrockEmulator, client: Any, call: Call, code: str, message: str, section: Any
) -> None:
    """The same body is sent again without added points, and they are left out for a while."""
    emulator.refuse_cache_points(message, code=code, times=1)
    request = {**LONG, "toolConfig": {"tools": [tool()]}}
    with pytest.warns(CacheSkippedWarning, match="refused"):
        response = call(client, request)
    assert [bool(native_points(body)) for body in emulator.requests] == [True, False]
    assert json.loads(native(request)["body"]) == emulator.requests[1]
    assert response["ResponseMetadata"]["CachePlan"]["refused"] == message
    call(client, request)
    places = native_points(emulator.requests[2])
    assert not [p for p in places if section is None or p.startswith(section)]


@INVOKES
@pytest.mark.parametrize(("code", "message"), OTHER_ERRORS.values(), ids=OTHER_ERRORS)
def test_other_errors_pass_through(
    emulator: BedrockEmulator, client: Any, call: Call, code: str, message: str
) -> None:
    """Errors about anything else reach the caller at once, and as they are."""
    emulator.fail_next(code, message)
    with pytest.raises(ClientError) as caught:
        call(client, LONG)
    assert caught.value.response["Error"] == {"Code": code, "Message": message}
    assert len(emulator.ledger) == 1


def test_a_stream_that_has_begun_is_not_restarted(emulator: BedrockEmulator, client: Any) -> None:
    """What breaks off in the middle breaks off, refused point or not."""
    emulator.fail_next("ValidationException", "cache_control: no", after_events=2)
    response = client.invoke_model_with_response_stream(**native(LONG))
    with pytest.raises(ClientError, match="cache_control"):
        list(response["body"])
    assert len(emulator.ledger) == 1
    assert "ConverseUsage" not in response["ResponseMetadata"]


def test_a_stream_left_early_is_learned_from(client: Any, memory: PrefixMemory) -> None:
    """Readers that stop at Claude's last event, before the stream ends, are usual."""
    response = client.invoke_model_with_response_stream(**native(LONG))
    for event in response["body"]:
        if b"message_stop" in event["chunk"]["bytes"]:
            break
    response["body"].close()
    usage = response["ResponseMetadata"]["ConverseUsage"]
    assert usage["cacheWriteInputTokens"] == 4000
    assert usage["outputTokens"] > 1


def test_the_applications_points_are_kept(emulator: BedrockEmulator, client: Any) -> None:
    """`cache_control` in a body is a mark: it stays, and counts."""
    request = ask(user(text(2000), POINT, "Who?"), system=[text(1500), HOUR], model=CLAUDE)
    response = invoke(client, request)
    assert native_points(emulator.requests[0]) == ["system[0] 1h", "messages[0][0]"]
    points = response["ResponseMetadata"]["CachePlan"]["points"]
    assert {p["origin"] for p in points} == {"application"}


def test_points_that_only_the_native_format_takes(emulator: BedrockEmulator, client: Any) -> None:
    """After a text document and inside a tool result Claude takes points that Converse refuses."""
    request = ask(user(text(2000), document("txt"), POINT, "Who?"))
    invoke(client, request)
    assert "messages[0][1]" in native_points(emulator.requests[0])
    body = json.loads(BODY)
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    marked = {"type": "text", "text": words(2000), "cache_control": {"type": "ephemeral"}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [marked]}
    body["messages"] += [
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    body["tools"] = [{"name": "f", "input_schema": {"type": "object"}}]
    client.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    sent = emulator.requests[1]
    assert sent["messages"][2]["content"] == [result]
    assert len(native_points(sent)) <= 3


def test_a_lifetime_that_the_model_does_not_know_is_left_out(
    emulator: BedrockEmulator, client: Any
) -> None:
    """Old Claude models refuse the field; five minutes are what they mean anyway."""
    stated = {"cachePoint": {"type": "default", "ttl": "5m"}}
    invoke(client, ask(user(text(2000), stated, "?"), model=LEGACY))
    block = emulator.requests[0]["messages"][0]["content"][0]
    assert block["cache_control"] == {"type": "ephemeral"}


def test_cache_control_beside_the_messages_is_a_hint(
    emulator: BedrockEmulator, client: Any
) -> None:
    """Anthropic's automatic caching, which Bedrock refuses, says how long and not where."""
    body = {**json.loads(BODY), "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    client.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    assert "cache_control" not in emulator.requests[0]
    assert native_points(emulator.requests[0])[0] == "system[0] 1h"
    off = cached_client(client, policy=CachePolicy.off())
    with pytest.raises(ClientError, match="Extra inputs"):
        off.invoke_model(modelId=CLAUDE, body=json.dumps(body))


ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    "type": ({"type": "persistent"}, CachePolicyError, "knows only type 'ephemeral'"),
    "ttl": ({"type": "ephemeral", "ttl": "2h"}, CachePolicyError, "knows only '5m' and '1h'"),
    "text": ("ephemeral", CachePolicyError, "knows only type 'ephemeral'"),
}


@pytest.mark.parametrize(("control", "error", "match"), ERRORS.values(), ids=ERRORS)
def test_wrong_points_are_clear_errors(
    client: Any, control: Any, error: type[Exception], match: str
) -> None:
    """An unknown type or lifetime is named, unless caching is off: then Bedrock has its say."""
    body = json.loads(BODY)
    body["messages"][0]["content"][0]["cache_control"] = control
    with pytest.raises(error, match=match):
        client.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    with pytest.raises(ClientError):
        client.invoke_model(modelId=CLAUDE, body=json.dumps(body), cache_policy=CachePolicy.off())


def test_impossible_sets_of_points_are_clear_errors(client: Any) -> None:
    """Too many, or a longer lifetime after a shorter one, as on Converse."""
    many = [part for n in range(5) for part in (text(300, f"t{n}"), POINT)]
    with pytest.raises(TooManyCachePointsError):
        invoke(client, ask(user(*many)))
    with pytest.raises(CacheTTLOrderError):
        invoke(client, ask(user(text(2000), HOUR, "?"), system=[text(1500), POINT]))


def test_an_unknown_model_is_named_once() -> None:
    """A conversation for an ARN that does not name its model is sent as it is, with a warning."""
    plain, sent = echo()
    client = cached_client(plain, memory=PrefixMemory())
    with pytest.warns(CacheSkippedWarning, match="base_model_id"):
        client.invoke_model(modelId=PROFILE_ARN, body=BODY)
    client.invoke_model(modelId=PROFILE_ARN, body=BODY, base_model_id="anthropic.claude-opus-4-8")
    assert sent[0].body == BODY.encode()
    assert native_points(json.loads(sent[1].body))


@MODELS
def test_a_tenants_salt_comes_first(emulator: BedrockEmulator, client: Any, model: str) -> None:
    """The salt is a block in front of the system prompt, in the format of the model."""
    policy = CachePolicy(tenant="acme", tenant_key="k")
    client.invoke_model(**native({**LONG, "modelId": model}), cache_policy=policy)
    bare = ask(user(text(2000)), model=model)
    client.invoke_model(**native(bare), cache_policy=policy)
    first, second = (request["system"][0] for request in emulator.requests)
    assert first["text"] == second["text"]
    assert first["text"].startswith("[")


def test_the_two_apis_share_nothing(emulator: BedrockEmulator, client: Any) -> None:
    """What was written through one is not expected to be read through the other."""
    for _ in range(2):
        client.converse(**LONG)
    reads = [invoke(client, LONG)["usage"]["cacheReadInputTokens"] for _ in range(2)]
    assert reads[0] == 0
    assert reads[1] >= 4000
    assert len({tuple(points) for points in map(native_points, emulator.requests[2:])}) == 1


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


PLAIN, SENT = echo()


@pytest.fixture(autouse=True)
def _nothing_sent() -> None:
    SENT.clear()
