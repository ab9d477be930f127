"""`CachePolicy`: what the user wants of prompt caching. Frozen settings, no logic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from langchain_bedrock_cache.checks import check_number, check_type
from langchain_bedrock_cache.exceptions import CachePolicyError
from langchain_bedrock_cache.profiles import SECTIONS, CacheTTL, Section

TTLChoice = Literal["auto", "5m", "1h"]
UnsupportedModelBehavior = Literal["ignore", "warn", "raise"]
Mode = Literal["auto", "fixed", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """Say how prompt caching is to be used; `CachePolicy()` decides by itself ("auto").

    Auto learns from the traffic which prefixes come back, how soon, and places at most four cache
    points where they are expected to pay. Cache points the application placed are always kept.

    Args:
        mode: `"auto"`; `"fixed"`: a point at the end of every section in `sections`, whatever the
            traffic (for traffic you know better); `"off"`: requests are sent as they are.
        sections: Sections in which points may be added. Leave `"messages"` out for calls that
            share nothing but system prompt and tools, `"tools"` if your tools change all the time.
        ttl: Lifetime of added points: `"auto"` picks 5m or 1h by price and observed gaps (fixed
            mode: 5m). Say `"1h"` if people think longer than 5 minutes between turns.
        section_ttls: Lifetime for single sections, such as `{"tools": "1h", "system": "1h"}`.
            In prefix order (tools, system, messages) a longer one must not follow a shorter one.
        min_tokens: Cache nothing shorter than this; the model's own minimum applies in any case.
        unsupported_model_behavior: What to do about a model without explicit prompt caching:
            send without points and say nothing, warn once, or raise `UnsupportedModelError`.
        single_flight_seconds: How long a call waits at most for another one that is writing the
            prefix it would read; 0: not at all. Batches always wait (`ChatBedrockCached.batch`).
        rollout: Share of conversations (0 to 1) that are cached; the others are sent as they are.
            A conversation never changes sides. See `rollout_report`.
        tenant: Whose calls these are: no other tenant's calls find their prompts in the cache. It
            puts a salt of some 20 tokens before the system prompt; see `tenants`.
        tenant_key: Secret for the salt; default: `LANGCHAIN_BEDROCK_CACHE_TENANT_KEY`.

    Raises:
        CachePolicyError: If a value is unknown, or values contradict each other.
    """

    mode: Mode = "auto"
    sections: tuple[Section, ...] = SECTIONS
    ttl: TTLChoice = "auto"
    section_ttls: Mapping[Section, CacheTTL] = field(default_factory=dict)
    min_tokens: int = 0
    unsupported_model_behavior: UnsupportedModelBehavior = "warn"
    single_flight_seconds: float = 0.0
    rollout: float = 1.0
    tenant: str | None = None
    tenant_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Check every value and the TTL order."""
        _check("mode", self.mode, get_args(Mode))
        _check("ttl", self.ttl, get_args(TTLChoice))
        _check(
            "unsupported_model_behavior",
            self.unsupported_model_behavior,
            get_args(UnsupportedModelBehavior),
        )
        if isinstance(self.sections, str):
            msg = f"sections is the string {self.sections!r}; give a tuple: ({self.sections!r},)."
            raise CachePolicyError(msg)
        check_type("sections", self.sections, Iterable, what="a tuple such as ('tools', 'system')")
        check_type(
            "section_ttls", self.section_ttls, Mapping, what="a dict such as {'tools': '1h'}"
        )
        object.__setattr__(self, "sections", tuple(self.sections))
        object.__setattr__(self, "section_ttls", dict(self.section_ttls))
        for section in (*self.sections, *self.section_ttls):
            _check("sections", section, SECTIONS)
        for ttl in self.section_ttls.values():
            _check("section_ttls", ttl, get_args(CacheTTL))
        check_number("min_tokens", self.min_tokens, least=0)
        check_number("single_flight_seconds", self.single_flight_seconds, least=0)
        check_number("rollout", self.rollout, least=0, most=1)
        if self.tenant is not None and not (isinstance(self.tenant, str) and self.tenant):
            msg = f"tenant is {self.tenant!r}; give a string that is not empty, or None."
            raise CachePolicyError(msg)
        check_type("tenant_key", self.tenant_key, str, what="a string")
        self._check_ttl_order()

    def _check_ttl_order(self) -> None:
        stated = [(s, self.ttl_for(s)) for s in SECTIONS if s in self.sections]
        short: str | None = None
        for section, ttl in stated:
            if ttl == "5m":
                short = section
            elif ttl == "1h" and short:
                msg = (
                    f"{section} has ttl '1h' after {short} with '5m', but Bedrock wants longer "
                    "lifetimes first, in the order tools, system, messages. Give the earlier "
                    "section '1h' too, or the later one '5m'."
                )
                raise CachePolicyError(msg)

    def ttl_for(self, section: Section) -> TTLChoice:
        """Return the lifetime asked for in a section."""
        return self.section_ttls.get(section, self.ttl)

    @classmethod
    def off(cls) -> CachePolicy:
        """Return the policy that adds nothing: requests are sent exactly as they are."""
        return cls(mode="off")

    @classmethod
    def fixed(
        cls,
        *,
        tools: CacheTTL | None = None,
        system: CacheTTL | None = None,
        messages: CacheTTL | None = None,
        **settings: Any,
    ) -> CachePolicy:
        """Return a policy with a point at the end of each named section, whatever the traffic.

        Args:
            tools: Lifetime of the point after the last tool, or `None` for no point there.
            system: The same for the end of the system prompt.
            messages: The same for the end of the last message.
            settings: Other `CachePolicy` settings, such as `min_tokens`.
        """
        wanted = {"tools": tools, "system": system, "messages": messages}
        ttls: dict[Any, CacheTTL] = {s: ttl for s, ttl in wanted.items() if ttl}
        return cls(mode="fixed", sections=tuple(ttls), section_ttls=ttls, **settings)


def _check(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        choices = ", ".join(repr(a) for a in allowed)
        msg = f"{name} is {value!r}; choose one of {choices}."
        raise CachePolicyError(msg)
