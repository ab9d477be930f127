"""Which model a model ID, inference profile or ARN means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any

from langchain_bedrock_cache.addresses import base_model_id, parse_address
from langchain_bedrock_cache.checks import check_callable, check_text, check_type
from langchain_bedrock_cache.emulator.errors import INVALID_MODEL, invalid
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.profiles import ModelProfile, find_profile

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
class PromptRouter:
    """A prompt router: several models, one of which answers a request.

    Attributes:
        models: Model IDs, inference-profile IDs or ARNs, at least one; the first is the fallback.
        choose: Returns one of them; gets the decoded request. `None` always takes the first.

    Raises:
        CachePolicyError: If there are no models, or one of them is blank.
        TypeError: If something is of another type.
    """

    models: tuple[str, ...]
    choose: Callable[[Mapping[str, Any]], str] | None = None

    def __post_init__(self) -> None:
        check_type("models", self.models, (tuple, list), what="a tuple of model IDs")
        if not self.models:
            msg = "models is empty, but a prompt router chooses among models: name at least one."
            raise CachePolicyError(msg)
        for model_id in self.models:
            check_text("a model", model_id, what="a model ID")
        if self.choose is not None:
            check_callable("choose", self.choose, what="a function of a request, or None")


ModelArns = Mapping[str, str | PromptRouter]
"""What is behind ARNs that do not name their model: a model ID, or a prompt router."""


def check_model_arns(model_arns: ModelArns | None) -> None:
    """Raise unless ARNs are mapped to models.

    Args:
        model_arns: As the user gave it.

    Raises:
        CachePolicyError: If an ARN or a model ID is blank.
        TypeError: If it is no mapping of ARNs to model IDs and prompt routers.
    """
    what = "a dict of model IDs by ARN, or None"
    check_type("model_arns", model_arns, (Mapping, NoneType), what=what)
    for arn, behind in (model_arns or {}).items():
        check_text("an ARN in model_arns", arn, what="a string")
        if not isinstance(behind, PromptRouter):
            check_text(f"model_arns[{arn!r}]", behind, what="a model ID or a PromptRouter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as a request names it.

    Attributes:
        id: What the request says: model ID, inference-profile ID or ARN.
        base_id: Base model ID; requests that share it (and account and Region) share a cache.
        profile: What it allows; `None` for a model that `profiles` does not know.
        counts_tokens: Whether CountTokens accepts it, called by this ID.
        routed_to: What a prompt router chose; `None` if it was none.
    """

    id: str
    base_id: str
    profile: ModelProfile | None
    counts_tokens: bool
    routed_to: str | None = None


def resolve_model(model_id: str, *, model_arns: ModelArns) -> Model:
    """Return the model a request names.

    Any ID of the shape `provider.model` is taken to exist: the emulator cannot know all models,
    and one it does not know accepts no cache points.

    Args:
        model_id: As sent.
        model_arns: Base model IDs behind ARNs that do not name their model.

    Raises:
        ServiceError: If no model can be meant, in Bedrock's words.
    """
    behind = model_arns.get(model_id, model_id)
    if isinstance(behind, PromptRouter):
        behind = behind.models[0]
    base_id = base_model_id(behind)
    if base_id is None or not _PLAUSIBLE_ID.match(base_id):
        raise invalid(INVALID_MODEL)
    profile = find_profile(model_id, base_model=base_id)
    named_directly = model_id == base_id or ":foundation-model/" in model_id
    counts = named_directly and profile is not None and profile.id in _COUNTING_PROFILES
    return Model(id=model_id, base_id=base_id, profile=profile, counts_tokens=counts)


def route_model(model: Model, request: Mapping[str, Any], *, model_arns: ModelArns) -> Model:
    """Return the model that answers: of a prompt router the one it chooses, else the same.

    Args:
        model: As resolved from the request's ID.
        request: Decoded parameters of the request.
        model_arns: As for `resolve_model`.

    Raises:
        ServiceError: If the router chooses what is no model.
    """
    router = model_arns.get(model.id)
    if not isinstance(router, PromptRouter):
        is_router = parse_address(model.id).kind == "prompt-router"
        return replace(model, routed_to=str(router)) if is_router else model
    chosen = router.choose(request) if router.choose else router.models[0]
    check_type("what choose returned", chosen, str, what="a model ID")
    answering = resolve_model(chosen, model_arns={})
    return replace(answering, id=model.id, routed_to=chosen)


def model_arn(model_id: str, *, region: str, account: str) -> str:
    """Return a model ID or inference-profile ID as the ARN that AWS shows for it."""
    address = parse_address(model_id)
    if address.kind != "model":
        return model_id
    if address.geography:
        return f"arn:aws:bedrock:{region}:{account}:inference-profile/{model_id}"
    return f"arn:aws:bedrock:{region}::foundation-model/{model_id}"
