"""Runs that analysis has to look at: marked where their rows are written, taken by what analyses them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select, text

from arc_proxy.call import Call
from arc_proxy.journal.fact import FactType
from arc_proxy.store import tables
from arc_proxy.store.bounds import load_json
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading, writing
from arc_proxy.store.launches import exited_ns, has_launches
from arc_proxy.store.load import LINES, whole_calls

# A run of more calls is looked at by its latest.
RUN_CALLS_MAX = 5_000
CALLS_MAX = 500  # of runs that are read together: about as many as are looked at in a step

_MARK = text(
    "INSERT INTO due (run_key, due_ns) VALUES (:run_key, :due_ns)"
    " ON CONFLICT (run_key) DO UPDATE SET due_ns = excluded.due_ns"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRun:
    """
    A run with all that analysis reads. `closed_ns`: when its end was reported, by ArcTracer or as the end of
    the program that `arc-proxy run` had launched; `exceptions`: bodies of facts.
    """

    key: int
    due_ns: int
    agent_id: int
    agent: str | None
    started_ns: int
    ended_ns: int
    outcome_ns: int | None
    closed_ns: int | None
    calls: tuple[Call, ...]
    exceptions: tuple[Mapping[str, Any], ...]


def mark_due(connection: Connection, due_ns: Mapping[int, int]) -> None:
    """By key of the run, when it is to be looked at; what was marked before yields."""
    if due_ns:
        connection.execute(_MARK, [{"run_key": key, "due_ns": at} for key, at in due_ns.items()])


def mark_all_due(store: Store, rules: str) -> None:
    """Have every run looked at again where other rules looked at them last. Raises StoreError."""
    meta, run, due = tables.meta, tables.run, tables.due
    said = select(meta.c.value).where(meta.c.name == "analysis_version")
    with reading(store) as connection:
        if connection.execute(said).scalar() == rules:
            return
    with writing(store) as connection:
        connection.execute(delete(meta).where(meta.c.name == "analysis_version"))
        connection.execute(meta.insert(), [{"name": "analysis_version", "value": rules}])
        connection.execute(delete(due))  # some wait for the end of their run
        connection.execute(due.insert().from_select(["run_key", "due_ns"], select(run.c.id, run.c.ended_ns)))


def count_due(store: Store, now_ns: int) -> tuple[int, int | None]:
    """How many runs wait, and since when the one does that waits longest. Raises StoreError."""
    due = tables.due.c
    with reading(store) as connection:
        row = connection.execute(select(func.count(), func.min(due.due_ns)).where(due.due_ns <= now_ns)).one()
    return row[0], row[1]


def due_runs(store: Store, now_ns: int, *, limit: int) -> tuple[list[DueRun], bool]:
    """
    Some of those that are due, and whether there may be more. Raises StoreError.

    The latest first, so that what happens now is not held up by what is old.
    """
    due, run, agent = tables.due, tables.run, tables.agent
    statement = (
        select(
            *(run.c.id, due.c.due_ns, run.c.agent_id, agent.c.name.label("agent"), run.c.started_ns),
            *(run.c.ended_ns, run.c.outcome_ns, run.c.exceptions, run.c.announced),
            (run.c.attempts + run.c.auxiliary_calls).label("calls"),
        )
        .join(run, run.c.id == due.c.run_key)
        .join(agent, agent.c.id == run.c.agent_id)
        .where(due.c.due_ns <= now_ns)
        .order_by(due.c.due_ns.desc())
        .limit(limit)
    )
    with reading(store) as connection:
        found = dicts(connection, statement)
        rows = list(_some(found))
        calls = _calls(connection, [row["id"] for row in rows])
        bodies = _exceptions(connection, [row["id"] for row in rows if row["exceptions"]])
        closed_ns = _closed_ns(connection, rows)
    runs = [
        DueRun(
            key=row["id"],
            due_ns=row["due_ns"],
            agent_id=row["agent_id"],
            agent=row["agent"] or None,
            started_ns=row["started_ns"],
            ended_ns=row["ended_ns"],
            outcome_ns=row["outcome_ns"],
            closed_ns=closed_ns.get(row["id"]),
            calls=tuple(calls.get(row["id"], ())),
            exceptions=tuple(bodies.get(row["id"], ())),
        )
        for row in rows
    ]
    return runs, len(rows) < len(found) or len(found) == limit


def _some(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The first, and as many more as have few calls together."""
    calls = 0
    for row in rows:
        calls += row["calls"]
        if calls > CALLS_MAX and calls > row["calls"]:
            return
        yield row


def _calls(connection: Connection, run_keys: list[int]) -> dict[int, list[Call]]:
    call = tables.call.c
    latest = LINES.where(call.run_key.in_(run_keys)).order_by(call.started_ns.desc(), call.id.desc())
    lines = dicts(connection, latest.limit(RUN_CALLS_MAX))[::-1]
    found: dict[int, list[Call]] = {}
    for line, whole in zip(lines, whole_calls(connection, lines), strict=True):
        found.setdefault(line["run_key"], []).append(whole)
    return found


def _exceptions(connection: Connection, run_keys: list[int]) -> dict[int, list[Mapping[str, Any]]]:
    fact = tables.fact.c
    raised = select(fact.run_key, fact.body).where(
        fact.run_key.in_(run_keys), fact.type == FactType.EXCEPTION.value
    )
    found: dict[int, list[Mapping[str, Any]]] = {}
    if run_keys:
        for row in connection.execute(raised.order_by(fact.at_ns)):
            found.setdefault(row.run_key, []).append(load_json(row.body))
    return found


def _closed_ns(connection: Connection, rows: list[dict[str, Any]]) -> dict[int, int]:
    """By run, when it was said to be over. Launches are looked for where there are any at all."""
    fact = tables.fact.c
    announced = [row["id"] for row in rows if row["announced"]]
    ends = select(fact.run_key, func.max(fact.at_ns)).where(
        fact.run_key.in_(announced), fact.type == FactType.RUN_END.value
    )
    found: dict[int, int] = {}
    if announced:
        found = {row[0]: row[1] for row in connection.execute(ends.group_by(fact.run_key))}
    if rows and has_launches(connection, min(row["ended_ns"] for row in rows)):
        for row in rows:
            if row["id"] not in found and (at_ns := exited_ns(connection, row)) is not None:
                found[row["id"]] = at_ns
    return found
