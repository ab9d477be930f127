"""`BedrockCacheMiddleware`: any Bedrock chat model in an agent, with its prompts cached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import NoneType
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware.types import (
    AgentMiddleware,
    ModelCallResult,
    ModelRequest,
    ModelResponse,
)

from langchain_bedrock_cache.caching import CallPlanner
from langchain_bedrock_cache.checks import check_flag, check_type
from langchain_bedrock_cache.exceptions import UnsupportedModelError
from langchain_bedrock_cache.memory import PrefixMemory, default_memory
from langchain_bedrock_cache.middleware.tool_order import StableTools, ToolOrder
from langchain_bedrock_cache.middleware.twins import cached_twin
from langchain_bedrock_cache.notices import Notices
from langchain_bedrock_cache.policy import CachePolicy

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

# langchain-aws's middleware, which deepagents adds to every agent; known by its name.
_DEFAULT_NAME = "BedrockPromptCachingMiddleware"


class BedrockCacheMiddleware(AgentMiddleware[Any, Any, Any]):
    """Agent middleware that pays for every stable prompt token once, on any Bedrock chat model.

    `ChatBedrockConverse`, `ChatBedrock` and their subclasses are cached as `ChatBedrockCached` is,
    tools and system prompt included; a model that is cached already goes on as it does.
    langchain-aws's own middleware may stand beside it: its `cache_control` is taken as a hint.
    Models of other providers are left alone. Messages and saved state never get cache points.

    Args:
        policy: When, where and how long to cache; `CachePolicy()` decides by itself. If given, it
            holds for a cached model, too.
        memory: What was seen so far; default: one memory for the process. A cached model
            keeps its own.
        tool_order: How to order tools, which the prompt begins with: `"first_seen"` (as first
            given in this process), `"by_name"` or `"as_given"`. Middleware that adds or chooses
            tools should come before this one.
        replaces_default: Whether to take the name of langchain-aws's middleware, so that
            `create_deep_agent` puts this one in its place, in the general-purpose subagent as well.

    Raises:
        CachePolicyError: If the tool order is unknown.

    Example:
        ```python
        agent = create_agent(model, tools, middleware=[BedrockCacheMiddleware()])
        ```
    """

    def __init__(
        self,
        *,
        policy: CachePolicy | None = None,
        memory: PrefixMemory | None = None,
        tool_order: ToolOrder = "first_seen",
        replaces_default: bool = False,
    ) -> None:
        super().__init__()
        check_type("policy", policy, (CachePolicy, NoneType), what="a CachePolicy, or None")
        check_type("memory", memory, (PrefixMemory, NoneType), what="a PrefixMemory, or None")
        check_flag("replaces_default", replaces_default)
        self._stated_policy = policy
        # One for all models: it remembers what Bedrock refused, and what the user was told.
        self._planner = CallPlanner(
            policy=policy or CachePolicy(),
            memory=default_memory() if memory is None else memory,
        )
        self._tools = StableTools(tool_order)
        self._name = _DEFAULT_NAME if replaces_default else type(self).__name__
        self._notices = Notices()

    @property
    def name(self) -> str:
        """Name among the agent's middleware; each may be there only once."""
        return self._name

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelCallResult[Any]:
        """Have the model called with its prompt cached.

        Args:
            request: What the agent is about to send; not modified.
            handler: Calls the model.

        Raises:
            UnsupportedModelError: If the model cannot be cached and the policy says to raise.
        """
        return handler(self._prepared(request))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelCallResult[Any]:
        """Do the same as `wrap_model_call`."""
        return await handler(self._prepared(request))

    def _prepared(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        """Return the request with the cached twin of its model, and its tools in order."""
        model = cached_twin(request.model, self._planner)
        if model is None:
            self._tell_unsupported(request.model)
            return request
        changes: dict[str, Any] = {}
        if model is not request.model:
            changes["model"] = model
        if (tools := self._tools.sort(request.tools)) is not request.tools:
            changes["tools"] = tools
        if self._stated_policy is not None and "cache_policy" not in request.model_settings:
            settings = {**request.model_settings, "cache_policy": self._stated_policy}
            changes["model_settings"] = settings
        return request.override(**changes) if changes else request

    def _tell_unsupported(self, model: BaseChatModel) -> None:
        """Say what the policy wants said about a model that is not called through boto3."""
        behavior = self._planner.policy.unsupported_model_behavior
        kind = type(model).__name__
        message = (
            f"BedrockCacheMiddleware caches ChatBedrockConverse, ChatBedrock and "
            f"ChatBedrockCached, not {kind}; its calls are sent as they are. Silence this with "
            "BedrockCacheMiddleware(policy=CachePolicy(unsupported_model_behavior='ignore'))."
        )
        if behavior == "raise":
            raise UnsupportedModelError(message)
        if behavior == "warn":
            self._notices.once(f"kind:{kind}", message)
