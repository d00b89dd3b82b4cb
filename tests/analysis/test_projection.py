from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.projection import DayCost, project


def day(before, *, low=0.3, mid=0.4, high=0.5, cold=0.9):
    low, mid, high, cold = (int(before * Fraction(str(share))) for share in (low, mid, high, cold))
    return DayCost(before=before, low=low, mid=mid, high=high, cold=cold)


def test_a_month_is_thirty_mean_days():
    found = project([day(1_000), day(3_000), day(0), day(4_000)])
    assert (found.days, found.before, found.after) == (4, 60_000, 24_000)
    assert found.change == pytest.approx(-0.6)
    assert found.change_cold == pytest.approx(-0.1)


def test_equal_days_leave_only_the_tokenizers_range():
    found = project([day(1_000)] * 14)
    assert (found.before_low, found.before, found.before_high) == (30_000, 30_000, 30_000)
    assert (found.change_low, found.change_high) == pytest.approx((-0.7, -0.5))


def test_days_that_differ_widen_the_range():
    calm = project([day(1_000)] * 14)
    wild = project([day(1_000, mid=0.2, low=0.2, high=0.2), day(1_000, mid=0.6, low=0.6, high=0.6)] * 7)
    assert calm.change == wild.change == pytest.approx(-0.6)
    assert (
        project([day(1_000)] * 7 + [day(9_000)] * 7).before_high
        > 1.1 * project([day(5_000)] * 14).before_high
    )
    uneven = project(
        [day(1_000, low=0.2, mid=0.2, high=0.2)] * 3 + [day(1_000, low=0.6, mid=0.6, high=0.6)] * 3
    )
    assert uneven.change_high - uneven.change_low > 0.2


def test_the_interval_holds_nine_of_ten():
    """Draws of two days, one of $0 and one of $2: a quarter of them are 0, half 2, a quarter 4."""
    found = project([day(0), day(2_000)])
    assert (found.before_low, found.before_high) == (0, 60_000)


@pytest.mark.parametrize("days", [[], [day(0)], [day(0)] * 20])
def test_nothing_spent_is_no_month(days):
    assert project(days) is None


COSTS = st.integers(0, 10**13)
SHARES = st.lists(st.floats(0, 2), min_size=3, max_size=3).map(sorted)


@given(st.lists(st.tuples(COSTS, SHARES), min_size=1, max_size=28))
def test_each_range_holds_its_middle_and_the_same_days_say_the_same(parts):
    days = [
        DayCost(
            before=before,
            low=int(before * low),
            mid=int(before * mid),
            high=int(before * high),
            cold=int(before * high),
        )
        for before, (low, mid, high) in parts
    ]
    found = project(days)
    assert found == project(days)
    if found is None:
        assert not any(before for before, _ in parts)
        return
    assert found.after >= 0
    assert 0 <= found.before_low <= found.before <= found.before_high
    assert found.change_low <= found.change <= found.change_high
    assert found.change_cold >= found.change
