"""
What a month costs, from the days that were seen, and how sure that is. Pure, and the same for the same days.

Source of the method: a bootstrap over blocks of whole days, Künsch 1989, https://doi.org/10.1214/aos/1176347265.
Calls of one day depend on each other, so days are drawn and not calls.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

MONTH_DAYS = 30
DRAWS = 500
TAIL = 0.05  # on either side: a 90 % interval
# Drawn in pieces of so many days, where there are enough: neighbouring days are alike.
BLOCK_DAYS = 2
BLOCKS_MIN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCost:
    """Nanodollars of one day: as it was, and what its calls would cost by the ratio's low, mid and high."""

    before: int
    low: int
    mid: int
    high: int
    cold: int  # as `mid`, had no cache ever been hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Nanodollars of a month of 30 days; changes are relative, -0.62 is 62 % less."""

    days: int
    before: int
    before_low: int
    before_high: int
    after: int
    change: float
    change_low: float  # the largest saving that is likely
    change_high: float
    change_cold: float  # if the candidate's cache is never hit


def project(days: Sequence[DayCost], *, seed: int = 0) -> Projection | None:
    """`days` in order, those without a call included. None where nothing was spent."""
    before = sum(day.before for day in days)
    if before <= 0:
        return None
    after = sum(day.mid for day in days)
    draws = _draws(days, seed)
    totals = sorted(total for total, _, _ in draws)
    lows = sorted(low / total for total, low, _ in draws if total)
    highs = sorted(high / total for total, _, high in draws if total)
    change = after / before - 1
    return Projection(
        days=len(days),
        before=_monthly(before, len(days)),
        before_low=_monthly(min(_at(totals, TAIL), before), len(days)),
        before_high=_monthly(max(_at(totals, 1 - TAIL), before), len(days)),
        after=_monthly(after, len(days)),
        change=change,
        change_low=min(_at(lows, TAIL) - 1, change),
        change_high=max(_at(highs, 1 - TAIL) - 1, change),
        change_cold=sum(day.cold for day in days) / before - 1,
    )


def _draws(days: Sequence[DayCost], seed: int) -> list[tuple[int, int, int]]:
    """Sums of `before`, `low` and `high` over as many days, drawn with replacement."""
    before, low, high = ([getattr(day, name) for day in days] for name in ("before", "low", "high"))
    return [
        (
            sum(map(before.__getitem__, picked)),
            sum(map(low.__getitem__, picked)),
            sum(map(high.__getitem__, picked)),
        )
        for picked in _picked(len(days), seed)
    ]


@lru_cache(maxsize=32)
def _picked(count: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """Which days each draw has. The days close a circle, and a fixed seed says the same twice."""
    chance = random.Random(seed)
    block = BLOCK_DAYS if count >= BLOCK_DAYS * BLOCKS_MIN else 1
    starts = -(-count // block)
    return tuple(
        tuple(
            (start + step) % count
            for start in (chance.randrange(count) for _ in range(starts))
            for step in range(block)
        )[:count]
        for _ in range(DRAWS)
    )


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _monthly(total: float, days: int) -> int:
    return round(total * MONTH_DAYS / days)
