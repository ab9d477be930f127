"""Names, units and buckets of what is told to OpenTelemetry, in one table.

The GenAI conventions are still in development and on the move to a repository of their own: the
package of semantic conventions keeps their names as deprecated constants only, so they are spelled
here. A test compares them with opentelemetry-semantic-conventions.

Source: https://github.com/open-telemetry/semantic-conventions/blob/main/docs/gen-ai/gen-ai-metrics.md
and opentelemetry-semantic-conventions 0.66b2 (checked 2026-11-22).
"""

from __future__ import annotations

from typing import Final

# Attributes of the conventions. Input tokens include those read from and written to the cache.
OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
USAGE_TYPE: Final = "gen_ai.token.type"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
ERROR_TYPE: Final = "error.type"

# Histograms of the conventions, and the buckets that they ask for.
USAGE: Final = "gen_ai.client.token.usage"
DURATION: Final = "gen_ai.client.operation.duration"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
TOKEN_BUCKETS: Final = tuple(4**power for power in range(14))  # 1 to 67,108,864
SECONDS_BUCKETS: Final = tuple(2**power / 100 for power in range(14))  # 0.01 to 81.92

# Our own: metrics, attributes of spans, or both. A span may stand for several calls.
CALLS: Final = "langchain_bedrock_cache.calls"
FAILED_CALLS: Final = "langchain_bedrock_cache.failed_calls"
UNPRICED_CALLS: Final = "langchain_bedrock_cache.unpriced_calls"
TOKENS: Final = "langchain_bedrock_cache.tokens"
UNCACHED_TOKENS: Final = "langchain_bedrock_cache.uncached_input_tokens"
WRITE_5M_TOKENS: Final = "langchain_bedrock_cache.cache_write_5m_tokens"
WRITE_1H_TOKENS: Final = "langchain_bedrock_cache.cache_write_1h_tokens"
WASTED_TOKENS: Final = "langchain_bedrock_cache.wasted_tokens"
HIT_RATIO: Final = "langchain_bedrock_cache.hit_ratio"
COST_USD: Final = "langchain_bedrock_cache.cost_usd"
SAVINGS_USD: Final = "langchain_bedrock_cache.savings_usd"
VERDICTS: Final = "langchain_bedrock_cache.verdicts"
PLACES: Final = "langchain_bedrock_cache.places"

# Attributes of our own metrics.
VERDICT: Final = "langchain_bedrock_cache.verdict"
USAGE_KIND: Final = "langchain_bedrock_cache.token_kind"
