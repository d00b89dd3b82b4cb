"""A report, from the rollups of a store and the price book."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType

from analysis.budget import Budgets
from analysis.savings import ModelSpend, Swap, best_swap
from analysis.trend import Sample, Trend, compare_means, compare_shares
from arc_proxy.call import Kind
from arc_proxy.report.breakdown import day_reports, model_reports, project_reports
from arc_proxy.report.figures import figures_of, sum_runs
from arc_proxy.report.health import midnight_ns, read_health
from arc_proxy.report.losses import Standing, read_losses
from arc_proxy.report.model import (
    AgentReport,
    Health,
    Report,
    Weeks,
)
from arc_proxy.report.savings import agent_savings
from arc_proxy.report.savings_model import AgentSavings, Retiring
from arc_proxy.report.spent import spent_by_model
from arc_proxy.report.versions import read_version_reports
from arc_proxy.report.warnings import agent_warnings, day_warnings, local_day, read_days
from arc_proxy.store.engine import Store
from arc_proxy.store.history import read_standings
from arc_proxy.store.issues import count_issues, read_issues
from arc_proxy.store.parts import Parts, read_parts
from arc_proxy.store.project_spending import read_project_spending
from arc_proxy.store.report import (
    MadeOf,
    read_doubts,
    read_made_of,
    read_projects,
    read_run_costs,
    read_run_totals,
    read_use,
)
from arc_proxy.store.spending import Spent, read_spend
from arc_proxy.store.totals import (
    AgentUse,
    Period,
    RunTotals,
)
from arc_proxy.store.uncounted import Unasked, read_unasked
from pricing.book import PriceBook
from pricing.rate import Rate

WEEK_NS = 7 * 86_400 * 1_000_000_000
# A trend of costs reads runs one by one, so only the agents that cost most have one.
TRENDS_MAX = 10
# So do framework and version, if by fewer.
FRAMEWORKS_MAX = 50
# A hundred calls are read for what a cheaper model would make of them; `arc-proxy savings` has all agents.
SAVINGS_MAX = 2
# Of these the latest runs are read: five hundred are weighed, a hundred summed for where the money went. So
# are their issues counted; the worst of all agents are read.
HEALTHS_MAX = 8
ISSUES_READ_MAX = 24

NO_BUDGETS = Budgets()
_NO_RUNS = (RunTotals(), RunTotals())


def build_report(
    store: Store,
    book: PriceBook,
    *,
    since_ns: int | None,
    until_ns: int | None,
    now_ns: int,
    agent: str | None = None,
    days: bool = False,
    versions: bool = False,
    projects_max: int = 0,
    healths_max: int = HEALTHS_MAX,
    budgets: Budgets = NO_BUDGETS,
    standing: Standing = MappingProxyType({}),
) -> Report:
    """
    `agent` None: all of them, "": calls that named none. `days` adds sums by day, `versions` the versions of
    agents that get a card. `projects_max`: into how many projects, by spend, is looked for what their money
    was paid for. `healths_max`: of how many agents, by spend, the latest runs are read. `budgets`:
    what is warned of, unless the period is over. `standing`: what running writers lost, see `losses`. Raises
    StoreError.
    """
    end_ns = now_ns if until_ns is None else min(until_ns, now_ns)
    period = Period(since_ns=since_ns or 0, until_ns=end_ns)
    found = read_use(store, period, agent=agent)
    this_week = Period(since_ns=end_ns - WEEK_NS, until_ns=end_ns)
    weeks = read_run_totals(store, this_week, agent=agent)
    parts = _parts(store, found.period, [use.runs for use in found.agents], agent)
    week_parts = (
        _parts(store, this_week.widened(), [now for now, _ in weeks.values()], agent),
        _parts(store, this_week.widened().before(), [before for _, before in weeks.values()], agent),
    )
    prices = _Prices(book, datetime.fromtimestamp(end_ns / 1e9, UTC))
    ordered = sorted(found.agents, key=_by_spend)
    unasked = read_unasked(store, found.period)
    compared = [use.agent for use in ordered if use.runs.known_nanousd][:SAVINGS_MAX]
    spending = read_days(store, budgets if until_ns is None else NO_BUDGETS, now_ns)
    health = read_health(store, [use.agent for use in ordered[:healths_max]], found.period.since_ns, end_ns)
    agents = [
        _agent_report(
            store,
            prices,
            use,
            parts.get(use.agent, Parts()),
            weeks.get(use.agent, _NO_RUNS),
            (week_parts[0].get(use.agent, Parts()), week_parts[1].get(use.agent, Parts())),
            this_week,
            made_of=read_made_of(store, found.period, use.agent) if place < FRAMEWORKS_MAX else MadeOf(),
            has_trend=place < TRENDS_MAX,
            savings=agent_savings(
                store, book, use, period, models_max=1 if use.agent in compared else 0, is_brief=True
            ),
            unasked=unasked.get(use.agent),
            health=health.get(use.agent),
            spent=read_spend(store, use.agent, period) if place < healths_max else None,
            issues=count_issues(store, found.period, use.agent) if place < healths_max else 0,
        )
        for place, use in enumerate(ordered)
        if use.runs.runs or any(each.series.kind != Kind.AUXILIARY for each in use.series)
    ]
    projects = read_projects(store, found.period, agent=agent)
    costliest = [use.project for use in projects[:projects_max]]
    in_projects = read_project_spending(store, found.period, costliest, agent=agent) if costliest else {}
    doubts = read_doubts(store, found.period, agent=agent)
    issues = read_issues(
        store, found.period, recent_ns=midnight_ns(end_ns), agent=agent, limit=ISSUES_READ_MAX
    )
    foreseen = partial(
        agent_warnings,
        store,
        book,
        now_ns=now_ns if until_ns is None else None,
        days=spending,
        today=local_day(now_ns),
    )
    agents[:healths_max] = [
        replace(
            each,
            warnings=foreseen(each.agent, spent=each.spent, retiring=_retiring(each)),
            versions=read_version_reports(store, each.agent, period, now_ns) if versions else (),
        )
        for each in agents[:healths_max]
    ]
    return Report(
        since_ns=None if since_ns is None else found.period.since_ns,
        until_ns=None if until_ns is None else found.period.until_ns,
        made_ns=now_ns,
        agents=tuple(agents),
        models=tuple(model_reports(found.agents)),
        days=tuple(day_reports(store, found.period, agent)) if days else (),
        projects=tuple(project_reports(projects, found.agents, in_projects)),
        runs=sum_runs([use.runs for use in found.agents], parts.values()),
        total=figures_of([series for use in found.agents for series in use.series]),
        doubts=tuple((str(each.grade), each.reason, each.calls) for each in doubts),
        issues=issues,
        warnings=day_warnings(spending),
        standings=read_standings(store, issues, end_ns),
        losses=read_losses(store, standing),
        price_book=book.version,
    )


def _agent_report(
    store: Store,
    prices: _Prices,
    use: AgentUse,
    parts: Parts,
    week: tuple[RunTotals, RunTotals],
    week_parts: tuple[Parts, Parts],
    this_week: Period,
    *,
    made_of: MadeOf,
    has_trend: bool,
    savings: AgentSavings,
    unasked: Unasked | None,
    health: Health | None,
    spent: Spent | None,
    issues: int,
) -> AgentReport:
    by_model = spent_by_model(use.series)
    return AgentReport(
        agent=use.agent,
        framework=made_of.framework,
        version=made_of.version,
        runs=sum_runs([use.runs], [parts]),
        figures=figures_of(use.series),
        models=tuple(dict.fromkeys(each.model for each in by_model)),
        weeks=_weeks(store, use.agent, week, week_parts, this_week, has_trend=has_trend),
        swap=prices.swap(by_model),
        savings=savings,
        unasked=unasked,
        health=health,
        spent=spent,
        issues=issues,
    )


def _parts(
    store: Store, period: Period, totals: Iterable[RunTotals], agent: str | None
) -> dict[str | None, Parts]:
    """Counted one by one, so only where a run has a parent at all."""
    return read_parts(store, period, agent=agent) if any(each.child_runs for each in totals) else {}


def _retiring(report: AgentReport) -> tuple[Retiring, ...]:
    return report.savings.retiring if report.savings is not None else ()


def _weeks(
    store: Store,
    agent: str | None,
    totals: tuple[RunTotals, RunTotals],
    parts: tuple[Parts, Parts],
    this_week: Period,
    *,
    has_trend: bool,
) -> Weeks:
    now, before = (sum_runs([whole], [less]) for whole, less in zip(totals, parts, strict=True))
    cost: Trend | None = None
    if has_trend and now.tasks and before.tasks:
        before_costs = read_run_costs(store, this_week.before(), agent)
        cost = compare_means(Sample(*before_costs), Sample(*read_run_costs(store, this_week, agent)))
    return Weeks(
        runs_before=before.tasks,
        runs_now=now.tasks,
        cost=cost,
        errors=compare_shares((before.failed_tasks, before.tasks), (now.failed_tasks, now.tasks)),
    )


class _Prices:
    """The book at one moment, each question asked of it once."""

    def __init__(self, book: PriceBook, at: datetime) -> None:
        self._book = book
        self._at = at
        self._candidates: dict[tuple[str, str], list[Rate]] = {}

    def swap(self, spent: Sequence[ModelSpend]) -> Swap | None:
        return best_swap(spent, self._rate_of, self._candidates_of)

    def _rate_of(self, each: ModelSpend) -> Rate | None:
        found = self._book.find(each.provider, each.model)
        return found.rate(self._at) if found else None

    def _candidates_of(self, each: ModelSpend) -> list[Rate]:
        key = (each.provider, each.dialect)
        if key not in self._candidates:
            models = self._book.candidates(*key, self._at)
            self._candidates[key] = [rate for model in models if (rate := model.rate(self._at)) is not None]
        return self._candidates[key]


def _by_spend(use: AgentUse) -> tuple[int, int, str]:
    return (-use.runs.known_nanousd, -use.runs.attempts, use.agent or "")
