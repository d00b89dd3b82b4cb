"""Readings of rules from rows, on either database."""

from __future__ import annotations

from analysis.budget import Budgets
from analysis.standing import Change
from arc_proxy.alerts import observe
from arc_proxy.alerts.firing import Alerts, look
from arc_proxy.alerts.observe import read_alerts
from arc_proxy.alerts.rules import (
    DEFAULT_RULES,
    BudgetRule,
    CostPerDayRule,
    CostPerRunRule,
    ErrorsRule,
    IssueRule,
    Reading,
    ReliabilityRule,
    Rule,
)
from arc_proxy.report.health import midnight_ns
from arc_proxy.store.engine import Store
from arc_proxy.store.sums import DAY_NS, HOUR_NS
from pricing.cost import CostGrade
from tests.store.runs import NOW_NS, Traffic

MINUTE_NS = 60 * 10**9
USD = 10**9


def levels(store: Store, *rules: Rule, budgets: Budgets | None = None) -> dict[str, int | None]:
    return {each.key: each.level for each in readings(store, *rules, budgets=budgets)}


def readings(store: Store, *rules: Rule, budgets: Budgets | None = None) -> list[Reading]:
    return [reading for _, reading in read_alerts(store, rules, budgets or Budgets(), NOW_NS)]


def test_an_empty_store_fires_nothing(store: Store) -> None:
    assert not any(levels(store, *DEFAULT_RULES, ErrorsRule(name="e", above=0.1)).values())


def test_an_agent_that_fails_fast_fires_alone(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(12, ago_ns=3 * MINUTE_NS, bad=12)
    traffic.runs(30, ago_ns=3 * MINUTE_NS, agent="support")
    traffic.analyse()
    assert levels(store, ReliabilityRule(name="r")) == {"support": 0, "finance": 2}
    assert levels(store, ReliabilityRule(name="r", agent="support")) == {"support": 0}
    assert levels(store, ReliabilityRule(name="r", agent="nobody")) == {"nobody": 0}


def test_runs_before_those_that_are_read_count_in_their_windows(store: Store, monkeypatch) -> None:
    traffic = Traffic(store)
    traffic.runs(300, ago_ns=2 * DAY_NS)
    traffic.runs(100, ago_ns=7 * HOUR_NS)
    traffic.runs(100, ago_ns=2 * HOUR_NS, bad=20)
    traffic.analyse()
    assert levels(store, ReliabilityRule(name="r")) == {"finance": 0}
    monkeypatch.setattr(observe, "ENDED_MAX", 100)
    assert levels(store, ReliabilityRule(name="r")) == {"finance": None}


def test_agents_with_most_runs_are_looked_at_and_any_that_is_named(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(observe, "AGENTS_MAX", 1)
    traffic = Traffic(store)
    traffic.runs(2, ago_ns=HOUR_NS)
    traffic.runs(3, ago_ns=HOUR_NS, agent="support")
    assert list(levels(store, ErrorsRule(name="e", above=0.1))) == ["support"]
    assert list(levels(store, ErrorsRule(name="e", above=0.1, agent="finance"))) == ["finance"]


def test_an_agent_that_fires_is_looked_at_though_others_have_more_runs(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(observe, "AGENTS_MAX", 1)
    rules = [ErrorsRule(name="e", above=0.1), CostPerRunRule(name="c", above_nanousd=USD)]
    traffic = Traffic(store)
    traffic.runs(10, ago_ns=HOUR_NS, status=500)
    alerts, _ = look(Alerts(), rules, read_alerts(store, rules, Budgets(), NOW_NS), NOW_NS)
    traffic.runs(20, ago_ns=HOUR_NS, agent="support")
    found = read_alerts(store, rules, Budgets(), NOW_NS, alerts.firing.values())
    assert [(rule.name, reading.key, reading.level) for rule, reading in found] == [
        ("e", "support", 0),
        ("e", "finance", 1),
        ("c", "support", 0),
    ]


def test_an_issue_that_fires_is_looked_at_though_others_are_worse(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(observe, "ISSUES_MAX", 1)
    rules = [IssueRule(name="i")]
    traffic = Traffic(store)
    traffic.runs(20, ago_ns=3 * DAY_NS)
    traffic.runs(20, ago_ns=3 * DAY_NS, agent="support")
    traffic.runs(5, ago_ns=HOUR_NS, bad=2)
    traffic.analyse()
    alerts, _ = look(Alerts(), rules, read_alerts(store, rules, Budgets(), NOW_NS), NOW_NS)
    traffic.runs(5, ago_ns=HOUR_NS, bad=5, agent="support")
    traffic.analyse()
    found = read_alerts(store, rules, Budgets(), NOW_NS, alerts.firing.values())
    assert [(reading.agent, reading.level) for _, reading in found] == [("support", 1), ("finance", 1)]


def test_errors_and_costs_are_of_the_rules_own_window(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(10, ago_ns=HOUR_NS, status=500, cost_nanousd=USD)
    traffic.runs(90, ago_ns=20 * HOUR_NS, cost_nanousd=0)
    assert levels(store, ErrorsRule(name="e", above=0.2)) == {"finance": 0}
    assert levels(store, ErrorsRule(name="e", above=0.2, over_ns=2 * HOUR_NS)) == {"finance": 1}
    assert levels(store, CostPerRunRule(name="c", above_nanousd=USD // 2)) == {"finance": 0}
    assert levels(store, CostPerRunRule(name="c", above_nanousd=USD // 2, over_ns=2 * HOUR_NS)) == {
        "finance": 1
    }


def test_a_day_and_its_budgets_count_from_midnight(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(10, ago_ns=MINUTE_NS, cost_nanousd=USD)
    traffic.runs(2, ago_ns=MINUTE_NS, agent="support", cost_nanousd=None, cost_grade=CostGrade.UNKNOWN)
    traffic.runs(50, ago_ns=3 * DAY_NS, cost_nanousd=USD)
    day = CostPerDayRule(name="d", above_nanousd=9 * USD)
    [found] = readings(store, day)
    assert (found.level, found.value, found.is_at_least) == (1, 10 * USD, True)
    budgets = Budgets(per_day=12 * USD, per_agent={"*": 20 * USD, "finance": 10 * USD})
    midnight = midnight_ns(NOW_NS)
    assert found.key == f"/{midnight}"
    assert levels(store, BudgetRule(name="b"), budgets=budgets) == {
        f"day/{midnight}": 1,
        f"agent finance/{midnight}": 2,
        f"agent support/{midnight}": None,
    }
    assert levels(store, BudgetRule(name="b")) == {}
    [of_finance] = levels(store, BudgetRule(name="b", agent="finance"), budgets=budgets)
    assert of_finance == f"agent finance/{midnight}"


def test_an_issue_that_is_new_fires(store: Store) -> None:
    traffic = Traffic(store)
    traffic.runs(20, ago_ns=3 * DAY_NS, version="2.0")
    traffic.runs(5, ago_ns=HOUR_NS, bad=3, version="2.1")
    traffic.analyse()
    [found] = readings(store, IssueRule(name="i"))
    assert (found.level, found.value, found.change, found.version) == (1, 3, "new", "2.1")
    assert found.title == "new issue in finance: answer cut at its limit"
    [_, rising] = readings(store, IssueRule(name="i", changes=(Change.RISING,)))
    assert rising.level == 0
    assert levels(store, IssueRule(name="i", agent="support")) == {}
