"""Tools in a stable order, whatever order a server lists them in."""

from __future__ import annotations

from typing import Any

import pytest
from agents_on_emulator import SYSTEM, Bedrock, agent_of, human
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.tools import StructuredTool, tool
from pydantic import BaseModel
from wire import words

from langchain_bedrock_cache import CachePolicyError, cached_tools
from langchain_bedrock_cache.middleware import BedrockCacheMiddleware
from langchain_bedrock_cache.middleware import tool_order as module
from langchain_bedrock_cache.middleware.tool_order import StableTools, name_of_tool

NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True)


def listed(names: str | list[str]) -> list[dict[str, Any]]:
    """Return tools as a server lists them."""
    return [{"name": name, "input_schema": {}} for name in names]


def names_of(tools: Any) -> str:
    """Return the names of tools, in their order."""
    return "".join(map(name_of_tool, tools))


@settings(deadline=None)
@given(given_lists=st.lists(NAMES, min_size=1))
def test_first_seen_is_one_order_for_all_lists(given_lists: list[list[str]]) -> None:
    """Any two tools stand in the same order in every list that has both, and none is lost."""
    stable = StableTools()
    before: set[tuple[str, str]] = set()
    for names in given_lists:
        ordered = names_of(stable.sort(listed(names)))
        assert sorted(ordered) == sorted(names)
        pairs = {(a, b) for i, a in enumerate(ordered) for b in ordered[i + 1 :]}
        assert not {(b, a) for a, b in pairs} & before
        before |= pairs


@settings(deadline=None)
@given(names=NAMES, data=st.data())
def test_the_first_list_is_not_touched(names: list[str], data: st.DataObject) -> None:
    """What comes first stays as it is; each mixture of it comes out the same."""
    stable = StableTools()
    tools = listed(names)
    assert stable.sort(tools) is tools
    mixed = data.draw(st.permutations(tools))
    assert stable.sort(mixed) == tools
    assert stable.sort(tools) is tools


@settings(deadline=None)
@given(names=NAMES)
def test_by_name_is_the_same_in_every_process(names: list[str]) -> None:
    """The order depends on the names alone."""
    assert names_of(StableTools("by_name").sort(listed(names))) == "".join(sorted(names))


@settings(deadline=None)
@given(names=NAMES)
def test_as_given_is_untouched(names: list[str]) -> None:
    """Nothing is sorted for those who do not want it."""
    stable, tools = StableTools("as_given"), listed(names)
    stable.sort(tools[::-1])
    assert stable.sort(tools) is tools


def test_new_tools_come_behind_those_that_are_known() -> None:
    """A tool that turns up later does not move the others."""
    stable = StableTools()
    stable.sort(listed("ca"))
    assert names_of(stable.sort(listed("bac"))) == "cab"


def test_a_cache_point_keeps_the_order() -> None:
    """Where the application placed a point among the tools, it meant their order."""
    stable = StableTools("by_name")
    tools = cached_tools(listed("ba"))
    assert stable.sort(tools) is tools


class Search(BaseModel):
    """Search."""


@tool
def ask(what: str) -> str:
    """Ask."""
    return what


@pytest.mark.parametrize(
    ("given_tool", "name"),
    [
        (ask, "ask"),
        (Search, "Search"),
        (words, "words"),
        ({"toolSpec": {"name": "spec"}}, "spec"),
        ({"systemTool": {"name": "web"}}, "web"),
        ({"type": "function", "function": {"name": "openai"}}, "openai"),
        ({"name": "anthropic", "input_schema": {}}, "anthropic"),
        ({"title": "Schema", "type": "object"}, "Schema"),
        ({"type": "something"}, ""),
        ({"name": 3}, ""),
        (object(), ""),
    ],
)
def test_names_of_all_forms(given_tool: Any, name: str) -> None:
    """Every form that `bind_tools` takes has its name found."""
    assert name_of_tool(given_tool) == name


def test_names_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are new in every call are forgotten in the end."""
    monkeypatch.setattr(module, "_MAX_NAMES", 10)
    stable = StableTools()
    for n in range(100):
        stable.sort(listed([f"tool {n}"]))
    assert len(stable._ranks) <= 11


def test_an_unknown_order() -> None:
    """The error names the choices."""
    with pytest.raises(CachePolicyError, match="'sorted'; choose one of 'first_seen'"):
        BedrockCacheMiddleware(tool_order="sorted")  # type: ignore[arg-type]


def server_tools(names: str) -> list[StructuredTool]:
    """Return tools as a server lists them, 500 tokens each."""
    return [
        StructuredTool.from_function(
            func=lambda n: n, name=f"tool_{name}", description=words(500, f"tool {name}")
        )
        for name in names
    ]


@pytest.mark.parametrize("order", ["first_seen", "by_name", "as_given"])
def test_a_server_that_lists_its_tools_differently(order: Any) -> None:
    """On the wire the order stays, and each call reads what the first one wrote; or not."""
    bedrock = Bedrock()
    middleware = bedrock.middleware(tool_order=order)
    for names in ("bcad", "dcba", "acbd"):
        agent = agent_of((bedrock.plain(), [middleware]), tools=server_tools(names))
        agent.invoke(human("Hello"))
    sent = [
        "".join(t["toolSpec"]["name"][-1] for t in r["toolConfig"]["tools"] if "toolSpec" in t)
        for r in bedrock.requests
    ]
    expected = {
        "first_seen": ["bcad"] * 3,
        "by_name": ["abcd"] * 3,
        "as_given": ["bcad", "dcba", "acbd"],
    }
    assert sent == expected[order]
    tokens = len(SYSTEM) / 3 + 4 * 490
    reads = [record.cache_read_tokens for record in bedrock.ledger[1:]]
    assert all((read > tokens) == (order != "as_given") for read in reads)
