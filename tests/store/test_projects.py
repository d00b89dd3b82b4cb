"""Sums by project: they add up to the total, to the nanodollar, whatever happens to the calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from arc_proxy.call import Call, Kind
from arc_proxy.report.build import build_report
from arc_proxy.runs.grouper import Move
from arc_proxy.store import names, rollup
from arc_proxy.store.engine import Store, open_store, writing
from arc_proxy.store.report import read_projects
from arc_proxy.store.totals import Period
from arc_proxy.store.write import save
from pricing.book import load_book
from pricing.cost import NOT_BILLED, Cost, CostGrade

MakeCall = Callable[..., Call]

BOOK = load_book()
NOW_NS = 1_790_000_000_000_000_000
HOUR_NS = 3_600_000_000_000


def at(hours: float) -> int:
    return NOW_NS // 1_000_000 - int(hours * 3_600_000)


def period(hours: float) -> Period:
    return Period(since_ns=NOW_NS - int(hours * HOUR_NS), until_ns=NOW_NS)


def by_project(store: Store, hours: float = 720, agent: str | None = None) -> dict[str, tuple[int, ...]]:
    """Runs, failed runs, calls, errors and nanodollars."""
    return {
        use.project: (
            use.runs,
            use.failed_runs,
            use.totals.calls,
            use.totals.errors,
            use.totals.known_nanousd,
        )
        for use in read_projects(store, period(hours), agent=agent)
    }


@pytest.fixture
def calls(make_call: MakeCall) -> list[Call]:
    shop, docs = {"project": "/srv/shop"}, {"project": "docs"}
    return [
        make_call(1, at_ms=at(5), grouping_run_id="a", grouping_tags=shop, cost_nanousd=100),
        make_call(2, at_ms=at(4), grouping_run_id="a", grouping_tags=shop, cost_nanousd=20, status=500),
        make_call(
            3, at_ms=at(4), grouping_run_id="a", grouping_tags=shop, cost_nanousd=3, kind=Kind.AUXILIARY
        ),
        make_call(4, at_ms=at(3), grouping_run_id="b", grouping_agent="docs", grouping_tags=docs),
        make_call(5, at_ms=at(2), grouping_run_id="c", cost_nanousd=7),
        make_call(6, at_ms=at(60), grouping_run_id="d", grouping_tags=shop, cost_nanousd=1000),
    ]


def test_each_project_has_its_runs_calls_errors_and_money(store: Store, calls: list[Call]) -> None:
    save(store, calls)
    # A title costs, and is no step.
    assert by_project(store) == {"/srv/shop": (2, 1, 3, 1, 1123), "docs": (1, 0, 1, 0, 4500)}
    assert by_project(store, 24) == {"/srv/shop": (1, 1, 2, 1, 123), "docs": (1, 0, 1, 0, 4500)}
    assert by_project(store, agent="docs") == {"docs": (1, 0, 1, 0, 4500)}
    assert by_project(store, agent="nobody") == {}
    assert rollup.check(store) == ()


def test_a_short_period_is_read_from_the_raw_rows(store: Store, calls: list[Call]) -> None:
    save(store, calls)
    assert by_project(store, 3) == {"docs": (1, 0, 1, 0, 4500)}


def test_what_becomes_another_project_leaves_the_first(
    store: Store, calls: list[Call], make_call: MakeCall
) -> None:
    save(store, calls)
    again = make_call(
        4, at_ms=at(3), grouping_run_id="b", grouping_agent="docs", grouping_tags={"project": "new"}
    )
    save(store, [again])
    assert by_project(store)["new"] == (1, 0, 1, 0, 4500)
    assert "docs" not in by_project(store)
    save(store, [], moves=[Move(old_agent="docs", old_run_id="b", agent="finance", run_id="a")])
    assert by_project(store, agent="finance")["new"] == (0, 0, 1, 0, 4500)
    assert rollup.check(store) == ()


def test_projects_beyond_the_cap_count_as_one(
    store: Store, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "PROJECTS_MAX", 2)
    made = [
        make_call(number, at_ms=at(number), grouping_tags={"project": f"p{number}"}) for number in range(1, 6)
    ]
    for call in made:
        save(store, [call])
    assert {project: sums[2] for project, sums in by_project(store).items()} == {"p1": 1, "p2": 1, "other": 3}
    # Who has no place of his own leaves the others' again.
    save(store, [make_call(5, at_ms=at(5), grouping_tags={"project": "p1"})])
    assert {project: sums[2] for project, sums in by_project(store).items()} == {"p1": 2, "p2": 1, "other": 2}
    assert rollup.check(store) == ()
    rollup.rebuild(store)
    assert {project: sums[2] for project, sums in by_project(store).items()} == {"p1": 2, "p2": 1, "other": 2}


def test_a_lost_sum_is_noticed_and_made_anew(store: Store, calls: list[Call]) -> None:
    save(store, calls)
    before = by_project(store)
    with writing(store) as connection:
        connection.execute(text("DELETE FROM project_day"))
    assert {each.table for each in rollup.check(store)} == {"project_day"}
    rollup.rebuild(store)
    assert by_project(store) == before
    assert rollup.check(store) == ()


GRADES = {
    CostGrade.COMPUTED: Cost(nanousd=1_234_567, grade=CostGrade.COMPUTED),
    CostGrade.PROVIDER_REPORTED: Cost(nanousd=11, grade=CostGrade.PROVIDER_REPORTED, disputed_nanousd=12),
    CostGrade.ESTIMATED: Cost(nanousd=5, grade=CostGrade.ESTIMATED, disputed_nanousd=9),
    CostGrade.PARTIAL: Cost(nanousd=7, grade=CostGrade.PARTIAL),
    CostGrade.UNKNOWN: Cost(nanousd=None, grade=CostGrade.UNKNOWN),
    CostGrade.API_EQUIVALENT: Cost(nanousd=99, grade=CostGrade.API_EQUIVALENT),
    "not billed": Cost(nanousd=0, grade=CostGrade.COMPUTED, reason=NOT_BILLED),
}


@st.composite
def some_calls(draw: st.DrawFn) -> list[dict[str, Any]]:
    one = st.fixed_dictionaries(
        {
            "number": st.integers(1, 12),
            "at_ms": st.integers(1, 400).map(at),
            "grouping_run_id": st.sampled_from(["r1", "r2", "r3"]),
            "grouping_agent": st.sampled_from(["a", "b", None]),
            "grouping_tags": st.sampled_from(
                [{}, {"project": "x"}, {"project": "y", "k": "v"}, {"k": "project"}]
            ),
            "cost": st.sampled_from(list(GRADES.values())),
            "kind": st.sampled_from([Kind.GENERATION, Kind.AUXILIARY, Kind.EMBEDDING]),
            "status": st.sampled_from([200, 500]),
        }
    )
    return draw(st.lists(one, max_size=25))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=some_calls())
def test_the_projects_are_the_total(
    store: Store, make_call: MakeCall, clear: Callable[[Store], None], made: list[dict[str, Any]]
) -> None:
    clear(store)
    for fields in made:
        given = dict(fields)
        save(store, [make_call(given.pop("number"), **given)])
    assert rollup.check(store) == ()
    report = build_report(store, BOOK, since_ns=None, until_ns=None, now_ns=NOW_NS)
    spends = [each.figures.spend for each in report.projects]
    total = report.total.spend
    for name in ("nanousd", "priced_calls", "unpriced_calls", "api_equivalent_nanousd", "less_nanousd"):
        assert sum(getattr(each, name) for each in spends) == getattr(total, name)
    for name in ("calls", "attempts", "errors"):
        assert sum(getattr(each.figures, name) for each in report.projects) == getattr(report.total, name)
    assert sum(each.runs for each in report.projects) == report.runs.runs
    assert sum(each.failed for each in report.projects) == report.runs.failed
    assert all(each.runs >= 0 and each.figures.spend.nanousd >= 0 for each in report.projects)


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | Path]:
    if request.param == "sqlite":
        yield tmp_path / "old.db"
    else:
        make: Callable[[], str] = request.getfixturevalue("new_postgres_url")
        yield make()


def test_calls_of_an_older_database_are_summed_up_when_it_is_opened(
    target: str | Path, make_call: MakeCall, calls: list[Call]
) -> None:
    """As it was before there were sums by project."""
    every = [
        make_call(100 + number, at_ms=at(number), grouping_tags={"project": "all"}, cost=cost)
        for number, cost in enumerate(GRADES.values())
    ]
    store = open_store(target)
    save(store, [*calls, *every])
    expected = by_project(store)
    with writing(store) as connection:
        for table in ("project", "project_hour", "project_day"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    store.close()
    store = open_store(target)
    assert by_project(store) == expected
    assert rollup.check(store) == ()
    store.close()
