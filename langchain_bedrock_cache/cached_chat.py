"""What all cached chat models have in common, whichever API they call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from langchain_core.runnables import ensure_config
from pydantic import ConfigDict, Field, model_validator

from langchain_bedrock_cache.batch import BatchedChat
from langchain_bedrock_cache.client import CachedClient, cached_client
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.rollout import conversation_of


class CachedChat(BatchedChat):
    """A chat model whose client goes through the planner; to be mixed into one of langchain-aws.

    Args:
        cache_policy: When, where and how long to cache; `CachePolicy()` decides by itself.
        prefix_memory: What was seen so far; default: one memory for the process.
        fallback_clients: Clients of other Regions (or `Route`s), for when Bedrock throttles or
            fails.
    """

    if TYPE_CHECKING:
        client: Any = None

    # Excluded from the plain dump: `lc_attributes` serializes it, as data.
    cache_policy: CachePolicy = Field(default_factory=CachePolicy, exclude=True)
    prefix_memory: PrefixMemory | None = Field(default=None, exclude=True)
    fallback_clients: Sequence[Any] = Field(default=(), exclude=True, repr=False)

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @model_validator(mode="after")
    def _wrap_client(self) -> Self:
        self.client = self.client
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        """Wrap whatever becomes the client, also one that is assigned later."""
        if name == "client" and value is not None:
            value = self._cached(value)
        super().__setattr__(name, value)

    def _cached(self, client: Any) -> CachedClient:
        if isinstance(client, CachedClient):
            # A client the user wrapped keeps its policy and memory, unless the model names its own.
            policy = self.cache_policy if "cache_policy" in self.model_fields_set else None
        else:
            policy = self.cache_policy
        wrapped: CachedClient = cached_client(
            client, policy=policy, memory=self.prefix_memory, fallbacks=self.fallback_clients
        )
        return wrapped

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        """Call the model; see `ChatBedrockConverse`."""
        return super().invoke(input, config, **self._with_conversation(config, kwargs))

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        """Call the model; see `ChatBedrockConverse`."""
        return await super().ainvoke(input, config, **self._with_conversation(config, kwargs))

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002
        """Stream the answer; see `ChatBedrockConverse`."""
        yield from super().stream(input, config, **self._with_conversation(config, kwargs))

    async def astream(
        self,
        input: Any,  # noqa: A002
        config: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Stream the answer; see `ChatBedrockConverse`."""
        kwargs = self._with_conversation(config, kwargs)
        async for chunk in super().astream(input, config, **kwargs):
            yield chunk

    def _with_conversation(self, config: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Add the ID of the conversation, where a gradual roll-out asks for it.

        Only here is the config at hand: LangChain gives `_stream` no run manager.
        """
        policy = kwargs.get("cache_policy") or self.cache_policy
        if policy.rollout >= 1:
            return kwargs
        config = ensure_config(config)
        conversation = conversation_of(config.get("configurable"), config.get("metadata"))
        return {**kwargs, "conversation": conversation}

    def _get_llm_string(self, stop: Any = None, **kwargs: Any) -> str:
        """Leave the conversation out of the key of LangChain's response cache."""
        kwargs.pop("conversation", None)
        return super()._get_llm_string(stop, **kwargs)

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Serialize the policy as plain data."""
        if "cache_policy" not in self.model_fields_set:
            return {}
        settings = asdict(self.cache_policy)
        del settings["tenant_key"]  # a secret: it comes from the environment where this is loaded
        return {"cache_policy": settings}
