"""What the store knows of an issue over time."""

from __future__ import annotations

from analysis.effect import Share
from analysis.standing import Change, Standing
from arc_proxy.store import history as history_module
from arc_proxy.store.engine import Store
from arc_proxy.store.history import read_standings
from arc_proxy.store.issues import read_issues
from arc_proxy.store.sums import DAY_NS, HOUR_NS
from arc_proxy.store.totals import Period
from tests.store.runs import NOW_NS, Traffic


def standing_of(traffic: Traffic, now_ns: int = NOW_NS) -> Standing:
    """Of the one issue that there is."""
    traffic.analyse(now_ns)
    store = traffic.store
    issues = read_issues(store, Period(since_ns=0, until_ns=now_ns), recent_ns=now_ns - DAY_NS)
    assert [str(each.code) for each in issues] == ["output.truncated"]
    return read_standings(store, issues, now_ns)[issues[0].key]


def test_an_issue_is_new_on_its_first_day_and_tells_the_version(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(20, ago_ns=3 * DAY_NS, version="2.0")
    traffic.runs(10, ago_ns=2 * HOUR_NS, bad=3, version="2.1")
    found = standing_of(traffic)
    assert (found.change, found.version) == (Change.NEW, "2.1")
    assert found.history.began_ns == NOW_NS - 2 * HOUR_NS
    assert (found.history.recent, found.history.before) == (Share(3, 10), Share(0, 20))
    assert standing_of(traffic, NOW_NS + DAY_NS).change is None


def test_an_issue_as_old_as_its_agent_is_not_new(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(20, ago_ns=3 * DAY_NS, agent="support")
    traffic.runs(10, ago_ns=2 * HOUR_NS, bad=3)
    assert standing_of(traffic).change is None


def test_an_issue_that_was_away_is_back_with_the_version_that_brought_it(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(10, ago_ns=40 * DAY_NS, bad=2, version="1.0")
    traffic.runs(30, ago_ns=5 * DAY_NS, version="2.0")
    traffic.runs(5, ago_ns=HOUR_NS, bad=1, version="2.1")
    found = standing_of(traffic)
    assert (found.change, found.version) == (Change.BACK, "2.1")
    assert (found.history.absent_days, found.history.absent_runs) == (39, 30)
    assert found.history.began_ns == NOW_NS - HOUR_NS


def test_an_issue_that_was_away_as_its_agent_was_is_not_back(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(10, ago_ns=20 * DAY_NS, bad=2)
    traffic.runs(5, ago_ns=HOUR_NS, bad=1)
    found = standing_of(traffic)
    assert found.change is None
    assert found.history.began_ns == NOW_NS - 20 * DAY_NS


def test_an_issue_rises_by_run_and_not_by_number(store: Store) -> None:
    traffic = Traffic(store)
    for days in range(1, 8):
        traffic.runs(20, ago_ns=days * DAY_NS, bad=2)
    traffic.runs(100, ago_ns=HOUR_NS, bad=10)
    assert standing_of(traffic).change is None
    traffic.runs(20, ago_ns=HOUR_NS // 2, bad=20)
    found = standing_of(traffic)
    assert (found.change, found.history.recent) == (Change.RISING, Share(30, 120))
    assert found.history.before == Share(14, 140)


def test_midnight_does_not_take_away_what_was_said(store: Store) -> None:
    traffic = Traffic(store)
    for days in range(1, 8):
        traffic.runs(20, ago_ns=days * DAY_NS, bad=2)
    traffic.runs(20, ago_ns=HOUR_NS, bad=12)
    assert standing_of(traffic, NOW_NS + 8 * HOUR_NS).change is Change.RISING
    assert standing_of(traffic, NOW_NS + 20 * HOUR_NS).change is Change.RISING
    assert standing_of(traffic, NOW_NS + 24 * HOUR_NS).change is None


def test_of_agents_beyond_the_cap_of_sums_nothing_is_said_to_rise(store: Store, monkeypatch) -> None:
    traffic = Traffic(store)
    traffic.runs(10, ago_ns=3 * DAY_NS, bad=1)
    traffic.runs(20, ago_ns=HOUR_NS, bad=20)
    assert standing_of(traffic).change is Change.RISING
    monkeypatch.setattr(history_module, "rollup_agent", lambda _key: history_module.OTHER_AGENT)
    found = standing_of(traffic)
    assert (found.change, found.chance) == (None, None)


def test_without_issues_nothing_is_read(store: Store) -> None:
    assert read_standings(store, [], NOW_NS) == {}
