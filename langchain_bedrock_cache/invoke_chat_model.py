"""`ChatBedrockInvokeCached`: `ChatBedrock`, which calls InvokeModel, with its prompts cached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_aws import ChatBedrock, ChatBedrockConverse
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import model_validator

from langchain_bedrock_cache.cached_chat import CachedChat, asking_for_model
from langchain_bedrock_cache.call_context import CallNotes, asking
from langchain_bedrock_cache.calls import CallOptions
from langchain_bedrock_cache.chat_models import ChatBedrockCached
from langchain_bedrock_cache.policy import CachePolicy


class ChatBedrockInvokeCached(CachedChat, ChatBedrock):
    """Chat model on Amazon Bedrock's InvokeModel that pays for every stable prompt token once.

    A drop-in for `langchain_aws.ChatBedrock`: it takes all its arguments, a `client` of your own
    included, and does all that it does. Claude is called by InvokeModel, Nova by Converse, as
    `ChatBedrock` does. For new code, `ChatBedrockCached` speaks Converse with every model.

    Args:
        cache_policy: When, where and how long to cache; `CachePolicy()` decides by itself. For a
            single call: `model.bind(cache_policy=CachePolicy.off())`.
        prefix_memory: What was seen so far; default: one memory for the process.
        fallback_clients: Clients of other Regions (or `Route`s to other inference profiles), tried
            in order when Bedrock throttles or fails.

    Example:
        ```python
        model = ChatBedrockInvokeCached(model="us.anthropic.claude-sonnet-4-5-20250929-v1:0")
        model.invoke([("system", long_instructions), ("human", "Where do I begin?")])
        ```
    """

    @model_validator(mode="before")
    @classmethod
    def set_beta_use_converse_api(cls, values: dict[str, Any]) -> Any:
        """Choose the API as `ChatBedrock` does, which asks AWS what is behind a profile."""
        with asking_for_model():
            return super().set_beta_use_converse_api(values)  # type: ignore[operator] # a validator

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self.streaming or self.beta_use_converse_api:  # each sees to its own
            return super()._generate(messages, stop, run_manager, **kwargs)
        notes = CallNotes()
        with asking(self._options(kwargs), notes):
            result = super()._generate(messages, stop, run_manager, **_for_model(kwargs))
        if notes.metadata:
            for answer in result.generations:
                answer.message.response_metadata["ResponseMetadata"] = notes.metadata
        return result

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if self.beta_use_converse_api:
            yield from super()._stream(messages, stop, run_manager, **kwargs)
            return
        notes = CallNotes()
        chunks = super()._stream(messages, stop, run_manager, **_for_model(kwargs))
        # The request is sent for the first chunk. What the caller does between chunks is his own.
        with asking(self._options(kwargs), notes):
            chunk = next(chunks, None)
        is_told = False
        while chunk is not None:
            if not is_told and "ConverseUsage" in notes.metadata:
                chunk.message.response_metadata["ResponseMetadata"] = notes.metadata
                is_told = True
            yield chunk
            chunk = next(chunks, None)

    def _options(self, kwargs: Mapping[str, Any]) -> CallOptions:
        """Return what a call asks of the client, which the body has no place for."""
        # Not only the call's: a model may get another policy after its client was wrapped.
        policy: CachePolicy | None = kwargs.get("cache_policy")
        if policy is None and "cache_policy" in self.model_fields_set:
            policy = self.cache_policy
        return CallOptions(
            policy=policy,
            hint=kwargs.get("cache_control"),
            base_model=self._base_model,
            conversation=kwargs.get("conversation"),
        )

    @property
    def _as_converse(self) -> ChatBedrockConverse:
        """Return the model that is called instead where `ChatBedrock` calls Converse."""
        return ChatBedrockCached.from_model(
            super()._as_converse,
            cache_policy=self.cache_policy if "cache_policy" in self.model_fields_set else None,
            prefix_memory=self.prefix_memory,
        )

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return where to find this class again."""
        return ["langchain_bedrock_cache", "invoke_chat_model"]


_FOR_CLIENT = frozenset({"cache_policy", "cache_control", "conversation"})


def _for_model(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that belong into the body."""
    return {name: value for name, value in kwargs.items() if name not in _FOR_CLIENT}
