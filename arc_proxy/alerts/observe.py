"""
Readings of all rules, from the store. Each look reads sums, the latest runs and the worst issues, at most.

Nothing is read for rules that nobody has, and little where no agent ran: this is done every half minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from analysis.budget import Budgets
from analysis.burn_rate import RULES
from analysis.standing import Standing
from arc_proxy.alerts.judge import (
    EVERYBODY,
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
from arc_proxy.report.summary import agent_name
from arc_proxy.store.engine import Store
from arc_proxy.store.history import read_standings
from arc_proxy.store.issues import Issue, read_issues
from arc_proxy.store.recent_runs import RecentRuns, read_ended, read_recent_runs
from arc_proxy.store.spent_since import SpentSince, read_spent_since
from arc_proxy.store.totals import Period

AGENTS_MAX = 20  # those with most runs; a rule that names its agent is looked at in any case
ISSUES_MAX = 50
_BURN_NS = max(rule.long_ns for rule in RULES)


def read_alerts(
    store: Store, rules: Iterable[Rule], budgets: Budgets, now_ns: int
) -> tuple[tuple[Rule, Reading], ...]:
    """What each rule says now. Raises StoreError."""
    look = _Look(store, budgets, now_ns)
    return tuple((rule, reading) for rule in rules for reading in look.readings(rule))


class _Look:
    """What several rules need is read once."""

    def __init__(self, store: Store, budgets: Budgets, now_ns: int) -> None:
        self._store = store
        self._budgets = budgets
        self._now_ns = now_ns
        self._recent: dict[int, dict[str | None, RecentRuns]] = {}

    def readings(self, rule: Rule) -> Iterator[Reading]:
        match rule:
            case ReliabilityRule():
                for agent in self._agents(rule.agent, _BURN_NS):
                    since_ns = self._now_ns - _BURN_NS
                    ended = read_ended(self._store, agent, since_ns, self._now_ns)
                    yield judge_reliability(rule, agent, ended, self._now_ns)
            case ErrorsRule():
                for agent in self._agents(rule.agent, rule.over_ns):
                    yield judge_errors(rule, agent, self._runs(agent, rule.over_ns))
            case CostPerRunRule():
                for agent in self._agents(rule.agent, rule.over_ns):
                    yield judge_cost_per_run(rule, agent, self._runs(agent, rule.over_ns))
            case CostPerDayRule():
                yield judge_cost_per_day(rule, self._spent_by(rule.agent))
            case IssueRule():
                for issue, standing in self._issues:
                    if rule.agent is None or rule.agent == (issue.agent or ""):
                        yield from judge_issue(rule, issue, standing)
            case BudgetRule():
                yield from self._budget_readings(rule)

    def _agents(self, named: str | None, over_ns: int) -> Sequence[str | None]:
        return list(self._since(over_ns))[:AGENTS_MAX] if named is None else [named or None]

    def _runs(self, agent: str | None, over_ns: int) -> RecentRuns:
        return self._since(over_ns).get(agent, RecentRuns())

    def _since(self, over_ns: int) -> dict[str | None, RecentRuns]:
        if over_ns not in self._recent:
            self._recent[over_ns] = read_recent_runs(self._store, self._now_ns - over_ns)
        return self._recent[over_ns]

    @cached_property
    def _spent(self) -> dict[str | None, SpentSince]:
        return read_spent_since(self._store, midnight_ns(self._now_ns), self._now_ns)

    def _spent_by(self, agent: str | None) -> SpentSince:
        if agent is None:
            return sum(self._spent.values(), SpentSince())
        return self._spent.get(agent or None, SpentSince())

    @cached_property
    def _issues(self) -> list[tuple[Issue, Standing]]:
        """The worst of the last days: sums are kept by the day, and today's may have begun yesterday."""
        lately = Period(since_ns=self._now_ns - DAY_NS, until_ns=self._now_ns)
        issues = read_issues(self._store, lately, recent_ns=self._now_ns, limit=ISSUES_MAX)
        standings = read_standings(self._store, issues, self._now_ns)
        return [(issue, standings[issue.key]) for issue in issues if issue.key in standings]

    def _budget_readings(self, rule: BudgetRule) -> Iterator[Reading]:
        budgets = self._budgets
        if budgets.per_day is not None and rule.agent is None:
            yield judge_budget(rule, "day", EVERYBODY, budgets.per_day, self._spent_by(None))
        if budgets.per_agent:
            for agent, spent in self._spent.items():
                limit = budgets.of_agent(agent)
                if limit is not None and rule.agent in (None, agent or ""):
                    yield judge_budget(rule, f"agent {agent or ''}", agent_name(agent), limit, spent)
