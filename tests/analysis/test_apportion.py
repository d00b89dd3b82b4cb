from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.apportion import apportion

CASES = {
    "evenly": (10, [1, 1], [5, 5]),
    "what is left over to the largest remainder": (10, [1, 5], [2, 8]),
    "to the earlier of equals": (2, [1, 1, 1], [1, 1, 0]),
    "nothing for a weight of nothing": (7, [0, 3], [0, 7]),
    "a refund": (-10, [1, 5], [-2, -8]),
}


@pytest.mark.parametrize(("amount", "weights", "parts"), CASES.values(), ids=CASES)
def test_divides(amount, weights, parts):
    assert apportion(amount, weights) == parts


@given(st.integers(-(10**18), 10**18), st.lists(st.integers(0, 10**30), min_size=1, max_size=20).filter(any))
def test_parts_sum_up_and_are_less_than_one_from_their_due(amount, weights):
    parts = apportion(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - amount * weight) < sum(weights)
        assert part == 0 or (part > 0) == (amount > 0)
