"""Where a request differs from an earlier one of the same conversation, and what changed there.

Pure: two fingerprints and the new request go in, a value comes out. The text of the new request
is looked at for a guess, and not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_bedrock_cache.sent_requests.alike import is_version_of
from langchain_bedrock_cache.sent_requests.change import Change
from langchain_bedrock_cache.sent_requests.fingerprint import Fingerprint
from langchain_bedrock_cache.sent_requests.head_changes import head_change
from langchain_bedrock_cache.sent_requests.message_changes import message_change

__all__ = ["Change", "common_blocks", "find_change", "is_version_of"]


def find_change(old: Fingerprint, new: Fingerprint, request: Mapping[str, Any]) -> Change | None:
    """Return the first difference between a request and an earlier one that it is a version of.

    Args:
        old: The earlier request.
        new: The request.
        request: The same, as sent; not modified.

    Returns:
        What changed; `None` if the request goes on where the earlier one ended, or has nothing to
        do with it beyond what they share.
    """
    if not _same_settings(old, new):
        return _setting_change(old, new) if _same_opening(old, new) else None
    start = common_blocks(old, new)
    if start in (len(old), len(new)):
        return None
    if start < max(old.prefix.head, new.prefix.head):
        return head_change(old, new, start, request)
    return message_change(old, new, start, request)


def common_blocks(old: Fingerprint, new: Fingerprint) -> int:
    """Count the blocks that two requests share as a prefix."""
    if not _same_settings(old, new):
        return 0
    a, b = old.prefix, new.prefix
    if a.seed != b.seed:
        pairs = enumerate(zip(old.blocks, new.blocks, strict=False))
        end = min(len(old), len(new))
        return next((i for i, (x, y) in pairs if x.content != y.content), end)
    low, high = 0, min(len(a), len(b))
    while low < high:  # running digests: equal up to some block, different from there on
        middle = (low + high + 1) // 2
        if a.digests[middle - 1] == b.digests[middle - 1]:
            low = middle
        else:
            high = middle - 1
    return low


def _same_settings(old: Fingerprint, new: Fingerprint) -> bool:
    """Whether two requests agree in all that comes before their blocks, as far as that is known."""
    if old.prefix.seed == new.prefix.seed:
        return True
    return old.is_planned != new.is_planned and _setting_change(old, new).kind == "region"


def _same_opening(old: Fingerprint, new: Fingerprint) -> bool:
    """Whether two requests to different models, or with different settings, begin alike."""
    pairs = list(zip(old.blocks, new.blocks, strict=False))[: max(1, new.prefix.head)]
    alike = sum(b.chars for a, b in pairs if a.content == b.content)
    return bool(pairs) and 2 * alike >= sum(b.chars for _, b in pairs)


def _setting_change(old: Fingerprint, new: Fingerprint) -> Change:
    if _model(old) != _model(new):
        names = [old.model_id, new.model_id]
        if names[0] == names[1]:  # a prompt router chose another one
            names = [_model(old), _model(new)]
        return Change(kind="model", detail=f"{names[0]} before, {names[1]} now")
    names = [*old.settings, *(name for name in new.settings if name not in old.settings)]
    other = [name for name in names if old.settings.get(name) != new.settings.get(name)]
    if "thinking" in other or "reasoningConfig" in other:
        return Change(kind="thinking")
    if "effort" in other or "output_config" in other:
        return Change(kind="effort")
    if other:
        return Change(kind="setting", detail=", ".join(other))
    if old.tool_choice != new.tool_choice:
        return Change(kind="tool_choice")
    return Change(kind="region")


def _model(print_: Fingerprint) -> str:
    return print_.profile.id if print_.profile else print_.model_id
