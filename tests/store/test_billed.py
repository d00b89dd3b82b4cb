"""Our calls as a provider should have billed them, on either database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from analysis.reconcile import OurRow
from arc_proxy.call import Call
from arc_proxy.store.billed import read_billable
from arc_proxy.store.engine import Store
from arc_proxy.store.sums import DAY_NS
from arc_proxy.store.write import save
from pricing.cost import NOT_BILLED, Cost, CostGrade
from pricing.usage import Usage

MakeCall = Callable[..., Call]

FIRST_DAY = 20_700
DAY = date(1970, 1, 1) + timedelta(days=FIRST_DAY)
USAGE = Usage(input_text=100, cache_read=20, cache_write_1h=3, output_text=7)


def at(day: float) -> int:
    return int((FIRST_DAY + day) * DAY_NS) // 1_000_000


def costs(nanousd: int | None, grade: CostGrade, reason: str = "") -> Cost:
    return Cost(nanousd=nanousd, grade=grade, reason=reason)


def read(store: Store, first: int | None = None, until: int | None = None) -> tuple[OurRow, ...]:
    return read_billable(
        store,
        since_ns=None if first is None else (FIRST_DAY + first) * DAY_NS,
        until_ns=None if until is None else (FIRST_DAY + until) * DAY_NS,
        provider="openai",
    )


def test_each_grade_is_counted_and_what_nobody_bills_is_not(store: Store, make_call: MakeCall) -> None:
    grades = [
        costs(1_000, CostGrade.COMPUTED),
        costs(200, CostGrade.ESTIMATED, "no usage in the stream"),
        costs(30, CostGrade.PARTIAL, "no price for audio"),
        costs(None, CostGrade.UNKNOWN, "no price"),
        costs(0, CostGrade.COMPUTED, NOT_BILLED),
        costs(9_999, CostGrade.API_EQUIVALENT),
    ]
    calls = [make_call(number, at_ms=at(0.5), cost=cost, usage=USAGE) for number, cost in enumerate(grades)]
    save(store, calls)
    [row] = read(store)
    assert row == OurRow(
        day=DAY,
        provider="openai",
        model=row.model,
        calls=4,
        input_tokens=4 * 123,
        output_tokens=4 * 7,
        nanousd=1_230,
        unpriced_calls=1,
        unpriced_tokens=130,
        estimated_calls=1,
        partial_calls=1,
    )
    assert row.model == calls[0].reply.model


def test_days_are_those_of_utc_and_the_period_is_kept(store: Store, make_call: MakeCall) -> None:
    moments = (0, 0.9999, 1, 2.5)
    save(store, [make_call(number, at_ms=at(moment)) for number, moment in enumerate(moments)])
    assert [((row.day - DAY).days, row.calls) for row in read(store)] == [(0, 2), (1, 1), (2, 1)]
    assert [((row.day - DAY).days, row.calls) for row in read(store, 1, 2)] == [(1, 1)]
    assert read(store, 3) == ()
    assert read_billable(store, since_ns=None, until_ns=None, provider="anthropic") == ()
