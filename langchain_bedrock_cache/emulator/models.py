"""Which model a model ID, inference profile or ARN means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from langchain_bedrock_cache.emulator.errors import INVALID_MODEL, invalid
from langchain_bedrock_cache.profiles import ModelProfile, base_model_id, find_profile

# CountTokens knows few models, and only by their own ID: an inference profile of the same model is
# refused. Probed by several users in 2026; AWS: https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html
_COUNTING_PROFILES = frozenset(
    {
        "anthropic.claude-3-5-haiku",
        "anthropic.claude-3-5-sonnet-20241022-v2",
        "anthropic.claude-3-7-sonnet",
        "anthropic.claude-haiku-4-5",
        "anthropic.claude-opus-4",
        "anthropic.claude-opus-4-1",
        "anthropic.claude-opus-4-5",
        "anthropic.claude-opus-4-6",
        "anthropic.claude-sonnet-4",
        "anthropic.claude-sonnet-4-5",
        "anthropic.claude-sonnet-4-6",
    }
)
_PLAUSIBLE_ID = re.compile(r"^[a-z0-9-]+\.[a-z0-9][a-z0-9.:-]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as a request names it.

    Attributes:
        id: What the request says: model ID, inference-profile ID or ARN.
        base_id: Base model ID; requests that share it (and account and Region) share a cache.
        profile: What it allows; `None` for a model that `profiles` does not know.
        counts_tokens: Whether CountTokens accepts it, called by this ID.
    """

    id: str
    base_id: str
    profile: ModelProfile | None
    counts_tokens: bool


def resolve_model(model_id: str, *, model_arns: Mapping[str, str]) -> Model:
    """Return the model a request names.

    Any ID of the shape `provider.model` is taken to exist: the emulator cannot know all models,
    and one it does not know accepts no cache points.

    Args:
        model_id: As sent.
        model_arns: Base model IDs behind ARNs that do not name their model.

    Raises:
        ServiceError: If no model can be meant, in Bedrock's words.
    """
    base_id = base_model_id(model_arns.get(model_id, model_id))
    if base_id is None or not _PLAUSIBLE_ID.match(base_id):
        raise invalid(INVALID_MODEL)
    profile = find_profile(model_id, base_model=base_id)
    named_directly = model_id == base_id or ":foundation-model/" in model_id
    counts = named_directly and profile is not None and profile.id in _COUNTING_PROFILES
    return Model(id=model_id, base_id=base_id, profile=profile, counts_tokens=counts)
