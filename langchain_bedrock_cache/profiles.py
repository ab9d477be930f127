"""What each Bedrock model allows in prompt caching: one row per model, from `profiles.toml`.

Facts only, no decisions. An unknown model has no profile (`None`): send it no cache points.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from langchain_bedrock_cache.addresses import base_model_id
from langchain_bedrock_cache.checks import (
    check_choice,
    check_list,
    check_number,
    check_text,
    check_type,
)

__all__ = [
    "SECTIONS",
    "TTL_SECONDS",
    "CacheTTL",
    "ModelProfile",
    "Section",
    "base_model_id",
    "find_profile",
    "register_profile",
    "shipped_profiles",
    "strictest_profile",
    "unregister_profile",
]

Section = Literal["tools", "system", "messages"]
CacheTTL = Literal["5m", "1h"]

SECTIONS: tuple[Section, ...] = get_args(Section)
TTL_SECONDS: Mapping[CacheTTL, int] = {"5m": 300, "1h": 3600}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """What one model allows; all token numbers count the cumulative prefix.

    Attributes:
        id: Base model ID without version suffix, such as `anthropic.claude-opus-4-8`.
        family: Name of the rule set in `profiles.toml`.
        provider: First part of the model ID.
        min_tokens_per_cache_point: Shortest prefix, in tokens, that Bedrock caches.
        max_cache_points: Cache points per request; 0 means explicit caching is not supported.
        sections: Request sections that may hold cache points.
        ttls: Accepted lifetimes.
        lookback_blocks: Blocks before a point at which an earlier entry is found; 0: none.
        points_after: `"text"` if a point must directly follow a text block, else `"any"`.
        never_after: Block kinds that a point must not directly follow.
        max_cacheable_tokens: Longest prefix that is cached; 0 means no limit is known.
        tool_choice_scope: First section that misses when `toolChoice` changes.
        source: Where the row comes from.
        checked: ISO date of the last check.

    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
    """

    id: str
    family: str
    provider: str
    min_tokens_per_cache_point: int
    max_cache_points: int
    sections: tuple[Section, ...]
    ttls: tuple[CacheTTL, ...]
    lookback_blocks: int
    points_after: Literal["text", "any"]
    never_after: tuple[str, ...]
    max_cacheable_tokens: int
    tool_choice_scope: Section
    source: str
    checked: str

    @property
    def supports_caching(self) -> bool:
        """Whether Bedrock accepts cache points for this model."""
        return self.max_cache_points > 0


_registered: dict[str, ModelProfile] = {}


def find_profile(model_id: str, *, base_model: str | None = None) -> ModelProfile | None:
    """Return the profile of a model, or `None` if the model is not known.

    Args:
        model_id: Model ID, inference-profile ID or ARN, as sent to Bedrock.
        base_model: The base model ID behind an ARN that does not name it
            (`ChatBedrockConverse.base_model_id`); wins over `model_id`.

    Returns:
        The registered profile with the longest matching ID, else the shipped one. A model that is
        known not to support explicit caching has a profile with `max_cache_points == 0`.
    """
    if model_id in _registered:
        return _registered[model_id]
    base = base_model_id(base_model or model_id)
    if base is None:
        return None
    return _longest_match(base, _registered) or _shipped_match(base)


def strictest_profile(
    profiles: Sequence[ModelProfile | None], *, named: ModelProfile
) -> ModelProfile | None:
    """Return what all of several models allow: of a prompt router, nobody knows which will answer.

    Args:
        profiles: At least one; `None` for a model that is not known.
        named: The one that lends its name (`id`, `family`, `provider` and `source`).

    Returns:
        The limits that hold whichever model it is; `None` if one of them is not known, and one
        with `max_cache_points == 0` if one of them takes no cache points.
    """
    known = [profile for profile in profiles if profile is not None]
    if len(known) < len(profiles):
        return None
    refusing = next((profile for profile in known if not profile.supports_caching), None)
    if refusing is not None:
        return refusing
    return replace(
        named,
        min_tokens_per_cache_point=max(p.min_tokens_per_cache_point for p in known),
        max_cache_points=min(p.max_cache_points for p in known),
        sections=tuple(s for s in SECTIONS if all(s in p.sections for p in known)),
        ttls=tuple(t for t in TTL_SECONDS if all(t in p.ttls for p in known)),
        lookback_blocks=min(p.lookback_blocks for p in known),
        points_after="text" if any(p.points_after == "text" for p in known) else "any",
        never_after=tuple(sorted({kind for p in known for kind in p.never_after})),
        # 0 means no limit.
        max_cacheable_tokens=min(filter(None, (p.max_cacheable_tokens for p in known)), default=0),
        tool_choice_scope=min((p.tool_choice_scope for p in known), key=SECTIONS.index),
    )


def register_profile(profile: ModelProfile) -> None:
    """Add a model profile, or override a shipped one, for this process.

    Args:
        profile: Its `id` may be a base model ID (versions and geo prefixes then match too) or
            a full ARN. `dataclasses.replace(find_profile(...), ...)` is an easy way to make one.

    Raises:
        CachePolicyError: If a value of it is unknown, negative or blank.
        TypeError: If it is no profile.
    """
    _check_profile(profile)
    _registered[profile.id] = profile


def _check_profile(profile: Any) -> None:
    check_type("profile", profile, ModelProfile, what="a ModelProfile")
    check_text("id", profile.id, what="a base model ID or an ARN")
    for name in (
        "min_tokens_per_cache_point",
        "max_cache_points",
        "lookback_blocks",
        "max_cacheable_tokens",
    ):
        check_number(name, getattr(profile, name), least=0, is_whole=True)
    for name, known in {"sections": SECTIONS, "ttls": get_args(CacheTTL)}.items():
        check_list(name, getattr(profile, name), what=f"a tuple of some of {known}")
        for value in getattr(profile, name):
            check_choice(name, value, known)
    check_choice("points_after", profile.points_after, ("text", "any"))
    check_choice("tool_choice_scope", profile.tool_choice_scope, SECTIONS)


def unregister_profile(profile_id: str) -> None:
    """Remove a profile added with `register_profile`; unknown IDs are ignored."""
    _registered.pop(profile_id, None)


def shipped_profiles() -> tuple[ModelProfile, ...]:
    """Return every shipped profile, in the order of `profiles.toml`."""
    return tuple(_shipped().values())


@cache
def _shipped() -> dict[str, ModelProfile]:
    data = tomllib.loads((files(__package__) / "profiles.toml").read_text(encoding="utf-8"))
    return {row["id"]: _to_profile(data["family"][row["family"]] | row) for row in data["model"]}


def _to_profile(row: Mapping[str, Any]) -> ModelProfile:
    known = {f.name for f in fields(ModelProfile)}
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in row.items() if k in known
    }
    return ModelProfile(**values)


@cache
def _shipped_match(base: str) -> ModelProfile | None:
    return _longest_match(base, _shipped())


def _longest_match(base: str, rows: Mapping[str, ModelProfile]) -> ModelProfile | None:
    matches = [row_id for row_id in rows if _is_version_of(base, row_id)]
    return rows[max(matches, key=len)] if matches else None


def _is_version_of(base: str, row_id: str) -> bool:
    """`claude-opus-4` covers `claude-opus-4-20250514-v1:0`, but not the newer `claude-opus-4-9`."""
    if not base.startswith(row_id):
        return False
    rest = base[len(row_id) :]
    return not rest or re.match(r"^(?:-\d{8}|-v\d|:)", rest) is not None
