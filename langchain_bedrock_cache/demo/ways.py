"""The ways of caching that are compared, each a chat model made with one change of the code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_bedrock_cache.demo.stage import Stage
from langchain_bedrock_cache.memory import PrefixMemory

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

MAX_OUTPUT_TOKENS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to call a model.

    Attributes:
        title: Heads its columns and rows.
        make: Returns the chat model for a model ID, on a stage, with tools bound to it.
    """

    title: str
    make: Callable[[str, Stage, Sequence[BaseTool]], Runnable[Any, Any]]


def _plain(model_id: str, stage: Stage, tools: Sequence[BaseTool]) -> Runnable[Any, Any]:
    from langchain_aws import ChatBedrockConverse  # noqa: PLC0415 - a heavy import

    model = ChatBedrockConverse(model_id=model_id, **_settings(stage))
    return model.bind_tools(tools) if tools else model


def _own_caching(model_id: str, stage: Stage, tools: Sequence[BaseTool]) -> Runnable[Any, Any]:
    return _plain(model_id, stage, tools).bind(cache_control={"type": "ephemeral"})


def _cached(model_id: str, stage: Stage, tools: Sequence[BaseTool]) -> Runnable[Any, Any]:
    from langchain_bedrock_cache.chat_models import ChatBedrockCached  # noqa: PLC0415 - as above

    memory = PrefixMemory(clock=stage.clock)
    model = ChatBedrockCached(model_id=model_id, prefix_memory=memory, **_settings(stage))
    return model.bind_tools(tools) if tools else model


def _transformed(model_id: str, stage: Stage, tools: Sequence[BaseTool]) -> Runnable[Any, Any]:
    from langchain_bedrock_cache.runnables import CachePointTransformer  # noqa: PLC0415 - as above

    transformer = CachePointTransformer(model=model_id, memory=PrefixMemory(clock=stage.clock))
    return transformer | _plain(model_id, stage, tools)


def _settings(stage: Stage) -> dict[str, Any]:
    # langchain-aws also wants a client for Bedrock's control plane. It is not called for model IDs
    # that name their model, and making one searches the machine (and EC2) for credentials.
    return {
        "client": stage.client,
        "bedrock_client": stage.client,
        "max_tokens": MAX_OUTPUT_TOKENS,
    }


NO_CACHING = Way(title="no caching", make=_plain)
OWN_CACHING = Way(title="langchain-aws cache_control", make=_own_caching)
CACHED = Way(title="ChatBedrockCached", make=_cached)
TRANSFORMER = Way(title="CachePointTransformer", make=_transformed)
