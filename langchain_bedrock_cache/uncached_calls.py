"""Calls that get no cache points: switched off, not in the roll-out, or of models that take none.

No I/O; `caching.py` asks here before it plans.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from langchain_bedrock_cache import converse
from langchain_bedrock_cache.addresses import base_model_id
from langchain_bedrock_cache.calls import CallOptions, PreparedCall
from langchain_bedrock_cache.exceptions import UnsupportedModelError
from langchain_bedrock_cache.notices import Notices
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.profiles import ModelProfile
from langchain_bedrock_cache.rollout import OUTSIDE, first_message, in_rollout
from langchain_bedrock_cache.unknown_models import why_no_points
from langchain_bedrock_cache.unplanned import unplanned

SWITCH = "LANGCHAIN_BEDROCK_CACHE"
"""Environment variable: `off` sends every request as it is, whatever the policies say."""

# Providers whose future models are likely to take cache points: a point the application placed
# is sent to them even if the model is not in the table. Everybody else answers 403.
_CACHING_PROVIDERS = ("anthropic.", "amazon.nova")


def is_switched_off(policy: CachePolicy) -> bool:
    """Whether calls are sent as they are, whatever they hold."""
    return policy.mode == "off" or os.environ.get(SWITCH, "").lower() == "off"


def why_uncached(
    request: Mapping[str, Any], *, policy: CachePolicy, options: CallOptions
) -> str | None:
    """Return why a call is sent as it is, whatever its model; `None` if it is to be planned.

    Args:
        request: Converse keyword arguments; not modified.
        policy: Of the call.
        options: Of the call; may name its conversation.
    """
    if is_switched_off(policy):
        return "switched off"
    if policy.rollout >= 1:
        return None
    conversation = options.conversation or first_message(request)
    return None if in_rollout(policy.rollout, conversation) else OUTSIDE


def unsupported_call(
    original: dict[str, Any],
    *,
    profile: ModelProfile | None,
    policy: CachePolicy,
    options: CallOptions,
    notices: Notices,
) -> PreparedCall:
    """Return a call without points for a model that would answer 403.

    Args:
        original: Converse keyword arguments; not modified.
        profile: Of a model that is known to take no points; `None` if nothing is known about it.
        policy: Says what the user wants to hear of it.
        options: Of the call.
        notices: Tells the user, once for each model.

    Raises:
        UnsupportedModelError: If the policy says to raise.
    """
    model_id = str(original.get("modelId") or "")
    message = why_no_points(
        model_id, profile=profile, base_model=options.base_model, problem=options.problem
    )
    if policy.unsupported_model_behavior == "raise":
        raise UnsupportedModelError(message)
    if policy.unsupported_model_behavior == "warn":
        notices.once(f"unsupported:{model_id}", message)
    base = base_model_id(options.base_model or model_id) or ""
    known_to_refuse = profile is not None or not base.startswith(_CACHING_PROVIDERS)
    request = original
    if base and known_to_refuse and converse.has_points(original):
        request = converse.strip_points(original)
    as_it_is = unplanned(request, reason="unsupported_model", detail=message)
    behind = options.model_behind(model_id)
    return PreparedCall(request=request, original=request, plan=as_it_is, model=behind)
