"""What all cached chat models have in common, whichever API they call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from langchain_core.runnables import ensure_config
from pydantic import ConfigDict, Field, model_validator

from langchain_bedrock_cache.address_book import AddressBook, book_of
from langchain_bedrock_cache.addresses import base_model_id, parse_address
from langchain_bedrock_cache.batch import BatchedChat
from langchain_bedrock_cache.checks import check_type
from langchain_bedrock_cache.client import CachedClient, cached_client
from langchain_bedrock_cache.memory import PrefixMemory, default_memory
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.rollout import conversation_of

_ASKED_BY_LANGCHAIN = (
    "langchain-aws asks AWS which model is behind an application inference profile when a chat "
    "model is made. Allow bedrock:GetInferenceProfile, or say which model it is: "
    "base_model_id='anthropic.claude-...'."
)


@contextmanager
def asking_for_model() -> Iterator[None]:
    """Say in an error of langchain-aws's question about a profile what would help."""
    try:
        yield
    except Exception as error:
        if getattr(error, "operation_name", None) == "GetInferenceProfile":
            error.add_note(_ASKED_BY_LANGCHAIN)
        raise


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
        bedrock_client: Any = None
        model_id: str = ""
        base_model_id: str | None = None

    # Excluded from the plain dump: `lc_attributes` serializes it, as data.
    cache_policy: CachePolicy = Field(default_factory=CachePolicy, exclude=True)
    prefix_memory: PrefixMemory | None = Field(default=None, exclude=True)
    fallback_clients: Sequence[Any] = Field(default=(), exclude=True, repr=False)

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @model_validator(mode="after")
    def _wrap_client(self) -> Self:
        self.client = self.client
        return self

    @model_validator(mode="after")
    def validate_environment(self) -> Self:
        """Make clients as langchain-aws does; ask AWS only once what is behind a profile.

        What AWS says is kept with its geography, which decides the price: langchain-aws drops it,
        and asks anew for every model that is made.
        """
        kind = parse_address(self.model_id).kind
        if self.base_model_id is not None or kind != "application-inference-profile":
            super().validate_environment()  # type: ignore[misc] # of the class this is mixed into
            return self
        self._find_base_model()
        with asking_for_model():
            super().validate_environment()  # type: ignore[misc] # as above
        self._find_base_model()
        return self

    def _find_base_model(self) -> None:
        """Look into the book; ask AWS, too, if there is a client yet to ask with."""
        client = self.bedrock_client
        control = None if client is None else (lambda: client)
        if models := self._book.models(self.model_id, control=control).models:
            self.base_model_id = base_model_id(models[0])

    @property
    def _book(self) -> AddressBook:
        if isinstance(self.client, CachedClient):
            return book_of(self.client.planner.memory)
        return book_of(default_memory() if self.prefix_memory is None else self.prefix_memory)

    @property
    def _base_model(self) -> str | None:
        """The base model ID, with the geography that AWS has named."""
        said = self.base_model_id
        known = self._book.models(self.model_id).models if said else ()
        return next((model for model in known if base_model_id(model) == said), said)

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
        check_type("cache_policy", policy, CachePolicy, what="a CachePolicy")
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
