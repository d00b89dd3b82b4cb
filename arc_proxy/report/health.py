"""How reliable agents are, from what analysis made of their runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from analysis.failure import HINTS, Failure, Severity
from analysis.reliability import arrows, carried_letter, compare_weeks, reliability
from arc_proxy.report.model import Health
from arc_proxy.store.engine import Store
from arc_proxy.store.issues import read_results

# With twice as many runs the score would move by half a point. As many more are read for the days before.
WEIGHED_MAX = 500


def read_health(
    store: Store, agents: Sequence[str | None], since_ns: int, now_ns: int
) -> dict[str | None, Health]:
    """
    By agent; those of whose runs none was looked at yet are not in it. Raises StoreError.

    Whatever period a report has, the score is of the latest runs: it weighs them by their age. What was
    reported is of those that began since `since_ns`.
    """
    found = {}
    for agent in agents:
        results = read_results(store, agent, now_ns, limit=2 * WEIGHED_MAX)
        if results:
            is_all = len(results) < 2 * WEIGHED_MAX
            previous = carried_letter(results, now_ns, runs_max=WEIGHED_MAX, is_all=is_all)
            failed = [run for run in results if run.outcome is False and run.started_ns >= since_ns]
            found[agent] = Health(
                reliability=reliability(results[:WEIGHED_MAX], now_ns, previous),
                week=compare_weeks(results, now_ns),
                reported_failed=len(failed),
                with_evidence=sum(any(map(_is_evidence, run.failures)) for run in failed),
            )
    weeks = {agent or "": health.week for agent, health in found.items() if health.week is not None}
    shown = arrows(weeks)
    return {agent: replace(health, arrow=shown.get(agent or "")) for agent, health in found.items()}


def _is_evidence(failure: Failure) -> bool:
    return failure.severity is not Severity.INFO and failure.code not in HINTS


def midnight_ns(now_ns: int) -> int:
    """When the day began, in this machine's time zone: people say "today" by their own clock."""
    # Without a zone, so that the offset is that of midnight and not of now: they differ on two days a year.
    now = datetime.fromtimestamp(now_ns / 1e9)
    return round(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 10**9
