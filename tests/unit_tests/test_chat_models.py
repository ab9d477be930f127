"""`ChatBedrockCached` is `ChatBedrockConverse` in all it does, with cache points on the wire."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from emulated_models import (
    ASKS,
    EVERY_WAY,
    GUARDRAIL,
    PERSON,
    PROMPT,
    SONNET,
    SYSTEM,
    Ask,
    Person,
    cached,
    look_up,
    person,
    plain,
)
from langchain_core.caches import InMemoryCache
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from wire import LLAMA, NOVA, POINT, PROFILE_ARN, places, points, text, user, words

from langchain_bedrock_cache import CachePolicy
from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.demo.clock import SimulatedClock
from langchain_bedrock_cache.emulator import BedrockEmulator, Reply, ToolUse, scripted
from langchain_bedrock_cache.exceptions import CacheSkippedWarning
from langchain_bedrock_cache.usage import CacheUsage


@EVERY_WAY
def test_the_system_prompt_is_written_once_and_read_again(
    emulator: BedrockEmulator, ask: Ask
) -> None:
    """However the model is called, points are sent, and usage and plan are reported."""
    model = cached(emulator)
    first, second = ask(model, PROMPT), ask(model, PROMPT)
    assert places(emulator.requests[0])[0] == "system[0]"
    assert first.text == second.text == ask(plain(emulator), PROMPT).text
    usages = [CacheUsage.from_usage_metadata(m.usage_metadata) for m in (first, second)]
    assert usages[0].cache_write_tokens == usages[1].cache_read_tokens >= 2_000
    metadata = second.response_metadata["ResponseMetadata"]
    assert metadata["CachePlan"]["points"]
    assert CacheUsage.from_converse(metadata["ConverseUsage"]) == usages[1]


HISTORY: list[BaseMessage] = [
    SYSTEM,
    HumanMessage("Look up 1 and 2."),
    AIMessage(
        [{"type": "text", "text": "I will."}],
        tool_calls=[{"name": "look_up", "args": {"n": n}, "id": f"c{n}"} for n in (1, 2)],
    ),
    ToolMessage(words(900, "one"), tool_call_id="c1"),
    ToolMessage(words(900, "two"), tool_call_id="c2"),
]
PNG = "iVBORw0KGgo="
# Settings of the model, of the call, and the prompt.
DROP_IN: dict[str, tuple[dict[str, Any], dict[str, Any], list[BaseMessage]]] = {
    "a prompt": ({}, {}, PROMPT),
    "sampling": ({"temperature": 0.5, "max_tokens": 9, "top_p": 0.9}, {}, PROMPT),
    "stop": ({"stop_sequences": ["a"]}, {"stop": ["b"]}, PROMPT),
    "a system prompt of the model": ({"system": [words(2000)]}, {}, PROMPT),
    "another model for a call": ({}, {"model_id": NOVA}, PROMPT),
    "thinking": (
        {"additional_model_request_fields": {"thinking": {"type": "enabled"}}},
        {},
        PROMPT,
    ),
    "fields of a call": ({}, {"additional_model_request_fields": {"top_k": 5}}, PROMPT),
    "guardrails": ({"guardrail_config": GUARDRAIL}, {}, HISTORY[:1] + HISTORY[1:2]),
    "guarded last turn": (
        {"guardrail_config": GUARDRAIL, "guard_last_turn_only": True},
        {},
        [SYSTEM, HumanMessage(words(900)), AIMessage("Yes."), HumanMessage("Hello")],
    ),
    "service tier": ({"service_tier": "flex"}, {}, PROMPT),
    "metadata": ({"request_metadata": {"team": "a"}}, {}, PROMPT),
    "raw blocks": ({"raw_blocks": [user(text(2000), "?")]}, {}, PROMPT),
    "an image": (
        {},
        {},
        [
            HumanMessage(
                [
                    {"type": "text", "text": words(2000)},
                    {"type": "image", "base64": PNG, "mime_type": "image/png"},
                    {"type": "text", "text": "What is it?"},
                ]
            )
        ],
    ),
    "reasoning in the history": (
        {},
        {},
        [
            SYSTEM,
            HumanMessage("Hello"),
            AIMessage(
                [
                    {
                        "type": "reasoning_content",
                        "reasoning_content": {"text": "Hm.", "signature": "c2ln"},
                    },
                    {"type": "text", "text": "Hello."},
                ],
                response_metadata={"model_provider": "bedrock_converse", "model_name": SONNET},
            ),
            HumanMessage("And?"),
        ],
    ),
    "points in the messages": (
        {},
        {},
        [SYSTEM, HumanMessage([{"type": "text", "text": words(2000)}, POINT, "?"])],
    ),
    "points in the system prompt": (
        {},
        {},
        [SystemMessage([{"type": "text", "text": words(2000)}, POINT]), HumanMessage("?")],
    ),
}


@pytest.mark.parametrize("ask", [ASKS["invoke"], ASKS["stream"]], ids=["invoke", "stream"])
@pytest.mark.parametrize("case", DROP_IN)
def test_what_reaches_bedrock_is_langchain_awss_request_with_points(
    emulator: BedrockEmulator, case: str, ask: Ask
) -> None:
    """Every setting does what it does in `ChatBedrockConverse`; only cache points are added."""
    settings, call, prompt = DROP_IN[case]
    ask(cached(emulator, **copy.deepcopy(settings)), prompt, **call)
    ask(plain(emulator, **copy.deepcopy(settings)), prompt, **call)
    ours, theirs = emulator.requests
    assert points(ours)
    assert set(points(theirs)) <= set(points(ours))
    assert strip_points(ours) == strip_points(theirs)
    assert emulator.ledger[0].model_id == emulator.ledger[1].model_id


@EVERY_WAY
def test_tools(clock: SimulatedClock, ask: Ask) -> None:
    """Bound tools are cached with the rest, and calls come back as from the plain model."""
    call = ToolUse(name="look_up", input={"n": 1})
    emulator = BedrockEmulator(
        clock=clock, capture_requests=True, responder=lambda _request: Reply(tool_uses=[call])
    )
    ours, theirs = (
        ask(model.bind_tools([look_up]), HISTORY) for model in (cached(emulator), plain(emulator))
    )
    assert [(c["name"], c["args"]) for c in ours.tool_calls] == [("look_up", {"n": 1})]
    assert [(c["name"], c["args"]) for c in theirs.tool_calls] == [("look_up", {"n": 1})]
    assert points(emulator.requests[0])[-1] == "messages[2][1]"
    assert strip_points(emulator.requests[0]) == emulator.requests[1]


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "prompt_prefill"])
def test_structured_output(clock: SimulatedClock, method: Any) -> None:
    """All three methods give the object, cached from the second call on."""
    emulator = BedrockEmulator(clock=clock, capture_requests=True, responder=person)
    models = (cached(emulator), plain(emulator))
    ours, theirs = (m.with_structured_output(Person, method=method) for m in models)
    assert [ours.invoke(PROMPT) for _ in range(2)] == [Person(**PERSON)] * 2
    assert theirs.invoke(PROMPT) == Person(**PERSON)
    assert strip_points(emulator.requests[0]) == emulator.requests[2]
    assert emulator.ledger[1].cache_read_tokens >= 2_000


def test_raw_blocks_are_not_changed(emulator: BedrockEmulator) -> None:
    """The user's own blocks stay without points, with and without a hint."""
    blocks = [user(text(2000), "?")]
    before = copy.deepcopy(blocks)
    model = cached(emulator, raw_blocks=blocks)
    model.invoke("ignored")
    model.invoke("ignored", cache_control={"type": "ephemeral", "ttl": "1h"})
    assert model.raw_blocks == before == blocks
    assert all(points(request) for request in emulator.requests)


