"""What agents' latest runs came to, for alerts: read every half minute, so from sums and the latest rows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from analysis.burn_rate import EndedRun
from analysis.failure import FailureCode
from analysis.reliability import is_bad, kept_apart
from arc_proxy.runs.ending import SILENCE_NS, TIMEOUT_NS
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import agent_id_of
from arc_proxy.store.issues import RESULT_COLUMNS, result_of
from arc_proxy.store.names import OTHER, OTHER_AGENT
from arc_proxy.store.sums import HOUR_NS

ENDED_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRuns:
    """Sums over runs with all their calls. `nanousd` is a lower bound where calls have no or half a price."""

    runs: int = 0
    failed: int = 0
    nanousd: int = 0
    unpriced_calls: int = 0


def read_recent_runs(store: Store, since_ns: int) -> dict[str | None, RecentRuns]:
    """By agent, the one with most runs first, of runs that began in that hour or later. Raises StoreError."""
    hour, agent = tables.run_rollup_hour.c, tables.agent.c
    unpriced = hour.unpriced_calls + hour.partial_calls
    columns = (hour.runs, hour.failed_runs, hour.cost_nanousd, unpriced)
    statement = (
        select(hour.agent_id, agent.name, *map(func.sum, columns))
        .select_from(tables.run_rollup_hour.outerjoin(tables.agent, agent.id == hour.agent_id))
        .where(hour.start >= since_ns // HOUR_NS)
        .group_by(hour.agent_id, agent.name)
        .order_by(func.sum(hour.runs).desc(), hour.agent_id)
    )
    with reading(store) as connection:
        return {
            OTHER if key == OTHER_AGENT else name or None: RecentRuns(
                runs=int(runs), failed=int(failed), nanousd=int(cost), unpriced_calls=int(calls)
            )
            for key, name, runs, failed, cost, calls in connection.execute(statement)
            if runs
        }


def read_ended(
    store: Store, agent: str | None, since_ns: int, now_ns: int, *, limit: int = ENDED_MAX
) -> tuple[EndedRun, ...]:
    """
    An agent's latest runs that began since a moment and say something of it, at most `limit` of them.

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
    return tuple(ended)
