"""A clock that stands still until it is moved: pauses of minutes take no time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class SimulatedClock:
    """Time that passes only when it is told to; call it to read it.

    Give the same one to `BedrockEmulator(clock=...)` and `PrefixMemory(clock=...)`, so that both
    agree on what has expired.

    Attributes:
        now: Seconds; only differences count.
    """

    now: float = 0.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Args:
            seconds: How much; negative seconds turn the clock back, as real clocks do at times.
        """
        self.now += seconds
