"""Prompt caching for LangChain on Amazon Bedrock.

General layout, each module importing only from those above it:

* facts: `exceptions`, `wording`, `extras`, `checks`, `sums`, `addresses`, `profiles`,
  `written_twice`, `usage`, `rates`, `price_checks`, `pricing`
* decision (pure): `policy`, `prefix`, `returns`, `spending`, `value`, `waiting`, `sighting`,
  `positions`, `memory`, `plan`, `choices`, `application_points`, `planner`, `decision`,
  `guesses`, `volatility`, `rollout`, `tenants`
* wire: `converse`, `refusals`, `hints`, `notices`, `unplanned`, `unknown_models`, `model_lookup`,
  `address_book`, `sent_requests`, `diagnosis`, `shared_prefixes`, `batch_context`,
  `single_flight`, `calls`, `addressing`, `call_context`, `settling`, `uncached_calls`, `caching`,
  `regions`, `invoke_model`, `outgoing`, `observed`, `resent_headers`, `sending`, `client`
* what happened: `call_readings`, `records`, `client_records`, `sinks`, `report`, `record_lines`,
  `json_lines`, `telemetry`
* LangChain: `run_tree`, `callbacks`, `langsmith_tracer`, `progress`, `batch`, `cached_chat`,
  `chat_models`, `invoke_chat_model`, `runnables`, `rag`, `documents`, `middleware`
* beside them: `emulator`, a local Bedrock runtime that shares facts with the rest, never logic
* operations: `redis_store`, `rollout_report`, `live_report`, `roi`, `warmup`, `keep_alive`,
  `simulate`, `permissions`, `cloudwatch`, `serverless`, `wrong_forms`, `explain`, `demo`,
  `testing`, `pytest_plugin`, `compatibility`, `probe`, `commands`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_bedrock_cache.callbacks import (
        CacheUsageCallbackHandler,
        get_cache_usage_callback,
    )
    from langchain_bedrock_cache.chat_models import ChatBedrockCached
    from langchain_bedrock_cache.client import cached_client
    from langchain_bedrock_cache.exceptions import (
        BedrockCacheError,
        CachePlanError,
        CachePointPositionError,
        CachePolicyError,
        CacheSkippedWarning,
        CacheTTLOrderError,
        PriceNotFoundError,
        TooManyCachePointsError,
        UnsupportedModelError,
    )
    from langchain_bedrock_cache.invoke_chat_model import ChatBedrockInvokeCached
    from langchain_bedrock_cache.keep_alive import KeepAlive
    from langchain_bedrock_cache.memory import PrefixMemory
    from langchain_bedrock_cache.policy import CachePolicy
    from langchain_bedrock_cache.progress import BatchProgressBar
    from langchain_bedrock_cache.regions import Route
    from langchain_bedrock_cache.runnables import CachePointTransformer, cached_tools
    from langchain_bedrock_cache.usage import CacheUsage
    from langchain_bedrock_cache.warmup import awarm, warm

# Imported when first used: LangChain's AWS package and boto3 take seconds.
_MODULES = {
    "BatchProgressBar": "progress",
    "BedrockCacheError": "exceptions",
    "CachePlanError": "exceptions",
    "CachePointPositionError": "exceptions",
    "CachePointTransformer": "runnables",
    "CachePolicy": "policy",
    "CachePolicyError": "exceptions",
    "CacheSkippedWarning": "exceptions",
    "CacheTTLOrderError": "exceptions",
    "CacheUsage": "usage",
    "CacheUsageCallbackHandler": "callbacks",
    "ChatBedrockCached": "chat_models",
    "ChatBedrockInvokeCached": "invoke_chat_model",
    "KeepAlive": "keep_alive",
    "PrefixMemory": "memory",
    "PriceNotFoundError": "exceptions",
    "Route": "regions",
    "TooManyCachePointsError": "exceptions",
    "UnsupportedModelError": "exceptions",
    "awarm": "warmup",
    "cached_client": "client",
    "cached_tools": "runnables",
    "get_cache_usage_callback": "callbacks",
    "warm": "warmup",
}

__all__ = [
    "BatchProgressBar",
    "BedrockCacheError",
    "CachePlanError",
    "CachePointPositionError",
    "CachePointTransformer",
    "CachePolicy",
    "CachePolicyError",
    "CacheSkippedWarning",
    "CacheTTLOrderError",
    "CacheUsage",
    "CacheUsageCallbackHandler",
    "ChatBedrockCached",
    "ChatBedrockInvokeCached",
    "KeepAlive",
    "PrefixMemory",
    "PriceNotFoundError",
    "Route",
    "TooManyCachePointsError",
    "UnsupportedModelError",
    "awarm",
    "cached_client",
    "cached_tools",
    "get_cache_usage_callback",
    "warm",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used."""
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415

        return version("langchain-bedrock-cache")
    module = _MODULES.get(name)
    if module is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
