from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.tokens.learned import SAMPLES_MAX, Correction, Sample, learn


def samples(factor, beside, counts):
    return [Sample(count, round(count * factor) + beside) for count in counts]


def test_a_constant_is_learned_from_prompts_of_one_length():
    learned = learn(samples(1, 40, [100, 101, 102]))
    assert (learned.factor, learned.beside, learned.error, learned.samples) == (1.0, 40, 0.0, 3)
    assert learned.apply(500) == 540


def test_a_factor_is_learned_from_prompts_that_differ():
    learned = learn(samples(1.3, 12, [100, 300, 900, 2000]))
    assert learned.factor == pytest.approx(1.3, abs=0.01)
    assert learned.apply(10_000) == pytest.approx(13_012, rel=0.01)


def test_one_odd_call_moves_nothing():
    learned = learn([*samples(1, 10, [100, 200, 400, 800, 900]), Sample(150, 9000)])
    assert learned.apply(300) == pytest.approx(310, abs=3)


def test_what_is_right_already_stays():
    assert learn(samples(1, 0, [100, 300, 900])) == Correction(error=0.0, samples=3)


@pytest.mark.parametrize("few", [[], samples(2, 0, [1, 2]), [Sample(0, 5), Sample(5, 0), Sample(1, 1)]])
def test_too_few_calls_teach_nothing(few):
    assert learn(few) == Correction()


@given(st.lists(st.builds(Sample, st.integers(0, 10**6), st.integers(0, 10**6)), max_size=60))
def test_anything_may_be_reported(found):
    learned = learn(found)
    assert learned.apply(1000) >= 0
    assert learned.samples <= SAMPLES_MAX
    assert learned.error is None or learned.error >= 0
