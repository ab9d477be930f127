"""Prompt caching for LangChain's `create_agent` and for `deepagents`.

General layout:

* `tool_order.py`: tools in the same order from call to call
* `twins.py`: the cached twin of a chat model
* `cache.py`: `BedrockCacheMiddleware`
* `summarization.py`: `CachedSummarizationMiddleware`, compaction that reads what is cached

Both change the request on its way to the model, never a message: what checkpointers save has no
cache points. Points are placed on the wire, by the planner that `ChatBedrockCached` uses, so what
other middleware makes of prompt, tools and messages does not matter.
"""

try:
    import langchain.agents  # noqa: F401 - asked for once, here, so that the hint is in one place
except ImportError as error:
    _HINT = (
        "The agent middleware needs LangChain's agents (langchain 1.0 or later): "
        "pip install 'langchain-bedrock-cache[agents]'. Without agents, use ChatBedrockCached."
    )
    raise ImportError(_HINT) from error

from langchain_bedrock_cache.middleware.cache import BedrockCacheMiddleware
from langchain_bedrock_cache.middleware.summarization import (
    SUMMARY_INSTRUCTION,
    CachedSummarizationMiddleware,
)
from langchain_bedrock_cache.middleware.tool_order import ToolOrder

__all__ = [
    "SUMMARY_INSTRUCTION",
    "BedrockCacheMiddleware",
    "CachedSummarizationMiddleware",
    "ToolOrder",
]
