"""Words for people: one call, two calls."""

from __future__ import annotations


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun, such as `1 call`, or `1,204 calls`.

    Args:
        count: How many.
        one: The noun for one.
        many: The noun for several, if it is not that of one with an `s`.
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
