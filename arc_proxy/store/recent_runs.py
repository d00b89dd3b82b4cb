"""What agents' latest runs came to, for alerts: read every half minute, so from sums and the latest rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Table, case, func, select

from analysis.burn_rate import EndedRun
from analysis.failure import FailureCode
from analysis.reliability import is_bad, kept_apart
from arc_proxy.runs.ending import SILENCE_NS, TIMEOUT_NS
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import agent_id_of, is_of_its_own
from arc_proxy.store.issues import RESULT_COLUMNS, result_of
from arc_proxy.store.names import OTHER, OTHER_AGENT, rollup_agent
from arc_proxy.store.parts import read_parts
from arc_proxy.store.sums import HOUR_NS
from arc_proxy.store.totals import Period

ENDED_MAX = 1_000
_FAR_NS = 2**62


@dataclass(frozen=True, slots=True)
class RecentRuns:
    """
    Sums over runs with all their calls, and with those of the runs that are parts of them. `nanousd` is a
    lower bound where calls have no or half a price.
    """

    runs: int = 0
    failed: int = 0
    nanousd: int = 0
    unpriced_calls: int = 0

    def __add__(self, other: RecentRuns) -> RecentRuns:
        return RecentRuns(
            self.runs + other.runs,
            self.failed + other.failed,
            self.nanousd + other.nanousd,
            self.unpriced_calls + other.unpriced_calls,
        )


@dataclass(frozen=True, slots=True)
class LatestRuns:
    """All that began since `since_ns`: later than was asked for, where there are more than are read."""

    ended: tuple[EndedRun, ...]
    since_ns: int


def read_recent_runs(store: Store, since_ns: int) -> dict[str | None, RecentRuns]:
    """
    By agent, the one with most runs first, of runs that began since a moment. Whole hours are read from the
    sums, the first one from its runs. Raises StoreError.
    """
    whole_hours = -(-since_ns // HOUR_NS)
    found: dict[str | None, RecentRuns] = {}
    with reading(store) as connection:
        for statement in (_of_hours(whole_hours), _of_runs(since_ns, whole_hours * HOUR_NS)):
            for key, name, *sums in connection.execute(statement):
                agent = OTHER if rollup_agent(key) == OTHER_AGENT else name or None
                found[agent] = found.get(agent, RecentRuns()) + RecentRuns(*map(int, sums))
    for agent, part in read_parts(store, Period(since_ns=since_ns, until_ns=_FAR_NS)).items():
        found[agent] = found.get(agent, RecentRuns()) + RecentRuns(-part.runs, -part.failed)
    ordered = sorted(found.items(), key=lambda each: (-each[1].runs, each[0] or ""))
    return {agent: recent for agent, recent in ordered if recent.runs}


def _of_hours(first_hour: int) -> Select[Any]:
    hour = tables.run_rollup_hour.c
    unpriced = hour.unpriced_calls + hour.partial_calls
    sums = map(func.sum, (hour.runs, hour.failed_runs, hour.cost_nanousd, unpriced))
    return _by_agent(tables.run_rollup_hour, sums).where(hour.start >= first_hour)


def _of_runs(since_ns: int, until_ns: int) -> Select[Any]:
    run = tables.run.c
    unpriced = run.unpriced_calls + run.partial_calls
    failed = case((run.failed, 1), else_=0)
    sums = (func.count(), *map(func.sum, (failed, run.cost_nanousd, unpriced)))
    within = (run.started_ns >= since_ns, run.started_ns < until_ns, is_of_its_own())
    return _by_agent(tables.run, sums).where(*within)


def _by_agent(table: Table, sums: Iterable[Any]) -> Select[Any]:
    agent = tables.agent.c
    rows = table.outerjoin(tables.agent, agent.id == table.c.agent_id)
    return (
        select(table.c.agent_id, agent.name, *sums).select_from(rows).group_by(table.c.agent_id, agent.name)
    )


def read_ended(store: Store, agent: str | None, since_ns: int, now_ns: int, *, limit: int) -> LatestRuns:
    """
    An agent's latest runs that began since a moment and say something of it, of the latest `limit` ones.

    A run that has failed so far and is silent for as long as one that has answered counts, too: that it is
    over is known half an hour later, when it is no news. What is known only then, that the answer is missing,
    counts at the time at which it is known. Raises StoreError.
    """
    health, run = tables.health.c, tables.run.c
    latest = (
        select(*RESULT_COLUMNS, health.is_over, run.ended_ns)
        .join(tables.run, run.id == health.run_key)
        .where(health.agent_id == agent_id_of(agent), health.started_ns >= since_ns)
        .order_by(health.started_ns.desc())
        .limit(limit)
    )
    ended = []
    with reading(store) as connection:
        rows = dicts(connection, latest)
    for row in rows:
        result = result_of(row)
        is_silent = now_ns - row["ended_ns"] >= SILENCE_NS
        if kept_apart(result) is None and (row["is_over"] or (is_bad(result) and is_silent)):
            late_ns = TIMEOUT_NS if row["code"] == FailureCode.NO_FINAL_ANSWER else 0
            ended.append(EndedRun(row["ended_ns"] + late_ns, is_bad(result)))
    return LatestRuns(tuple(ended), since_ns if len(rows) < limit else rows[-1]["started_ns"])


def count_analysed(store: Store, agent: str | None, since_ns: int, until_ns: int) -> int:
    """An agent's runs that began since a moment and before another one. Raises StoreError."""
    health = tables.health.c
    within = (health.started_ns >= since_ns, health.started_ns < until_ns)
    statement = select(func.count()).where(health.agent_id == agent_id_of(agent), *within)
    with reading(store) as connection:
        return int(connection.execute(statement).scalar_one())
