"""One call through the planner: prepare the request, take in the answer, or the refusal.

No I/O: `client.py` sends. Shared by every operation and every client that uses one memory.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from langchain_bedrock_cache import converse
from langchain_bedrock_cache.application_points import check_marks
from langchain_bedrock_cache.exceptions import (
    BedrockCacheError,
    CacheSkippedWarning,
    UnsupportedModelError,
)
from langchain_bedrock_cache.hints import hinted_policy, place_hinted_points
from langchain_bedrock_cache.memory import Commitment, PrefixMemory
from langchain_bedrock_cache.plan import CachePlan
from langchain_bedrock_cache.planner import plan
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.profiles import ModelProfile, base_model_id, find_profile
from langchain_bedrock_cache.refusals import Refusal, RefusalBook
from langchain_bedrock_cache.sighting import Sighting
from langchain_bedrock_cache.usage import CacheUsage
from langchain_bedrock_cache.value import Prices
from langchain_bedrock_cache.volatility import HeadWatch

_logger = logging.getLogger(__name__)

SWITCH = "LANGCHAIN_BEDROCK_CACHE"
"""Environment variable: `off` sends every request as it is, whatever the policies say."""

# Providers whose future models are likely to take cache points: a point the application placed
# is sent to them even if the model is not in the table. Everybody else answers 403.
_CACHING_PROVIDERS = ("anthropic.", "amazon.nova")

# A warning should name the line that called a model, not the machinery in between.
_INSIDE = ("langchain_bedrock_cache", "langchain_core", "langchain_aws", "concurrent", "threading")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What one call may say for itself.

    Attributes:
        policy: Replaces the client's policy for this call.
        hint: langchain-aws's `cache_control` argument.
        base_model: The base model ID behind an ARN that does not name its model.
    """

    policy: CachePolicy | None = None
    hint: Mapping[str, Any] | None = None
    base_model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """A request ready to be sent, and what to do with the answer.

    Attributes:
        request: What to send.
        original: What to send if Bedrock refuses the added points.
        plan: Where the points went, and why.
        commitment: For the memory; `None` if the call was not planned.
        profile: The model; `None` if unknown.
        refused: What Bedrock refused in an earlier attempt at this call.
    """

    request: dict[str, Any]
    original: dict[str, Any]
    plan: CachePlan
    commitment: Commitment | None = None
    profile: ModelProfile | None = None
    refused: str | None = None

    def report(self) -> dict[str, Any]:
        """Return the plan as plain data for response metadata; no prompt text."""
        return {
            "points": [
                {
                    "section": p.place.section,
                    "message": p.place.message,
                    "block": p.place.block,
                    "ttl": p.ttl,
                    "origin": p.origin,
                }
                for p in self.plan.points
            ],
            "skipped": [
                {"section": s.section, "reason": s.reason, "detail": s.detail}
                for s in self.plan.skipped
            ],
            "refused": self.refused,
        }


