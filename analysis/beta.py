"""
The Beta distribution: what is known of a share after so many hits and misses. Pure, standard library only.

Sources: https://dlmf.nist.gov/8.17 (the incomplete beta function),
https://en.wikipedia.org/wiki/Beta_distribution#Bayesian_inference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_TOLERANCE = 1e-12  # of a quantile, in shares


@dataclass(frozen=True, slots=True)
class Beta:
    """`a` and `b` are hits and misses, each plus 1 where nothing was known before. Both are at least 1."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        return self.a / (self.a + self.b)

    @property
    def deviation(self) -> float:
        total = self.a + self.b
        return math.sqrt(self.a * self.b / (total**2 * (total + 1)))

    def density(self, x: float) -> float:
        """At 0 < x < 1."""
        return math.exp(
            _log_scale(self.a, self.b) + (self.a - 1) * math.log(x) + (self.b - 1) * math.log1p(-x)
        )

    def cdf(self, x: float) -> float:
        """P(share <= x)."""
        return incomplete_beta(self.a, self.b, x)

    def quantile(self, probability: float) -> float:
        """
        The x with P(share <= x) = `probability`, which lies strictly between 0 and 1.

        By Newton's steps; one that leaves what is known to hold the answer is replaced by its middle.
        """
        low, high, x = 0.0, 1.0, self.mean
        while high - low > _TOLERANCE:
            missing = probability - self.cdf(x)
            low, high = (x, high) if missing > 0 else (low, x)
            density = self.density(x)
            newton = x + missing / density if density else math.inf
            following = newton if low < newton < high else (low + high) / 2
            if abs(following - x) < _TOLERANCE:
                return following
            x = following
        return x

    def probability_above(self, other: Beta) -> float:
        """
        P(this share > the other), both independent, by Simpson's rule over the density of the narrower one.

        Over the wider one the steps would jump across all of the narrower.
        """
        if self.deviation > other.deviation:
            return 1 - other.probability_above(self)
        low, high = max(1e-12, self.mean - 8 * self.deviation), min(1 - 1e-12, self.mean + 8 * self.deviation)
        steps = 80
        width = (high - low) / steps
        area = below = 0.0
        for step in range(steps + 1):
            x = low + step * width
            weight = 1 if step in (0, steps) else 4 if step % 2 else 2
            density = weight * self.density(x)
            area += density
            below += density * other.cdf(x)
        return below / area


def incomplete_beta(a: float, b: float, x: float) -> float:
    """
    The regularised incomplete beta function I_x(a, b).

    By its continued fraction, https://dlmf.nist.gov/8.17#v, which converges fast on the left of the
    mean; the right side is its mirror image.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.exp(_log_scale(a, b) + a * math.log(x) + b * math.log1p(-x))
    return front * _beta_fraction(a, b, x) / a


def _log_scale(a: float, b: float) -> float:
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Lentz's method. 300 terms are far more than any count of runs that a person has needs."""
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    value = d
    for m in range(1, 301):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + numerator * d or tiny)
            c = 1 + numerator / c or tiny
            value *= d * c
        if abs(d * c - 1) < 1e-12:
            break
    return value
