"""
Did a figure change over a week, and is the change more than chance? Pure and without random numbers.

For means (cost per run) the two weeks are compared by Welch's t-test, which does not ask that both
spread alike: https://en.wikipedia.org/wiki/Welch%27s_t-test. For shares (runs with an error) by the
posterior of two Beta distributions, since errors are few and a normal curve would be wrong there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.beta import Beta, incomplete_beta

CERTAIN = 0.95


@dataclass(frozen=True, slots=True)
class Sample:
    """What a week says of one figure: how many values, their sum, and the sum of their squares."""

    count: int
    total: float
    total_of_squares: float

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def variance(self) -> float:
        """Of the values, unbiased; 0 where there are fewer than two."""
        if self.count < 2:
            return 0.0
        return max(0.0, (self.total_of_squares - self.total**2 / self.count) / (self.count - 1))


@dataclass(frozen=True, slots=True)
class Trend:
    """`ratio` is the relative change, 0.12 for 12 % more. `probability` that it has a cause at all, 0..1."""

    ratio: float
    probability: float

    @property
    def may_be_chance(self) -> bool:
        return self.probability <= CERTAIN


def compare_means(before: Sample, now: Sample) -> Trend | None:
    """None where a week has no values, or the week before had none but zeros: there is no ratio then."""
    if before.count == 0 or now.count == 0 or before.mean == 0:
        return None
    ratio = now.mean / before.mean - 1
    if before.count < 2 or now.count < 2:
        return Trend(ratio, 0.0)
    spread_before, spread_now = before.variance / before.count, now.variance / now.count
    error = spread_before + spread_now
    if error == 0:
        return Trend(ratio, 1.0 if ratio else 0.0)
    t = abs(now.mean - before.mean) / math.sqrt(error)
    freedom = error**2 / (spread_before**2 / (before.count - 1) + spread_now**2 / (now.count - 1))
    return Trend(ratio, 1 - _t_tails(t, freedom))


def compare_shares(before: tuple[int, int], now: tuple[int, int]) -> Trend | None:
    """
    The same for (hits, runs) of each week. The ratio is that of the observed shares.

    The probability is twice the distance from one half of P(share now > share before), both shares
    under a uniform prior: 0 where the weeks say nothing, near 1 where they leave no doubt.
    """
    (hits_before, runs_before), (hits_now, runs_now) = before, now
    if runs_before == 0 or runs_now == 0 or hits_before == 0:
        return None
    ratio = (hits_now / runs_now) / (hits_before / runs_before) - 1
    share_before = Beta(hits_before + 1, runs_before - hits_before + 1)
    more = Beta(hits_now + 1, runs_now - hits_now + 1).probability_above(share_before)
    return Trend(ratio, abs(2 * more - 1))


def _t_tails(t: float, freedom: float) -> float:
    """P(|T| > t) of Student's distribution."""
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))