class CallPlanner:
    """Plans every call of the clients that share it.

    Args:
        policy: For calls that bring none of their own.
        memory: What was seen so far; learns from every call.
    """

    def __init__(self, *, policy: CachePolicy, memory: PrefixMemory) -> None:
        self.policy = policy
        self.memory = memory
        self._refusals = RefusalBook(memory.clock)
        self._heads = HeadWatch()
        self._warned: set[str] = set()

    def prepare(self, request: Mapping[str, Any], options: CallOptions) -> PreparedCall:
        """Plan a Converse request; the request is not modified.

        Raises:
            CachePlanError: If the application's own cache points cannot be sent as they are.
            UnsupportedModelError: If the model takes none and the policy says to raise.
        """
        original = dict(request)
        policy = options.policy or self.policy
        if policy.mode == "off" or os.environ.get(SWITCH, "").lower() == "off":
            return PreparedCall(request=original, original=original, plan=CachePlan())
        model_id = str(request.get("modelId") or "")
        profile = find_profile(model_id, base_model=options.base_model)
        if profile is None or not profile.supports_caching:
            return self._unsupported(original, model_id, profile, policy, options)
        policy = hinted_policy(policy, options.hint)
        try:
            return self._plan(original, model_id, profile, policy, options)
        except BedrockCacheError:
            raise
        except Exception:  # caching is never the reason a request fails
            _logger.exception("Planning failed; the request is sent without added cache points.")
            return PreparedCall(request=original, original=original, plan=CachePlan())

    def succeeded(self, call: PreparedCall, usage: Mapping[str, Any] | None) -> None:
        """Learn from an answer.

        Args:
            call: The call.
            usage: Converse `usage`, as Bedrock sent it; `None` if it sent none.
        """
        if call.commitment is None or not usage:
            return
        counts = CacheUsage.from_converse(usage)
        self.memory.learn(
            call.commitment,
            input_tokens=counts.input_tokens,
            cached_tokens=counts.cache_read_tokens + counts.cache_write_tokens,
        )

    def failed(self, call: PreparedCall) -> None:
        """Take back what was assumed of a call that failed."""
        if call.commitment is not None:
            self.memory.cancel(call.commitment)

    def without_points(self, call: PreparedCall, refusal: Refusal) -> PreparedCall | None:
        """Return the same call without the added points, after Bedrock refused it.

        Returns:
            What to send instead; `None` if no point was added, so that the error is not ours.
        """
        self.failed(call)
        added = {p.place.section for p in call.plan.points if p.origin == "planner"}
        if call.profile is None or not added:
            return None
        self._refusals.add(call.profile, refusal, placed=added)
        self._warn_once(
            f"refused:{call.profile.id}:{refusal.section}",
            f"Bedrock refused a cache point for {call.profile.id} ({refusal.message!r}). The call "
            "was sent again without added points; none is added there for the next hour. If this "
            "goes on, leave the section out: CachePolicy(sections=...).",
        )
        return PreparedCall(
            request=call.original,
            original=call.original,
            plan=CachePlan(
                points=tuple(p for p in call.plan.points if p.origin == "application"),
            ),
            refused=refusal.message,
        )

    def _plan(
        self,
        original: dict[str, Any],
        model_id: str,
        profile: ModelProfile,
        policy: CachePolicy,
        options: CallOptions,
    ) -> PreparedCall:
        prefix = converse.read_converse(original, profile)
        check_marks(prefix, profile)
        if not len(prefix):
            return PreparedCall(request=original, original=original, plan=CachePlan())
        open_sections = tuple(s for s in policy.sections if not self._refusals.refused(profile, s))
        if open_sections != policy.sections:
            policy = replace(policy, sections=open_sections)
        if prefix.marks and profile.ttls == ("5m",):
            original = converse.without_stated_ttls(original)
        sighting = self.memory.observe(prefix, profile)
        self._watch_head(sighting, prefix, profile, original)
        multipliers = price_multipliers(model_id, base_model=options.base_model)
        prices = Prices(multipliers.read, multipliers.write_5m, multipliers.write_1h)
        decided = plan(prefix, profile=profile, policy=policy, sighting=sighting, prices=prices)
        if options.hint is not None:
            decided = place_hinted_points(decided, prefix, profile, policy, sighting)
        commitment = self.memory.commit(
            prefix,
            profile,
            sighting,
            points=[(p.position, p.ttl) for p in decided.points],
            stakes=decided.stakes,
            saving=decided.saving,
        )
        return PreparedCall(
            request=converse.write_points(original, decided.added()),
            original=original,
            plan=decided,
            commitment=commitment,
            profile=profile,
        )

    def _watch_head(
        self, sighting: Sighting, prefix: Prefix, profile: ModelProfile, request: dict[str, Any]
    ) -> None:
        """Tell the user where a system prompt or tool list changes from call to call."""
        if not prefix.head:
            return
        family, kind = sighting.scope
        change = self._heads.see(
            family,
            kind,
            request,
            chars_after_tools=prefix.chars[-1] - prefix.chars_before(prefix.tools),
            min_chars=profile.min_tokens_per_cache_point * sighting.chars_per_token,
        )
        if change:
            self._warn_once(f"volatile:{family}", change.message())

    def _unsupported(
        self,
        original: dict[str, Any],
        model_id: str,
        profile: ModelProfile | None,
        policy: CachePolicy,
        options: CallOptions,
    ) -> PreparedCall:
        """Send no points to a model that would answer 403, and say so as the policy wants."""
        message = _unsupported_message(model_id, profile)
        if policy.unsupported_model_behavior == "raise":
            raise UnsupportedModelError(message)
        if policy.unsupported_model_behavior == "warn":
            self._warn_once(f"unsupported:{model_id}", message)
        base = base_model_id(options.base_model or model_id) or ""
        known_to_refuse = profile is not None or not base.startswith(_CACHING_PROVIDERS)
        request = original
        if base and known_to_refuse and converse.has_points(original):
            request = converse.strip_points(original)
        return PreparedCall(request=request, original=request, plan=CachePlan())

    def _warn_once(self, key: str, message: str) -> None:
        if key in self._warned:
            return
        self._warned.add(key)
        _logger.info("%s", message)
        warnings.warn(message, CacheSkippedWarning, stacklevel=_stack_level())


def _unsupported_message(model_id: str, profile: ModelProfile | None) -> str:
    if profile is not None:
        return (
            f"{model_id} takes no cache points on Converse ({profile.source}); the request is "
            "sent without any. Silence this with CachePolicy(unsupported_model_behavior='ignore')."
        )
    if base_model_id(model_id) is None:
        return (
            f"{model_id!r} does not name its model, so no cache points are added. Say which model "
            "it is: base_model_id='anthropic.claude-...' (ChatBedrockCached, cached_client)."
        )
    return (
        f"No prompt-caching facts are known for model {model_id!r}, so no cache points are added. "
        "If it supports prompt caching, tell us how: "
        "langchain_bedrock_cache.profiles.register_profile(...)."
    )


def _stack_level() -> int:
    """Return the stack level of the caller outside this package and the libraries it sits in."""
    level = 1
    frame = sys._getframe(1)  # noqa: SLF001
    while frame.f_back is not None:
        if not frame.f_globals.get("__name__", "").startswith(_INSIDE):
            break
        frame = frame.f_back
        level += 1
    return level
