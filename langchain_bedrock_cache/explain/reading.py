"""Request bodies, in whatever form they were kept, as Converse requests that can be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from langchain_bedrock_cache.converse import read_converse
from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import ModelProfile, base_model_id, find_profile
from langchain_bedrock_cache.simulate.bodies import to_converse
from langchain_bedrock_cache.simulate.logs import named_model
from langchain_bedrock_cache.wrong_forms import WrongForm, api_of, find_wrong_forms, mended


class UnreadableRequestError(BedrockCacheError, ValueError):
    """A file holds no request that can be explained."""


class ReadBody(NamedTuple):
    """A body that can be explained: as a Converse request, with its cache points put right.

    Attributes:
        converse: The request; shares blocks with the body.
        prefix: The same, read.
        profile: Its model; `None` if it is not known.
        wrong: What was wrong with its cache points.
    """

    converse: dict[str, Any]
    prefix: Prefix
    profile: ModelProfile | None
    wrong: Sequence[WrongForm]

    @property
    def model_id(self) -> str:
        """The address of the model."""
        return str(self.converse["modelId"])

    def plan(self) -> dict[str, Any] | None:
        """Return what a planner would have reported of a model without prompt caching."""
        if self.profile is not None and self.profile.supports_caching:
            return None
        detail = f"{self.model_id} is not known to take cache points"
        return {"skipped": [{"section": "all", "reason": "unsupported_model", "detail": detail}]}


def read_body(body: Mapping[str, Any], model: str | None, *, operation: str = "") -> ReadBody:
    """Read a body.

    Args:
        body: Of Converse, boto3's arguments of `converse`, or of InvokeModel; not modified.
        model: Model ID, for bodies that do not say.
        operation: Of the call, if a log says.

    Raises:
        UnreadableRequestError: If it is no chat request, or does not name its model.
    """
    model_id = model or str(body.get("modelId") or "")
    profile = find_profile(named_model(model_id))
    api = api_of(body, operation=operation)
    wrong = find_wrong_forms(body, profile, api=api)
    converse = _as_converse(mended(body, api=api) if wrong else body)
    if profile is None and base_model_id(model_id or "arn:") is None:
        msg = "The request does not name its model: say which with --model (model=...)."
        raise UnreadableRequestError(msg)
    converse["modelId"] = model_id
    return ReadBody(converse, read_converse(converse, profile), profile, wrong)


def _as_converse(body: Mapping[str, Any]) -> dict[str, Any]:
    # Bodies of InvokeModel do not name their model: it would be taken for a setting of Claude's.
    body = {name: value for name, value in body.items() if name != "modelId"}
    try:
        converse = to_converse(body)
    except (AttributeError, KeyError, TypeError) as error:
        msg = f"The request cannot be read ({type(error).__name__}: {error})."
        raise UnreadableRequestError(msg) from error
    if converse is None:
        msg = "This is no chat request of Converse, nor of Claude or Nova on InvokeModel."
        raise UnreadableRequestError(msg)
    return converse
