"""The figures of a report by model, by day and by project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from arc_proxy.call import Kind
from arc_proxy.report.figures import figures_of, figures_of_totals, has_cost
from arc_proxy.report.model import DayReport, ModelReport, ProjectReport
from arc_proxy.store.engine import Store
from arc_proxy.store.project_spending import ProjectSpent
from arc_proxy.store.report import read_chart
from arc_proxy.store.sums import STEP_SUMS
from arc_proxy.store.totals import (
    AgentUse,
    CallTotals,
    Period,
    ProjectUse,
    SeriesUse,
    subtract_totals,
    sum_totals,
)


def model_reports(agents: Sequence[AgentUse]) -> list[ModelReport]:
    uses: dict[tuple[str, str], list[SeriesUse]] = {}
    for use in (series for agent in agents for series in agent.series):
        if use.series.kind != Kind.AUXILIARY or has_cost(use.totals):
            uses.setdefault((use.series.provider, use.series.model), []).append(use)
    reports = [
        ModelReport(provider=provider, model=model, figures=figures_of(parts))
        for (provider, model), parts in uses.items()
    ]
    return sorted(reports, key=lambda each: (-each.figures.spend.nanousd, -each.figures.attempts, each.model))


def day_reports(store: Store, period: Period, agent: str | None) -> list[DayReport]:
    steps = {
        point.start_ns: point.totals
        for point in read_chart(store, period, by_hour=False, agent=agent, auxiliary=False)
    }
    return [
        DayReport(
            day=f"{datetime.fromtimestamp(point.start_ns / 1e9, UTC):%Y-%m-%d}",
            figures=figures_of_totals(steps.get(point.start_ns, CallTotals()), point.totals),
        )
        for point in read_chart(store, period, by_hour=False, agent=agent)
        if point.start_ns in steps or has_cost(point.totals)
    ]


def project_reports(
    projects: Sequence[ProjectUse], agents: Sequence[AgentUse], spent: Mapping[str, ProjectSpent]
) -> list[ProjectReport]:
    """What names no project is the rest of all. `spent`: of the projects that were looked into."""
    reports = [
        ProjectReport(
            project=use.project,
            runs=use.runs,
            failed=use.failed_runs,
            figures=figures_of_totals(use.totals, use.totals),
            spent=spent.get(use.project),
        )
        for use in projects
    ]
    series = [each for agent in agents for each in agent.series]
    steps = sum_totals([use.totals for use in series if use.series.kind != Kind.AUXILIARY])
    every = sum_totals([use.totals for use in series])
    whole = replace(every, **{name: getattr(steps, name) for name in STEP_SUMS})
    rest = subtract_totals(whole, [use.totals for use in projects])
    runs = sum(agent.runs.runs for agent in agents) - sum(use.runs for use in projects)
    failed = sum(agent.runs.failed_runs for agent in agents) - sum(use.failed_runs for use in projects)
    if runs or rest != CallTotals():
        reports.append(
            ProjectReport(project=None, runs=runs, failed=failed, figures=figures_of_totals(rest, rest))
        )
    return reports
