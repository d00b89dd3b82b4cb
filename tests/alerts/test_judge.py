"""Numbers against rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from analysis.burn_rate import DAY_NS, HOUR_NS, MINUTE_NS, EndedRun, Urgency
from analysis.effect import Share
from analysis.failure import Failure, FailureCode, Severity
from analysis.standing import Change, History, Standing
from arc_proxy.alerts.firing import Alerts, look
from arc_proxy.alerts.judge import (
    judge_budget,
    judge_cost_per_day,
    judge_cost_per_run,
    judge_errors,
    judge_issue,
    judge_reliability,
)
from arc_proxy.alerts.rules import (
    BudgetRule,
    CostPerDayRule,
    CostPerRunRule,
    ErrorsRule,
    IssueRule,
    Reading,
    ReliabilityRule,
)
from arc_proxy.store.issues import Issue
from arc_proxy.store.recent_runs import RecentRuns
from arc_proxy.store.spent_since import Billed

NOW_NS = 1_800_000_000 * 10**9
MIDNIGHT_NS = NOW_NS - HOUR_NS
USD = 10**9


def ended(bad: int, good: int, age_ns: int) -> list[EndedRun]:
    return [EndedRun(NOW_NS - age_ns, is_bad) for is_bad in [True] * bad + [False] * good]


BURNING = {
    "no runs": ([], 0, Urgency.TICKET),
    "all is well": (ended(0, 100, MINUTE_NS), 0, Urgency.TICKET),
    "nine failures are too few": (ended(9, 0, MINUTE_NS), 0, Urgency.TICKET),
    "all fail": (ended(10, 0, MINUTE_NS), 2, Urgency.PAGE),
    "one in ten fails": (ended(10, 90, MINUTE_NS), 1, Urgency.TICKET),
    "all failed, and it is over since a day": (ended(50, 0, 24 * HOUR_NS), 0, Urgency.TICKET),
}


@pytest.mark.parametrize(("runs", "level", "urgency"), BURNING.values(), ids=BURNING)
def test_reliability_fires_by_how_fast_it_burns(runs: list[EndedRun], level: int, urgency: Urgency) -> None:
    found = judge_reliability(ReliabilityRule(name="r"), "finance", runs, NOW_NS)
    assert (found.level, found.urgency, found.key) == (level, urgency, "finance")


def test_reliability_tells_how_many_runs_and_since_when() -> None:
    found = judge_reliability(ReliabilityRule(name="r"), None, ended(12, 4, MINUTE_NS), NOW_NS)
    assert found.title == "(no agent named) fails 15.0 times as often as it may"
    assert found.text.startswith("12 of 16 runs of the last 1 h went wrong")


# Of the latest runs one in ten is bad. Older ones that are not read -> level.
UNREAD = {"none": (0, 1), "few": (50, 1), "many": (5000, None)}


@pytest.mark.parametrize(("unread", "level"), UNREAD.values(), ids=UNREAD)
def test_reliability_takes_no_run_for_bad_that_was_not_read(unread: int, level: int | None) -> None:
    rule, more = ReliabilityRule(name="r"), {3 * DAY_NS: unread}
    found = judge_reliability(rule, "finance", ended(10, 90, MINUTE_NS), NOW_NS, more)
    assert (found.level, found.is_at_least) == (level, unread == 50)
    well = judge_reliability(rule, "finance", ended(0, 100, MINUTE_NS), NOW_NS, more)
    assert well.level == 0


def test_reliability_tells_a_lower_bound_as_one() -> None:
    runs, more = ended(10, 90, MINUTE_NS), {3 * DAY_NS: 50}
    found = judge_reliability(ReliabilityRule(name="r"), "finance", runs, NOW_NS, more)
    assert found.title == "finance fails at least 1.3 times as often as it may"
    assert found.text.startswith("At least 10 of 150 runs of the last 3 d went wrong")


ERRORS = {
    "above": ((30, 9), 1),
    "just at the limit": ((30, 6), None),
    "a little below": ((100, 19), None),
    "well below": ((100, 18), 0),
    "above, of too few runs": ((9, 9), None),
    "well, of too few runs": ((3, 0), 0),
    "no run": ((0, 0), 0),
}


@pytest.mark.parametrize(("seen", "level"), ERRORS.values(), ids=ERRORS)
def test_errors_fire_by_their_share(seen: tuple[int, int], level: int | None) -> None:
    runs, failed = seen
    found = judge_errors(ErrorsRule(name="e", above=0.2), "finance", RecentRuns(runs=runs, failed=failed))
    assert found.level == level


# Runs, dollars, unpriced calls -> level, words of the amount.
COSTS = {
    "above": ((10, 6, 0), 1, "$0.60"),
    "below": ((10, 4, 0), 0, "$0.40"),
    "above, of too few runs": ((4, 40, 0), None, "$10.00"),
    "above by what is known": ((10, 6, 2), 1, "at least $0.60"),
    "below by what is known": ((10, 4, 2), None, "at least $0.40"),
    "nothing is known": ((10, 0, 20), None, "unknown"),
    "free": ((10, 0, 0), 0, "$0"),
}


@pytest.mark.parametrize(("seen", "level", "words"), COSTS.values(), ids=COSTS)
def test_a_cost_per_run_is_never_taken_for_less_than_it_may_be(
    seen: tuple[int, int, int], level: int | None, words: str
) -> None:
    runs, usd, unpriced = seen
    recent = RecentRuns(runs=runs, nanousd=usd * USD, unpriced_calls=unpriced)
    found = judge_cost_per_run(CostPerRunRule(name="c", above_nanousd=USD // 2), "finance", recent)
    assert (found.level, found.is_at_least) == (level, unpriced > 0)
    assert found.title == f"a run of finance costs {words}"


def test_a_day_costs_what_all_agents_spent() -> None:
    rule = CostPerDayRule(name="c", above_nanousd=20 * USD)
    found = judge_cost_per_day(rule, Billed(21 * USD, 3), MIDNIGHT_NS)
    assert (found.level, found.title) == (1, "all agents spent at least $21.00 today")
    assert judge_cost_per_day(rule, Billed(0, 3), MIDNIGHT_NS).level is None
    nobody = judge_cost_per_day(replace(rule, agent=""), Billed(0, 0), MIDNIGHT_NS)
    assert nobody.title.startswith("(no agent named)")


# Spent of $10, unpriced calls -> level, words.
BUDGETS = {
    "half": ((5, 0), 0, "50%"),
    "four fifths": ((8, 0), 1, "80%"),
    "all": ((10, 0), 2, "100%"),
    "more than all": ((15, 0), 2, "150%"),
    "four fifths of what is known": ((8, 1), 1, "at least 80%"),
    "nothing is known": ((0, 5), None, "at least 0%"),
}


@pytest.mark.parametrize(("spent", "level", "words"), BUDGETS.values(), ids=BUDGETS)
def test_a_budget_fires_at_shares_of_it(spent: tuple[int, int], level: int | None, words: str) -> None:
    usd, unpriced = spent
    found = budget(Billed(usd * USD, unpriced), MIDNIGHT_NS)
    assert (found.level, found.agent) == (level, "finance")
    assert found.title == f"finance spent {words} of the day's budget"


def cost(spent: Billed, midnight_ns: int) -> Reading:
    return judge_cost_per_day(CostPerDayRule(name="d", above_nanousd=10 * USD), spent, midnight_ns)


def budget(spent: Billed, midnight_ns: int) -> Reading:
    return judge_budget(BudgetRule(name="d"), "finance", 10 * USD, spent, midnight_ns)


@pytest.mark.parametrize("judge", [cost, budget])
def test_each_day_is_told_though_unpriced_calls_come_first_in_it(
    judge: Callable[[Billed, int], Reading],
) -> None:
    unknown, above = Billed(0, 1), Billed(12 * USD, 1)
    rule, alerts, words = BudgetRule(name="d"), Alerts(), []
    for midnight_ns in (MIDNIGHT_NS, MIDNIGHT_NS + DAY_NS):
        for number, spent in enumerate([unknown] * 4 + [above]):
            readings = [(rule, judge(spent, midnight_ns))]
            alerts, notices = look(alerts, [rule], readings, midnight_ns + number * MINUTE_NS)
            words += [str(each.status) for each in notices]
    assert words == ["firing", "resolved", "firing"]


def issue(**fields: Any) -> Issue:
    failure = Failure(FailureCode.OUTPUT_TRUNCATED, "cut", "")
    whole: dict[str, Any] = {
        "key": 7,
        "fingerprint": "f",
        "agent": "finance",
        "code": FailureCode.OUTPUT_TRUNCATED,
        "subject": "max_tokens=256",
        "cause": "",
        "severity": Severity.ERROR,
        "failures": 3,
        "runs": 3,
        "recently": 3,
        "first_ns": NOW_NS,
        "last_ns": NOW_NS,
        "last": failure,
        "last_failure_key": 1,
        "last_run_id": "r",
    }
    return Issue(**(whole | fields))


def standing(change: Change | None, having: int = 3) -> Standing:
    history = History(began_ns=NOW_NS, recent=Share(having, 10), before=Share(0, 40))
    return Standing(change=change, version="2.1", chance=0.001, history=history)


EVER = (Change.NEW, Change.BACK, Change.RISING)
# The issue, what became of it, the changes asked for -> levels of having come up and of rising.
ISSUES = {
    "new": (issue(), standing(Change.NEW), (Change.NEW,), [1]),
    "new, of all that is asked for": (issue(), standing(Change.NEW), EVER, [1, 0]),
    "back": (issue(), standing(Change.BACK), EVER, [1, 0]),
    "back, which is not asked for": (issue(), standing(Change.BACK), (Change.NEW,), [None]),
    "rising": (issue(), standing(Change.RISING), EVER, [None, 1]),
    "no longer new, and still there": (issue(), standing(None), EVER, [None, 0]),
    "not seen any more": (issue(), standing(None, 0), EVER, [0, 0]),
    "new, and a warning": (issue(severity=Severity.WARNING), standing(Change.NEW), EVER, [None, 0]),
    "new, in fewer runs than asked for": (issue(), standing(Change.NEW, 2), EVER, [None, 0]),
}


@pytest.mark.parametrize(("of", "found", "changes", "levels"), ISSUES.values(), ids=ISSUES)
def test_an_issue_fires_by_what_became_of_it(
    of: Issue, found: Standing, changes: tuple[Change, ...], levels: list[int | None]
) -> None:
    readings = list(judge_issue(IssueRule(name="i", changes=changes, runs_min=3), of, found))
    assert [each.level for each in readings] == levels
    assert len({each.key for each in readings}) == len(readings)


def test_an_issue_is_told_with_its_version_and_its_fix() -> None:
    [found] = judge_issue(IssueRule(name="i"), issue(severity=Severity.FATAL), standing(Change.NEW))
    assert found.title == "new issue in finance: answer cut at max_tokens=256"
    assert (
        "in 3 of 10 runs of the last day. It began with version 2.1. What to do: arc-proxy fix 7"
        in found.text
    )
    assert (found.urgency, found.issue_key, found.change) == (Urgency.PAGE, 7, "new")
