"""A report as a document: which cards, tables, warnings and notes, in which words. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from analysis.retirement import Retirement
from arc_proxy.format import clean, count, duration, moment, money, plural, spend, spend_causes, tokens
from arc_proxy.report.document import Document, Empty, Titled
from arc_proxy.report.explain import explanations
from arc_proxy.report.issues_table import issues_table
from arc_proxy.report.losses import loss_words
from arc_proxy.report.model import AgentReport, Figures, Report
from arc_proxy.report.money import prompt_tables, tool_tables
from arc_proxy.report.project import NAME_CELLS_MAX as PROJECT_CELLS
from arc_proxy.report.project import project_name
from arc_proxy.report.project_tables import spent_notes, spent_tables
from arc_proxy.report.savings_lines import best_option, cold_words, retiring_words, savings_cells
from arc_proxy.report.summary import agent_name, cost_per_run, make_card, per_run, shown_warnings
from arc_proxy.report.table import NAME_CELLS, Column, Table
from arc_proxy.report.versions import version_tables
from arc_proxy.report.warning_lines import warning_words

CARDS_MAX = 8
DOUBTS_MAX = 5
ISSUES_MAX = 8
_ALL_TIME = "all time"
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_BACK = re.compile(r"(\d+)\s*([smhdw])", re.ASCII)
_NEXT = """\
arc-proxy demo                                 try it without a key
arc-proxy run -- python my_agent.py            one program through the proxy
arc-proxy serve                                the proxy and the dashboard, for all of them"""

# What comes first is seen first where a screen is narrow.
_USE = (Column("calls"), Column("errors"))
_COST = (Column("cost"),)
_TIMES = (Column("p50", rank=3), Column("p95", rank=1), Column("first byte", rank=3))
# The order in which a page has them.
_COSTS = ("agent", "model", "day", "version", "tool", "prompt", "project")
_TOKENS = (
    Column("in"),
    Column("cache read", rank=2),
    Column("cache write", rank=4),
    Column("out"),
    Column("reasoning", rank=5),
)


def document_of(
    report: Report,
    period: str,
    *,
    agent: str | None = None,
    by: Sequence[str] = ("agent", "model"),
    explain: bool = False,
    warnings: Iterable[str] = (),
    mark: str = "",
) -> Document:
    """
    `period` and `agent` are what was asked for: `30d`, or words for it. `mark`: on each card, "demo data".
    """
    said = period_words(period)
    if report.is_empty:
        return Document(
            title="arc-proxy",
            period=said,
            updated=moment(report.made_ns),
            warnings=tuple(warnings),
            empty=_empty(report, said, agent),
        )
    makers: dict[str, Callable[[Report], Iterable[Titled]]] = {
        "agent": lambda report: (agents_table(report),),
        "model": lambda report: (models_table(report),),
        "day": lambda report: (days_table(report),),
        "project": lambda report: (projects_table(report), *spent_tables(report.projects)),
        "version": version_tables,
        "tool": tool_tables,
        "prompt": prompt_tables,
    }
    return Document(
        title="arc-proxy",
        period=said,
        updated=moment(report.made_ns),
        warnings=(*warnings, *map(warning_words, report.warnings), *_warnings(report)),
        cards=tuple(make_card(agent, mark) for agent in report.agents[:CARDS_MAX]),
        tables=(
            *_issues(report),
            *(explanations(report) if explain else ()),
            *(table for each in by for table in makers[each](report)),
            *(savings_table(report) if "agent" in by else ()),
        ),
        notes=(*(spent_notes(report.projects) if "project" in by else ()), *_notes(report)),
    )


def costs_of(report: Report, period: str) -> Document:
    """Where the money of a period went, by all that it can be told by. `report` has its days and projects."""
    whole = document_of(replace(report, issues=()), period, by=_COSTS)
    return replace(whole, cards=())


def period_words(since: str) -> str:
    """`last 30 days` of `30d`, `since 2026-11-25`, `all time`; `2d to 1d` stays."""
    back = _BACK.fullmatch(since.strip().lower())
    if back:
        number, unit = int(back[1]), _UNITS[back[2]]
        return f"last {plural(number, unit)}" if number != 1 else f"last {unit}"
    if since == "all":
        return _ALL_TIME
    return since if " to " in since else f"since {since}"


def agents_table(report: Report) -> Titled:
    shows_framework = any(agent.framework for agent in report.agents)
    columns = (
        Column("agent", is_number=False, flex=True, keep=NAME_CELLS),
        *((Column("framework", is_number=False, flex=True, rank=2),) if shows_framework else ()),
        Column("runs"),
        *_USE,
        *_COST,
        Column("cost/run"),
        *_TIMES,
        *_TOKENS,
    )
    rows = tuple(
        (
            agent_name(agent.agent),
            *((agent.framework or "-",) if shows_framework else ()),
            count(agent.runs.tasks),
            *_use(agent.figures),
            _cost(agent.figures),
            per_run(cost_per_run(agent.runs), agent.runs.spend) if agent.runs.tasks else "-",
            *_times(agent.figures),
            *_tokens(agent.figures),
        )
        for agent in report.agents
    )
    return Titled("Agents", Table(columns, rows))


def models_table(report: Report) -> Titled:
    columns = (
        Column("model", is_number=False, flex=True, keep=NAME_CELLS),
        Column("provider", is_number=False, rank=1),
        *_USE,
        *_COST,
        *_TIMES,
        *_TOKENS,
    )
    rows = tuple(
        (
            each.model or "-",
            each.provider,
            *_use(each.figures),
            _cost(each.figures),
            *_times(each.figures),
            *_tokens(each.figures),
        )
        for each in report.models
    )
    return Titled("Models", Table(columns, rows))


def days_table(report: Report) -> Titled:
    columns = (Column("day (UTC)", is_number=False), *_USE, *_COST, *_TOKENS)
    rows = tuple(
        (each.day, *_use(each.figures), _cost(each.figures), *_tokens(each.figures)) for each in report.days
    )
    return Titled("Days", Table(columns, rows))


def projects_table(report: Report) -> Titled:
    columns = (
        Column("project", is_number=False, flex=True, keep=PROJECT_CELLS),
        Column("runs"),
        Column("failed", rank=2),
        *_USE,
        *_COST,
        *_TOKENS,
    )
    rows = tuple(
        (
            project_name(each.project),
            count(each.runs),
            count(each.failed),
            *_use(each.figures),
            _cost(each.figures),
            *_tokens(each.figures),
        )
        for each in report.projects
    )
    return Titled("Projects", Table(columns, rows))


def savings_table(report: Report) -> Iterator[Titled]:
    """One row for each agent with something to say, none without."""
    columns = (
        Column("agent", is_number=False, flex=True, keep=NAME_CELLS),
        Column("instead of", is_number=False, rank=2),
        Column("cheaper model", is_number=False),
        Column("change", is_number=False),
        Column("a month", is_number=False, rank=1),
        Column("how sure", is_number=False, flex=True, rank=3),
    )
    rows = tuple(
        (agent_name(each.agent), *cells)
        for each in report.agents
        if each.savings is not None
        for cells in map(savings_cells, each.savings.models)
        if cells is not None
    )
    if rows:
        yield Titled("Savings", Table(columns, rows))


def _issues(report: Report) -> Iterator[Titled]:
    if report.issues:
        runs = {agent.agent: agent.runs.runs for agent in report.agents}
        shown = report.issues[:ISSUES_MAX]
        has_names = len(report.agents) > 1
        table = issues_table(shown, runs, report.made_ns, has_names=has_names, standings=report.standings)
        yield Titled("Issues", table)


def _warnings(report: Report) -> Iterator[str]:
    """What capture lost, and what that means for the numbers."""
    for sentence, _ in loss_words(report.losses):
        yield sentence
    total = report.total
    if total.interrupted:
        yield f"{plural(total.interrupted, 'call')} broke off when the proxy died; what had come is counted"
    if total.cut_captures:
        yield f"{plural(total.cut_captures, 'call')} kept without a whole body, so tokens may be unknown"


def _use(figures: Figures) -> tuple[str, str]:
    retries = figures.attempts - figures.calls
    return count(figures.calls) + (f" +{retries}" if retries else ""), count(figures.errors)


def _times(figures: Figures) -> tuple[str, ...]:
    return (
        duration(figures.latency_ms_p50),
        duration(figures.latency_ms_p95),
        duration(figures.first_byte_ms_p50),
    )


def _tokens(figures: Figures) -> tuple[str, ...]:
    usage = figures.usage
    buckets = (
        usage.input_tokens,
        usage.cache_read,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning,
    )
    return tuple(map(tokens, buckets))


def _cost(figures: Figures) -> str:
    total = figures.spend
    if total.api_equivalent_nanousd and not total.nanousd and not total.unpriced_calls:
        return f"{money(total.api_equivalent_nanousd)} at list price"
    return spend(total)


def _notes(report: Report) -> Iterator[str]:
    made_day = f"{datetime.fromtimestamp(report.made_ns / 1e9, UTC):%Y-%m-%d}"
    for agent in report.agents:
        yield from _outcome_notes(agent)
    for place, agent in enumerate(report.agents):
        yield from _savings_notes(agent, made_day, has_card=place < CARDS_MAX)
    if report.total.attempts > report.total.calls:
        yield "calls +n: n of them were repeated attempts, which cost too"
    for cause in spend_causes(report.total.spend):
        yield f"cost: {cause}"
    for grade, reason, calls in report.doubts[:DOUBTS_MAX]:
        yield f"  {grade} for {plural(calls, 'call')}: {clean(reason, 160)}"
    if len(report.issues) > ISSUES_MAX:
        yield f"issues: the {ISSUES_MAX} worst; `arc-proxy issues` lists more"
    if len(report.agents) > CARDS_MAX:
        yield f"cards of the {CARDS_MAX} agents that cost most; --agent NAME shows another"


def _outcome_notes(agent: AgentReport) -> Iterator[str]:
    """What was reported, and how much of it the traffic explains: most failures do not show on the wire."""
    health = agent.health
    if health is not None and health.reported_failed:
        runs = plural(health.reported_failed, "run")
        yield f"{agent_name(agent.agent)}: {runs} reported failed; we had evidence in {health.with_evidence}"


def _savings_notes(agent: AgentReport, made_day: str, *, has_card: bool) -> Iterator[str]:
    """What neither card nor table has room for: models that retire, and what a cold cache would cost."""
    if agent.savings is None:
        return
    name = agent_name(agent.agent)
    shown = shown_warnings(agent) if has_card else ()
    warned_of = {each.model for each in shown if isinstance(each, Retirement)}
    for each in agent.savings.retiring:
        if each.model in warned_of:
            continue
        yield f"{name}: {retiring_words(each, made_day)}"
    for model in agent.savings.models:
        best = best_option(model)
        if best is not None and (cold := cold_words(best)):
            yield f"{name}: {best.candidate.name} costs {cold}; `arc-proxy savings` has more"


def _empty(report: Report, period: str, agent: str | None) -> Empty:
    if agent is not None and not report.is_first:
        return Empty(
            f"No call of {clean(agent, 60)} in this period ({period}). These show what there is:",
            "arc-proxy report --since all\narc-proxy runs --since all",
        )
    if report.is_first or period == _ALL_TIME:
        return Empty("No call has been seen yet. Start with one of these:", _NEXT)
    return Empty(
        f"No call in this period ({period}). Look further back, or start:",
        f"arc-proxy report --since all\n{_NEXT}",
    )
