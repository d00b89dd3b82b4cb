"""
A whole amount divided by weights, so that the parts sum to it exactly. Pure.

Largest remainder: https://en.wikipedia.org/wiki/Quota_method
"""

from __future__ import annotations

from collections.abc import Sequence


def apportion(amount: int, weights: Sequence[int]) -> list[int]:
    """
    A part of `amount` for each weight; weights are 0 or more, and not all of them 0.

    What rounding leaves over goes one by one to the largest remainders, the earlier of equals. Of a negative
    amount no part is above 0, of any other none below.
    """
    whole = sum(weights)
    assert whole > 0
    size = abs(amount)
    shares = [divmod(size * weight, whole) for weight in weights]
    parts = [part for part, _ in shares]
    left = size - sum(parts)
    if left:
        for place in sorted(range(len(shares)), key=lambda each: -shares[each][1])[:left]:
            parts[place] += 1
    return parts if amount >= 0 else [-part for part in parts]
