from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from analysis.trend import Sample, Trend, compare_means, compare_shares

MEANS = {
    "no week before": ([], [1, 2], None),
    "no runs this week": ([1, 2], [], None),
    "nothing but zeros before": ([0, 0, 0], [1, 2, 3], None),
    "one run says nothing": ([1, 2, 3], [9], Trend(3.5, 0.0)),
    "the same constant": ([2, 2, 2], [2, 2, 2], Trend(0.0, 0.0)),
    "another constant": ([2, 2, 2], [3, 3, 3], Trend(0.5, 1.0)),
}


def sample(values: Iterable[float]) -> Sample:
    known = list(values)
    return Sample(len(known), sum(known), sum(value * value for value in known))


@pytest.mark.parametrize(("before", "now", "trend"), MEANS.values(), ids=MEANS)
def test_means(before, now, trend):
    assert compare_means(sample(before), sample(now)) == trend


def test_means_as_a_textbook_has_them():
    # https://en.wikipedia.org/wiki/Student%27s_t-test#Examples: Welch, two-sided p = 0.09077
    first, second = [30.02, 29.99, 30.11, 29.97, 30.01, 29.99], [29.89, 29.93, 29.72, 29.98, 30.02, 29.98]
    trend = compare_means(sample(first), sample(second))
    assert trend.probability == pytest.approx(1 - 0.09077, abs=5e-5)
    assert trend.may_be_chance


def test_a_clear_change_is_no_chance():
    trend = compare_means(Sample(100, 100, 101), Sample(100, 120, 145.5))
    assert trend.ratio == pytest.approx(0.2)
    assert not trend.may_be_chance


@pytest.mark.parametrize("runs", [(8, 8), (30, 60), (200, 150)])
def test_chance_is_called_a_change_in_one_of_twenty_weeks_at_most(runs):
    dice = random.Random(7)
    alarms = 0
    for _ in range(600):
        before, now = (sample(dice.lognormvariate(0, 0.8) for _ in range(count)) for count in runs)
        alarms += not compare_means(before, now).may_be_chance
    assert alarms / 600 < 0.07


SHARES = {
    "no week before": ((0, 0), (1, 5), None),
    "no error before": ((0, 50), (3, 50), None),
    "the same": ((5, 100), (5, 100), False),
    "a few more": ((2, 100), (4, 100), False),
    "many more": ((2, 100), (20, 100), True),
    "many fewer": ((20, 100), (2, 100), True),
    "all": ((50, 100), (100, 100), True),
}


@pytest.mark.parametrize(("before", "now", "certain"), SHARES.values(), ids=SHARES)
def test_shares(before, now, certain):
    trend = compare_shares(before, now)
    assert (trend and not trend.may_be_chance) == certain


def test_a_million_runs_need_no_patience():
    trend = compare_shares((10_000, 1_000_000), (11_000, 1_000_000))
    assert trend.ratio == pytest.approx(0.1)
    assert trend.probability > 0.99
