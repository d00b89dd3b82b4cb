"""Whether a fix helped, from runs before and after."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.effect import Share, Verdict, chance_of_so_few, effect

# Runs with the issue and all, before and after -> verdict.
CASES = {
    "gone": ((7, 40), (0, 52), Verdict.HELPED),
    "rarer by far": ((30, 60), (2, 60), Verdict.HELPED),
    "as often as before": ((7, 40), (8, 45), Verdict.NO_CHANGE),
    "more often": ((7, 40), (30, 45), Verdict.NO_CHANGE),
    "no run since": ((7, 40), (0, 0), Verdict.TOO_EARLY),
    "some good runs, which may be chance": ((7, 40), (0, 5), Verdict.TOO_EARLY),
    "too rare to tell yet": ((1, 60), (0, 30), Verdict.TOO_EARLY),
    "never seen before": ((0, 0), (3, 10), Verdict.TOO_EARLY),
}


@pytest.mark.parametrize(("before", "after", "verdict"), CASES.values(), ids=CASES)
def test_runs_say(before: tuple[int, int], after: tuple[int, int], verdict: Verdict) -> None:
    assert effect(Share(*before), Share(*after)).verdict is verdict


def test_an_issue_that_comes_again_is_back() -> None:
    assert effect(Share(30, 60), Share(2, 60), latest_has=True).verdict is Verdict.BACK


def test_the_probability_is_fishers() -> None:
    # The tea: 3 of 4 right, by chance in 17 of 70 cases.
    assert chance_of_so_few(Share(3, 4), Share(1, 4)) == pytest.approx(17 / 70)
    assert effect(Share(7, 40), Share(0, 52)).probability == pytest.approx(0.00215, abs=0.0001)


COUNTS = st.tuples(st.integers(0, 200), st.integers(0, 200)).map(lambda pair: Share(min(pair), max(pair)))


@given(COUNTS, COUNTS)
def test_a_probability_is_one(before: Share, after: Share) -> None:
    found = effect(before, after)
    assert 0 <= found.probability <= 1
    if after.having < after.runs:
        worse = Share(after.having + 1, after.runs)
        assert chance_of_so_few(before, worse) >= 0
