"""What agents' latest runs came to."""

from __future__ import annotations

from arc_proxy.call import CallError
from arc_proxy.journal.record import Ended
from arc_proxy.runs.ending import SILENCE_NS
from arc_proxy.store.engine import Store
from arc_proxy.store.recent_runs import RecentRuns, count_analysed, read_ended, read_recent_runs
from arc_proxy.store.sums import DAY_NS, HOUR_NS
from pricing.cost import CostGrade
from tests.store.runs import NOW_NS, Traffic

MINUTE_NS = 60 * 10**9


def test_sums_are_by_agent_and_exact_to_the_moment(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(3, ago_ns=2 * HOUR_NS)
    traffic.runs(4, ago_ns=30 * HOUR_NS)
    traffic.runs(5, ago_ns=HOUR_NS, agent="support", cost_nanousd=None, cost_grade=CostGrade.UNKNOWN)
    support, finance = RecentRuns(runs=5, unpriced_calls=5), RecentRuns(runs=3, nanousd=3 * 4500)
    assert read_recent_runs(store, NOW_NS - 2 * HOUR_NS) == {"support": support, "finance": finance}
    # One of the three began a moment before.
    later = read_recent_runs(store, NOW_NS - 2 * HOUR_NS + 1)
    assert later == {"support": support, "finance": RecentRuns(runs=2, nanousd=2 * 4500)}
    assert read_recent_runs(store, NOW_NS) == {}


def test_failed_runs_are_counted_alike_by_the_hour_and_by_the_run(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(3, ago_ns=10 * MINUTE_NS, status=500)
    by_run = read_recent_runs(store, NOW_NS - 15 * MINUTE_NS)
    by_hour = read_recent_runs(store, NOW_NS - 2 * HOUR_NS)
    assert by_run == by_hour
    assert by_run["finance"].failed == 3


def ended(store: Store, now_ns: int = NOW_NS) -> list[bool]:
    return [run.is_bad for run in read_ended(store, "finance", now_ns - 3 * DAY_NS, now_ns, limit=100).ended]


def test_runs_that_are_over_say_how_they_went(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(3, ago_ns=HOUR_NS, bad=1)
    traffic.runs(9, ago_ns=HOUR_NS, agent="support", bad=9)
    traffic.analyse()
    assert sorted(ended(store)) == [False, False, True]
    [first, *_] = read_ended(store, "finance", 0, NOW_NS, limit=100).ended
    assert NOW_NS - HOUR_NS < first.ended_ns < NOW_NS - HOUR_NS + MINUTE_NS


def test_a_run_that_has_just_answered_says_nothing_yet(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(3, ago_ns=MINUTE_NS)
    traffic.analyse()
    assert ended(store) == []


def test_a_run_that_failed_and_is_silent_counts_before_it_is_over(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(
        2,
        ago_ns=MINUTE_NS,
        status=401,
        reply_error=CallError(type="authentication_error", message="invalid x-api-key"),
        reply_finish_reason=None,
        reply_output_text=None,
        reply_message=None,
    )
    traffic.analyse()
    assert ended(store) == []
    assert ended(store, NOW_NS + SILENCE_NS) == [True, True]


def test_a_run_that_its_user_left_says_nothing_of_the_agent(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(2, ago_ns=HOUR_NS, ended=Ended.CLIENT_CLOSED, reply_finished=False, reply_finish_reason=None)
    traffic.analyse()
    assert ended(store) == []


def test_no_more_than_the_latest_are_read(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(10, ago_ns=HOUR_NS, bad=9)
    traffic.analyse()
    traffic.runs(1, ago_ns=HOUR_NS, agent="support")
    latest = read_ended(store, "finance", 0, NOW_NS, limit=2)
    assert [each.is_bad for each in latest.ended] == [False, True]
    assert count_analysed(store, "finance", 0, latest.since_ns) == 8
    assert count_analysed(store, "finance", NOW_NS - HOUR_NS + 1, latest.since_ns) == 7
    assert read_ended(store, "finance", 5, NOW_NS, limit=11).since_ns == 5