def test_messages_are_not_changed(emulator: BedrockEmulator) -> None:
    """No point finds its way into the caller's messages, and so into checkpoints."""
    prompt = [
        SYSTEM,
        HumanMessage([{"type": "text", "text": words(2000)}]),
        AIMessage("a"),
        *PROMPT,
    ]
    before = copy.deepcopy(prompt)
    cached(emulator, system=["Be good."]).invoke(prompt, cache_control={"type": "ephemeral"})
    assert prompt == before


def test_langchain_awss_own_caching_is_a_hint(emulator: BedrockEmulator) -> None:
    """`cache_control` adds nothing to what the planner places; an hour is taken as a wish."""
    model = cached(emulator).bind_tools([look_up])
    model.invoke(PROMPT)
    model.invoke(PROMPT, cache_control={"type": "ephemeral", "ttl": "5m"})
    model.invoke([SYSTEM, HumanMessage("Hi")], cache_control={"type": "ephemeral", "ttl": "1h"})
    first, second, third = map(points, emulator.requests)
    assert first == second
    assert third
    assert all(point.endswith(" 1h") for point in third)


def test_a_hint_on_a_short_prompt_places_what_it_asks_for(emulator: BedrockEmulator) -> None:
    """Where points cost nothing, they are where langchain-aws puts them, and not twice."""
    prompt: list[BaseMessage] = [SystemMessage("Be good."), HumanMessage("Hello")]
    for model in (cached(emulator), plain(emulator)):
        model.invoke(prompt, cache_control={"type": "ephemeral"})
    assert points(emulator.requests[0]) == points(emulator.requests[1])


@pytest.mark.parametrize("model_id", [SONNET, NOVA])
def test_langchain_awss_middleware_in_an_agent(clock: SimulatedClock, model_id: str) -> None:
    """An agent with the middleware is planned like one without, and its state holds no points."""
    agents = pytest.importorskip("langchain.agents")
    from langchain_aws.middleware import (  # noqa: PLC0415 - needs langchain
        BedrockPromptCachingMiddleware,
    )

    sent: list[list[list[str]]] = []
    for middleware in ([BedrockPromptCachingMiddleware()], []):
        turns = [Reply(tool_uses=[ToolUse(name="look_up", input={"n": n})]) for n in range(3)]
        emulator = BedrockEmulator(
            clock=clock, capture_requests=True, responder=scripted([*turns, "Done."])
        )
        model = cached(emulator, model=model_id)
        agent = agents.create_agent(
            model, [look_up], system_prompt=words(2000), middleware=middleware
        )
        state = agent.invoke({"messages": [HumanMessage("Look up.")]})
        assert not any("cachePoint" in str(message.content) for message in state["messages"])
        assert emulator.ledger[-1].cache_read_tokens >= 2_000
        sent.append(list(map(points, emulator.requests)))
    assert sent[0] == sent[1]
    assert all(len(set(found)) == len(found) <= 4 for found in sent[0])


