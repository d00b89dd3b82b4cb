from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.beta import Beta

counts = st.floats(1, 2_000)
probabilities = st.floats(0.001, 0.999)

# Where the distribution has a closed form: x**a for Beta(a, 1), 1 - (1 - x)**b for Beta(1, b).
QUANTILES = {
    "nothing known": (Beta(1, 1), 0.1, 0.1),
    "hits only": (Beta(21, 1), 0.1, 0.1 ** (1 / 21)),
    "misses only": (Beta(1, 21), 0.1, 1 - 0.9 ** (1 / 21)),
    "one of each": (Beta(2, 2), 0.5, 0.5),
    "one of each, at its quarter": (Beta(2, 2), 5 / 32, 0.25),  # 3 x**2 - 2 x**3
}


@pytest.mark.parametrize(("beta", "probability", "quantile"), QUANTILES.values(), ids=QUANTILES)
def test_quantiles_in_closed_form(beta, probability, quantile):
    assert beta.quantile(probability) == pytest.approx(quantile, abs=1e-11)


@given(counts, counts, probabilities)
def test_the_quantile_is_the_inverse_of_the_distribution(a, b, probability):
    beta = Beta(a, b)
    assert beta.cdf(beta.quantile(probability)) == pytest.approx(probability, abs=1e-7)


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.01, 0.99))
def test_the_distribution_is_the_binomial_tail(hits, misses, x):
    # https://dlmf.nist.gov/8.17#E5: as many hits plus one, or more, of so many tosses plus one
    tosses = hits + misses + 1
    tail = math.fsum(
        math.comb(tosses, k) * x**k * (1 - x) ** (tosses - k) for k in range(hits + 1, tosses + 1)
    )
    assert Beta(hits + 1, misses + 1).cdf(x) == pytest.approx(tail, abs=1e-10)


@given(counts, counts, probabilities, st.floats(0, 500))
def test_more_misses_never_raise_a_quantile(a, b, probability, more):
    assert Beta(a, b + more).quantile(probability) <= Beta(a, b).quantile(probability) + 1e-9


@pytest.mark.parametrize("total", [10_000, 1_000_000])
def test_a_million_runs_spread_as_a_normal_curve(total):
    beta = Beta(0.5 * total, 0.5 * total)
    assert beta.quantile(0.1) == pytest.approx(0.5 - 1.2815516 * beta.deviation, rel=1e-6)


@given(*(st.integers(1, 300) for _ in range(4)))
def test_the_larger_of_two_shares_as_the_closed_form_has_it(a, b, c, d):
    # https://www.evanmiller.org/bayesian-ab-testing.html#binary_ab
    def log_beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    above = math.fsum(
        math.exp(log_beta(c + i, b + d) - math.log(b + i) - log_beta(1 + i, b) - log_beta(c, d))
        for i in range(a)
    )
    assert Beta(a, b).probability_above(Beta(c, d)) == pytest.approx(above, abs=1e-4)
