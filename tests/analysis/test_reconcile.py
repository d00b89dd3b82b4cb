"""The gap between a bill and the log, and what it is made of."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.bill import BilledRow
from analysis.reconcile import ALL_MODELS, Cause, Line, OurRow, Part, Reconciliation, reconcile

DAY = date(2026, 11, 20)
NEXT = date(2026, 11, 21)


def name_of(_provider: str, model: str) -> str:
    return model.removesuffix("-2025-08-07")


def bill(**more: Any) -> BilledRow:
    return BilledRow(**{"day": DAY, "provider": "openai", "model": "gpt-5"} | more)


def our(**more: Any) -> OurRow:
    given = {"day": DAY, "provider": "openai", "model": "gpt-5-2025-08-07"}
    return OurRow(**given | {"calls": 10, "input_tokens": 900, "output_tokens": 100, "nanousd": 1000} | more)


def compared(*sides: BilledRow | OurRow, keys: frozenset[str] = frozenset()) -> Reconciliation:
    billed = [each for each in sides if isinstance(each, BilledRow)]
    return reconcile(billed, [each for each in sides if isinstance(each, OurRow)], name_of=name_of, keys=keys)


def parts(line: Line) -> list[tuple[Cause, int | None, int | None]]:
    return [(part.cause, part.calls, part.nanousd) for part in line.parts]


WHOLE = {"requests": 10, "input_tokens": 900, "output_tokens": 100, "nanousd": 1000}

# The two sides -> the gap and its parts. A token costs 1 nanodollar where nothing else is said.
CASES: dict[
    str, tuple[tuple[BilledRow | OurRow, ...], int | None, list[tuple[Cause, int | None, int | None]]]
] = {
    "the same on both sides": ((bill(**WHOLE), our()), 0, []),
    "calls that never passed here": (
        (bill(**WHOLE | {"requests": 15, "input_tokens": 1400, "nanousd": 1500}), our()),
        500,
        [(Cause.MISSING, 5, 500)],
    ),
    "calls that never passed here, where requests are not counted": (
        (bill(**WHOLE | {"requests": None, "input_tokens": 1400, "nanousd": 1500}), our()),
        500,
        [(Cause.MISSING, None, 500)],
    ),
    "calls that are not in the bill": (
        (bill(**WHOLE | {"requests": 8, "input_tokens": 700, "nanousd": 800}), our()),
        -200,
        [(Cause.NOT_BILLED, 2, -200)],
    ),
    "a model that is not in the bill at all": (
        (bill(**WHOLE), our(), our(model="gpt-4", nanousd=70, calls=3)),
        0,
        [],
    ),
    "unpriced calls, by what a token cost in the bill": (
        (bill(**WHOLE), our(nanousd=600, unpriced_calls=4, unpriced_tokens=400)),
        400,
        [(Cause.UNPRICED, 4, 400)],
    ),
    "unpriced calls without usage, by the tokens that only the bill has": (
        (bill(**WHOLE), our(nanousd=600, input_tokens=500, unpriced_calls=4)),
        400,
        [(Cause.UNPRICED, 4, 400)],
    ),
    "estimated and partial calls": (
        (bill(**WHOLE), our(nanousd=900, input_tokens=800, estimated_calls=2, partial_calls=1)),
        100,
        [(Cause.PARTIAL, 1, 100), (Cause.ESTIMATED, 2, None)],
    ),
    "another price": ((bill(**WHOLE | {"nanousd": 1200}), our()), 200, [(Cause.UNEXPLAINED, None, 200)]),
    "costs alone": ((bill(nanousd=1300), our()), 300, [(Cause.UNEXPLAINED, None, 300)]),
    "costs alone, with unpriced calls by our own price of a token": (
        (bill(nanousd=1300), our(unpriced_calls=1, unpriced_tokens=200, nanousd=800)),
        500,
        [(Cause.UNPRICED, 1, 200), (Cause.UNEXPLAINED, None, 300)],
    ),
    "usage alone has no gap in money, and missing calls by our price": (
        (bill(requests=12, input_tokens=1100, output_tokens=100), our()),
        None,
        [(Cause.MISSING, 2, 200)],
    ),
    "a bill of nothing that we have": ((bill(**WHOLE),), 1000, [(Cause.MISSING, 10, 1000)]),
    "what is no model": ((bill(model="web search", nanousd=50),), 50, [(Cause.UNEXPLAINED, None, 50)]),
    "usage and costs in two rows": (
        (bill(requests=10, input_tokens=900, output_tokens=100), bill(nanousd=1000), our()),
        0,
        [],
    ),
    "a credit": ((bill(**WHOLE), bill(nanousd=-100), our()), -100, [(Cause.UNEXPLAINED, None, -100)]),
}


@pytest.mark.parametrize(("sides", "gap", "expected"), CASES.values(), ids=CASES)
def test_the_gap_and_its_parts(
    sides: tuple[BilledRow | OurRow, ...],
    gap: int | None,
    expected: list[tuple[Cause, int | None, int | None]],
) -> None:
    line = next(each for each in compared(*sides).lines if each.model in ("gpt-5", "web search"))
    assert line.gap_nanousd == gap
    assert parts(line) == expected


def test_a_snapshot_and_its_alias_are_one_model() -> None:
    found = compared(bill(**WHOLE), bill(model="gpt-5-2025-08-07", nanousd=5), our())
    assert [(line.model, line.billed_nanousd) for line in found.lines] == [("gpt-5", 1005)]


def test_keys_that_are_not_ours_are_a_part_of_their_own() -> None:
    rows = (
        bill(**WHOLE, keys=("key_1", "proj")),
        bill(requests=3, nanousd=70, keys=("key_2", "proj")),
        our(),
    )
    assert parts(compared(*rows, keys=frozenset({"key_1"})).lines[0]) == [(Cause.OTHER_KEYS, 3, 70)]
    everything = compared(*rows)
    assert everything.keys == ("key_1", "key_2", "proj")
    assert parts(everything.lines[0])[0][0] is Cause.MISSING
    assert parts(compared(*rows, keys=frozenset({"proj"})).lines[0])[0][0] is Cause.MISSING


def test_a_bill_without_models_is_compared_by_the_day() -> None:
    found = compared(bill(model="", nanousd=3000), our(), our(model="gpt-4", nanousd=500))
    (line,) = found.lines
    assert (line.model, line.gap_nanousd) == (ALL_MODELS, 1500)


def test_days_and_providers_of_which_the_bill_does_not_speak_are_left_out() -> None:
    found = compared(bill(**WHOLE), our(), our(day=NEXT), our(provider="anthropic"))
    assert len(found.lines) == 1
    assert (found.first, found.last) == (DAY, DAY)


def test_nothing_on_either_side() -> None:
    found = compared()
    assert (found.lines, found.total.gap_nanousd, found.first) == ((), None, None)


COUNTS = st.none() | st.integers(0, 10_000)
BILLED = st.builds(
    BilledRow,
    day=st.sampled_from([DAY, NEXT]),
    provider=st.just("openai"),
    model=st.sampled_from(["a", "b", ""]),
    keys=st.sampled_from([(), ("k",), ("l", "m")]),
    requests=COUNTS,
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    nanousd=st.integers(-1000, 10_000),
)
NUMBERS = st.integers(0, 1000)
OURS = st.builds(
    OurRow,
    day=st.sampled_from([DAY, NEXT]),
    provider=st.just("openai"),
    model=st.sampled_from(["a", "b"]),
    calls=st.integers(1, 50),
    input_tokens=NUMBERS,
    output_tokens=NUMBERS,
    nanousd=NUMBERS,
    unpriced_calls=NUMBERS,
    unpriced_tokens=st.integers(0, 10),
    estimated_calls=NUMBERS,
    partial_calls=NUMBERS,
)


@given(
    st.lists(BILLED, min_size=1, max_size=6),
    st.lists(OURS, max_size=6),
    st.sampled_from([frozenset(), frozenset({"k"})]),
)
def test_parts_always_sum_up_to_the_gap(
    billed: list[BilledRow], ours: list[OurRow], keys: frozenset[str]
) -> None:
    found = reconcile(billed, ours, name_of=name_of, keys=keys)
    for line in (*found.lines, found.total):
        if line.gap_nanousd is None:
            assert line.billed_nanousd is None
            assert line.ours is not None
            assert line.ours.is_unknown
        else:
            assert line.gap_nanousd == sum(part.nanousd or 0 for part in line.parts)
    assert found.total.billed_nanousd == sum(row.nanousd or 0 for row in billed)
    days = {row.day for row in billed}
    compared_rows = [row for row in ours if min(days) <= row.day <= max(days)]
    assert (found.total.ours.nanousd if found.total.ours else 0) == sum(row.nanousd for row in compared_rows)


def test_a_part_says_what_it_is() -> None:
    assert Part(cause=Cause.MISSING).cause == "missing calls"
