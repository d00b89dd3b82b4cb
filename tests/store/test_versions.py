"""What the latest runs of an agent came to, version by version."""

from __future__ import annotations

from collections.abc import Callable

from arc_proxy.call import Call, Kind
from arc_proxy.store.engine import Store
from arc_proxy.store.totals import Period, RunTotals
from arc_proxy.store.versions import read_versions
from arc_proxy.store.write import save
from pricing.cost import Cost, CostGrade
from tests.store.conftest import BASE_NS

MakeCall = Callable[..., Call]
EVER = Period(since_ns=0, until_ns=2 * BASE_NS)
PRICED = Cost(nanousd=100, grade=CostGrade.COMPUTED)
UNKNOWN = Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="no price")


def test_an_agent_without_runs_has_no_versions(store: Store) -> None:
    assert read_versions(store, "finance", EVER, limit=500) == ()


def test_runs_are_summed_by_their_version_the_latest_first(store: Store, make_call: MakeCall) -> None:
    runs = [
        ("a", "finance", "1.9", PRICED, 200),
        ("b", "finance", "2.1", PRICED, 200),
        ("c", "finance", "1.9", UNKNOWN, 200),
        ("d", "finance", None, PRICED, 200),
        ("e", "finance", "2.1", PRICED, 500),
        ("f", "other", "9", PRICED, 200),
    ]
    calls = [
        make_call(
            number,
            grouping_run_id=run,
            grouping_agent=agent,
            grouping_version=version,
            cost=cost,
            status=status,
        )
        for number, (run, agent, version, cost, status) in enumerate(runs)
    ]
    probe = make_call(
        9, grouping_run_id="p", grouping_agent="finance", grouping_version="0", kind=Kind.AUXILIARY
    )
    save(store, [*calls, probe])
    newest, unnamed, oldest = read_versions(store, "finance", EVER, limit=500)
    assert [newest.version, unnamed.version, oldest.version] == ["2.1", None, "1.9"]
    assert (newest.first_ns, newest.last_ns) == (calls[1].started_ns, calls[4].started_ns)
    assert newest.totals == RunTotals(runs=2, attempts=2, known_nanousd=200, failed_runs=1)
    assert oldest.totals == RunTotals(runs=2, attempts=2, known_nanousd=100, unpriced_calls=1)


def test_only_the_latest_runs_of_the_period_count(store: Store, make_call: MakeCall) -> None:
    save(
        store,
        [
            make_call(number, grouping_run_id=f"r{number}", grouping_agent="a", grouping_version=version)
            for number, version in enumerate(["1", "1", "2"])
        ],
    )
    found = read_versions(store, "a", EVER, limit=2)
    assert [(each.version, each.totals.runs) for each in found] == [("2", 1), ("1", 1)]
    until = Period(since_ns=0, until_ns=BASE_NS + 1)
    assert [each.version for each in read_versions(store, "a", until, limit=500)] == ["1"]
