"""Write a prompt into the cache before the first user comes, with a call as small as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import RunnableBinding
from langchain_core.runnables.config import run_in_executor

from langchain_bedrock_cache.batch_context import batch_of
from langchain_bedrock_cache.chat_models import ChatBedrockCached
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.profiles import CacheTTL
from langchain_bedrock_cache.settling import heard
from langchain_bedrock_cache.shared_prefixes import SharedPrefixes
from langchain_bedrock_cache.usage import CacheUsage

# Stands where questions will stand; two of them, so that what comes before is what they share.
_QUESTIONS = (".", "?")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """A minimal call, ready to be made any number of times.

    Attributes:
        model: What answers it.
        messages: The prompt, and a question of one character.
        settings: Arguments of the call, bound ones (tools, say) included.
        shared: What of it is to be cached.
    """

    model: ChatBedrockCached
    messages: list[BaseMessage]
    settings: dict[str, Any]
    shared: SharedPrefixes

    def send(self) -> CacheUsage:
        """Make the call, and return what it read and wrote."""
        with batch_of(self.shared), heard():  # a handler that comes later knows of this call
            answer = self.model.invoke(self.messages, {"callbacks": []}, **self.settings)
        metadata = answer.response_metadata.get("ResponseMetadata") or {}
        return CacheUsage.from_converse(metadata.get("ConverseUsage") or {})


def prepare_warm_up(model: Any, prompt: Any = (), *, ttl: CacheTTL | None = None) -> WarmUp:
    """Return the minimal call that writes a prompt; nothing is sent.

    Args:
        model: A `ChatBedrockCached`, also with tools or settings bound to it.
        prompt: What later prompts begin with: messages (a system prompt, documents), a prompt
            value or a text; empty to warm tools only.
        ttl: Lifetime; default: as the model's policy decides.

    Raises:
        TypeError: If `model` is not a `ChatBedrockCached`.
        CachePolicyError: If `ttl` is unknown.
    """
    settings: dict[str, Any] = {}
    while isinstance(model, RunnableBinding):
        settings = {**model.kwargs, **settings}
        model = model.bound
    if not isinstance(model, ChatBedrockCached):
        msg = (
            f"Only a ChatBedrockCached can be warmed up, not {type(model).__name__}. Make one with "
            "ChatBedrockCached.from_model(model) or ChatBedrockCached(model=...)."
        )
        raise TypeError(msg)
    if ttl not in (None, "5m", "1h"):
        msg = f"ttl is {ttl!r}; choose '5m' or '1h'."
        raise CachePolicyError(msg)
    if ttl is not None:
        policy = settings.get("cache_policy") or model.cache_policy
        settings["cache_policy"] = replace(policy, ttl=ttl, section_ttls={})
    given = [] if isinstance(prompt, Sequence) and not prompt else _messages(model, prompt)
    ways = [[*given, HumanMessage(question)] for question in _QUESTIONS]
    settings["max_tokens"] = _fewest_tokens(model, settings)
    prefixes = [model._read(way, settings) for way in ways]  # noqa: SLF001 # our own class
    shared = SharedPrefixes.of([p for p in prefixes if p is not None])
    return WarmUp(model=model, messages=ways[0], settings=settings, shared=shared)


def warm(model: Any, prompt: Any = (), *, ttl: CacheTTL | None = None) -> CacheUsage:
    """Write a prompt into the cache with one minimal call, or renew it if it is there.

    The call asks for one token of output. Errors of the call are raised. A prompt shorter than the
    model's minimum cannot be cached: nothing is written then, which the result shows.

    Args:
        model: As in `prepare_warm_up`.
        prompt: As in `prepare_warm_up`.
        ttl: As in `prepare_warm_up`.

    Returns:
        What the call read and wrote, in tokens.
    """
    return prepare_warm_up(model, prompt, ttl=ttl).send()


async def awarm(model: Any, prompt: Any = (), *, ttl: CacheTTL | None = None) -> CacheUsage:
    """Do what `warm` does, without blocking the event loop."""
    return await run_in_executor(None, warm, model, prompt, ttl=ttl)


def _messages(model: ChatBedrockCached, prompt: Any) -> list[BaseMessage]:
    return list(model._convert_input(prompt).to_messages())  # noqa: SLF001 # LangChain's own way


def _fewest_tokens(model: ChatBedrockCached, settings: dict[str, Any]) -> int:
    """Return 1, or just more than Claude is to think: Bedrock refuses less."""
    fields = {
        **(model.additional_model_request_fields or {}),
        **(settings.get("additional_model_request_fields") or {}),
    }
    thinking = fields.get("thinking")
    budget = thinking.get("budget_tokens", 0) if isinstance(thinking, dict) else 0
    return int(budget) + 1
