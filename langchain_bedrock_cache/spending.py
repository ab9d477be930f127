"""What cache writes have cost and earned so far, and how much more may be risked.

Expected gains decide whether a write is worth it; this is the safety net below them: whatever the
traffic does, a family of requests never loses more than a small, fixed share of what it would
have cost without caching. Amounts are in tokens at the plain input price.
"""

from __future__ import annotations

from dataclasses import dataclass

# Net losses allowed: a share of the price of no caching, plus one average prompt, which lets a
# family begin with an hour-long write of its system prompt, or four documents for 5 minutes.
# Premiums of writes that are neither read again nor expired count as lost until they are. This
# keeps 143 prompts and more within 1 % of the price of no caching, and shorter runs within one
# prompt, but for the second chance below.
_LOSS_SHARE = 0.003
_OPENING_PROMPTS = 1.0
# Gains that writes would have brought, had they been affordable, count as well, up to half a
# prompt: enough to begin again, with real gains to prove them. They must be more than twice what
# was lost: traffic that would earn about what it costs needs no second chance.
_PROOF = 2.0
_MISSED_PROMPTS = 0.5


@dataclass(slots=True)
class Account:
    """Gains and losses of one family of requests.

    Attributes:
        spent: Price of all its prompts without caching.
        prompts: Number of its prompts.
        net_loss: Premiums of decided writes minus what reads saved; negative is a gain.
        open_premium: Premiums of writes that are neither read again nor expired.
        parent: The account of all families together, which limits each of them: otherwise traffic
            that never looks alike would be granted an opening over and over.
        missed_gain: What the writes that were too risky would have gained since they began to
            pay; at worst one average prompt below 0.
    """

    spent: float = 0.0
    prompts: int = 0
    net_loss: float = 0.0
    open_premium: float = 0.0
    missed_gain: float = 0.0
    parent: Account | None = None

    def affordable(self, *, saving: float, prompt: float) -> float:
        """Return the highest write premium that a request may pay; can be below 0.

        Args:
            saving: What its reads save.
            prompt: Price of the whole prompt without caching.
        """
        spent = self.spent + prompt
        average = spent / (self.prompts + 1)
        loss = self.net_loss + self.open_premium - saving
        proven = self.missed_gain - _PROOF * max(loss, 0.0)
        loss -= min(max(proven, 0.0), _MISSED_PROMPTS * average)
        own = _LOSS_SHARE * spent + _OPENING_PROMPTS * average - loss
        if self.parent is None:
            return own
        return min(own, self.parent.affordable(saving=saving, prompt=prompt))

    def charge(self, *, prompt: float, saving: float) -> None:
        """Count a request that is sent."""
        self.spent += prompt
        self.prompts += 1
        self.net_loss -= saving
        if self.parent:
            self.parent.charge(prompt=prompt, saving=saving)

    def refund(self, *, prompt: float, saving: float) -> None:
        """Take back a charge, for a request that failed."""
        self.spent -= prompt
        self.prompts -= 1
        self.net_loss += saving
        if self.parent:
            self.parent.refund(prompt=prompt, saving=saving)

    def risk(self, premium: float) -> None:
        """Count a write whose use is open."""
        self.open_premium += premium
        if self.parent:
            self.parent.risk(premium)

    def settle(self, premium: float) -> None:
        """Count the premium of a write that was read again or has expired."""
        self.open_premium -= premium
        self.net_loss += premium
        if self.parent:
            self.parent.settle(premium)

    def miss(self, gain: float) -> None:
        """Count what a write that was too risky would have gained, or (negative) lost."""
        floor = -self.spent / self.prompts if self.prompts else 0.0
        self.missed_gain = max(floor, self.missed_gain + gain)
        if self.parent:
            self.parent.miss(gain)
