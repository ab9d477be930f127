"""`Commitment`: a request that was sent, as far as its answer may correct what was assumed."""

from __future__ import annotations

from dataclasses import dataclass

from langchain_bedrock_cache.memory.record import PrefixRecord
from langchain_bedrock_cache.prefix import Prefix
from langchain_bedrock_cache.profiles import ModelProfile
from langchain_bedrock_cache.spending import Account
from langchain_bedrock_cache.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Commitment:
    """A request that was sent: what to correct when its answer arrives, or does not.

    Attributes:
        prefix: The request.
        profile: Its model.
        waiting: Its candidate positions.
        entries: What its points wrote or renewed, until when that was live before, and how long
            that is, in characters.
        account: What it was charged to,
        prompt: with this price,
        saving: and this saving, in tokens at the input price.
    """

    prefix: Prefix
    profile: ModelProfile
    waiting: tuple[Waiting, ...]
    entries: tuple[tuple[PrefixRecord, float, int], ...]
    account: Account
    prompt: float
    saving: float
