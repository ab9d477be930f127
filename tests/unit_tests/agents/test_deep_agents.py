"""deepagents: its own caching, the memory it edits, its subagents and its summaries."""

from __future__ import annotations

from typing import Any

import pytest
from agents_on_emulator import Bedrock, human, input_cost, loop, points_in, thread
from langgraph.checkpoint.memory import InMemorySaver
from wire import words

from langchain_bedrock_cache.emulator import Reply, ToolUse
from langchain_bedrock_cache.middleware import CachedSummarizationMiddleware

deepagents = pytest.importorskip("deepagents", reason="deepagents is not installed")

SYSTEM = words(2000, "system")
FILE = "/AGENTS.md"
# It parses YAML and looks for optional packages on its way.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WAYS = {
    "our model": lambda b: (b.cached(), []),
    "our middleware": lambda b: (b.plain(), [b.middleware()]),
    "in place of theirs": lambda b: (b.plain(), [b.middleware(replaces_default=True)]),
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def deep_agent(way: Any, bedrock: Bedrock, *, more: Any = (), **settings: Any) -> Any:
    """Return a deep agent."""
    model, middleware = way(bedrock)
    settings = {"system_prompt": SYSTEM} | settings
    return deepagents.create_deep_agent(model, middleware=[*middleware, *more], **settings)


def with_memory(text: str, question: str) -> dict[str, Any]:
    """Return the input of an agent whose memory file says something."""
    from deepagents.backends.utils import create_file_data  # noqa: PLC0415 - optional

    return {**human(question), "files": {FILE: create_file_data(text)}}


@EVERY_WAY
def test_a_tool_loop(way: Any) -> None:
    """Each call reads all that the call before it sent, and no point is saved."""
    bedrock = Bedrock(
        lambda request: (
            Reply(text="Done.")
            if sum(m["role"] == "assistant" for m in request["messages"]) == 3
            else Reply(tool_uses=[ToolUse(name="ls", input={"path": "/"})])
        )
    )
    saver = InMemorySaver()
    deep_agent(way, bedrock, checkpointer=saver).invoke(human("What is there?"), thread())
    assert len(bedrock.ledger) == 4
    for before, record in zip(bedrock.ledger, bedrock.ledger[1:], strict=False):
        assert record.cache_read_tokens >= before.input_tokens - 2
        assert len(record.cache_points) <= 4
    assert points_in([*saver.blobs.values(), *saver.writes.values()]) == 0


def test_their_setting_is_only_a_hint() -> None:
    """Their own caching adds nothing to ours: every way sends the same requests."""
    sent = []
    for way in WAYS.values():
        bedrock = Bedrock()
        agent = deep_agent(way, bedrock)
        for n in range(3):
            agent.invoke(human(f"Question {n}"))
        sent.append(bedrock.requests)
    assert sent[0] == sent[1] == sent[2]
    assert points_in(sent[0])


