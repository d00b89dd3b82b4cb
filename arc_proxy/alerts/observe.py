"""
Readings of all rules, from the store. Each look reads sums, the latest runs and the worst issues, at most,
beside what fires: that it is over is known by a reading, and not by its place among others.

Nothing is read for rules that nobody has, and little where no agent ran: this is done every half minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice

from analysis.budget import Budgets
from analysis.burn_rate import RULES
from analysis.standing import Standing
from arc_proxy.alerts.firing import Firing
from arc_proxy.alerts.judge import (
    judge_budget,
    judge_cost_per_day,
    judge_cost_per_run,
    judge_errors,
    judge_issue,
    judge_reliability,
)
from arc_proxy.alerts.rules import (
    DAY_NS,
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
from arc_proxy.store.history import read_standings
from arc_proxy.store.issues import Issue, read_issues
from arc_proxy.store.recent_runs import (
    ENDED_MAX,
    RecentRuns,
    count_analysed,
    read_ended,
    read_recent_runs,
)
from arc_proxy.store.spent_since import Billed, read_spent_since
from arc_proxy.store.totals import Period

AGENTS_MAX = 20  # those with most runs, beside those that fire; one that its rule names is looked at anyway
ISSUES_MAX = 50  # the worst, beside those that fire
_BURN_NS = max(rule.long_ns for rule in RULES)


def read_alerts(
    store: Store, rules: Iterable[Rule], budgets: Budgets, now_ns: int, firing: Iterable[Firing] = ()
) -> tuple[tuple[Rule, Reading], ...]:
    """What each rule says now. `firing`: what fires so far. Raises StoreError."""
    look = _Look(store, budgets, now_ns, tuple(firing))
    return tuple((rule, reading) for rule in rules for reading in look.readings(rule))


class _Look:
    """What several rules need is read once."""

    def __init__(self, store: Store, budgets: Budgets, now_ns: int, firing: Sequence[Firing]) -> None:
        self._store = store
        self._budgets = budgets
        self._now_ns = now_ns
        self._midnight_ns = midnight_ns(now_ns)
        self._firing = firing
        self._recent: dict[int, dict[str | None, RecentRuns]] = {}

    def readings(self, rule: Rule) -> Iterator[Reading]:
        match rule:
            case ReliabilityRule():
                for agent in self._agents(rule, _BURN_NS):
                    since_ns = self._now_ns - _BURN_NS
                    latest = read_ended(self._store, agent, since_ns, self._now_ns, limit=ENDED_MAX)
                    unread = self._unread(agent, latest.since_ns)
                    yield judge_reliability(rule, agent, latest.ended, self._now_ns, unread)
            case ErrorsRule():
                for agent in self._agents(rule, rule.over_ns):
                    yield judge_errors(rule, agent, self._runs(agent, rule.over_ns))
            case CostPerRunRule():
                for agent in self._agents(rule, rule.over_ns):
                    yield judge_cost_per_run(rule, agent, self._runs(agent, rule.over_ns))
            case CostPerDayRule():
                yield judge_cost_per_day(rule, self._spent_by(rule.agent), self._midnight_ns)
            case IssueRule():
                for issue, standing in self._issues:
                    if rule.agent is None or rule.agent == (issue.agent or ""):
                        yield from judge_issue(rule, issue, standing)
            case BudgetRule():
                yield from self._budget_readings(rule)

    def _unread(self, agent: str | None, until_ns: int) -> dict[int, int]:
        """By the length of a window: its runs before those that were read. Nothing where it is all read."""
        lengths = [rule.long_ns for rule in RULES if self._now_ns - rule.long_ns < until_ns]
        return {
            length_ns: count_analysed(self._store, agent, self._now_ns - length_ns, until_ns)
            for length_ns in lengths
        }

    def _agents(self, rule: Rule, over_ns: int) -> Iterable[str | None]:
        if rule.agent is not None:
            return [rule.agent or None]
        firing = [each.reading.agent for each in self._firing if each.rule == rule.name]
        return dict.fromkeys((*islice(self._since(over_ns), AGENTS_MAX), *firing))

    def _runs(self, agent: str | None, over_ns: int) -> RecentRuns:
        return self._since(over_ns).get(agent, RecentRuns())

    def _since(self, over_ns: int) -> dict[str | None, RecentRuns]:
        if over_ns not in self._recent:
            self._recent[over_ns] = read_recent_runs(self._store, self._now_ns - over_ns)
        return self._recent[over_ns]

    @cached_property
    def _spent(self) -> dict[str | None, Billed]:
        return read_spent_since(self._store, self._midnight_ns, self._now_ns)

    def _spent_by(self, agent: str | None) -> Billed:
        if agent is None:
            return sum(self._spent.values(), Billed())
        return self._spent.get(agent or None, Billed())

    @cached_property
    def _issues(self) -> list[tuple[Issue, Standing]]:
        """The worst of the last days: sums are kept by the day, and today's may have begun yesterday."""
        lately = Period(since_ns=self._now_ns - DAY_NS, until_ns=self._now_ns)
        firing = {each.reading.issue_key or 0 for each in self._firing}
        issues = read_issues(self._store, lately, recent_ns=self._now_ns, limit=ISSUES_MAX, also=firing)
        standings = read_standings(self._store, issues, self._now_ns)
        return [(issue, standings[issue.key]) for issue in issues if issue.key in standings]

    def _budget_readings(self, rule: BudgetRule) -> Iterator[Reading]:
        budgets = self._budgets
        if budgets.per_day is not None and rule.agent is None:
            yield judge_budget(rule, None, budgets.per_day, self._spent_by(None), self._midnight_ns)
        if budgets.per_agent:
            for agent, spent in self._spent.items():
                limit = budgets.of_agent(agent)
                if limit is not None and rule.agent in (None, agent or ""):
                    yield judge_budget(rule, agent or "", limit, spent, self._midnight_ns)
