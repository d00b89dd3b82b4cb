"""
Whether a fix helped: runs with the issue before and after it was applied. Pure.

Fisher's exact test, one-sided: how likely so few runs would have it afterwards if nothing had changed.
Source: https://en.wikipedia.org/wiki/Fisher%27s_exact_test
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import comb

CERTAIN = 0.05


class Verdict(StrEnum):
    HELPED = "helped"
    BACK = "back"  # it had been gone, or as good as, and came again
    NO_CHANGE = "no change"
    TOO_EARLY = "too early"


@dataclass(frozen=True, slots=True)
class Share:
    """Runs that have the issue, of all."""

    having: int
    runs: int

    @property
    def part(self) -> float:
        return self.having / self.runs if self.runs else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    before: Share
    after: Share
    probability: float  # of at most so many afterwards, were it chance
    verdict: Verdict


def effect(before: Share, after: Share, *, latest_has: bool = False) -> Effect:
    """`latest_has`: the latest run has the issue, so that it is not gone, however rare it has become."""
    probability = chance_of_so_few(before, after)
    is_rarer = after.runs > 0 and after.part < before.part
    if is_rarer and probability <= CERTAIN:
        verdict = Verdict.BACK if latest_has else Verdict.HELPED
    elif probability_if_all_good(before, after.runs) > CERTAIN:
        verdict = Verdict.TOO_EARLY
    else:
        verdict = Verdict.NO_CHANGE
    return Effect(before=before, after=after, probability=probability, verdict=verdict)


def chance_of_so_few(before: Share, after: Share) -> float:
    """0..1: the hypergeometric probability of `after.having` or fewer among the runs afterwards."""
    having, runs = before.having + after.having, before.runs + after.runs
    lowest = max(0, having - before.runs)
    whole = comb(runs, after.runs)
    some = sum(
        comb(having, number) * comb(runs - having, after.runs - number)
        for number in range(lowest, after.having + 1)
    )
    return some / whole


def probability_if_all_good(before: Share, runs: int) -> float:
    """What the test would say if none of so many runs afterwards had it: whether it can say anything yet."""
    return chance_of_so_few(before, Share(0, runs))
