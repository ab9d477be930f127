"""`BedrockCacheMiddleware`: what reaches the wire, whatever stands beside it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest
from agents_on_emulator import (
    EVERY_WAY,
    SYSTEM,
    WAYS,
    Bedrock,
    agent_of,
    human,
    loop,
    points_in,
)
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_aws import ChatBedrock, ChatBedrockConverse
from langchain_aws.middleware import BedrockPromptCachingMiddleware
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult
from pydantic import PrivateAttr
from wire import LLAMA, words

from langchain_bedrock_cache import (
    CachePolicy,
    CacheSkippedWarning,
    PrefixMemory,
    UnsupportedModelError,
    cached_client,
)
from langchain_bedrock_cache.converse import strip_points
from langchain_bedrock_cache.emulator import Reply, ToolUse
from langchain_bedrock_cache.middleware import BedrockCacheMiddleware


def run(agent: Any, *, sync: bool = True) -> Any:
    """Ask an agent one question."""
    if sync:
        return agent.invoke(human("What is it?"))
    return asyncio.run(agent.ainvoke(human("What is it?")))


@EVERY_WAY
@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_a_tool_loop_reads_what_it_wrote(way: Any, *, sync: bool) -> None:
    """Each call of a turn reads all that the call before it sent."""
    bedrock = Bedrock(loop(3))
    run(agent_of(way(bedrock)), sync=sync)
    assert len(bedrock.ledger) == 4
    for before, record in zip(bedrock.ledger, bedrock.ledger[1:], strict=False):
        assert record.cache_read_tokens >= before.input_tokens - 2
    assert all(1 <= len(record.cache_points) <= 4 for record in bedrock.ledger)


def test_the_middleware_sends_what_our_model_sends() -> None:
    """A plain model with the middleware and our model place the same points."""
    requests = []
    for name in ("our middleware", "our model"):
        bedrock = Bedrock(loop(5))
        run(agent_of(WAYS[name](bedrock)))
        requests.append(bedrock.requests)
    assert requests[0] == requests[1]
    assert points_in(requests[0]) > len(requests[0])


def test_nothing_but_points_is_added() -> None:
    """Without its points a request is the one that the plain model sends."""
    plain, cached = Bedrock(loop(2)), Bedrock(loop(2))
    run(agent_of((plain.plain(), [])))
    run(agent_of((cached.plain(), [cached.middleware()])))
    assert [strip_points(r) for r in cached.requests] == [*plain.requests]


@pytest.mark.parametrize("first", [True, False], ids=["ours first", "ours last"])
@pytest.mark.parametrize("kind", ["plain", "cached", "subclass"])
def test_langchain_aws_middleware_beside_ours(kind: str, *, first: bool) -> None:
    """Its setting is a hint to the planner: the points are those without it, in either order."""
    requests = []
    for theirs in ([], [BedrockPromptCachingMiddleware()]):
        bedrock = Bedrock(loop(3))
        ours: list[Any] = [bedrock.middleware()]
        model = {
            "plain": bedrock.plain(),
            "cached": bedrock.cached(),
            "subclass": bedrock.plain(Counting),
        }[kind]
        run(agent_of((model, [*ours, *theirs] if first else [*theirs, *ours])))
        requests.append(bedrock.requests)
    assert requests[0] == requests[1]
    assert points_in(requests[0])


def test_an_hour_from_langchain_aws_is_heard() -> None:
    """The lifetime that its middleware asks for is the planner's wish, too."""
    bedrock = Bedrock()
    theirs = BedrockPromptCachingMiddleware(ttl="1h")
    run(agent_of((bedrock.plain(), [bedrock.middleware(), theirs])))
    assert bedrock.ledger[0].cache_write_5m_tokens == 0
    assert bedrock.ledger[0].cache_write_1h_tokens > 2000


class Counting(ChatBedrockConverse):
    """A model of a user, with a setting and a memory of its own."""

    suffix: str = "!"
    _calls: list[str] = PrivateAttr(default_factory=list)

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self._calls.append(self.suffix)
        return super()._generate(*args, **kwargs)


def test_a_subclass_stays_what_it_is() -> None:
    """A user's own class is cached, and does all that it did before."""
    bedrock = Bedrock(loop(1))
    model = bedrock.plain(Counting)
    assert isinstance(model, Counting)
    model.suffix = "?"
    run(agent_of((model, [bedrock.middleware()])))
    assert model._calls == ["?", "?"]
    assert bedrock.ledger[1].cache_read_tokens > 2000


