"""An agent version by version: what the latest runs of each cost, and how reliable they were."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.reliability import LETTER_RUNS_MIN, Reliability, reliability
from arc_proxy.format import ago, clean, count, share
from arc_proxy.report.document import Titled
from arc_proxy.report.figures import sum_runs
from arc_proxy.report.health import WEIGHED_MAX
from arc_proxy.report.model import Report, VersionReport
from arc_proxy.report.summary import agent_name, cost_per_run, per_run, share_of
from arc_proxy.report.table import NAME_CELLS, Column, Table
from arc_proxy.store.engine import Store
from arc_proxy.store.issues import read_results
from arc_proxy.store.totals import Period
from arc_proxy.store.versions import read_versions

# A build's hash makes every run a version of its own.
VERSIONS_MAX = 12

_COLUMNS = (
    Column("version", is_number=False, flex=True, keep=NAME_CELLS),
    Column("runs"),
    Column("reliability", is_number=False),
    Column("seen", rank=2),
    Column("errors"),
    Column("cost/run"),
    Column("first run", rank=1),
    Column("last run", rank=3),
)


def read_version_reports(
    store: Store, agent: str | None, period: Period, now_ns: int
) -> tuple[VersionReport, ...]:
    """Of the latest versions, by the agent's latest runs. Raises StoreError."""
    uses = read_versions(store, agent, period, limit=WEIGHED_MAX)[:VERSIONS_MAX]
    results = read_results(store, agent, period.until_ns, limit=WEIGHED_MAX)
    of_period = [result for result in results if result.started_ns >= period.since_ns]
    return tuple(
        VersionReport(
            version=use.version,
            first_ns=use.first_ns,
            last_ns=use.last_ns,
            runs=sum_runs([use.totals], [use.parts]),
            reliability=reliability([each for each in of_period if each.version == use.version], now_ns),
        )
        for use in uses
    )


def version_tables(report: Report) -> Iterator[Titled]:
    """For each agent that gets a card."""
    for agent in report.agents:
        if agent.versions:
            rows = tuple(_row(each, report.made_ns) for each in agent.versions)
            yield Titled(f"Versions of {agent_name(agent.agent)}", Table(_COLUMNS, rows))


def _row(found: VersionReport, now_ns: int) -> tuple[str, ...]:
    seen = found.reliability.observed_share
    return (
        clean(found.version or "") or "(none stated)",
        count(found.runs.tasks),
        _reliability_words(found.reliability),
        "-" if seen is None else share_of(seen),
        share(found.runs.failed_tasks, found.runs.tasks),
        per_run(cost_per_run(found.runs), found.runs.spend),
        ago(found.first_ns, now_ns),
        ago(found.last_ns, now_ns),
    )


def _reliability_words(found: Reliability) -> str:
    if found.letter is None:
        return f"{found.effective_runs:.0f} of {LETTER_RUNS_MIN} runs"
    return f"{share_of(found.score)} {found.letter}"
