"""Where two requests go: other Regions and other APIs have prompt caches of their own. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.diagnosis.facts import Destination
from langchain_bedrock_cache.wrong_forms import api_of

_APIS = ("Converse", "InvokeModel")
# Any Region there is: never known to be another one.
_ANYWHERE = "global"


class Told(NamedTuple):
    """What a request says of where it goes; what is empty is not known.

    Attributes:
        region: AWS Region.
        geography: Of a cross-region inference profile, such as `us` or `eu`.
        api: `Converse` or `InvokeModel`.
    """

    region: str
    geography: str
    api: str


def told(body: Mapping[str, Any], model_id: str, *, region: str | None) -> Told:
    """Return what a request says of where it goes.

    Args:
        body: Decoded JSON, or boto3's arguments of `converse`.
        model_id: Its address.
        region: Where it is sent, if somebody says; an ARN with a Region in it knows better.
    """
    address = parse_address(model_id)
    geography = "" if address.geography == _ANYWHERE else address.geography
    return Told(address.region or region or "", geography, _api(body, model_id))


def destinations(before: Told, now: Told) -> tuple[Destination, Destination]:
    """Return where two requests go, as far as that can be compared."""
    regions = before.region, now.region
    if not all(regions):
        regions = before.geography, now.geography
    if not all(regions):
        regions = "", ""
    apis = (before.api, now.api) if before.api and now.api else ("", "")
    first, second = zip(regions, apis, strict=True)
    return Destination(*first), Destination(*second)


def api_called(operation: str) -> str:
    """Return the API of an operation in a log; empty if there is none."""
    return next((api for api in _APIS if operation.startswith(api)), "")


def _api(body: Mapping[str, Any], model_id: str) -> str:
    if api_of(body) != "converse":
        return "InvokeModel"
    # Nova's own bodies may look like those of Converse.
    return "" if "nova" in model_id else "Converse"
