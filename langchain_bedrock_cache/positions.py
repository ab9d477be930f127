"""Where cache points could go: candidate positions of a request, and which places are legal."""

from __future__ import annotations

from typing import NamedTuple

from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import ModelProfile, Section
from langchain_bedrock_cache.returns import MAX_LEVEL, TAIL_ROLES, PositionClass, Role


class Cut(NamedTuple):
    """A position worth considering, and why: the end of a part that may come back as a whole."""

    position: int
    role: Role


def cuts_of(prefix: Prefix, seen: int, *, last_role: Role | None) -> list[Cut]:
    """Return the candidate positions of a request, ascending, at most one per position.

    Args:
        prefix: The request.
        seen: Longest position shared with an earlier request.
        last_role: What `seen` was to that request; `None` for its interior, or if `seen` is 0.
    """
    cuts: dict[int, Role] = {}
    if prefix.tools:
        cuts[prefix.tools] = "tools"
    if prefix.head > prefix.tools:
        cuts[prefix.head] = "system" if prefix.tools else "lone_system"
    document_end = _document_end(prefix)
    if document_end:
        cuts[document_end] = "document"
    if 0 < seen < len(prefix) and last_role not in ("turn", "history"):
        cuts.setdefault(seen, "branch")
    answered = prefix.answers() > 0
    went_on = seen <= prefix.head or last_role in TAIL_ROLES
    if answered and not went_on and (history := _history_end(prefix)):
        cuts[history] = "history"
    if len(prefix) > prefix.head:
        cuts[len(prefix)] = _tail_role(prefix, answered=answered)
    return [Cut(position, cuts[position]) for position in sorted(cuts)]


def class_of(prefix: Prefix, cut: Cut, uses: int, pace: int) -> PositionClass:
    """Return the class of a candidate position.

    Args:
        prefix: The request.
        cut: The position.
        uses: Earlier requests with the same prefix up to there.
        pace: Pace class of the conversation.
    """
    if cut.role in ("turn", "history"):
        return _turn(prefix, prefix.answers(), pace)._replace(role=cut.role)
    lowest = 1 if cut.role == "branch" else 0
    return PositionClass(cut.role, min(max(uses, lowest), MAX_LEVEL[cut.role]))


def class_before(prefix: Prefix, position: int, uses: int, pace: int) -> PositionClass:
    """Return the class that a position of this request had at its use before this one.

    For uses in other processes, of which only the time is known.
    """
    for cut in cuts_of(prefix, 0, last_role="turn")[:-1]:
        if cut.position == position:
            return class_of(prefix, cut, uses - 1, 0)
    answers = prefix.answers() - 1
    if answers > 0:
        return _turn(prefix, answers, pace)
    return PositionClass(_tail_role(prefix, answered=False), 0)


def is_legal(prefix: Prefix, position: int, profile: ModelProfile) -> bool:
    """Whether Bedrock accepts a cache point after the first `position` blocks."""
    if prefix.section(position) not in profile.sections:
        return False
    kind = prefix.kinds[position - 1]
    if profile.points_after == "text" and kind != "text":
        return False
    return kind != "blank" and kind not in profile.never_after


def legal_at_or_before(
    prefix: Prefix, position: int, above: int, profile: ModelProfile, *, max_chars: float = 0.0
) -> int:
    """Return the last legal position in `(above, position]`, within `max_chars`; 0 if none."""
    while position > above:
        fits = not max_chars or prefix.chars[position - 1] <= max_chars
        if fits and is_legal(prefix, position, profile):
            return position
        position -= 1
    return 0


def last_in_section(prefix: Prefix, section: Section) -> int:
    """Return the position after the last block of a section; 0 if it is empty."""
    if section == "tools":
        return prefix.tools
    if section == "system":
        return prefix.head if prefix.head > prefix.tools else 0
    return len(prefix) if len(prefix) > prefix.head else 0


def _document_end(prefix: Prefix) -> int:
    """Return the end of all but the last block of the first message: a document and its question.

    The last block is what the request is about; what stands before it in the same message
    (documents, examples, instructions) is what another request may bring again.
    """
    last_block = next((end for end in prefix.list_ends() if end > prefix.head), 0) - 1
    return last_block if last_block > prefix.head else 0


def _history_end(prefix: Prefix) -> int:
    """Return the end of all before the last message, if that is a person's; 0 otherwise.

    Worth a thought where the last message of the request before did not stay: it is sent with more
    than is kept of it (retrieved passages, say), and only what stands before it comes back.
    """
    start = prefix.list_starts[-1]
    is_human = prefix.roles[-1] == "user" and prefix.kinds[start] != "tool_result"
    return start if is_human and start > prefix.head else 0


def _turn(prefix: Prefix, answers: int, pace: int) -> PositionClass:
    level = min(answers, MAX_LEVEL["turn"])
    return PositionClass("turn", level, pace, prefix.human_spoke_again())


def _tail_role(prefix: Prefix, *, answered: bool) -> Role:
    if answered:
        return "turn"
    if prefix.tools:
        return "agent_opening"
    return "question" if _document_end(prefix) else "opening"
