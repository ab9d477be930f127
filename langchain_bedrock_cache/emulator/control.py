"""The little of Bedrock's control plane that says what is behind an ARN."""

from __future__ import annotations

import itertools
import re
import uuid
from typing import Any
from urllib.parse import unquote, urlsplit

from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.emulator.errors import ServiceError
from langchain_bedrock_cache.emulator.faults import Faults
from langchain_bedrock_cache.emulator.http import (
    HttpRequest,
    HttpResponse,
    error_response,
    json_response,
)
from langchain_bedrock_cache.emulator.models import ModelArns, PromptRouter, model_arn

_ROUTE = re.compile(r"^/(?P<collection>inference-profiles|prompt-routers)/(?P<name>[^/]+)$")
_CREATED = "2026-01-01T00:00:00Z"
# Regions that a profile of a geography lists, so many as tell it from one Region.
_REGIONS = {
    "us": ("us-east-1", "us-west-2"),
    "eu": ("eu-central-1", "eu-west-1"),
    "apac": ("ap-northeast-1", "ap-southeast-2"),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "au": ("ap-southeast-2", "ap-southeast-4"),
    "us-gov": ("us-gov-east-1", "us-gov-west-1"),
}


class ControlPlane:
    """Answers GetInferenceProfile and GetPromptRouter; static but for ordered failures.

    Args:
        model_arns: What is behind ARNs that do not name their model.
        faults: Failures to take; only those ordered for one of these operations.
        region: Of requests that do not say.
        account: Of requests that do not say.
    """

    operations = ("GetInferenceProfile", "GetPromptRouter")

    def __init__(self, model_arns: ModelArns, *, faults: Faults, region: str, account: str) -> None:
        self.requests: list[str] = []
        self._model_arns = model_arns
        self._faults = faults
        self._region = region
        self._account = account
        self._numbers = itertools.count(1)

    @staticmethod
    def takes(request: HttpRequest) -> bool:
        """Whether a request is one for the control plane."""
        return request.method == "GET" and _ROUTE.match(_path(request)) is not None

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one HTTP request that `takes` said yes to."""
        request_id = str(uuid.UUID(int=next(self._numbers)))
        route = _ROUTE.match(_path(request))
        assert route is not None  # noqa: S101 # `takes` was asked
        region = request.region or request.signed_region or self._region
        if route["collection"] == "inference-profiles":
            operation, describe = "GetInferenceProfile", self._profile
        else:
            operation, describe = "GetPromptRouter", self._router
        self.requests.append(operation)
        try:
            fault = self._faults.take(operation, mid_stream=False, ordered_for_it=True)
            if fault is not None:
                raise fault.error
            body = describe(unquote(route["name"]), region)
        except ServiceError as error:
            return error_response(error, request_id=request_id)
        return json_response(body, request_id=request_id)

    def _profile(self, arn: str, region: str) -> dict[str, Any]:
        behind = self._model_arns.get(arn, arn)
        model = parse_address(behind) if isinstance(behind, str) else None
        if model is None or model.base_model_id is None:
            raise _not_found(arn)
        name = f"foundation-model/{model.base_model_id}"
        partition = parse_address(arn).partition or "aws"
        regions: tuple[str, ...] = _REGIONS.get(model.geography, (region,))
        if model.geography == "global":  # the ARN without Region stands for all of them
            regions = ("", region)
        return {
            "inferenceProfileName": "emulated",
            "inferenceProfileArn": arn,
            "inferenceProfileId": arn.rpartition("/")[2],
            "models": [{"modelArn": f"arn:{partition}:bedrock:{at}::{name}"} for at in regions],
            "status": "ACTIVE",
            "type": "APPLICATION" if arn in self._model_arns else "SYSTEM_DEFINED",
            "createdAt": _CREATED,
            "updatedAt": _CREATED,
        }

    def _router(self, arn: str, region: str) -> dict[str, Any]:
        router = self._model_arns.get(arn)
        if not isinstance(router, PromptRouter):
            raise _not_found(arn)
        arns = [model_arn(m, region=region, account=self._account) for m in router.models]
        return {
            "promptRouterName": "emulated",
            "promptRouterArn": arn,
            "models": [{"modelArn": each} for each in arns],
            "fallbackModel": {"modelArn": arns[0]},
            "routingCriteria": {"responseQualityDifference": 0.0},
            "status": "AVAILABLE",
            "type": "default" if ":default-prompt-router/" in arn else "custom",
            "createdAt": _CREATED,
            "updatedAt": _CREATED,
        }


def _path(request: HttpRequest) -> str:
    return urlsplit(request.path).path


def _not_found(arn: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", f"Could not find {arn}.")
