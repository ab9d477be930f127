"""Which requests are alike: families and kinds."""

from __future__ import annotations

import math

from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import ModelProfile
from langchain_bedrock_cache.returns import Scope

# System prompts whose lengths differ by less than about 12 % may be the same one with another
# date or name in it: such requests are one family.
_LENGTH_STEPS_PER_E = 8


def scope_of(prefix: Prefix, profile: ModelProfile) -> Scope:
    """Return family and kind: requests alike in tools and system, and exactly equal in them."""
    head_chars = prefix.chars_before(prefix.head)
    size = round(math.log1p(head_chars) * _LENGTH_STEPS_PER_E)
    family = (profile.id, prefix.tools, prefix.head - prefix.tools, size)
    return (family, prefix.digests[prefix.head - 1]) if prefix.head else (family,)