@pytest.mark.filterwarnings("ignore::langchain_bedrock_cache.CacheSkippedWarning")
@EVERY_WAY
def test_an_edited_memory_leaves_the_rest_cached(way: Any) -> None:
    """Once the memory block was seen to change, all before it is read, and edits are cheap."""
    bedrock = Bedrock()
    agent = deep_agent(way, bedrock, memory=[FILE])
    for n in range(6):
        agent.invoke(with_memory(words(200, "note") + str(n), f"Question {n}"))
        bedrock.clock.advance(60)
    texts = [block["text"] for block in bedrock.requests[-1]["system"] if "text" in block]
    assert "<agent_memory>" in texts[-1]
    before_memory = sum(len(text) // 3 for text in texts[:-1])
    assert before_memory >= 2000
    assert all(record.cache_read_tokens > before_memory for record in bedrock.ledger[2:])


@pytest.mark.filterwarnings("ignore::langchain_bedrock_cache.CacheSkippedWarning")
def test_an_edited_memory_costs_less_than_with_their_caching() -> None:
    """Memory that is edited between conversations: less is written than deepagents writes."""
    costs = []
    for way in (*WAYS.values(), lambda b: (b.plain(), [])):
        bedrock = Bedrock()
        agent = deep_agent(way, bedrock, memory=[FILE])
        for n in range(8):
            agent.invoke(with_memory(words(200, "note") + str(n), f"Question {n}"))
            bedrock.clock.advance(60)
        costs.append(input_cost(bedrock.ledger))
    *ours, theirs = costs
    assert all(cost < 0.9 * theirs for cost in ours)


def delegating(request: dict[str, Any]) -> Reply:
    """Hand three tasks to subagents at a time, twice; subagents answer at once."""
    tools = {t["toolSpec"]["name"] for t in request["toolConfig"]["tools"] if "toolSpec" in t}
    if "task" not in tools:
        return Reply(text="Found.")
    turns = sum(m["role"] == "assistant" for m in request["messages"])
    if turns == 2:
        return Reply(text="Done.")
    task = {"subagent_type": "general-purpose"}
    uses = [
        ToolUse(name="task", input={**task, "description": f"Task {turns} {n}"}) for n in range(3)
    ]
    return Reply(text="Let me see.", tool_uses=uses)


@pytest.mark.parametrize("name", ["our model", "in place of theirs"])
def test_subagents_share_their_head(name: str) -> None:
    """General-purpose subagents of a second turn read the tools and prompt of the first."""
    bedrock = Bedrock(delegating)
    agent = deep_agent(WAYS[name], bedrock)
    for _ in range(2):
        agent.invoke(human("Find out."))
        bedrock.clock.advance(30)
    heads = [
        (record, request)
        for record, request in zip(bedrock.ledger, bedrock.requests, strict=True)
        if "Task " in str(request["messages"][0])
    ]
    assert len(heads) == 12
    assert all(record.cache_read_tokens > 1000 for record, _ in heads[-6:])


def test_subagents_of_a_plain_model_are_planned_in_place_of_theirs() -> None:
    """The middleware that takes the place of deepagents' own plans for the subagents, too."""
    seen = {}
    for name in ("our middleware", "in place of theirs"):
        bedrock = Bedrock(delegating)
        deep_agent(WAYS[name], bedrock).invoke(human("Find out."))
        models = len(bedrock.memory)
        seen[name] = models
    assert seen["in place of theirs"] > seen["our middleware"]


def test_our_summaries_in_place_of_theirs() -> None:
    """`CachedSummarizationMiddleware` stands where deepagents summarizes, and reads the cache."""

    def respond(request: dict[str, Any]) -> Reply:
        asked = "Call no tool." in str(request["messages"][-1])
        return Reply(text="In short." if asked else words(700, "answer"))

    bedrock = Bedrock(respond)
    model = bedrock.cached()
    compaction = CachedSummarizationMiddleware(model, trigger=("messages", 9), keep=("messages", 3))
    agent = deepagents.create_deep_agent(
        model, system_prompt=SYSTEM, middleware=[compaction], checkpointer=InMemorySaver()
    )
    for n in range(5):
        agent.invoke(human(f"Question {n}. " + words(700, "why")), thread())
    assert len(bedrock.ledger) == 6
    *_, before, question, after = bedrock.ledger
    assert question.cache_read_tokens >= before.input_tokens - 2
    assert after.cache_read_tokens > 2000
    texts = [message.text for message in agent.get_state(thread()).values["messages"]]
    assert texts[0].startswith("Question 0")
    assert "In short." in texts[1]


def test_the_loop_of_the_helper_ends() -> None:
    """The helper's responder looks things up as often as it was told to."""
    request = {"messages": [{"role": "user", "content": [{"text": "What is it?"}]}]}
    assert loop(1)(request) == Reply(tool_uses=[ToolUse(name="look_up", input={"n": 0})])
    assert loop(0)(request) == Reply(text="It is so.")