def test_a_fallback_to_a_model_without_caching(emulator: BedrockEmulator) -> None:
    """Points in the history do not make the fallback fail: that model would answer 403."""
    prompt = [SYSTEM, HumanMessage([{"type": "text", "text": words(2000)}, POINT, "?"])]
    quiet = CachePolicy(unsupported_model_behavior="ignore")
    llama = cached(emulator, model=LLAMA, cache_policy=quiet)
    emulator.fail_next("ThrottlingException")
    answer = cached(emulator).with_fallbacks([llama]).invoke(prompt)
    assert answer.text
    assert [r.model_id for r in emulator.ledger] == [SONNET, LLAMA]
    assert [points(r) for r in emulator.requests][1] == []


@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_a_warning_names_the_line_of_the_caller(emulator: BedrockEmulator, way: str) -> None:
    """Through all layers of LangChain, the warning points at the code that called the model."""
    model = cached(emulator, model=LLAMA)
    with pytest.warns(CacheSkippedWarning, match="No prompt-caching facts are known") as caught:
        answers = [ASKS[way](model, PROMPT) for _ in range(3)]
    assert len(answers) == 3
    assert len(caught) == 1
    assert Path(caught[0].filename).samefile(ASKS[way].__code__.co_filename)


ERRORS = ["ThrottlingException", "ValidationException", "AccessDeniedException"]


@pytest.mark.parametrize("code", ERRORS)
@pytest.mark.parametrize("ask", [ASKS["invoke"], ASKS["stream"]], ids=["invoke", "stream"])
def test_errors_are_those_of_the_plain_model(
    emulator: BedrockEmulator, code: str, ask: Ask
) -> None:
    """An error that is not about caching is boto3's own, raised once."""
    caught = []
    for model in (cached(emulator), plain(emulator)):
        emulator.fail_next(code)
        with pytest.raises(ClientError) as error:
            ask(model, PROMPT)
        caught.append((type(error.value).__name__, str(error.value)))
    assert caught[0] == caught[1]
    assert len(emulator.requests) == 2


def test_a_context_overflow_is_langchains_own_error(emulator: BedrockEmulator) -> None:
    """langchain-aws's error for a prompt that is too long is raised through our client too."""
    from langchain_core.exceptions import ContextOverflowError  # noqa: PLC0415 - newer versions

    emulator.fail_next("ValidationException", "Input is too long for requested model.")
    with pytest.raises(ContextOverflowError):
        cached(emulator).invoke(PROMPT)


def test_a_refused_point_is_left_out(emulator: BedrockEmulator) -> None:
    """An account without prompt caching gets its answer, and one warning."""
    emulator.refuse_cache_points()
    model = cached(emulator)
    with pytest.warns(CacheSkippedWarning, match="Bedrock refused a cache point") as caught:
        answers = [model.invoke(PROMPT) for _ in range(3)]
    assert all(answer.text for answer in answers)
    assert len(caught) == 1
    assert [bool(points(r)) for r in emulator.requests] == [True, False, False, False]


def test_langchains_response_cache_is_another_thing(emulator: BedrockEmulator) -> None:
    """An answer that LangChain remembers is not asked for again."""
    model = cached(emulator, cache=InMemoryCache())
    assert model.invoke(PROMPT).text == model.invoke(PROMPT).text
    assert len(emulator.requests) == 1


def test_counting_tokens(emulator: BedrockEmulator) -> None:
    """Tokens are counted by Bedrock, as with the plain model."""
    ours, theirs = (
        m.get_num_tokens_from_messages(PROMPT) for m in (cached(emulator), plain(emulator))
    )
    assert ours == theirs >= 2_000


@pytest.mark.parametrize(
    "base", ["anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-pro-v1:0"]
)
def test_an_application_inference_profile(clock: SimulatedClock, base: str) -> None:
    """`base_model_id` says which model an ARN stands for."""
    emulator = BedrockEmulator(clock=clock, capture_requests=True, model_arns={PROFILE_ARN: base})
    model = cached(emulator, model=PROFILE_ARN, base_model_id=base, provider=base.partition(".")[0])
    for _ in range(2):
        model.invoke(PROMPT)
    assert emulator.ledger[-1].cache_read_tokens >= 2_000


def test_parallel_calls_share_the_memory(emulator: BedrockEmulator) -> None:
    """A batch is answered in full, in order, each prompt planned."""
    model = cached(emulator)
    model.invoke(PROMPT)
    answers = model.batch([[SYSTEM, HumanMessage(f"{n}?")] for n in range(12)])
    assert len(answers) == 12
    assert all(record.cache_read_tokens >= 2_000 for record in emulator.ledger[1:])
