"""OpenTelemetry: metrics and span attributes of finished calls.

Names of the GenAI semantic conventions where they have one, and our own under
`langchain_bedrock_cache.`; `names` lists all of them. Needs the extra `otel`.
"""

from __future__ import annotations

from langchain_bedrock_cache.telemetry.sink import OpenTelemetrySink

__all__ = ["OpenTelemetrySink"]
