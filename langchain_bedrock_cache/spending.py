"""What cache writes have cost and earned so far, and how much more may be risked.

Expected gains decide whether a write is worth it; this is the safety net below them: whatever the
traffic does, a family of requests never loses more than a small, fixed share of what it would
have cost without caching. Amounts are in tokens at the plain input price.
"""

from __future__ import annotations

from dataclasses import dataclass

# Net losses allowed: half a per cent of the price of no caching (the promise is 1 %; the other
# half is what the opening allowance may cost early on) ...
_LOSS_SHARE = 0.005
# ... plus one average prompt: four whole prompts written for 5 minutes, or one for an hour. Less
# would not let a family begin with an hour-long write of its system prompt.
_OPENING_PROMPTS = 1.0
# Premiums paid and not yet decided (neither read again nor expired): one and a half prompts more
# than what reads have already saved. Proven families risk what they gained, new ones very little.
_OPEN_PROMPTS = 1.5


@dataclass(slots=True)
class Account:
    """Gains and losses of one family of requests.

    Attributes:
        spent: Price of all its prompts without caching.
        prompts: Number of its prompts.
        net_loss: Premiums of decided writes minus what reads saved; negative is a gain.
        open_premium: Premiums of writes that are neither read again nor expired.
    """

    spent: float = 0.0
    prompts: int = 0
    net_loss: float = 0.0
    open_premium: float = 0.0

    def affords(self, premium: float, saving: float, prompt: float) -> bool:
        """Whether a request may pay a write premium.

        Args:
            premium: What its writes cost above the input price.
            saving: What its reads save.
            prompt: Price of the whole prompt without caching.
        """
        if premium <= 0:
            return True
        spent = self.spent + prompt
        average = spent / (self.prompts + 1)
        net_loss = self.net_loss - saving
        gained = max(0.0, -net_loss)
        return (
            net_loss + premium <= _LOSS_SHARE * spent + _OPENING_PROMPTS * average
            and self.open_premium + premium <= _OPEN_PROMPTS * average + gained
        )

    def charge(self, *, prompt: float, saving: float) -> None:
        """Count a request that is sent."""
        self.spent += prompt
        self.prompts += 1
        self.net_loss -= saving

    def risk(self, premium: float) -> None:
        """Count a write whose use is open."""
        self.open_premium += premium

    def settle(self, premium: float) -> None:
        """Count the premium of a write that was read again or has expired."""
        self.open_premium -= premium
        self.net_loss += premium
