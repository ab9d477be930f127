"""Which IAM actions each feature of the package needs, and what to say when one is missing.

`FEATURES` is checked against the operations that the code calls: `test_permissions.py`. What the
state machines of `serverless` need is in the roles that its template makes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.checks import check_type
from langchain_bedrock_cache.exceptions import CachePolicyError

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """An IAM action, and what it has to be allowed on.

    Attributes:
        action: As a policy spells it, such as `bedrock:InvokeModel`.
        operations: API operations that ask for it; none where it only makes errors clearer.
        resources: ARN patterns; `*` where IAM takes no others.
        condition: Condition of the statement that narrows it further.
    """

    action: str
    operations: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    condition: Mapping[str, Mapping[str, str]] | None = None

    def statement(self) -> dict[str, Any]:
        """Return the statement of a policy that allows it."""
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": self.action,
            "Resource": self.resources[0] if len(self.resources) == 1 else list(self.resources),
        }
        return statement | ({"Condition": self.condition} if self.condition else {})


# A profile sends a call on to the model in another Region, so both have to be allowed.
_ROUTERS = (
    "arn:aws:bedrock:*:*:default-prompt-router/*",
    "arn:aws:bedrock:*:*:prompt-router/*",
)
_MODELS = (
    "arn:aws:bedrock:*::foundation-model/*",
    "arn:aws:bedrock:*:*:inference-profile/*",
    "arn:aws:bedrock:*:*:application-inference-profile/*",
    "arn:aws:bedrock:*:*:provisioned-model/*",
    "arn:aws:bedrock:*:*:imported-model/*",
    *_ROUTERS,
)
_INVOKE = Permission(
    action="bedrock:InvokeModel", operations=("Converse", "InvokeModel"), resources=_MODELS
)
_INVOKE_STREAM = Permission(
    action="bedrock:InvokeModelWithResponseStream",
    operations=("ConverseStream", "InvokeModelWithResponseStream"),
    resources=_MODELS,
)
_LIST_METRICS = Permission(action="cloudwatch:ListMetrics", operations=("ListMetrics",))

FEATURES: Mapping[str, tuple[Permission, ...]] = {
    "model calls": (_INVOKE,),
    "streamed model calls": (_INVOKE_STREAM,),
    "look up profiles and routers": (
        Permission(
            action="bedrock:GetInferenceProfile",
            operations=("GetInferenceProfile",),
            resources=("arn:aws:bedrock:*:*:application-inference-profile/*",),
        ),
        Permission(
            action="bedrock:GetPromptRouter",
            operations=("GetPromptRouter",),
            resources=_ROUTERS,
        ),
    ),
    "serverless documents": (
        _INVOKE,
        Permission(
            action="s3:GetObject", operations=("GetObject",), resources=("arn:aws:s3:::BUCKET/*",)
        ),
        Permission(
            action="s3:PutObject", operations=("PutObject",), resources=("arn:aws:s3:::BUCKET/*",)
        ),
        # Without it S3 says that access is denied where there is no such object.
        Permission(action="s3:ListBucket", operations=(), resources=("arn:aws:s3:::BUCKET",)),
    ),
    "publish metrics": (
        Permission(
            action="cloudwatch:PutMetricData",
            operations=("PutMetricData",),
            condition={"StringEquals": {"cloudwatch:namespace": "LangChainBedrockCache"}},
        ),
    ),
    "report": (
        Permission(action="cloudwatch:GetMetricData", operations=("GetMetricData",)),
        _LIST_METRICS,
    ),
    "dashboard": (
        _LIST_METRICS,
        Permission(
            action="cloudwatch:PutDashboard",
            operations=("PutDashboard",),
            resources=("arn:aws:cloudwatch::*:dashboard/*",),
        ),
    ),
    "alarms": (
        _LIST_METRICS,
        Permission(
            action="cloudwatch:PutMetricAlarm",
            operations=("PutMetricAlarm",),
            resources=("arn:aws:cloudwatch:*:*:alarm:*",),
        ),
    ),
}


def policy_document(features: Sequence[str]) -> dict[str, Any]:
    """Return an IAM policy that allows some features and nothing else.

    Args:
        features: Keys of `FEATURES`.

    Returns:
        The document, to be put as JSON. Replace `*` in ARNs by your models, Regions and account
        where you can, and `BUCKET` by your bucket; other partitions than `aws` have other ARNs.

    Raises:
        CachePolicyError: If there is no such feature.
    """
    check_type("features", features, (list, tuple, set, frozenset), what="a list of features")
    if unknown := [feature for feature in features if feature not in FEATURES]:
        msg = f"There is no feature {unknown[0]!r}. Choose from {', '.join(map(repr, FEATURES))}."
        raise CachePolicyError(msg)
    needed = {p.action: p for feature in features for p in FEATURES[feature]}
    statements = [permission.statement() for permission in needed.values()]
    return {"Version": "2012-10-17", "Statement": statements}


def missing_permission(error: Exception) -> str | None:
    """Say which permission an error of AWS asks for.

    Args:
        error: Of boto3.

    Returns:
        A sentence with the action, and the statement that allows it; `None` if the error is not
        about permissions.
    """
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    if response.get("Error", {}).get("Code") not in _DENIED:
        return None
    operation = getattr(error, "operation_name", "")
    every = (permission for feature in FEATURES.values() for permission in feature)
    needed = next((one for one in every if operation in one.operations), None)
    if needed is None:
        return None
    statement = json.dumps(needed.statement())
    return (
        f"The role that made this call lacks {needed.action}. "
        f"Add this statement to its IAM policy: {statement}"
    )


@contextmanager
def naming_missing_permissions() -> Iterator[None]:
    """Add to errors of AWS inside the block which permission they ask for; they pass through."""
    try:
        yield
    except Exception as error:
        if said := missing_permission(error):
            error.add_note(said)
        raise
