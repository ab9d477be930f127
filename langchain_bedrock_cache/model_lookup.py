"""Ask AWS what is behind an ARN that does not name its model: one short call, which may fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from langchain_bedrock_cache.addresses import AddressKind, ModelAddress, parse_address

ACTIONS: Mapping[AddressKind, str] = {
    "application-inference-profile": "bedrock:GetInferenceProfile",
    "prompt-router": "bedrock:GetPromptRouter",
}
"""The IAM action for each kind of ARN that can be looked up."""

# The answer takes a tenth of a second; a model call that waits for it should not notice.
_CONNECT_SECONDS = 1
_READ_SECONDS = 2
# Whoever redirects a runtime client, as the emulator does, answers this event of the client with
# the control plane that belongs to it.
_CONTROL_EVENT = "control-client.bedrock-runtime"
_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_PLACES = (
    ({"ap-northeast-1", "ap-northeast-3"}, "jp"),
    ({"ap-southeast-2", "ap-southeast-4"}, "au"),
    ({"ap-south-1", "ap-south-2"}, "in"),
)
_AREAS = (("us-gov-", "us-gov"), ("us-", "us"), ("ca-", "us"), ("eu-", "eu"), ("ap-", "apac"))


def look_up(address: ModelAddress, control: Any) -> tuple[str, ...]:
    """Return the models behind an ARN.

    Args:
        address: Of a kind that `ACTIONS` has.
        control: A boto3 `bedrock` client.

    Returns:
        Model IDs, with the geography where it decides the price; for a prompt router, some may be
        ARNs of application inference profiles.

    Raises:
        Exception: Whatever the client raises.
    """
    if address.kind == "prompt-router":
        answer = control.get_prompt_router(promptRouterArn=address.model_id)
        # The fallback is one of them, but nobody promises that.
        rows = [*answer.get("models", ()), answer.get("fallbackModel") or {}]
        return tuple(dict.fromkeys(name_of(row["modelArn"]) for row in rows if "modelArn" in row))
    answer = control.get_inference_profile(inferenceProfileIdentifier=address.model_id)
    return _with_geography(parse_address(row["modelArn"]) for row in answer.get("models", ()))


def name_of(arn: str) -> str:
    """Return the model ID or inference-profile ID in an ARN; other ARNs and IDs as they are."""
    address = parse_address(arn)
    return address.name if address.names_its_model else arn


def control_client(runtime: Any) -> Any:
    """Return a `bedrock` client for the account and Region of a `bedrock-runtime` client.

    Args:
        runtime: A boto3 client; its credentials, Region, proxies and custom endpoint are taken
            over. It is not changed.

    Returns:
        A client that tries once, and not for long; `None` if `runtime` is not boto3's.
    """
    from botocore.client import BaseClient  # noqa: PLC0415 - a heavy import
    from botocore.config import Config  # noqa: PLC0415 - a heavy import
    from botocore.session import Session  # noqa: PLC0415 - a heavy import

    if not isinstance(runtime, BaseClient):
        return None
    events: Any = runtime.meta.events
    _, offered = events.emit_until_response(_CONTROL_EVENT)
    if offered is not None:
        return offered
    session = Session()
    credentials = getattr(getattr(runtime, "_request_signer", None), "_credentials", None)
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        session.set_credentials(frozen.access_key, frozen.secret_key, frozen.token)
    given: Any = runtime.meta.config
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
        proxies=given.proxies,
        proxies_config=given.proxies_config,
        use_fips_endpoint=given.use_fips_endpoint,
        use_dualstack_endpoint=given.use_dualstack_endpoint,
    )
    url = runtime.meta.endpoint_url
    is_aws = (urlsplit(url).hostname or "").endswith(_AWS_HOSTS)
    return session.create_client(
        "bedrock",
        region_name=runtime.meta.region_name,
        endpoint_url=None if is_aws else url,
        config=config,
    )


def _with_geography(models: Iterable[ModelAddress]) -> tuple[str, ...]:
    """Return model IDs with the geography that a profile covers: it decides the price.

    A profile lists a model once for each Region; without Region, it stands for all of them.
    """
    models = tuple(models)
    regions = {model.region for model in models}
    geography = _geography(regions)
    names = dict.fromkeys(model.base_model_id for model in models if model.base_model_id)
    return tuple(f"{geography}.{name}" if geography else name for name in names)


def _geography(regions: set[str]) -> str:
    if "" in regions:
        return "global"
    areas = {next((area for start, area in _AREAS if r.startswith(start)), "") for r in regions}
    if len(areas) > 1:
        return ""
    area = areas.pop() if areas else ""
    if len(regions) < 2 and area != "us-gov":  # noqa: PLR2004 # one Region: no profile, but a model
        return ""
    return next((place for within, place in _PLACES if regions <= within), area)
