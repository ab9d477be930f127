"""What to do about a prefix that changes, by what changes in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from langchain_bedrock_cache.sent_requests.change import Change
from langchain_bedrock_cache.sent_requests.change_kinds import ChangeKind
from langchain_bedrock_cache.sent_requests.exact import ExactChange

_BEHIND = "Put it behind what stays: into the last user message, or a system block of its own."
_LAST = "Put it behind what stays: into the last user message."
_TOOLS = "Bind the same tools, in the same order, to every call: sort them, and never filter them."
_SETTING = "Keep it the same in all calls of a conversation, or give those that differ a model."
_HISTORY = "Add to a history and leave what was sent alone, or cut it seldom and by much."

_REMEDIES: Mapping[ChangeKind, str] = {
    **dict.fromkeys(get_args(ChangeKind), _BEHIND),
    **dict.fromkeys(("tool_order", "tool_added", "tool_removed", "tool_definition"), _TOOLS),
    **dict.fromkeys(
        ("model", "api", "region", "thinking", "effort", "setting", "tool_choice"), _SETTING
    ),
    **dict.fromkeys(("history_trimmed", "history_summarized"), _HISTORY),
    "key_order": "Serialize with json.dumps(..., sort_keys=True), and never iterate over sets.",
    "whitespace": "Format it the same way each time: what looks alike is not the same prefix.",
    "date": f"{_BEHIND} Or let a tool tell the date.",
    "time": f"{_BEHIND} Or let a tool tell the time.",
    "identifier": "Leave identifiers out of the prompt (Converse's requestMetadata takes them), or "
    "put them into the last user message.",
    "media_name": "Give a document the same name each time: its name is part of the prompt.",
    "not_kept": "Keep messages in the history as they were sent; what is said for one turn only, "
    "such as the time, is best the last thing in the prompt.",
    "dropped": "Put what is not kept, such as passages, behind what is: the question first, as a "
    "block of its own, and passages last, behind the last cache point.",
    "branch": "Make what both share a block of its own: the planner ends a prefix there, or place "
    "a cache point behind it.",
    "block_order": "Sort what is collected, such as documents, before it goes into the prompt.",
}
_QUESTION = (
    "If a document and a question share this text, make them two blocks: split_stable(prompt) or "
    "<<cache-point>> in the template does."
)
_TOOL_IDS = "Keep the IDs of tool calls as the model gave them, in calls and in results."


def remedy(change: Change) -> str:
    """Return what the application can do about a change, in a sentence or two."""
    if isinstance(change, ExactChange) and change.field.endswith(".toolUseId"):
        return _TOOL_IDS
    inside = change.section == "messages" and change.offset_chars is not None
    if inside and change.kind == "text":
        return _QUESTION
    said = _REMEDIES[change.kind]
    # Behind the first block of the system prompt, it is in a block of its own already, perhaps.
    return said.replace(_BEHIND, _LAST) if change.section != "system" or change.block else said
