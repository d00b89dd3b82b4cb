"""
How far our counts are off for one model, learned from the user's own calls that do report usage. Pure.

Providers put more into a prompt than one sees: templates, a system prompt of their own, tools in another
form. So a count is mended by a factor and a constant, and the error that is left on the same calls says
how much to believe it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

SAMPLES_MIN = 3
SAMPLES_MAX = 40
# A factor is only seen between prompts that differ in length, and beyond these bounds it is something else.
_SPREAD_MIN = 3.0
_APART_MIN = 0.3
_SLOPES_MIN = 3
_FACTOR = (0.5, 2.5)


@dataclass(frozen=True, slots=True)
class Sample:
    counted: int
    reported: int


@dataclass(frozen=True, slots=True)
class Correction:
    """
    reported = counted x `factor` + `beside`. `error`: the median of |estimate - reported| / reported.

    `samples` 0: nothing was learned, and the error is not known.
    """

    factor: float = 1.0
    beside: int = 0
    error: float | None = None
    samples: int = 0

    def apply(self, counted: int) -> int:
        return max(0, round(counted * self.factor) + self.beside)


def learn(samples: Sequence[Sample]) -> Correction:
    """The better of a correction and none, by the error on the samples; none below three of them."""
    usable = [each for each in samples[:SAMPLES_MAX] if each.counted > 0 and each.reported > 0]
    if len(usable) < SAMPLES_MIN:
        return Correction()
    factor = _factor(usable)
    beside = round(statistics.median(each.reported - factor * each.counted for each in usable))
    corrections = (Correction(), Correction(factor=factor, beside=beside))
    error, _, best = min((_error(each, usable), place, each) for place, each in enumerate(corrections))
    return Correction(factor=best.factor, beside=best.beside, error=error, samples=len(usable))


def _factor(samples: Sequence[Sample]) -> float:
    """The median slope between any two (Theil and Sen), which one odd call does not move."""
    counts = [each.counted for each in samples]
    if max(counts) < _SPREAD_MIN * min(counts):
        return 1.0
    slopes = [
        (b.reported - a.reported) / (b.counted - a.counted)
        for a, b in combinations(samples, 2)
        if abs(b.counted - a.counted) >= _APART_MIN * max(a.counted, b.counted)
    ]
    if len(slopes) < _SLOPES_MIN:
        return 1.0
    return min(_FACTOR[1], max(_FACTOR[0], statistics.median(slopes)))


def _error(correction: Correction, samples: Sequence[Sample]) -> float:
    return statistics.median(
        abs(correction.apply(each.counted) - each.reported) / each.reported for each in samples
    )
