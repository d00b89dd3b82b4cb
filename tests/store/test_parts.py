"""Runs that are parts of another run of their agent, on either database."""

from __future__ import annotations

from typing import Any

from arc_proxy.store.engine import Store
from arc_proxy.store.issues import read_results
from arc_proxy.store.names import AGENTS_MAX
from arc_proxy.store.parts import Parts, read_parts
from arc_proxy.store.recent_runs import RecentRuns, read_recent_runs
from arc_proxy.store.report import read_run_costs
from arc_proxy.store.spending import read_spend
from arc_proxy.store.sums import HOUR_NS
from arc_proxy.store.totals import Period
from arc_proxy.store.versions import read_versions
from arc_proxy.store.write import save
from tests.store.conftest import build_call
from tests.store.runs import NOW_NS, Traffic

DAY = Period(since_ns=NOW_NS - 24 * HOUR_NS, until_ns=NOW_NS)


def run(number: int, name: str, parent: str | None = None, agent: str = "coder", **more: Any) -> Any:
    return build_call(
        number,
        at_ms=(NOW_NS - HOUR_NS) // 10**6 + number,
        grouping_run_id=name,
        grouping_agent=agent,
        grouping_parent_run_id=parent,
        grouping_rule="header",
        **more,
    )


def a_day(store: Store) -> None:
    """Two tasks, three runs of sub-agents in them, one of which failed; a helper's, and one of nobody."""
    save(
        store,
        [
            run(1, "task-1"),
            run(2, "part-1", "task-1"),
            run(3, "part-2", "task-1", status=500),
            run(4, "piece", "part-1"),
            run(5, "task-2"),
            run(6, "help", "task-2", agent="helper"),
            run(7, "of-another-folder", "gone"),
        ],
    )


def test_a_part_goes_by_the_agent_of_its_parent(store: Store) -> None:
    a_day(store)
    assert read_parts(store, DAY) == {"coder": Parts(runs=3, failed=1)}
    assert read_parts(store, DAY, agent="coder") == {"coder": Parts(runs=3, failed=1)}
    assert read_parts(store, DAY, agent="helper") == {}
    assert read_parts(store, Period(since_ns=0, until_ns=DAY.since_ns)) == {}


def test_two_that_name_each_other_are_tasks(store: Store) -> None:
    save(store, [run(1, "left", "right"), run(2, "right", "left"), run(3, "own", "own")])
    assert read_parts(store, DAY) == {}


def test_an_agent_beyond_the_cap_is_one_of_the_others(store: Store) -> None:
    save(store, [run(number, f"r{number}", agent=f"a{number}") for number in range(AGENTS_MAX)])
    late = AGENTS_MAX + 1
    save(store, [run(late, "task", agent="late"), run(late + 1, "part", "task", agent="late")])
    assert read_parts(store, DAY) == {"other": Parts(runs=1)}
    assert read_recent_runs(store, DAY.since_ns)["other"].runs == 1


def test_a_task_costs_what_its_parts_cost(store: Store) -> None:
    a_day(store)
    count, total, squares = read_run_costs(store, DAY, "coder")
    cost = 4500.0
    # A piece of a part is a task of its own here: one level is what agents have.
    assert (count, total) == (4, 6 * cost)
    assert squares == (3 * cost) ** 2 + 3 * cost**2


def test_alerts_read_tasks(store: Store) -> None:
    a_day(store)
    found = read_recent_runs(store, DAY.since_ns)
    assert found == {
        "coder": RecentRuns(runs=3, failed=0, nanousd=6 * 4500),
        "helper": RecentRuns(runs=1, nanousd=4500),
    }


def test_versions_and_reliability_are_of_tasks(store: Store) -> None:
    a_day(store)
    Traffic(store).analyse(NOW_NS)
    [version] = read_versions(store, "coder", DAY, limit=10)
    assert (version.totals.runs, version.parts) == (6, Parts(runs=3, failed=1))
    named = {result.run_id for result in read_results(store, "coder", NOW_NS, limit=10)}
    assert named == {"task-1", "task-2", "of-another-folder"}
    spend = read_spend(store, "coder", DAY).spend
    assert (spend.runs, spend.calls) == (3, 6)
