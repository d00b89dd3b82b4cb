"""What a guard looks at before a call of a named run may go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, or_, select

from arc_proxy.call import Call, Kind
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import RunFilter, run_conditions
from arc_proxy.store.load import LINES, whole_calls
from arc_proxy.store.spent_since import Billed

# Ends a chain of parents that leads in a circle, too.
PARENTS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSoFar:
    """
    `billed` is what the whole task has cost: the run at the top of it, and the runs of all sub-agents below
    that. `calls`: the latest of the run itself.
    """

    agent: str | None
    billed: Billed
    calls: tuple[Call, ...]


def read_run_so_far(store: Store, agent: str | None, run_id: str, *, calls_max: int) -> RunSoFar | None:
    """
    The run that a caller named; None: nothing of it is stored. `agent` None: the latest run of that name,
    since some agents are named by what they send only. Raises StoreError.
    """
    run = tables.run.c
    named = run_conditions(RunFilter(run_id=run_id, agent=agent, auxiliary=True))
    latest = (
        select(run.id, tables.agent.c.name.label("agent"))
        .join(tables.agent, tables.agent.c.id == run.agent_id)
        .where(*named)
        .order_by(run.started_ns.desc(), run.id.desc())
        .limit(1)
    )
    with reading(store) as connection:
        found = connection.execute(latest).first()
        if found is None:
            return None
        return RunSoFar(
            agent=found.agent or None,
            billed=billed_with_parts(connection, _top_of(connection, found.id)),
            calls=_latest(connection, found.id, calls_max),
        )


def billed_with_parts(connection: Connection, run_key: int) -> Billed:
    """Of a run and of the runs of its sub-agents, theirs too, however many."""
    run = tables.run
    top = select(run.c.id, run.c.run_id, run.c.agent_id, run.c.session_key).where(run.c.id == run_key)
    task = top.cte("task", recursive=True)
    part = run.alias("part")
    # UNION, not UNION ALL: runs that name each other as parents would go on for ever.
    below = select(part.c.id, part.c.run_id, part.c.agent_id, part.c.session_key).where(
        part.c.parent_run_id == task.c.run_id, _belongs(part.c, task.c)
    )
    task = task.union(below)
    sums = select(
        func.coalesce(func.sum(run.c.cost_nanousd), 0),
        func.coalesce(func.sum(run.c.unpriced_calls + run.c.partial_calls), 0),
    ).where(run.c.id.in_(select(task.c.id)))
    nanousd, unpriced = connection.execute(sums).one()
    return Billed(int(nanousd), int(unpriced))


def _top_of(connection: Connection, run_key: int) -> int:
    """The run that this one is a part of, as far up as it is known."""
    run, parent = tables.run, tables.run.alias("parent")
    for _ in range(PARENTS_MAX):
        above = (
            select(parent.c.id)
            .join(run, run.c.parent_run_id == parent.c.run_id)
            .where(run.c.id == run_key, parent.c.id != run_key, _belongs(run.c, parent.c))
            .order_by(parent.c.started_ns.desc())
            .limit(1)
        )
        found = connection.execute(above).scalar()
        if found is None:
            return run_key
        run_key = found
    return run_key


def _belongs(part: Any, parent: Any) -> Any:
    """
    Whether a part belongs to this parent. Ids are unique per agent, so several runs may have the one that it
    names: then to that of its own session or agent, else to none.
    """
    other = tables.run.alias("other").c
    namesake = select(other.id).where(other.run_id == parent.run_id, other.id != parent.id)
    return or_(~namesake.exists(), part.session_key == parent.session_key, part.agent_id == parent.agent_id)


def _latest(connection: Connection, run_key: int, calls_max: int) -> tuple[Call, ...]:
    call = tables.call.c
    latest = (
        LINES.where(call.run_key == run_key, call.kind == str(Kind.GENERATION))
        .order_by(call.started_ns.desc(), call.id.desc())
        .limit(calls_max)
    )
    return tuple(whole_calls(connection, dicts(connection, latest)[::-1]))
