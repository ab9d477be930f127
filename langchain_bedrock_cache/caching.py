"""One call through the planner: prepare the request, take in the answer, or the refusal.

No I/O: `client.py` sends. Shared by every operation and every client that uses one memory.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from langchain_bedrock_cache import converse
from langchain_bedrock_cache.address_book import book_of
from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.addressing import Addressing
from langchain_bedrock_cache.application_points import check_marks
from langchain_bedrock_cache.batch_context import PATIENCE_SECONDS, current_batch
from langchain_bedrock_cache.calls import CallOptions, PreparedCall
from langchain_bedrock_cache.converse.recent_readings import RecentReadings
from langchain_bedrock_cache.decision import decide
from langchain_bedrock_cache.exceptions import BedrockCacheError
from langchain_bedrock_cache.hints import hinted_policy, place_hinted_points
from langchain_bedrock_cache.memory import PrefixMemory
from langchain_bedrock_cache.notices import Notices
from langchain_bedrock_cache.plan import CachePlan
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.pricing import price_multipliers
from langchain_bedrock_cache.profiles import ModelProfile, Section, find_profile
from langchain_bedrock_cache.refusals import Refusal, RefusalBook, refuser
from langchain_bedrock_cache.shared_prefixes import place_shared_points
from langchain_bedrock_cache.sighting import Sighting
from langchain_bedrock_cache.single_flight import SingleFlight
from langchain_bedrock_cache.tenants import salted, tenant_salt
from langchain_bedrock_cache.uncached_calls import (
    is_switched_off,
    unsupported_call,
    why_uncached,
)
from langchain_bedrock_cache.unplanned import unplanned
from langchain_bedrock_cache.usage import CacheUsage
from langchain_bedrock_cache.volatility import HeadWatch

__all__ = ["CallOptions", "CallPlanner", "PreparedCall"]

_logger = logging.getLogger(__name__)


class CallPlanner:
    """Plans every call of the clients that share it.

    Args:
        policy: For calls that bring none of their own.
        memory: What was seen so far; learns from every call.
    """

    def __init__(self, *, policy: CachePolicy, memory: PrefixMemory) -> None:
        self.policy = policy
        self.memory = memory
        self.flights = SingleFlight()
        self._refusals = RefusalBook(memory.clock)
        self._readings = RecentReadings()
        self._addressing = Addressing(book_of(memory), memory)
        self._heads = HeadWatch()
        self._notices = Notices()

    def prepare(self, request: Mapping[str, Any], options: CallOptions) -> PreparedCall:
        """Plan a Converse request; the request is not modified.

        Raises:
            CachePlanError: If the application's own cache points cannot be sent as they are.
            UnsupportedModelError: If the model takes none and the policy says to raise.
        """
        original = dict(request)
        policy = hinted_policy(options.policy or self.policy, options.hint)
        try:
            if why := why_uncached(original, policy=policy, options=options):
                return self._uncached(original, policy, options, why)
            model_id = str(request.get("modelId") or "")
            options = self._addressing.completed(request, options)
            profile = options.profile_of(model_id)
            if profile is None or not profile.supports_caching:
                return unsupported_call(
                    original,
                    profile=profile,
                    policy=policy,
                    options=options,
                    notices=self._notices,
                )
            return self._plan(original, model_id, profile, policy, options)
        except BedrockCacheError:
            raise
        except Exception:  # caching is never the reason a request fails
            _logger.exception("Planning failed; the request is sent without added cache points.")
            return PreparedCall(request=original, original=original, plan=CachePlan())

    def is_off(self, options: CallOptions) -> bool:
        """Whether a call is sent as it is, whatever it holds."""
        return is_switched_off(options.policy or self.policy)

    def addressed(self, request: Mapping[str, Any], options: CallOptions) -> CallOptions:
        """Return the options of a call with the model behind its address, as far as it is known."""
        return options if self.is_off(options) else self._addressing.completed(request, options)

    def read(self, request: Mapping[str, Any], options: CallOptions) -> Prefix | None:
        """Return the prefix of a request without taking it in; `None` if it will not be planned."""
        policy = options.policy or self.policy
        options = self.addressed(request, options)
        profile = options.profile_of(str(request.get("modelId") or ""))
        if is_switched_off(policy) or profile is None or not profile.supports_caching:
            return None
        request = self._for_tenant(dict(request), policy)
        return self._readings.read(request, profile, locality=options.locality)

    def begun(self, call: PreparedCall) -> None:
        """Let the calls go that wait for this one: what it wrote is readable now."""
        if call.flight is not None:
            self.flights.land(call.flight, failed=False)

    def answered(self, call: PreparedCall, trace: Any) -> PreparedCall:
        """Return a call as it turned out to be: of a prompt router, only the answer says which.

        Args:
            call: The call.
            trace: Converse `trace`.
        """
        try:
            return self._addressing.answered(call, trace)
        except Exception:  # no answer is lost over what it says of its model
            _logger.exception("What a prompt router chose cannot be taken in.")
            return call

    def succeeded(self, call: PreparedCall, usage: Mapping[str, Any] | None) -> CacheUsage | None:
        """Learn from an answer.

        Args:
            call: The call.
            usage: Converse `usage`, as Bedrock sent it; `None` if it sent none.

        Returns:
            The same as counts, if something was learned from it.
        """
        self.begun(call)
        if call.commitment is None or not usage:
            return None
        try:
            counts = CacheUsage.from_converse(usage)
            self.memory.learn(
                call.commitment,
                input_tokens=counts.input_tokens,
                cached_tokens=counts.cache_read_tokens + counts.cache_write_tokens,
            )
        except Exception:  # noqa: BLE001 # no answer is lost over what it says it used
            _logger.warning("The usage of an answer cannot be read; nothing is learned from it.")
            return None
        return counts

    def failed(self, call: PreparedCall, *, nothing_live: bool = False) -> None:
        """Take back what was assumed of a call that failed.

        Args:
            call: The call.
            nothing_live: Whether the call that was to write what this one reads failed as well.
        """
        if call.commitment is None:
            return
        if not call.patience_seconds:
            self.memory.cancel(call.commitment, nothing_live=nothing_live)
            return
        # Nobody may look between the two: what was assumed would seem live, and nobody to write it.
        with self.flights.stripe(call.commitment.prefix.digests):
            self.memory.cancel(call.commitment, nothing_live=nothing_live)
            if call.flight is not None:
                self.flights.land(call.flight, failed=True)

    def chars_per_token(self, call: PreparedCall) -> float | None:
        """Return about how the model of a call counts; `None` if the call was not planned."""
        return self.memory.chars_per_token(call.profile) if call.profile else None

    def without_points(self, call: PreparedCall, refusal: Refusal) -> PreparedCall | None:
        """Return the same call without the added points, after Bedrock refused it.

        Returns:
            What to send instead; `None` if no point was added, so that the error is not ours.
        """
        self.failed(call)
        added = {p.place.section for p in call.plan.points if p.origin == "planner"}
        if call.profile is None or not added:
            return None
        who = _refuser(call, call.profile)
        self._refusals.add(who, refusal, placed=added)
        self._notices.once(
            f"refused:{who}:{refusal.section}",
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
            model=call.model,
            refused=refusal.message,
        )

    def reopen(self, call: PreparedCall, refusal: Refusal) -> None:
        """Take back what `without_points` noted: without points the call was refused as well."""
        if call.profile is not None:
            self._refusals.remove(_refuser(call, call.profile), refusal)

    def _plan(
        self,
        original: dict[str, Any],
        model_id: str,
        profile: ModelProfile,
        policy: CachePolicy,
        options: CallOptions,
    ) -> PreparedCall:
        original = self._for_tenant(original, policy)
        prefix = self._readings.read(original, profile, locality=options.locality)
        check_marks(prefix, profile, is_native=options.is_native)
        if not len(prefix):
            return PreparedCall(request=original, original=original, plan=CachePlan())
        who = refuser(model_id, profile, locality=options.locality)
        refused = self._refusals.closed(who, policy.sections)
        policy = _without_sections(policy, refused)
        if prefix.marks and profile.ttls == ("5m",):
            original = converse.without_stated_ttls(original)
        patience = policy.single_flight_seconds
        if current_batch.get() is not None:
            patience = patience or PATIENCE_SECONDS
        if not patience:
            return self._decide(original, model_id, prefix, profile, policy, options, refused)[0]
        # Nobody who shares a block with this request may decide between our look and our answer.
        with self.flights.stripe(prefix.digests):
            call, sighting = self._decide(
                original, model_id, prefix, profile, policy, options, refused
            )
            if not call.plan.points:
                return call
            ahead = self.flights.ahead(prefix.digests)
            live = max(sighting.live, default=0)
            new = [prefix.digests[p.position - 1] for p in call.plan.points if p.position > live]
            flight = self.flights.board(new)
        return replace(call, flight=flight, ahead=ahead, patience_seconds=patience)

    def _decide(
        self,
        original: dict[str, Any],
        model_id: str,
        prefix: Prefix,
        profile: ModelProfile,
        policy: CachePolicy,
        options: CallOptions,
        refused: Mapping[Section, str],
    ) -> tuple[PreparedCall, Sighting]:
        multipliers = price_multipliers(model_id, base_model=options.base_model)
        decision = decide(
            self.memory,
            prefix,
            profile=profile,
            policy=policy,
            multipliers=multipliers,
            refused=refused,
        )
        profile, sighting, plan = decision.profile, decision.sighting, decision.plan
        self._watch_head(sighting, prefix, profile, original)
        shared = current_batch.get()
        if shared is not None:
            plan = place_shared_points(
                plan, prefix, shared=shared, profile=profile, policy=policy, sighting=sighting
            )
        if options.hint is not None:
            plan = place_hinted_points(plan, prefix, profile, policy, sighting)
        commitment = replace(decision, plan=plan).commit(self.memory)
        call = PreparedCall(
            request=converse.write_points(original, plan.added()),
            original=original,
            plan=plan,
            commitment=commitment,
            profile=profile,
            model=options.model_behind(model_id),
            locality=options.locality,
            awaits_router=parse_address(model_id).kind == "prompt-router",
        )
        return call, sighting

    def _for_tenant(self, request: dict[str, Any], policy: CachePolicy) -> dict[str, Any]:
        """Return the request with the tenant's salt, and no point before it."""
        if policy.tenant is None:
            return request
        request, removed = converse.without_tool_points(request)
        if removed:
            self._notices.once(
                "tenant:tools",
                "Cache points in tools are left out of a tenant's calls: what ends there is the "
                "same for all tenants. The tools are cached with the system prompt instead.",
            )
        return salted(request, tenant_salt(policy.tenant, key=policy.tenant_key))

    def _uncached(
        self, original: dict[str, Any], policy: CachePolicy, options: CallOptions, detail: str
    ) -> PreparedCall:
        """Send a request as it is: the policy is off, or the conversation not in the roll-out."""
        if policy.tenant is not None and converse.has_points(original):
            model_id = str(original.get("modelId") or "")
            profile = find_profile(model_id, base_model=options.base_model)
            if profile is not None and profile.supports_caching:
                original = self._for_tenant(original, policy)
        as_it_is = unplanned(original, reason="off", detail=detail)
        return PreparedCall(request=original, original=original, plan=as_it_is)

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
            self._notices.once(f"volatile:{family}", change.message())


def _without_sections(policy: CachePolicy, shut: Collection[Section]) -> CachePolicy:
    """Return the policy without the sections that are closed to added points."""
    if policy.tenant is not None:
        shut = {*shut, "tools"}  # what ends there comes before the salt
    if not shut:
        return policy
    return replace(policy, sections=tuple(s for s in policy.sections if s not in shut))


def _refuser(call: PreparedCall, profile: ModelProfile) -> str:
    model_id = str(call.request.get("modelId") or "")
    return refuser(model_id, profile, locality=call.locality)
