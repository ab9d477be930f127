"""`ChatBedrockCached`: `ChatBedrockConverse` whose prompts are cached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from langchain_aws import ChatBedrockConverse

from langchain_bedrock_cache.cached_chat import CachedChat
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy


class _RequestParams(dict[str, Any]):
    """Parameters on the way to our client, which takes a few more than boto3's."""


class ChatBedrockCached(CachedChat, ChatBedrockConverse):
    """Chat model on Amazon Bedrock that pays for every stable prompt token once.

    A drop-in for `langchain_aws.ChatBedrockConverse`: it takes all its arguments, a `client` of
    your own included, and does all that it does. Cache points are placed on the wire request, by
    the policy, from what earlier calls have shown.

    Args:
        cache_policy: When, where and how long to cache; `CachePolicy()` decides by itself. For a
            single call: `model.bind(cache_policy=CachePolicy.off())`.
        prefix_memory: What was seen so far; default: one memory for the process.
        fallback_clients: Clients of other Regions (or `Route`s to other inference profiles), tried
            in order when Bedrock throttles or fails.

    Example:
        ```python
        model = ChatBedrockCached(model="us.anthropic.claude-sonnet-4-5-20250929-v1:0")
        model.invoke([("system", long_instructions), ("human", "Where do I begin?")])
        ```
    """

    @classmethod
    def from_model(
        cls,
        model: ChatBedrockConverse,
        *,
        cache_policy: CachePolicy | None = None,
        prefix_memory: PrefixMemory | None = None,
        fallback_clients: Sequence[Any] = (),
    ) -> Self:
        """Return a cached model with every setting of an existing one, its client included.

        Args:
            model: Such as `init_chat_model("bedrock_converse:...")` returns; not changed.
            cache_policy: As in the constructor.
            prefix_memory: As in the constructor.
            fallback_clients: As in the constructor.

        Raises:
            TypeError: If `model` is not a `ChatBedrockConverse`.
        """
        if not isinstance(model, ChatBedrockConverse):
            msg = (
                f"from_model takes a ChatBedrockConverse, not {type(model).__name__}. For other "
                "code that takes a boto3 client, use cached_client(client)."
            )
            raise TypeError(msg)
        # Nothing is validated again: that would call AWS for application inference profiles.
        values: dict[str, Any] = {
            name: getattr(model, name) for name in ChatBedrockConverse.model_fields
        }
        fields_set = set(model.model_fields_set)
        if isinstance(model, ChatBedrockCached):
            fields_set |= {"cache_policy"}
            cache_policy = cache_policy or model.cache_policy
            prefix_memory = model.prefix_memory if prefix_memory is None else prefix_memory
            fallback_clients = fallback_clients or model.fallback_clients
        elif cache_policy is not None:
            fields_set |= {"cache_policy"}
        cached: Self = cls.model_construct(  # type: ignore[assignment] # the plugin forgets Self
            _fields_set=fields_set,
            **values,
            cache_policy=cache_policy or CachePolicy(),
            prefix_memory=prefix_memory,
            fallback_clients=fallback_clients,
        )
        cached.client = model.client  # wraps it
        return cached

    def _converse_params(
        self,
        *,
        cachePolicy: CachePolicy | None = None,  # noqa: N803 # langchain-aws makes it camel case
        conversation: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Pass what the planner needs on to the client, beside the request."""
        params = _RequestParams(super()._converse_params(**kwargs))
        # Not only the call's: a model may get another policy after its client was wrapped.
        policy = self.cache_policy if "cache_policy" in self.model_fields_set else None
        if policy := cachePolicy or policy:
            params["cache_policy"] = policy
        if conversation is not None:
            params["conversation_id"] = conversation
        if base_model := self._base_model:
            params["base_model_id"] = base_model
        return params

    def _apply_cache_points(
        self, cache_control: Any, system: Any, bedrock_messages: Any, params: Any = None
    ) -> None:
        """Hand langchain-aws's `cache_control` to the planner instead of placing points here."""
        if not isinstance(params, _RequestParams):  # called for itself, not for a request of ours
            super()._apply_cache_points(cache_control, system, bedrock_messages, params)
        elif cache_control:
            params["cache_control"] = cache_control

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return where to find this class again."""
        return ["langchain_bedrock_cache", "chat_models"]
