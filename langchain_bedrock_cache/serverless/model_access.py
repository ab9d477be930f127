"""What the role of a function has to be allowed, to ask a model. Pure."""

from __future__ import annotations

from typing import Any

from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.serverless.errors import DeploymentError

# These stand for models that must be allowed as well, but do not name them.
_NAMELESS = frozenset({"application-inference-profile", "prompt-router"})


def model_resources(model: str, *, base_model: str | None = None) -> list[Any]:
    """Return the resources on which `bedrock:InvokeModel` is to be allowed.

    An inference profile passes calls on to a foundation model in several Regions, which must be
    allowed as well.

    Args:
        model: Model ID, inference profile ID or ARN.
        base_model: The model behind an ARN that does not name it.

    Returns:
        ARNs, in terms of CloudFormation.

    Raises:
        DeploymentError: If the model behind an ARN is not known.

    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html
    (checked 2026-11-22)
    """
    address = parse_address(model)
    resources: list[Any] = []
    if address.partition:
        resources.append(model)
    elif address.geography:
        profile = "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:inference-profile"
        resources.append({"Fn::Sub": f"{profile}/{model}"})
    if address.kind == "foundation-model":
        return resources
    behind = parse_address(base_model).base_model_id if base_model else address.base_model_id
    if behind is None and address.kind in _NAMELESS:
        msg = (
            f"{model} does not name its model, which the role must be allowed to invoke. Say "
            "which it is with base_model."
        )
        raise DeploymentError(msg)
    if behind is not None:
        foundation = "arn:${AWS::Partition}:bedrock:*::foundation-model"
        resources.append({"Fn::Sub": f"{foundation}/{behind}"})
    return resources
