"""One call on its way: what it asks for itself, and what is sent. Values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_bedrock_cache.addresses import parse_address
from langchain_bedrock_cache.memory import Commitment
from langchain_bedrock_cache.plan import CachePlan
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.profiles import ModelProfile, find_profile
from langchain_bedrock_cache.sent_requests import sent_requests
from langchain_bedrock_cache.single_flight import Flight


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What one call may say for itself.

    Attributes:
        policy: Replaces the client's policy for this call.
        hint: langchain-aws's `cache_control` argument.
        base_model: The base model ID behind an ARN that does not name its model.
        control: Makes a boto3 `bedrock` client to ask for that model where nobody says it.
        limits: What all models allow that a prompt router may choose, under the name of the one
            whose cache is expected to answer; `None` if the address means one model.
        problem: Why the model behind the address is not known, and what would help.
        conversation: ID of the conversation, for a gradual roll-out; default: its first message.
        locality: Where the prompt cache is: prompts sent elsewhere are not in it.
        is_native: Whether the request is a view of one in the model's own format, which takes
            cache points where Converse does not.
    """

    policy: CachePolicy | None = None
    hint: Mapping[str, Any] | None = None
    base_model: str | None = None
    control: Callable[[], Any] | None = None
    limits: ModelProfile | None = None
    problem: str = ""
    conversation: str | None = None
    locality: str = ""
    is_native: bool = False

    def profile_of(self, model_id: str) -> ModelProfile | None:
        """Return what the model behind a `modelId` allows; `None` if it is not known."""
        return self.limits or find_profile(model_id, base_model=self.base_model)

    def model_behind(self, model_id: str) -> str | None:
        """Return the model behind a `modelId` that does not say it itself; `None` if it does."""
        return None if parse_address(model_id).names_its_model else self.base_model


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """A request ready to be sent, and what to do with the answer.

    Attributes:
        request: What to send.
        original: What to send if Bedrock refuses the added points.
        plan: Where the points went, and why.
        commitment: For the memory; `None` if the call was not planned.
        profile: The model; `None` if unknown.
        model: The model behind an ARN that does not name it, where that was found out.
        locality: Where the prompt cache is that the plan is for.
        awaits_router: Whether only the answer will say which model it was.
        refused: What Bedrock refused in an earlier attempt at this call.
        flight: What others may wait for; `None` if this call writes nothing new.
        ahead: What this call should wait for, for `patience_seconds` at most.
        patience_seconds: See `ahead`.
    """

    request: dict[str, Any]
    original: dict[str, Any]
    plan: CachePlan
    commitment: Commitment | None = None
    profile: ModelProfile | None = None
    model: str | None = None
    locality: str = ""
    awaits_router: bool = False
    refused: str | None = None
    flight: Flight | None = None
    ahead: Flight | None = None
    patience_seconds: float = 0.0

    def report(self) -> dict[str, Any]:
        """Return the plan as plain data for response metadata; no prompt text.

        If somebody listens, `request` is the number of the request among the sent ones.
        """
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
            "model": self.model,
            "request": None if self.awaits_router else self._note(),
        }

    def _note(self) -> int | None:
        """Have the request remembered, to tell later ones from it; return its number."""
        requests = sent_requests()
        if not requests.is_heard:
            return None
        return requests.note(
            self.request,
            prefix=self.commitment.prefix if self.commitment else None,
            profile=self.profile,
            points=[(p.position, p.ttl) for p in self.plan.points],
            token=self.plan,
        )
