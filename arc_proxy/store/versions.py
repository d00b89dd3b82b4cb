"""What the latest runs of an agent came to, version by version."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import agent_id_of, is_of_its_own
from arc_proxy.store.parts import Parts
from arc_proxy.store.totals import Period, RunTotals
from arc_proxy.store.trees import is_part


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionUse:
    """Of one version, None: runs that state none. `first_ns`: when the first of these runs began."""

    version: str | None
    first_ns: int
    last_ns: int
    totals: RunTotals
    parts: Parts


def read_versions(store: Store, agent: str | None, period: Period, *, limit: int) -> tuple[VersionUse, ...]:
    """
    Of the agent's latest runs in the period, `limit` at most; the version that ran last first. Raises
    StoreError.
    """
    run = tables.run.c
    latest = (
        select(tables.run, is_part().label("is_part"))
        .where(
            run.agent_id == agent_id_of(agent),
            run.started_ns >= period.since_ns,
            run.started_ns < period.until_ns,
            is_of_its_own(),
        )
        .order_by(run.started_ns.desc())
        .limit(limit)
        .subquery()
    )
    of = latest.c
    last_ns = func.max(of.started_ns).label("last_ns")
    statement = (
        select(
            *(of.version, func.min(of.started_ns).label("first_ns"), last_ns, func.count().label("runs")),
            func.count().filter(of.failed).label("failed_runs"),
            func.count().filter(of.is_part).label("parts"),
            func.count().filter(of.is_part, of.failed).label("failed_parts"),
            func.count(of.outcome).label("reported_outcomes"),
            *(func.sum(of[name]).label(name) for name in ("attempts", "cost_nanousd", "api_nanousd")),
            *(func.sum(of[name]).label(name) for name in ("estimated_calls", "partial_calls")),
            *(func.sum(of[name]).label(name) for name in ("unpriced_calls", "api_calls")),
        )
        .group_by(of.version)
        .order_by(last_ns.desc(), of.version)
    )
    with reading(store) as connection:
        return tuple(
            VersionUse(
                version=row.version,
                first_ns=row.first_ns,
                last_ns=row.last_ns,
                totals=RunTotals(
                    runs=row.runs,
                    failed_runs=row.failed_runs,
                    reported_outcomes=row.reported_outcomes,
                    attempts=int(row.attempts),
                    known_nanousd=int(row.cost_nanousd),
                    api_nanousd=int(row.api_nanousd),
                    estimated_calls=int(row.estimated_calls),
                    partial_calls=int(row.partial_calls),
                    unpriced_calls=int(row.unpriced_calls),
                    api_calls=int(row.api_calls),
                ),
                parts=Parts(row.parts, row.failed_parts),
            )
            for row in connection.execute(statement)
        )
