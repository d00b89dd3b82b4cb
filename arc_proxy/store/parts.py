"""Runs that are parts of another run of their agent: a coding agent's sub-agents go by its name."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import agent_id_of, is_of_its_own
from arc_proxy.store.names import OTHER, OTHER_AGENT, rollup_agent
from arc_proxy.store.totals import Period
from arc_proxy.store.trees import is_part


@dataclass(frozen=True, slots=True)
class Parts:
    """Runs that are in the sums of their agent and are no tasks of their own."""

    runs: int = 0
    failed: int = 0

    def __add__(self, other: Parts) -> Parts:
        return Parts(self.runs + other.runs, self.failed + other.failed)


def read_parts(store: Store, period: Period, *, agent: str | None = None) -> dict[str | None, Parts]:
    """
    By agent as sums are kept, of the runs that started in the period; agents without any are left out.
    `agent` "": of those that name none. Raises StoreError.
    """
    run = tables.run.c
    statement = (
        select(run.agent_id, tables.agent.c.name, func.count(), func.count().filter(run.failed))
        .select_from(tables.run)
        .join(tables.agent, tables.agent.c.id == run.agent_id)
        .where(
            run.started_ns >= period.since_ns,
            run.started_ns < period.until_ns,
            is_of_its_own(),
            is_part(),
        )
        .group_by(run.agent_id, tables.agent.c.name)
    )
    if agent is not None:
        statement = statement.where(run.agent_id == agent_id_of(agent))
    found: dict[str | None, Parts] = {}
    with reading(store) as connection:
        for key, name, *sums in connection.execute(statement):
            kept = OTHER if rollup_agent(key) == OTHER_AGENT else name or None
            found[kept] = found.get(kept, Parts()) + Parts(*sums)
    return found
