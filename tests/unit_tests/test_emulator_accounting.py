"""Usage on the wire: what is counted, what shares a prefix and what breaks it."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_bedrock_cache.emulator import BedrockEmulator

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
TURN_TOKENS = 2  # what Claude adds behind the last block

POINT = {"cachePoint": {"type": "default"}}
POINT_1H = {"cachePoint": {"type": "default", "ttl": "1h"}}


def text(tokens: int, letter: str = "a") -> dict[str, Any]:
    """Return a text block of so many tokens, at three characters a token."""
    return {"text": letter * (3 * tokens)}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Return a user message."""
    return {"role": "user", "content": list(blocks)}


def usage(client: Any, model: str = CLAUDE, **request: Any) -> dict[str, Any]:
    """Converse, and return the usage."""
    return dict(
        client.converse(**{"modelId": model, "messages": [user(text(1))], **request})["usage"]
    )


def test_usage_of_a_write_and_a_read() -> None:
    """The number inputTokens leaves the cached ones out; totalTokens has everything (recorded)."""
    client = BedrockEmulator(responder=lambda _request: "x" * 30).client()
    request: Any = {"system": [text(2_000), POINT], "messages": [user(text(50))]}
    assert usage(client, **request) == {
        "inputTokens": 50 + TURN_TOKENS,
        "outputTokens": 10,
        "totalTokens": 2_062,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 2_000,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 2_000}],
    }
    assert usage(client, **request) == {
        "inputTokens": 50 + TURN_TOKENS,
        "outputTokens": 10,
        "totalTokens": 2_062,
        "cacheReadInputTokens": 2_000,
        "cacheWriteInputTokens": 0,
        "cacheDetails": [],
    }


def test_cache_details_come_1h_first_and_add_up() -> None:
    """With both TTLs in a request, the split names the longer one first."""
    system = [text(1_500), POINT_1H, text(700, "b"), POINT]
    details = usage(BedrockEmulator().client(), system=system)
    assert details["cacheDetails"] == [
        {"ttl": "1h", "inputTokens": 1_500},
        {"ttl": "5m", "inputTokens": 700},
    ]
    assert details["cacheWriteInputTokens"] == 2_200


def test_cache_details_can_be_left_out() -> None:
    """Older recordings lack the split, and so can the emulator."""
    system = [text(1_500), POINT]
    assert "cacheDetails" not in usage(BedrockEmulator(cache_details=False).client(), system=system)


def test_nova_reports_no_cache_details_and_caches_to_the_last_block() -> None:
    """Recorded: Nova writes 4,452 tokens with inputTokens 0 and without cacheDetails."""
    nova = usage(BedrockEmulator().client(), NOVA, messages=[user(text(1_500), POINT)])
    assert nova["cacheWriteInputTokens"] == 1_500
    assert nova["inputTokens"] == 0
    assert "cacheDetails" not in nova


def test_usage_without_caching_says_zero() -> None:
    """A model without caching still reports both numbers, as recorded for every model."""
    plain = usage(BedrockEmulator().client(), "meta.llama3-1-8b-instruct-v1:0")
    assert plain["cacheReadInputTokens"] == plain["cacheWriteInputTokens"] == 0
    assert plain["inputTokens"] == 1


def test_minimum_counts_the_cumulative_prefix() -> None:
    """Tools and system that are each too short are long enough together."""
    tool = {"toolSpec": {"name": "a", "inputSchema": {"json": {}}, "description": "d" * 1_800}}
    client = BedrockEmulator().client()
    short = usage(client, toolConfig={"tools": [tool, POINT]})
    assert short["cacheWriteInputTokens"] == 0
    both = usage(client, toolConfig={"tools": [tool, POINT]}, system=[text(500), POINT])
    assert both["cacheWriteInputTokens"] > 1_024


