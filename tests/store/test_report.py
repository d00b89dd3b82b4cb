"""Sums over a period, and their check against the raw rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from arc_proxy.call import Call, Captured, Kind
from arc_proxy.journal.record import Ended
from arc_proxy.store import names, rollup, tables
from arc_proxy.store.engine import Store, writing
from arc_proxy.store.report import (
    read_chart,
    read_doubts,
    read_run_costs,
    read_run_totals,
    read_use,
)
from arc_proxy.store.sums import DAY_NS, HOUR_NS, RUN_SUMS, SERIES_SUMS, latency_bucket, quantile_ms
from arc_proxy.store.totals import CallTotals, Period, RunTotals, merge_latencies, sum_totals
from arc_proxy.store.write import save
from pricing.cost import Cost, CostGrade
from pricing.usage import Usage

MakeCall = Callable[..., Call]

NOW_NS = 1_790_000_000_000_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def at(hours: float) -> int:
    """`hours` before NOW_NS, in milliseconds."""
    return NOW_NS // 1_000_000 - int(hours * HOUR_MS)


def period(hours: float) -> Period:
    return Period(since_ns=NOW_NS - int(hours * HOUR_NS), until_ns=NOW_NS)


def test_the_fields_of_totals_are_the_columns_of_the_rollups() -> None:
    assert tuple(field.name for field in dataclasses.fields(CallTotals)) == SERIES_SUMS
    named = [field.name.replace("known_nanousd", "cost_nanousd") for field in dataclasses.fields(RunTotals)]
    assert tuple(named) == RUN_SUMS


def test_a_report_adds_up_by_agent_and_by_model(store: Store, make_call: MakeCall) -> None:
    unknown = Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="no price for m of openai")
    estimated = Cost(nanousd=50, grade=CostGrade.ESTIMATED, reason="the stream has no usage")
    save(
        store,
        [
            make_call(
                1, at_ms=at(5), grouping_run_id="a", usage=Usage(input_text=7, cache_read=3, output_text=2)
            ),
            make_call(2, at_ms=at(4), grouping_run_id="a", cost=unknown, reply_model="m"),
            make_call(
                3, at_ms=at(3), grouping_run_id="b", cost=estimated, status=500, captured=Captured.HEAD
            ),
            make_call(4, at_ms=at(3) + 1, grouping_run_id="b", attempt_of="x", unsecured=True),
            make_call(5, at_ms=at(2), kind=Kind.AUXILIARY, grouping_run_id="b"),
            make_call(6, at_ms=at(2), grouping_agent="travel", ended=Ended.CLIENT_CLOSED),
            make_call(7, at_ms=at(2), grouping_agent=None),
            make_call(8, at_ms=at(26), grouping_run_id="earlier"),
            make_call(9, at_ms=at(60), grouping_run_id="long ago"),
        ],
    )
    report = read_use(store, period(24))
    assert [use.agent for use in report.agents] == ["finance", None, "travel"]
    finance = report.agents[0]
    assert (finance.runs.runs, finance.runs.failed_runs, finance.runs.calls, finance.runs.attempts) == (
        2,
        0,
        3,
        4,
    )
    assert (finance.runs.cost_nanousd, finance.runs.cost_grade) == (4500 * 3 + 50, CostGrade.PARTIAL)
    assert finance.runs_before.runs == 1
    by_model = {(use.series.model, use.series.kind): use for use in finance.series}
    known = by_model["gpt-4o-mini-2024-07-18", "generation"].totals
    assert (known.calls, known.attempts, known.errors, known.cut_captures, known.unsecured) == (2, 3, 1, 1, 1)
    assert (known.input_tokens, known.cache_read_tokens, known.output_tokens) == (30, 3, 12)
    assert (known.estimated_nanousd, known.estimated_calls, known.cost_grade) == (50, 1, CostGrade.ESTIMATED)
    unpriced = by_model["m", "generation"].totals
    assert (unpriced.cost_nanousd, unpriced.unpriced_calls) == (None, 1)
    assert by_model["gpt-4o-mini-2024-07-18", "auxiliary"].totals.calls == 1
    assert report.agents[2].series[0].totals.client_closed == 1
    assert sum_totals([known, unpriced]).attempts == 4
    [only] = read_use(store, period(24), agent="").agents
    assert only.agent is None


SPANS = [1, 2.5, 3, 4, 24, 24 * 7, 24 * 7.9, 24 * 8.1, 24 * 30, 24 * 89.3]


@pytest.mark.parametrize("hours", SPANS)
def test_a_period_of_any_length_has_the_calls_between_its_bounds(
    store: Store, make_call: MakeCall, hours: float
) -> None:
    times = [at(0.001 + place * 13.37) for place in range(180)]
    save(store, [make_call(number, at_ms=ms) for number, ms in enumerate(times)])
    report = read_use(store, period(hours))
    since, until = report.period.since_ns, report.period.until_ns
    assert since <= NOW_NS - hours * HOUR_NS
    assert until >= NOW_NS
    assert (hours > 3) or report.period == period(hours)
    expected = sum(since <= ms * 1_000_000 < until for ms in times)
    before = sum(2 * since - until <= ms * 1_000_000 < since for ms in times)
    [use] = report.agents
    assert (use.runs.runs, use.runs_before.runs) == (expected, before)
    assert sum(series.totals.calls for series in use.series) == expected
    assert sum(series.duration.calls for series in use.series) == expected


def test_charts_by_hour_and_by_day(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(n, at_ms=at(hours)) for n, hours in enumerate([1, 1.1, 5, 30, 30, 30])])
    save(store, [make_call(9, at_ms=at(1), grouping_agent="travel")])
    by_hour = read_chart(store, period(24), by_hour=True, agent="finance")
    assert [point.totals.calls for point in by_hour] == [1, 2]
    assert all(point.start_ns % HOUR_NS == 0 for point in by_hour)
    by_day = read_chart(store, period(72), by_hour=False)
    assert [point.totals.calls for point in by_day] == [3, 4]
    assert all(point.start_ns % DAY_NS == 0 for point in by_day)


def test_reasons_for_doubtful_costs_are_named_by_frequency(store: Store, make_call: MakeCall) -> None:
    unknown = Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="no price")
    save(
        store,
        [
            *[make_call(n, at_ms=at(1), cost=unknown, reply_model="m") for n in range(3)],
            make_call(4, at_ms=at(1), cost=Cost(nanousd=5, grade=CostGrade.ESTIMATED)),
            make_call(5, at_ms=at(1)),
            make_call(6, at_ms=at(1), cost=Cost(nanousd=0, grade=CostGrade.COMPUTED, reason="not billed")),
            make_call(7, at_ms=at(1), grouping_agent="travel", cost=unknown),
        ],
    )
    doubts = [
        (doubt.grade, doubt.reason, doubt.model, doubt.calls) for doubt in read_doubts(store, period(2))
    ]
    assert doubts[0] == (CostGrade.UNKNOWN, "no price", "m", 3)
    assert len(doubts) == 3
    assert [doubt.calls for doubt in read_doubts(store, period(2), agent="travel")] == [1]
    assert read_doubts(store, period(0.5)) == ()


def test_costs_of_runs_leave_out_what_is_not_known(store: Store, make_call: MakeCall) -> None:
    unknown = Cost(nanousd=None, grade=CostGrade.UNKNOWN)
    save(
        store,
        [
            make_call(1, at_ms=at(3)),
            make_call(2, at_ms=at(2), cost=unknown),
            make_call(3, at_ms=at(1), cost_nanousd=7),
            make_call(4, at_ms=at(1), kind=Kind.AUXILIARY),
        ],
    )
    assert read_run_costs(store, period(24), "finance") == (2, 4507, 7**2 + 4500**2)
    assert read_run_costs(store, period(24), "finance", limit=1) == (1, 7, 49)
    assert read_run_costs(store, period(24), None) == (0, 0, 0)


def test_runs_alone_are_the_runs_of_the_whole_report(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(n, at_ms=at(hours)) for n, hours in enumerate((1, 5, 30, 40, 80))])
    whole = {use.agent: (use.runs, use.runs_before) for use in read_use(store, period(36)).agents}
    assert read_run_totals(store, period(36)) == whole
    assert read_run_totals(store, period(36), agent="finance") == whole
    assert read_run_totals(store, period(36), agent="nobody") == {}


def test_a_chart_can_leave_out_what_is_no_step(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(1, at_ms=at(1)), make_call(2, at_ms=at(1), kind=Kind.AUXILIARY)])
    whole = read_chart(store, period(24), by_hour=False)
    steps = read_chart(store, period(24), by_hour=False, auxiliary=False)
    assert (sum(each.totals.calls for each in whole), sum(each.totals.calls for each in steps)) == (2, 1)


def test_agents_and_models_beyond_the_caps_are_summed_as_other(
    store: Store, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "AGENTS_MAX", 2)
    monkeypatch.setattr(names, "MODELS_MAX", 2)
    calls = [
        make_call(10 * agent + model, at_ms=at(5), grouping_agent=f"a{agent}", reply_model=f"m{model}")
        for agent in range(4)
        for model in range(4)
    ]
    for call in calls:
        save(store, [call])
    store.memory.forget()
    assert save(store, calls).same == 16
    report = read_use(store, period(24))
    found = {use.agent: sorted((s.series.model, s.totals.calls) for s in use.series) for use in report.agents}
    capped = [("m0", 1), ("m1", 1), ("other", 2)]
    assert found == {"a0": capped, "a1": capped, "other": [("m0", 2), ("m1", 2), ("other", 4)]}
    assert rollup.check(store) == ()


def test_the_check_notices_what_is_wrong_and_a_rebuild_rights_it(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(number, grouping_run_id=f"r{number % 3}") for number in range(9)])
    assert rollup.check(store) == ()
    with writing(store) as connection:
        connection.execute(update(tables.rollup_hour).values(calls=tables.rollup_hour.c.calls + 1))
        connection.execute(delete(tables.latency_day))
        connection.execute(
            update(tables.run).where(tables.run.c.run_id == "r1").values(errors=5, models="[]")
        )
    found = {mismatch.table: mismatch for mismatch in rollup.check(store)}
    assert {"rollup_hour", "latency_day", "run"} <= found.keys()
    assert (found["rollup_hour"].kept, found["rollup_hour"].raw) == ({"calls": 10}, {"calls": 9})
    assert found["run"].kept == {"errors": 5, "models": "[]"}
    rollup.rebuild(store)
    assert rollup.check(store) == ()
    assert read_use(store, period(0.001).before()).agents == ()


# --- histograms


@given(ns=st.integers(-5, 2**64))
def test_every_latency_has_a_bucket(ns: int) -> None:
    bucket = latency_bucket(ns)
    assert -8 <= bucket <= 120
    if 10**6 <= ns < 2**30 * 10**6:
        assert 2 ** (bucket / 4) <= ns / 1e6 * 1.000001
        assert ns / 1e6 <= 2 ** ((bucket + 1) / 4) * 1.000001


@given(values=st.lists(st.integers(10**6, 10**11), min_size=1, max_size=300), share=st.floats(0.01, 0.99))
def test_a_quantile_is_right_to_within_its_bucket(values: list[int], share: float) -> None:
    histogram: dict[int, int] = {}
    for value in values:
        histogram[latency_bucket(value)] = histogram.get(latency_bucket(value), 0) + 1
    exact = sorted(values)[min(len(values) - 1, max(0, -(-int(share * len(values) * 1000) // 1000)))] / 1e6
    below = sorted(values)[max(0, int(share * len(values)) - 1)] / 1e6
    estimate = quantile_ms(histogram, share)
    assert estimate is not None
    assert below / 1.2 <= estimate <= exact * 1.2


def test_a_histogram_of_nothing_has_no_quantiles() -> None:
    empty: Any = merge_latencies([])
    assert (empty.calls, empty.p50_ms, empty.p95_ms) == (0, None, None)
