"""`CachePointTransformer` and `cached_tools`: cache points for chains around any Bedrock model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from itertools import filterfalse
from typing import Any, Literal, get_args

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field
from typing_extensions import override

from langchain_bedrock_cache.caching import CallPlanner
from langchain_bedrock_cache.checks import check_choice, check_flag, check_list
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.profiles import CacheTTL, base_model_id
from langchain_bedrock_cache.runnables.control_messages import ControlConversation
from langchain_bedrock_cache.runnables.marks import is_point, new_control, new_point
from langchain_bedrock_cache.runnables.messages import Conversation
from langchain_bedrock_cache.runnables.placing import ANY_CLAUDE, points_for
from langchain_bedrock_cache.runnables.splitting import (
    MARKER,
    SplitChatPromptTemplate,
    split_prompt,
)

Dialect = Literal["cachePoint", "cache_control"]
"""How cache points are spelled in messages: as blocks of their own, or on the blocks they end."""


class CachePointTransformer(RunnableSerializable[LanguageModelInput, list[BaseMessage]]):
    """Runnable that places cache points in the messages of a chain.

    It goes right before the model and takes what a chat model takes. The points are content blocks,
    placed by the planner that `ChatBedrockCached` uses; nothing else changes in what the model is
    sent. Marks of your own (`create_cache_point()`, Anthropic's `cache_control`) are kept, and
    moved back where Bedrock would refuse them.

    It sees neither the model nor its tools (for those, `cached_tools`). Unless told more, it places
    what any Claude model accepts: points for 5 minutes, and one of the four left to the tools.

    Args:
        policy: When, where and how long to cache; `CachePolicy()` decides by itself.
        memory: What was seen so far; default: one for all transformers of the process. Do not give
            it the memory of a `ChatBedrockCached`, which would then see every request twice.
        model: Model ID (for Nova, say) whose rules to follow; default: what every Claude model
            accepts, with the lowest minimum of all, 512 tokens.
        tools_ttl: Lifetime of the point that `cached_tools` places. Points for an hour are added
            only if this is `"1h"`, or `None` (there is no such point) and the model is named.
        dialect: `"cache_control"` for `ChatAnthropicBedrock`, whose blocks carry their points.

    Example:
        ```python
        chain = prompt | CachePointTransformer() | ChatBedrockConverse(model="...")
        ```
    """

    policy: CachePolicy = Field(default_factory=CachePolicy)
    memory: PrefixMemory | None = Field(default=None, exclude=True, repr=False)
    model: str | None = None
    tools_ttl: CacheTTL | None = "5m"
    dialect: Dialect = "cachePoint"

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    @staticmethod
    def split(
        prompt: ChatPromptTemplate | PromptTemplate, *, marker: str = MARKER, ttl: CacheTTL = "5m"
    ) -> SplitChatPromptTemplate:
        """Return a prompt template with a cache point at every marker in its texts.

        Only the template's own markers count: a variable may contain the marker's text. Combine
        prompts first and split last.

        Args:
            prompt: Such as `("system", "What stays.<<cache-point>> Today is {date}.")`.
            marker: Text without braces.
            ttl: Lifetime of the cache points.

        Raises:
            TypeError: If `prompt` is of another type.
            CachePolicyError: If there is no marker in it, or marker or ttl cannot be used.
        """
        return split_prompt(prompt, marker=marker, ttl=ttl)

    @override
    def invoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[BaseMessage]:
        """Return the messages with cache points; the input is not modified.

        Args:
            input: Prompt value, messages or text.
            config: Callbacks, tags and the like.
            kwargs: Not used.

        Raises:
            CachePlanError: If the marks in the messages cannot be sent: too many, or a longer
                lifetime after a shorter one.
            CachePolicyError: If a mark has an unknown type or ttl.
        """
        return self._call_with_config(self._transformed, input, config)

    @override
    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[BaseMessage]:
        """Do the same as `invoke`."""
        return await self._acall_with_config(self._atransformed, input, config)

    async def _atransformed(self, given: LanguageModelInput) -> list[BaseMessage]:
        return self._transformed(given)

    def _transformed(self, given: LanguageModelInput) -> list[BaseMessage]:
        if isinstance(given, _Transformed):  # planning it again would count it as a second request
            return given
        base_model = base_model_id(self.model or ANY_CLAUDE) or ""
        conversation: Conversation | ControlConversation
        if self.dialect == "cache_control":
            conversation = ControlConversation(_messages_of(given), model_id=base_model)
        else:
            conversation = Conversation(_messages_of(given), model_id=base_model)
        points = points_for(
            conversation,
            model=self.model,
            tools_ttl=self.tools_ttl,
            policy=self.policy,
            planner=_planner_of(self.memory),
        )
        return _Transformed(conversation.with_points(points))

    def __getstate__(self) -> dict[Any, Any]:
        """Leave the memory behind: it belongs to its process."""
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "memory": None}}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Serialize the policy as plain data."""
        return {"policy": asdict(self.policy)}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return `True`: a chain with a transformer can be saved."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return where to find this class again."""
        return ["langchain_bedrock_cache", "runnables"]


def cached_tools(
    tools: Sequence[Any],
    *,
    ttl: CacheTTL | None = None,
    sort: bool = False,
    dialect: Dialect = "cachePoint",
) -> list[Any]:
    """Return tools for `bind_tools` with a cache point after the last one.

    For `ChatBedrockConverse` with a Claude model; Nova accepts no point there, and
    `ChatBedrockCached` places one by itself. The prompt cache starts with the tools, so keep them
    and their order the same.

    Args:
        tools: As `bind_tools` takes them; not modified. Their own cache points are kept.
        ttl: Lifetime of the point, 5 minutes if `None`. Points in the messages must not live
            longer; if you say `"1h"`, say `CachePointTransformer(tools_ttl="1h")` as well.
        sort: Whether to sort the tools by name, for tools that come in no order of their own. Of
            their own cache points only the last one is kept then.
        dialect: `"cache_control"` for `ChatAnthropicBedrock` and `ChatBedrock`: the last tool
            carries the point.

    Raises:
        CachePolicyError: If ttl or dialect are unknown.
        TypeError: If `tools` is no list.
    """
    check_list("tools", tools, what="a list of tools, as bind_tools takes it")
    check_flag("sort", sort)
    check_choice("dialect", dialect, get_args(Dialect))
    cached, end = [*tools], [new_point(ttl or "5m")]
    if sort:
        end = [*filter(is_point, tools)][-1:] or end
        cached = sorted(filterfalse(is_point, tools), key=_tool_name)
    if dialect == "cache_control":
        return _controlled([*filterfalse(is_point, cached)], ttl or "5m")
    return [*cached, *end] if cached and not is_point(cached[-1]) else cached


def _controlled(tools: list[Any], ttl: CacheTTL) -> list[Any]:
    """Return tools with `cache_control` on the last one, unless it has its own."""
    if not tools:
        return tools
    last = tools[-1]
    if not isinstance(last, dict) or "function" in last or "parameters" in last:
        function = convert_to_openai_tool(last)["function"]
        last = {
            "name": function["name"],
            "description": function.get("description") or function["name"],
            "input_schema": function["parameters"],
        }
    return [*tools[:-1], {"cache_control": new_control(ttl), **last}]


class _Transformed(list[BaseMessage]):
    """Messages that a transformer returned; another one passes them on."""


def _messages_of(given: LanguageModelInput) -> list[BaseMessage]:
    """Return what a chat model would make of its input."""
    if isinstance(given, PromptValue):
        return given.to_messages()
    if isinstance(given, str):
        return [HumanMessage(given)]
    if isinstance(given, Sequence):
        return convert_to_messages(given)
    msg = f"Give a prompt value, messages or text, as to a chat model, not {type(given).__name__}."
    raise TypeError(msg)


@lru_cache(maxsize=64)
def _planner_of(memory: PrefixMemory | None) -> CallPlanner:
    """Return the planner of a memory: one each, since it warns of everything only once."""
    return CallPlanner(policy=CachePolicy(), memory=PrefixMemory() if memory is None else memory)


def _tool_name(tool: Any) -> str:
    if isinstance(tool, str):
        return tool
    spec = tool.get("toolSpec") if isinstance(tool, dict) else None
    return str((spec or convert_to_openai_tool(tool)["function"])["name"])