BASE: dict[str, Any] = {
    "toolConfig": {
        "tools": [
            {
                "toolSpec": {
                    "name": "look",
                    "description": "d" * 3_600,
                    "inputSchema": {"json": {"type": "object", "properties": {"a": {}, "b": {}}}},
                }
            },
            POINT,
        ]
    },
    "system": [text(1_200), POINT],
    "messages": [user(text(1_200), POINT, text(10))],
    "inferenceConfig": {"maxTokens": 100},
}
ALL, TOOLS_AND_SYSTEM, TOOLS_ONLY, NOTHING = "all", "tools and system", "tools only", "nothing"


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    """Return the base request with one value replaced or added."""
    request = copy.deepcopy(BASE)
    place: Any = request
    for key in path[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
    place[path[-1]] = to
    return request


SCHEMA = ("toolConfig", "tools", 0, "toolSpec", "inputSchema", "json")
CHANGES = {
    "nothing": (BASE, ALL),
    "question": (changed("messages", 0, "content", 2, to=text(11, "q")), ALL),
    "inferenceConfig": (changed("inferenceConfig", to={"temperature": 0.5, "maxTokens": 7}), ALL),
    "top_k": (changed("additionalModelRequestFields", to={"top_k": 5}), ALL),
    "requestMetadata": (changed("requestMetadata", to={"run": "2"}), ALL),
    "serviceTier": (changed("serviceTier", to={"type": "priority"}), ALL),
    "toolChoice auto": (changed("toolConfig", "toolChoice", to={"auto": {}}), ALL),
    "document in messages": (
        changed("messages", 0, "content", 0, to=text(1_200, "z")),
        TOOLS_AND_SYSTEM,
    ),
    "toolChoice any": (changed("toolConfig", "toolChoice", to={"any": {}}), TOOLS_AND_SYSTEM),
    "toolChoice tool": (
        changed("toolConfig", "toolChoice", to={"tool": {"name": "look"}}),
        TOOLS_AND_SYSTEM,
    ),
    "one letter of system": (changed("system", 0, to={"text": "b" + "a" * 3_599}), TOOLS_ONLY),
    "tool description": (
        changed("toolConfig", "tools", 0, "toolSpec", "description", to="e" * 3_600),
        NOTHING,
    ),
    "key order in a tool schema": (
        changed(*SCHEMA, to={"type": "object", "properties": {"b": {}, "a": {}}}),
        NOTHING,
    ),
    "thinking": (
        changed("additionalModelRequestFields", to={"thinking": {"type": "adaptive"}}),
        NOTHING,
    ),
    "effort": (changed("outputConfig", to={"effort": "low"}), NOTHING),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_invalidates_what_comes_after_it(name: str) -> None:
    """A changed request reads up to the change: tools, then system, then messages."""
    request, expected = CHANGES[name]
    client = BedrockEmulator().client()
    sections = usage(client, **BASE)["cacheWriteInputTokens"]
    tools = sections - 2_400
    read = {ALL: sections, TOOLS_AND_SYSTEM: tools + 1_200, TOOLS_ONLY: tools, NOTHING: 0}
    assert tools > 1_024
    assert usage(client, **request)["cacheReadInputTokens"] == read[expected]


def test_forced_tool_invalidates_everything_on_nova() -> None:
    """Recorded on Nova Lite: the tool choice is in front of the whole prefix."""
    client = BedrockEmulator().client()
    tools = [{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}]
    forced = {"tools": tools, "toolChoice": {"tool": {"name": "look"}}}
    free = {"tools": tools, "toolChoice": {"auto": {}}}
    system = [text(1_500), POINT]
    reads = [
        usage(client, NOVA, system=system, toolConfig=choice)["cacheReadInputTokens"] > 0
        for choice in (forced, free, forced, free, {"tools": tools})
    ]
    assert reads == [False, False, True, True, True]


def test_member_order_of_structures_does_not_matter() -> None:
    """Two SDKs that write the same structure in another order share a prefix."""
    client = BedrockEmulator().client()
    spec = BASE["toolConfig"]["tools"][0]["toolSpec"]
    reordered = changed("toolConfig", "tools", 0, "toolSpec", to=dict(reversed(spec.items())))
    written = usage(client, **BASE)["cacheWriteInputTokens"]
    assert usage(client, **reordered)["cacheReadInputTokens"] == written


def test_same_text_in_another_role_is_another_prefix() -> None:
    """A block is identified together with the role that says it."""
    client = BedrockEmulator(require_alternating_roles=False).client()
    first = [user(text(1)), user(text(1_100), POINT)]
    second = [user(text(1)), {"role": "assistant", "content": [text(1_100), POINT]}]
    assert usage(client, messages=first)["cacheWriteInputTokens"] > 0
    assert usage(client, messages=second)["cacheReadInputTokens"] == 0


@pytest.mark.parametrize(("added", "hit"), [(21, True), (22, False)])
def test_lookback_counts_blocks_over_messages(added: int, hit: bool) -> None:  # noqa: FBT001 - a table
    """A conversation that grew by 21 blocks still reads; by 22 it does not."""
    client = BedrockEmulator(require_alternating_roles=False).client()
    start = user(text(1_500))
    usage(client, messages=[{**start, "content": [*start["content"], POINT]}])
    grown = [start, *(user(text(1, "n")) for _ in range(added - 1)), user(text(1, "m"), POINT)]
    read = usage(client, messages=grown)["cacheReadInputTokens"]
    assert read == (1_500 if hit else 0)


def test_moving_point_follows_the_conversation_on_claude_but_not_on_nova() -> None:
    """A point at the tail of every turn reads the turn before on Claude; Nova never finds it."""
    client = BedrockEmulator().client()
    reads: dict[str, list[int]] = {CLAUDE: [], NOVA: []}
    for model, found in reads.items():
        history: list[dict[str, Any]] = []
        for turn in range(4):
            asked = user(text(1_100, "abcd"[turn]))
            tail = {**asked, "content": [*asked["content"], POINT]}
            found.append(usage(client, model, messages=[*history, tail])["cacheReadInputTokens"])
            history += [asked, {"role": "assistant", "content": [text(1)]}]
    assert reads[CLAUDE] == [0, 1_100, 2_201, 3_302]
    assert reads[NOVA] == [0, 0, 0, 0]


def test_characters_per_token_scale_the_estimate() -> None:
    """Both a number and a function of the base model ID set the estimate."""
    fixed = BedrockEmulator(chars_per_token=6.0).client()
    assert usage(fixed, messages=[user(text(100))])["inputTokens"] == 50 + TURN_TOKENS
    asked: list[str] = []

    def by_model(base_model_id: str) -> float:
        asked.append(base_model_id)
        return 1.5

    varying = BedrockEmulator(chars_per_token=by_model).client()
    assert usage(varying, messages=[user(text(100))])["inputTokens"] == 200 + TURN_TOKENS
    assert set(asked) == {CLAUDE.removeprefix("us.")}


MEDIA: dict[str, tuple[dict[str, Any], int]] = {
    "image": ({"image": {"format": "png", "source": {"bytes": b"tiny"}}}, 1_600),
    "text document": (
        {"document": {"format": "csv", "name": "d", "source": {"bytes": b"1,2" * 100}}},
        100,
    ),
    "PDF": ({"document": {"format": "pdf", "name": "d", "source": {"bytes": b"p" * 2_500}}}, 100),
    "document in S3": (
        {"document": {"format": "pdf", "name": "d", "source": {"s3Location": {"uri": "s3://b/k"}}}},
        2_000,
    ),
    "document as text": ({"document": {"name": "d", "source": {"text": "t" * 300}}}, 100),
    "single letter": ({"text": "i"}, 1),
}


@pytest.mark.parametrize("name", MEDIA)
def test_block_counts_as_documented(name: str) -> None:
    """Media count the stated constants, and no block counts less than one token."""
    block, tokens = MEDIA[name]
    counted = usage(BedrockEmulator().client(), messages=[user(block)])["inputTokens"]
    assert counted == tokens + TURN_TOKENS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=8,
)
BLOCKS = st.one_of(
    st.text(min_size=1, max_size=60).map(lambda value: {"text": value}),
    st.binary(min_size=1, max_size=60).map(
        lambda value: {"image": {"format": "png", "source": {"bytes": value}}}
    ),
    st.dictionaries(st.text(max_size=5), JSON, max_size=3).map(
        lambda value: {
            "searchResult": {"source": "s", "title": "t", "content": [{"text": str(value)}]}
        }
    ),
)
SHARED = BedrockEmulator(chars_per_token=0.01)
SHARED_CLIENT = SHARED.client()


@settings(max_examples=60, deadline=None)
@given(st.lists(BLOCKS, min_size=1, max_size=5), JSON)
def test_any_request_reads_back_what_it_wrote(blocks: list[dict[str, Any]], schema: Any) -> None:
    """Whatever the content, an identical request reads all of it, and CountTokens agrees."""
    SHARED.forget()
    tool = {"toolSpec": {"name": "look", "inputSchema": {"json": {"properties": schema}}}}
    request: Any = {"toolConfig": {"tools": [tool]}, "messages": [user(*blocks, POINT)]}
    written = usage(SHARED_CLIENT, **request)
    read = usage(SHARED_CLIENT, **request)
    assert written["cacheWriteInputTokens"] == read["cacheReadInputTokens"] > 0
    assert written["inputTokens"] == read["inputTokens"] == TURN_TOKENS
    plain = {**request, "messages": [user(*blocks)]}
    counted = SHARED_CLIENT.count_tokens(
        modelId=CLAUDE.removeprefix("us."), input={"converse": plain}
    )
    assert counted["inputTokens"] == written["cacheWriteInputTokens"] + TURN_TOKENS


def test_five_thousand_messages_are_fast() -> None:
    """A very long conversation costs well under a second, client included."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": [text(100)]} for i in range(5_001)]
    client = BedrockEmulator().client()
    usage(client)  # loads botocore's model
    started = time.perf_counter()
    usage(client, messages=messages)
    assert time.perf_counter() - started < 2.0  # measured: 0.25 s; the machine may be busy
