"""Whether prompt caching can work here: installed packages, the model, credentials, and errors.

Nothing is sent to AWS. What is found comes as checks, each with a remedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from langchain_bedrock_cache.profiles import CacheTTL, base_model_id, find_profile

CheckState = Literal["ok", "unknown", "failed"]

# First releases that know each part of the wire form, by the tags of botocore; boto3 has the same
# numbers. The tests compare the last one with what this package asks for.
_FIRST_BOTOCORE: Mapping[str, str] = {
    "cachePoint": "1.37.24",
    "ttl": "1.42.31",
    "cacheDetails": "1.42.31",
}
_FOR: Mapping[str, str] = {
    "cachePoint": "to mark what is cached",
    "ttl": "to cache for an hour",
    "cacheDetails": "to tell writes for an hour, which cost more, from others",
}
_FIRST_LANGCHAIN_AWS = "1.7"
_PACKAGES = ("boto3", "botocore", "langchain-aws", "langchain-core", "langchain-bedrock-cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that prompt caching needs.

    Attributes:
        name: What was looked at.
        state: `"unknown"` does not keep anything from working.
        detail: What was found.
        remedy: What to do; empty if nothing.
    """

    name: str
    state: CheckState
    detail: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the check as plain data, for JSON."""
        return {
            "name": self.name,
            "state": self.state,
            "detail": self.detail,
            "remedy": self.remedy,
        }


def installed_versions() -> dict[str, str | None]:
    """Return the versions of the packages that take part; `None` where one is not installed."""
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def known_members() -> frozenset[str]:
    """Return which parts of the wire form of prompt caching the installed botocore knows."""
    import botocore.session  # noqa: PLC0415 - a heavy import

    model: Any = botocore.session.get_session().get_service_model("bedrock-runtime")
    if "CachePointBlock" not in model.shape_names:
        return frozenset()
    members = {*model.shape_for("CachePointBlock").members, *model.shape_for("TokenUsage").members}
    return frozenset({"cachePoint"} | (members & set(_FIRST_BOTOCORE)))


def check_packages(versions: Mapping[str, str | None], members: frozenset[str]) -> list[Check]:
    """Compare installed packages with what prompt caching needs.

    Args:
        versions: As `installed_versions` returns them.
        members: As `known_members` returns them.

    Returns:
        A check for botocore, and one for langchain-aws.
    """
    return [_check_botocore(versions, members), _check_langchain_aws(versions)]


def check_model(
    model_id: str, *, base_model: str | None = None, ttl: CacheTTL | None = None
) -> Check:
    """Say what is known of a model.

    Args:
        model_id: What is sent as `modelId`.
        base_model: The model behind an ARN that does not name it.
        ttl: Lifetime that is wanted; `None` if any will do.
    """
    profile = find_profile(model_id, base_model=base_model)
    if profile is None and base_model_id(base_model or model_id) is None:
        return Check(
            name=model_id,
            state="unknown",
            detail="the ID does not name its model",
            remedy="Say which one it is: --base-model (base_model_id=...).",
        )
    if profile is None:
        return Check(
            name=model_id,
            state="unknown",
            detail="nothing is known of its prompt caching",
            remedy="If calls are cached, tell the planner: profiles.register_profile(...).",
        )
    if not profile.supports_caching:
        return Check(
            name=model_id,
            state="failed",
            detail=f"takes no cache points on Converse (checked {profile.checked})",
            remedy="Use a Claude or Nova model; ChatBedrockCached calls this one without caching.",
        )
    if ttl is not None and ttl not in profile.ttls:
        return Check(
            name=model_id,
            state="failed",
            detail=f"caches for {' or '.join(profile.ttls)} only (checked {profile.checked})",
            remedy=f"Ask for {profile.ttls[0]}, or use a model that caches for {ttl}.",
        )
    detail = (
        f"caches from {profile.min_tokens_per_cache_point:,} tokens, for "
        f"{' or '.join(profile.ttls)}, with up to {profile.max_cache_points} points in "
        f"{', '.join(profile.sections)} (checked {profile.checked})"
    )
    return Check(name=model_id, state="ok", detail=detail)


def check_access(session: Any, *, region: str | None = None) -> Iterator[Check]:
    """Say whether credentials and a Region are found; whether they will do, only a call tells.

    Args:
        session: A `boto3.Session`.
        region: AWS Region; default: the session's.
    """
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - a heavy import

    try:
        credentials = session.get_credentials()
    except BotoCoreError as error:
        credentials, found = None, str(error)
    else:
        found = f"found ({credentials.method})" if credentials else "none found"
    yield Check(
        name="AWS credentials",
        state="ok" if credentials else "failed",
        detail=found,
        remedy="" if credentials else _CREDENTIALS,
    )
    region = region or session.region_name
    yield Check(
        name="AWS Region",
        state="ok" if region else "failed",
        detail=region or "none set",
        remedy="" if region else _REGION,
    )


def explain_error(error: Exception) -> str:
    """Return what to do about an error of boto3 when a model is called; empty if that is unclear.

    Args:
        error: A `ClientError` of Bedrock, or what botocore raises before anything is sent.
    """
    response: Any = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code", "") if isinstance(response, Mapping) else ""
    said = f"{code or type(error).__name__}: {error}"
    flags = re.IGNORECASE | re.DOTALL
    return next((remedy for look, remedy in _ERRORS.items() if re.search(look, said, flags)), "")


_CREDENTIALS = (
    "Sign in (aws sso login), run `aws configure`, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY. --emulator needs none."
)
_REGION = "Name one where the model is: --region us-east-1, or AWS_REGION in the environment."
_EXPIRED = "The credentials are expired or wrong: sign in again (aws sso login), or renew them."
_NO_CACHING = (
    "This model, or this account, takes no cache points: call it without (CachePolicy.off()), or "
    "use a model with prompt caching."
)
_NO_PERMISSION = (
    "Allow bedrock:InvokeModel on the foundation model and, for an ID that begins with us., eu., "
    "global. and the like, on the inference profile and on the model in each of its Regions."
)
_NO_ACCESS = "Ask for access to the model in the Bedrock console (Model access) of this Region."
_PROFILE_ONLY = (
    "The model is called through an inference profile only: put us., eu. or global. before its ID."
)
_NO_MODEL = (
    "Check the model ID, and that the model is offered in this Region: "
    "aws bedrock list-foundation-models, aws bedrock list-inference-profiles."
)
_QUOTA = "The quota is used up: try again in a minute."
_NETWORK = "Bedrock cannot be reached: check the Region, the network and its proxies."

# By error code or type, and message; the first that fits.
_ERRORS: Mapping[str, str] = {
    r"^(NoCredentials|PartialCredentials|ProfileNotFound|CredentialRetrieval)": _CREDENTIALS,
    r"^(Expired|UnrecognizedClient|InvalidSignature|InvalidClientToken|IncompleteSig)": _EXPIRED,
    r"^(TokenRetrieval|SSOToken|UnauthorizedSSO|MissingAuthenticationToken)": _EXPIRED,
    r"^NoRegion": _REGION,
    r"^AccessDenied.*(prompt caching|unsupported model)": _NO_CACHING,
    r"^AccessDenied.*not authorized to perform": _NO_PERMISSION,
    r"^AccessDenied": _NO_ACCESS,
    r"on-demand throughput": _PROFILE_ONLY,
    r"^(ValidationException.*model identifier|ResourceNotFound)": _NO_MODEL,
    r"^(Throttling|ServiceQuota|TooManyRequests)": _QUOTA,
    r"^(EndpointConnection|ConnectTimeout|ConnectionClosed|ProxyConnection|SSLError)": _NETWORK,
}


def _check_botocore(versions: Mapping[str, str | None], members: frozenset[str]) -> Check:
    name = f"boto3 {versions.get('boto3')}, botocore {versions.get('botocore')}"
    missing = [member for member in _FIRST_BOTOCORE if member not in members]
    if not missing:
        return Check(name=name, state="ok", detail=f"knows {', '.join(_FIRST_BOTOCORE)}")
    needs = "; ".join(f"{member} ({_FOR[member]})" for member in missing)
    least = max((_FIRST_BOTOCORE[member] for member in missing), key=_number)
    return Check(
        name=name,
        state="failed",
        detail=f"does not know {needs}",
        remedy=f"pip install -U 'boto3>={least}' 'botocore>={least}'",
    )


def _check_langchain_aws(versions: Mapping[str, str | None]) -> Check:
    found = versions.get("langchain-aws")
    if found is not None and _number(found) >= _number(_FIRST_LANGCHAIN_AWS):
        return Check(name=f"langchain-aws {found}", state="ok", detail="can be used with caching")
    return Check(
        name=f"langchain-aws {found or 'missing'}",
        state="failed",
        detail=f"{_FIRST_LANGCHAIN_AWS} or later is needed",
        remedy=f"pip install -U 'langchain-aws>={_FIRST_LANGCHAIN_AWS}'",
    )


def _number(text: str) -> tuple[int, ...]:
    """Return a version as numbers, as far as it has any: `1.44.5rc1` is 1, 44, 5."""
    return tuple(int(part) for part in re.findall(r"(?:^|\.)(\d+)", text))
