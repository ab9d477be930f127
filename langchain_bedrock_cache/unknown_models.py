"""Why a call gets no cache points, where its model is the reason: in words that say what to do."""

from __future__ import annotations

from collections.abc import Mapping

from langchain_bedrock_cache.addresses import AddressKind, parse_address
from langchain_bedrock_cache.profiles import ModelProfile

_NAMED = "base_model_id='anthropic.claude-...' (ChatBedrockCached, cached_client)"
_REGISTER = (
    "If it supports prompt caching, tell us how: "
    "langchain_bedrock_cache.profiles.register_profile(...)."
)
# Explicit prompt caching is for on-demand inference.
# https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html (checked 2026-11-22)
_NOT_ON_DEMAND: Mapping[AddressKind, str] = {
    "provisioned-model": "provisioned throughput",
    "custom-model": "a custom model",
    "custom-model-deployment": "a custom model",
    "imported-model": "an imported model",
    "marketplace-endpoint": "an endpoint of SageMaker",
}


def why_no_points(
    model_id: str,
    *,
    profile: ModelProfile | None,
    base_model: str | None = None,
    problem: str = "",
) -> str:
    """Return why a model gets no cache points, and the remedy.

    Args:
        model_id: As sent.
        profile: Of a model that is known to take none; `None` if nothing is known about it.
        base_model: The model behind an ARN, where somebody says so.
        problem: Why AWS did not say so.
    """
    address = parse_address(model_id)
    is_router = address.kind == "prompt-router"
    if profile is not None:
        who = f"{model_id} may choose {profile.id}, which" if is_router else model_id
        return (
            f"{who} takes no cache points on Converse ({profile.source}); the request is "
            "sent without any. Silence this with CachePolicy(unsupported_model_behavior='ignore')."
        )
    if problem and base_model:
        return f"{model_id} is sent without cache points: {problem}. {_REGISTER}"
    if base_model or address.names_its_model:
        return (
            f"No prompt-caching facts are known for model {base_model or model_id!r}, so no cache "
            f"points are added. {_REGISTER}"
        )
    if address.kind in _NOT_ON_DEMAND:
        return (
            f"{model_id!r} is {_NOT_ON_DEMAND[address.kind]}, and Bedrock caches prompts of "
            "on-demand inference only, so no cache points are added. If yours does take them, "
            f"say which model it is: {_NAMED}."
        )
    remedy = f": {problem}, or say" if problem else ". Say"
    learned = " What it chooses is learned from its answers." if is_router else ""
    return (
        f"{model_id!r} does not name its model, so no cache points are added{remedy} which "
        f"model it is: {_NAMED}.{learned}"
    )