def test_the_model_is_not_changed() -> None:
    """After an agent has used it, the model sends requests without points as before."""
    bedrock = Bedrock()
    model = bedrock.plain()
    run(agent_of((model, [bedrock.middleware()])))
    model.invoke([("system", SYSTEM), ("human", "Hello")])
    assert points_in(bedrock.requests[0])
    assert not points_in(bedrock.requests[1])


def test_a_stated_policy_holds_for_every_model() -> None:
    """`CachePolicy.off()` given to the middleware is off, for our model and a wrapped client."""
    for make in (
        Bedrock.plain,
        Bedrock.cached,
        lambda b: ChatBedrockConverse(
            model_id=b.plain().model_id,
            client=cached_client(b.emulator.client(), memory=b.memory),
            bedrock_client=b.emulator.client(),
        ),
    ):
        bedrock = Bedrock()
        off = bedrock.middleware(policy=CachePolicy.off())
        run(agent_of((make(bedrock), [off])))
        assert not points_in(bedrock.requests)


def test_a_policy_in_the_model_settings_is_stronger() -> None:
    """What a call says is nearer than what the middleware says."""

    class Settings(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            return handler(request.override(model_settings={"cache_policy": CachePolicy.off()}))

    bedrock = Bedrock()
    fixed = bedrock.middleware(policy=CachePolicy.fixed(system="5m"))
    run(agent_of((bedrock.plain(), [Settings(), fixed])))
    assert not points_in(bedrock.requests)


def test_a_wrapped_client_keeps_its_planner() -> None:
    """A plain model whose client plans already is planned once, with its own memory."""
    bedrock = Bedrock(loop(2))
    theirs, ours = PrefixMemory(clock=bedrock.clock), PrefixMemory(clock=bedrock.clock)
    client = cached_client(bedrock.emulator.client(), memory=theirs)
    model = bedrock.plain().model_copy(update={"client": client})
    run(agent_of((model, [bedrock.middleware(memory=ours)])))
    assert len(theirs) > 0
    assert len(ours) == 0
    assert bedrock.ledger[-1].cache_read_tokens > 2000


def test_a_refusal_is_remembered_from_call_to_call() -> None:
    """Bedrock refuses points: every call is answered, the first one only after a second try."""
    bedrock = Bedrock(loop(2))
    bedrock.emulator.refuse_cache_points()
    with pytest.warns(CacheSkippedWarning, match="refused a cache point") as warned:
        result = run(agent_of((bedrock.plain(), [bedrock.middleware()])))
    assert result["messages"][-1].text == "It is so."
    assert [bool(points_in(request)) for request in bedrock.requests] == [True, False, False, False]
    assert len(warned) == 1


def test_a_model_without_prompt_caching() -> None:
    """Llama is sent no points, the agent gets its answer, and the user is told once."""
    bedrock = Bedrock(loop(2))
    model = bedrock.plain().model_copy(update={"model_id": LLAMA})
    with pytest.warns(CacheSkippedWarning, match="no cache points are added") as warned:
        run(agent_of((model, [bedrock.middleware()])))
    assert len(warned) == 1
    assert not points_in(bedrock.requests)


def other_model() -> GenericFakeChatModel:
    """Return a chat model that has nothing to do with Bedrock."""
    return GenericFakeChatModel(messages=iter([AIMessage("One."), AIMessage("Two.")]))


def test_another_provider_is_left_alone() -> None:
    """A model of another provider answers as without the middleware; the user is told once."""
    agent = create_agent(other_model(), middleware=[BedrockCacheMiddleware()])
    with pytest.warns(CacheSkippedWarning, match="not GenericFakeChatModel") as warned:
        texts = [run(agent)["messages"][-1].text for _ in range(2)]
    assert texts == ["One.", "Two."]
    assert len(warned) == 1


def test_another_provider_silently_or_not_at_all() -> None:
    """The policy says whether such a model is passed over in silence, or an error."""
    ignore = CachePolicy(unsupported_model_behavior="ignore")
    agent = create_agent(other_model(), middleware=[BedrockCacheMiddleware(policy=ignore)])
    assert run(agent)["messages"][-1].text == "One."
    strict = CachePolicy(unsupported_model_behavior="raise")
    agent = create_agent(other_model(), middleware=[BedrockCacheMiddleware(policy=strict)])
    with pytest.raises(UnsupportedModelError, match="GenericFakeChatModel"):
        run(agent)


def test_chat_bedrock_over_converse() -> None:
    """`ChatBedrock` that talks Converse is cached by the planner alone."""
    bedrock = Bedrock()
    model = ChatBedrock(
        model_id=bedrock.plain().model_id,
        client=bedrock.emulator.client(),
        beta_use_converse_api=True,
    )
    theirs = BedrockPromptCachingMiddleware()
    agent = agent_of((model, [theirs, bedrock.middleware()]), tools=[])
    run(agent)
    run(agent)
    assert bedrock.ledger[1].cache_read_tokens > 2000
    reference = Bedrock()
    run(agent_of((reference.plain(), [reference.middleware()]), tools=[]))
    assert points_in(bedrock.requests[0]) == points_in(reference.requests[0])


@pytest.mark.parametrize("first", [True, False], ids=["ours first", "ours last"])
def test_chat_bedrock_over_invoke_model(*, first: bool) -> None:
    """`ChatBedrock` is cached on InvokeModel; langchain-aws's middleware is a hint there, too."""
    sent = []
    for theirs in ([], [BedrockPromptCachingMiddleware()]):
        bedrock = Bedrock(loop(2))
        client = bedrock.emulator.client()
        model = ChatBedrock(model_id=bedrock.plain().model_id, client=client, bedrock_client=client)
        ours: list[Any] = [bedrock.middleware()]
        run(agent_of((model, [*ours, *theirs] if first else [*theirs, *ours])))
        assert {record.operation for record in bedrock.ledger} == {"InvokeModel"}
        for before, record in pairwise(bedrock.ledger):
            assert record.cache_read_tokens >= before.input_tokens - 2
        # Their middleware asks for "5m", which is then spelled out; without it, it is the default.
        sent.append(json.dumps(bedrock.requests).replace(', "ttl": "5m"', ""))
    assert sent[0] == sent[1]
    assert points_in(json.loads(sent[0]))


def test_roll_out_by_thread() -> None:
    """With a policy that caches half of the conversations, a thread never changes sides."""
    bedrock = Bedrock()
    half = bedrock.middleware(policy=CachePolicy(rollout=0.5))
    agent = agent_of((bedrock.plain(), [half]))
    cached = []
    for n in range(20):
        for _ in range(2):
            agent.invoke(human("Hi"), {"configurable": {"thread_id": f"thread {n}"}})
        cached.append([bool(points_in(request)) for request in bedrock.requests[-2:]])
    assert all(first == second for first, second in cached)
    assert {first for first, _ in cached} == {True, False}


def test_structured_output() -> None:
    """A response format that needs a tool works, and its tool is part of what is cached."""

    def respond(request: dict[str, Any]) -> Reply:
        assert "any" in request["toolConfig"]["toolChoice"]
        return Reply(tool_uses=[ToolUse(name="Verdict", input={"guilty": False})])

    schema = {
        "title": "Verdict",
        "description": words(1500, "law"),
        "type": "object",
        "properties": {"guilty": {"type": "boolean"}},
        "required": ["guilty"],
    }
    from langchain.agents.structured_output import ToolStrategy  # noqa: PLC0415

    bedrock = Bedrock(respond)
    agent = agent_of(
        (bedrock.plain(), [bedrock.middleware()]), response_format=ToolStrategy(schema)
    )
    assert [run(agent)["structured_response"] for _ in range(2)] == [{"guilty": False}] * 2
    assert bedrock.ledger[1].cache_read_tokens > 3000


def test_names() -> None:
    """The middleware has its own name, or on request that of the one it replaces."""
    assert BedrockCacheMiddleware().name == "BedrockCacheMiddleware"
    replacing = BedrockCacheMiddleware(replaces_default=True)
    assert replacing.name == BedrockPromptCachingMiddleware().name


def test_without_langchain_the_hint_names_the_extra() -> None:
    """Without LangChain's agents the import error says what to install; the rest works."""
    code = (
        "import sys; sys.modules['langchain.agents'] = None\n"
        "import langchain_bedrock_cache.chat_models\n"
        "try:\n"
        "    import langchain_bedrock_cache.middleware\n"
        "except ImportError as error:\n"
        "    assert \"pip install 'langchain-bedrock-cache[agents]'\" in str(error), error\n"
        "else:\n"
        "    raise SystemExit('imported')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)  # noqa: S603 - our own
