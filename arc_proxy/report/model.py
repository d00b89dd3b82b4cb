"""What a report knows, in numbers. Frozen, and without a word for people in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.reliability import Arrow, Comparison, Reliability
from analysis.savings import Swap
from analysis.standing import Standing
from analysis.trend import Trend
from arc_proxy.format import Spend
from arc_proxy.report.savings_model import AgentSavings
from arc_proxy.report.warning_model import AnyWarning
from arc_proxy.store.issues import Issue
from arc_proxy.store.project_spending import ProjectSpent
from arc_proxy.store.spending import Spent
from arc_proxy.store.uncounted import Unasked
from pricing.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Sums over calls; of auxiliary ones only `usage` and `spend`, since some of them are billed."""

    calls: int = 0  # repeated attempts left out
    attempts: int = 0
    errors: int = 0  # failed attempts
    client_closed: int = 0
    interrupted: int = 0  # the proxy died in the middle of them
    cut_captures: int = 0  # bodies not kept whole
    unsecured: int = 0  # recorded while the disk was too slow for the record to precede the bytes
    usage: Usage = field(default_factory=Usage)
    spend: Spend = field(default_factory=lambda: Spend(0))
    first_byte_ms_p50: float | None = None
    latency_ms_p50: float | None = None
    latency_ms_p95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """
    Sums over runs. A run of a sub-agent that goes by its parent's name is a part of the parent's: what runs
    cost and how many fail is told by task, which are the others.
    """

    runs: int = 0
    failed: int = 0  # an exception, a reported failure, or a last call that failed
    sub_agents: int = 0  # of the runs, those that are parts
    failed_sub_agents: int = 0
    with_outcome: int = 0  # somebody said how it went
    spend: Spend = field(default_factory=lambda: Spend(0))  # of all their calls

    @property
    def tasks(self) -> int:
        return self.runs - self.sub_agents

    @property
    def failed_tasks(self) -> int:
        return self.failed - self.failed_sub_agents


@dataclass(frozen=True, slots=True, kw_only=True)
class Weeks:
    """The last seven days against the seven before, by task. Costs are those of wholly priced runs."""

    runs_before: int
    runs_now: int
    cost: Trend | None  # per run
    errors: Trend | None  # share of failed runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """
    How reliable an agent is. `week` against the one before, `arrow` where that is no chance. Of the period's
    runs `reported_failed` were said to have failed, and in `with_evidence` of these something shows why.
    """

    reliability: Reliability
    week: Comparison | None
    arrow: Arrow | None = None
    reported_failed: int = 0
    with_evidence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionReport:
    """The latest runs of one version of an agent. `reliability` is of those that were looked at."""

    version: str | None  # None: runs that state none
    first_ns: int  # when the first of these runs began
    last_ns: int
    runs: Runs
    reliability: Reliability


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    agent: str | None  # None: calls that named no agent
    framework: str | None = None  # what its latest runs were made with
    version: str | None = None  # of its latest runs
    runs: Runs
    figures: Figures
    models: tuple[str, ...]  # by spend
    weeks: Weeks
    swap: Swap | None
    savings: AgentSavings | None = None
    unasked: Unasked | None = None  # streams that state no usage
    health: Health | None = None  # None: its runs were not looked at
    spent: Spent | None = None  # where the money of its latest runs went
    versions: tuple[VersionReport, ...] = ()  # the one that ran last first; only where asked for
    warnings: tuple[AnyWarning, ...] = ()  # the most urgent first
    issues: int = 0  # that it has in the period, COUNTED_MAX at most; of agents that get no card 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    provider: str
    model: str
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    day: str  # "2026-11-25", UTC
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectReport:
    project: str | None  # None: calls and runs that name none
    runs: int
    failed: int
    figures: Figures  # without times
    spent: ProjectSpent | None = None  # of its latest runs; None: it was not looked into


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    since_ns: int | None  # None: since the first call
    until_ns: int | None
    made_ns: int
    agents: tuple[AgentReport, ...]  # by spend, then by calls
    models: tuple[ModelReport, ...]
    days: tuple[DayReport, ...]
    projects: tuple[ProjectReport, ...] = ()  # by spend, what names none last; in sum they are the total
    runs: Runs
    total: Figures
    doubts: tuple[tuple[str, str, int], ...]  # grade, reason and calls: why costs are not certain
    issues: tuple[Issue, ...] = ()  # the worst first
    warnings: tuple[AnyWarning, ...] = ()  # of all agents together
    standings: Mapping[int, Standing] = field(default_factory=dict)  # by number of the issue
    losses: Mapping[str, int]  # what the writers of the journal and ingest counted, ever
    price_book: str
    is_first: bool = False  # no call was ever seen in this folder

    @property
    def is_empty(self) -> bool:
        return self.total.attempts == 0 and self.runs.runs == 0


def empty_report(now_ns: int) -> Report:
    """Of a folder where no call was ever seen."""
    return Report(
        since_ns=None,
        until_ns=None,
        made_ns=now_ns,
        agents=(),
        models=(),
        days=(),
        runs=Runs(),
        total=Figures(),
        doubts=(),
        losses={},
        price_book="",
        is_first=True,
    )
