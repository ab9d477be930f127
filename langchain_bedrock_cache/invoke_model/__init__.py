"""InvokeModel bodies of Claude and Nova, read as Converse requests and written back."""

from __future__ import annotations

from langchain_bedrock_cache.invoke_model.bodies import encoded, view_of, with_body_at_hand

__all__ = ["encoded", "view_of", "with_body_at_hand"]
