from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.counts import COUNT_MAX, USD_MAX, Counts, count, picousd

COUNTS = {
    "a whole number": (12, 12),
    "zero is a count": (0, 0),
    "a whole float": (12.0, 12),
    "a number in text": ("12", 12),
    "with space around": (" 12 ", 12),
    "a fraction is no count": (12.5, None),
    "a negative number is no count": (-1, None),
    "a negative number in text is no count": ("-1", None),
    "true is no count": (True, None),
    "null is no count": (None, None),
    "not a number is no count": (math.nan, None),
    "infinity is no count": (math.inf, None),
    "more than any call can have": (COUNT_MAX + 1, None),
    "a text of many digits": ("9" * 5000, None),
    "digits of another script": ("١٢", None),
    "superscript digits": ("²", None),
    "an object is no count": ({"n": 1}, None),
    "a list is no count": ([1], None),
}


@pytest.mark.parametrize(("value", "expected"), COUNTS.values(), ids=COUNTS)
def test_reads_counts(value: object, expected: int | None) -> None:
    assert count(value) == expected


AMOUNTS = {
    "a float by its shortest decimal form": (0.0360795, 36_079_500_000),
    "the smallest that JSON writes with an exponent": (6.2e-07, 620_000),
    "a text": ("0.0085", 8_500_000_000),
    "a whole number": (1, 10**12),
    "zero is an amount": (0, 0),
    "a negative amount is none": (-0.1, None),
    "a text that is no number": ("free", None),
    "true is no amount": (True, None),
    "not a number": (math.nan, None),
    "infinity": (math.inf, None),
    "an error of units": (USD_MAX * 2, None),
    "null": (None, None),
}


@pytest.mark.parametrize(("value", "expected"), AMOUNTS.values(), ids=AMOUNTS)
def test_reads_amounts(value: object, expected: int | None) -> None:
    assert picousd(value) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_no_json_value_raises(value: object) -> None:
    counted, priced = count(value), picousd(value)
    assert counted is None or 0 <= counted <= COUNT_MAX
    assert priced is None or priced >= 0


def test_a_zero_yields_to_a_later_number_but_not_to_nothing() -> None:
    counts = Counts({"a": 0, "b": None, "c": 7, "d": {"e": 3}})
    assert counts.first(("a", "b", "c")) == 7
    assert counts.first(("a", "b")) == 0
    assert counts.first(("b",)) is None
    assert counts.get(("d", "e")) == 3
    assert counts.get(("c", "e")) is None
