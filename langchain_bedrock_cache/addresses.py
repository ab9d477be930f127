"""What a `modelId` says: the kind of address it is, and the model behind it where that is named.

Facts only: nothing is looked up here. The shapes are those of Converse's `modelId` in botocore's
service model; test_every_kind_of_model_id_is_read compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

AddressKind = Literal[
    "model",
    "foundation-model",
    "inference-profile",
    "application-inference-profile",
    "prompt-router",
    "provisioned-model",
    "custom-model",
    "custom-model-deployment",
    "imported-model",
    "marketplace-endpoint",
    "prompt",
    "unknown",
]

# Of these, the ARN says which model is behind it.
_NAMING_KINDS = frozenset({"model", "foundation-model", "inference-profile"})
# Of these, AWS bills hours of capacity, or prices that no list has, whatever the tokens.
# https://aws.amazon.com/bedrock/pricing/ (checked 2026-11-22)
_BILLED_OTHERWISE: Mapping[AddressKind, str] = {
    "provisioned-model": "provisioned throughput is billed by the hour",
    "custom-model": "custom models run on provisioned throughput, which is billed by the hour",
    "custom-model-deployment": "list prices are those of models as their makers trained them",
    "imported-model": "imported models are billed by the minutes of their copies",
    "marketplace-endpoint": "endpoints are billed by the hour of their instances",
}

# What an ARN of Bedrock calls its kind, and what it is here.
_KINDS: Mapping[str, AddressKind] = {
    "foundation-model": "foundation-model",
    "inference-profile": "inference-profile",
    "application-inference-profile": "application-inference-profile",
    "default-prompt-router": "prompt-router",
    "prompt-router": "prompt-router",
    "provisioned-model": "provisioned-model",
    "custom-model": "custom-model",
    "custom-model-deployment": "custom-model-deployment",
    "imported-model": "imported-model",
    "prompt": "prompt",
}
_BEDROCK_ARN = re.compile(
    r"^arn:(?P<partition>aws[a-z-]*):bedrock:(?P<region>[^:]*):[^:]*:"
    rf"(?P<kind>{'|'.join(_KINDS)})/(?P<name>.+)$"
)
_ENDPOINT_ARN = re.compile(
    r"^arn:(?P<partition>aws[a-z-]*):sagemaker:(?P<region>[^:]*):[^:]*:endpoint/(?P<name>.+)$"
)
# `us.`, `eu.`, `apac.`, `jp.`, `au.`, `in.`, `us-gov.`, `global.` and whatever geography comes
# next: a model ID is provider.model, so a short leading part can only be a geography.
_GEOGRAPHY = re.compile(r"^(?P<geography>[a-z]{2}(?:-[a-z]+)?|apac|global|amer|sa)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAddress:
    """A `modelId`, read.

    Attributes:
        model_id: As given.
        kind: What it addresses; `"model"` for every ID that is no ARN.
        partition: Of an ARN, such as `aws` or `aws-us-gov`; else empty.
        region: Of an ARN; else empty, and empty in the ARN of a model in all Regions.
        name: What comes after the kind in an ARN, else the ID itself.
        geography: Where cross-region inference may go, such as `us`, `eu` or `global`; else empty.
        base_model_id: The model, without geography; `None` if the address does not name it.
    """

    model_id: str
    kind: AddressKind
    partition: str = ""
    region: str = ""
    name: str = ""
    geography: str = ""
    base_model_id: str | None = None

    @property
    def names_its_model(self) -> bool:
        """Whether nobody has to be asked which model is behind it."""
        return self.kind in _NAMING_KINDS

    @property
    def billed_otherwise(self) -> str:
        """Why the list price of tokens does not apply; empty if it does."""
        return _BILLED_OTHERWISE.get(self.kind, "")


@lru_cache(maxsize=1024)
def parse_address(model_id: str) -> ModelAddress:
    """Read a `modelId`; never raises.

    Args:
        model_id: Model ID, inference-profile ID or ARN, as Converse takes it.

    Returns:
        The address; an ARN of anything else is of the kind `"unknown"`.
    """
    arn = _BEDROCK_ARN.match(model_id)
    if arn is None and model_id.startswith("arn:"):
        endpoint = _ENDPOINT_ARN.match(model_id)
        if endpoint is None:
            return ModelAddress(model_id=model_id, kind="unknown", name=model_id)
        return ModelAddress(model_id=model_id, kind="marketplace-endpoint", **endpoint.groupdict())
    kind: AddressKind = "model"
    parts = {"name": model_id}
    if arn is not None:
        parts = arn.groupdict()
        said = parts.pop("kind")
        kind = _KINDS[said]
    if kind not in _NAMING_KINDS:
        return ModelAddress(model_id=model_id, kind=kind, **parts)
    place = _GEOGRAPHY.match(parts["name"])
    return ModelAddress(
        model_id=model_id,
        kind=kind,
        geography=place["geography"] if place else "",
        base_model_id=parts["name"][place.end() :] if place else parts["name"],
        **parts,
    )


def base_model_id(model_id: str) -> str | None:
    """Return the base model ID behind a model ID, a geo-prefixed ID or an ARN.

    Args:
        model_id: What Converse takes as `modelId`.

    Returns:
        Such as `anthropic.claude-sonnet-4-5-20250929-v1:0`; `None` for ARNs that do not name the
        model (application inference profiles, provisioned throughput, prompt routers).
    """
    return parse_address(model_id).base_model_id
