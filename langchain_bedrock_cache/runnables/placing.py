"""Where cache points go in a conversation whose model and tools stand further down the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from langchain_bedrock_cache.caching import CallOptions, CallPlanner
from langchain_bedrock_cache.converse import Request, has_points, read_converse, write_points
from langchain_bedrock_cache.plan import PlannedPoint
from langchain_bedrock_cache.policy import CachePolicy
from langchain_bedrock_cache.positions import is_legal
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import CacheTTL, ModelProfile, find_profile
from langchain_bedrock_cache.runnables.control_messages import ControlConversation
from langchain_bedrock_cache.runnables.messages import Conversation

# Stands for a Claude model that is not named. It has the lowest minimum of all Claude models:
# points on a prompt too short for the actual model are ignored at no charge.
ANY_CLAUDE = "anthropic.claude-opus-5"


def points_for(
    conversation: Conversation | ControlConversation,
    *,
    model: str | None,
    tools_ttl: CacheTTL | None,
    policy: CachePolicy,
    planner: CallPlanner,
) -> list[tuple[int, CacheTTL]]:
    """Decide where the cache points of a conversation go.

    Args:
        conversation: In either dialect. Its marks are kept, but moved to where Bedrock accepts
            them.
        model: Whose rules to follow; `None` for those that all Claude models share.
        tools_ttl: Lifetime of the point after the tools, which counts, too; `None` for no point.
        policy: What the user wants.
        planner: Decides, and remembers the request.

    Returns:
        All points, for `Conversation.with_points`.

    Raises:
        CachePlanError: If there are too many marks, or a longer lifetime follows a shorter one.
        UnsupportedModelError: If the model takes no points and the policy says to raise.
    """
    model_id = model or ANY_CLAUDE
    request: Request = {"modelId": model_id, **conversation.request}
    marks: dict[int, CacheTTL] = {}
    if conversation.marks:
        profile = find_profile(model_id) or find_profile(ANY_CLAUDE)
        prefix = read_converse(request, profile)
        marks = _settled(conversation, prefix, profile)
        request = write_points(request, [(prefix.place(p), marks[p]) for p in marks])
    if tools_ttl == "5m" or (tools_ttl is None and model is None):
        policy = _without_hours(policy)
    call = planner.prepare(request, CallOptions(policy=policy))
    if call.commitment is None or call.profile is None:  # off, or not for this model
        return [*marks.items()] if has_points(call.request) else []
    points = [p for p in call.plan.points if p.position in conversation.slots]
    room = call.profile.max_cache_points - bool(tools_ttl and "tools" in call.profile.sections)
    return [(p.position, p.ttl) for p in _fitted(points, room)]


def _settled(
    conversation: Conversation | ControlConversation, prefix: Prefix, profile: ModelProfile | None
) -> dict[int, CacheTTL]:
    """Move each mark back to where Bedrock accepts a point and the messages can hold it.

    Never forward: what follows a mark was not said to be stable. A mark with no such place before
    it has nothing to cache, and goes. Two in one place are one, with the longer lifetime.
    """
    settled: dict[int, CacheTTL] = {}
    for mark, ttl in conversation.marks:
        for position in range(mark, 0, -1):
            if position in conversation.slots and (
                profile is None or is_legal(prefix, position, profile)
            ):
                settled[position] = "1h" if settled.get(position) == "1h" else ttl
                break
    return settled


def _without_hours(policy: CachePolicy) -> CachePolicy:
    """Settle on 5 minutes where nothing is said: an hour might be refused.

    Old Claude models refuse it, and all of them after a shorter lifetime.
    """
    silent = policy.ttl == "auto" and "1h" not in policy.section_ttls.values()
    return replace(policy, ttl="5m") if silent else policy


def _fitted(points: Sequence[PlannedPoint], room: int) -> list[PlannedPoint]:
    """Drop the first of the added points if there are too many: later ones include them."""
    added = [p for p in points if p.origin == "planner"]
    return [p for p in points if p not in added[: max(0, len(points) - room)]]
