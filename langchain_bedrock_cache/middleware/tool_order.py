"""Tools in the same order from call to call, whatever order a server lists them in.

The prompt cache begins with the tools: two of them swapped are another prompt from the first token
on. Servers (MCP) list tools as they like, and agents that choose tools mix them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.runnables.marks import is_point

ToolOrder = Literal["first_seen", "by_name", "as_given"]
"""How to order tools.

* `"first_seen"`: as they were first given in this process, new ones behind those that are known.
* `"by_name"`: alphabetically, the same in every process: for servers that list them differently
  to each of several workers.
* `"as_given"`: untouched.
"""

# An agent has hundreds of tools at most; names that are new in every call must not pile up.
_MAX_NAMES = 10_000


class StableTools:
    """Puts tools in order; safe to share between threads.

    Args:
        order: See `ToolOrder`.

    Raises:
        CachePolicyError: If the order is unknown.
    """

    def __init__(self, order: ToolOrder = "first_seen") -> None:
        if order not in get_args(ToolOrder):
            choices = ", ".join(repr(a) for a in get_args(ToolOrder))
            msg = f"tool_order is {order!r}; choose one of {choices}."
            raise CachePolicyError(msg)
        self._order = order
        self._ranks: dict[str, int] = {}
        self._lock = threading.Lock()

    def sort(self, tools: Sequence[Any]) -> Sequence[Any]:
        """Return the tools in a stable order.

        Tools with a cache point among them are left alone: where it stands, their order was meant.

        Args:
            tools: LangChain tools or dicts, as chat models take them; not modified.

        Returns:
            A new list, or the given object if nothing moves. Tools of one name, or without a name
            that is known here, stay in the order they have among themselves.
        """
        if self._order == "as_given" or any(is_point(tool) for tool in tools):
            return tools
        names = [name_of_tool(tool) for tool in tools]
        ranks: Sequence[Any] = names if self._order == "by_name" else self._seen(names)
        places = sorted(range(len(tools)), key=ranks.__getitem__)
        if places == [*range(len(tools))]:
            return tools
        return [tools[place] for place in places]

    def _seen(self, names: Sequence[str]) -> list[int]:
        with self._lock:
            if len(self._ranks) > _MAX_NAMES:
                self._ranks.clear()
            return [self._ranks.setdefault(name, len(self._ranks)) for name in names]


def name_of_tool(tool: Any) -> str:
    """Return the name of a tool in any of the forms that `bind_tools` takes; empty if none.

    Args:
        tool: LangChain tool, function, class, or dict (Converse's, Anthropic's or OpenAI's form).
    """
    if isinstance(tool, Mapping):
        named: Any = tool
        for key in ("toolSpec", "systemTool", "function"):
            named = tool.get(key) or named
        name = named.get("name") or named.get("title") if isinstance(named, Mapping) else ""
    else:
        name = getattr(tool, "name", None) or getattr(tool, "__name__", None)
    return name if isinstance(name, str) else ""
