"""
Clues: the keys that later calls find an earlier one by, and the marks that they lead to. See `runs.clues`.

A row is a key and a call's number and nothing else, and the rows lie in the order of their keys, so one costs
some 20 bytes. There is no way back from a call to its keys. So a call's keys are only ever added to, those of
calls that are gone are swept out later, and no call is given the number of one that is gone: see
`names.next_call_id`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from arc_proxy.journal.record import Ended
from arc_proxy.runs.quotes import Key
from arc_proxy.runs.trail import Mark
from arc_proxy.store import tables
from arc_proxy.store.bulk import rows_in, slices
from arc_proxy.store.engine import Store, writing

# Many a client sends one trace id, or one body, for ever. What such a key says is said by the latest few.
MARKS_MAX = 32
SWEPT_AT_A_TIME = 20_000

_INSERTION = {
    "sqlite": "INSERT INTO clue (key, call_key) VALUES (?, ?) ON CONFLICT DO NOTHING",
    "postgresql": "INSERT INTO clue (key, call_key) VALUES (%s, %s) ON CONFLICT DO NOTHING",
}


def add_clues(connection: Connection, rows: Iterable[tuple[Key, int]]) -> None:
    """Rows of (key, call's number); what is there already stays."""
    if new := sorted(set(rows)):
        connection.exec_driver_sql(_INSERTION[connection.dialect.name], new)


def marks_for(connection: Connection, keys: Iterable[Key]) -> list[tuple[Mark, set[Key]]]:
    """
    The stored calls that the keys lead to, the newest first, each with those of the keys that lead to it.

    Of a key that more than MARKS_MAX calls have, the MARKS_MAX that were stored last, so that one which all
    calls share costs no more than others.
    """
    found: dict[str, tuple[Mark, set[Key]]] = {}
    for some in slices(sorted(set(keys))):
        for key, call_id, *fields in _rows(connection, some):
            known = found.get(call_id)
            if known is None:
                found[call_id] = (_mark(call_id, *fields), {key})
            else:
                known[1].add(key)
    return sorted(found.values(), key=lambda each: (each[0].started_ns, each[0].call_id), reverse=True)


def stored_places(connection: Connection, call_ids: Iterable[str]) -> dict[str, Mark]:
    """By call id, the place that stored calls have; what their runs say of them is left out."""
    call, run, agent, session = tables.call, tables.run, tables.agent, tables.session
    statement = (
        select(*[call.c[name] for name in _PLACE], run.c.run_id, agent.c.name, session.c.session_id)
        .join(run, run.c.id == call.c.run_key)
        .join(agent, agent.c.id == call.c.agent_id)
        .outerjoin(session, session.c.id == call.c.session_key)
    )
    keys = [key for _, key in rows_in(connection, call, ("call_id",), {(text,) for text in call_ids}, "id")]
    found: dict[str, Mark] = {}
    for some in slices(keys):
        for row in connection.execute(statement.where(call.c.id.in_(some))):
            found[row.call_id] = Mark(
                call_id=row.call_id,
                run_id=row.run_id,
                agent=row.name or None,
                session_id=row.session_id,
                parent_run_id=row.parent_run_id,
                model=row.model_requested,
                stream=row.stream,
                started_ns=row.started_ns,
                ended_ns=None if row.duration_ns is None else row.started_ns + row.duration_ns,
                attempt_of=row.attempt_of,
                attempt=row.attempt,
                rule=row.grouping_rule,
                confidence=row.grouping_confidence,
                separated_by=row.separated_by,
            )
    return found


def sweep_clues(store: Store) -> None:
    """Remove the clues of calls that are gone, some at a time."""
    clue, call = tables.clue, tables.call
    is_gone = ~select(call.c.id).where(call.c.id == clue.c.call_key).exists()
    after: Key | None = -1
    while after is not None:
        page = select(clue.c.key).where(clue.c.key > after).order_by(clue.c.key)
        with writing(store) as connection:
            upto = connection.execute(page.limit(1).offset(SWEPT_AT_A_TIME)).scalar()
            span = [clue.c.key > after] + ([] if upto is None else [clue.c.key <= upto])
            connection.execute(delete(clue).where(*span, is_gone))
        after = upto


_PLACE = (
    "call_id",
    "parent_run_id",
    "model_requested",
    "stream",
    "started_ns",
    "duration_ns",
    "attempt_of",
    "attempt",
    "grouping_rule",
    "grouping_confidence",
    "separated_by",
)
# What a call does not say of itself its run may know.
_PICKED = """
call.call_id, run.run_id, agent.name, session.session_id, coalesce(call.parent_run_id, run.parent_run_id),
call.model_requested, call.stream, call.started_ns, call.duration_ns, call.attempt_of, call.attempt,
call.status, call.ended, call.grouping_rule, call.grouping_confidence, call.separated_by, run.last_call_ns
"""
_BESIDE = """
JOIN run ON run.id = call.run_key JOIN agent ON agent.id = run.agent_id
LEFT JOIN session ON session.id = coalesce(call.session_key, run.session_key)
"""
# Nothing but our own words goes into these. A cross join is made in the order it is written in.
_LATEST = f"SELECT call_key FROM clue WHERE clue.key = wanted.key ORDER BY call_key DESC LIMIT {MARKS_MAX}"  # noqa: S608
_SQLITE = f"""
WITH wanted(key) AS (VALUES {{}}) SELECT wanted.key, {_PICKED}
FROM wanted CROSS JOIN call ON call.id IN ({_LATEST}) {_BESIDE}
"""  # noqa: S608
_POSTGRESQL = f"""
SELECT wanted.key, {_PICKED} FROM unnest(%s::bigint[]) AS wanted(key)
CROSS JOIN LATERAL ({_LATEST}) AS latest JOIN call ON call.id = latest.call_key {_BESIDE}
"""  # noqa: S608


def _rows(connection: Connection, keys: Sequence[Key]) -> Iterable[Any]:
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql(_POSTGRESQL, (list(keys),))
    # Padded to a power of two, so that the database sees a few texts again and again; no key is negative.
    size = 1 << (len(keys) - 1).bit_length()
    text = _SQLITE.format(", ".join(["(?)"] * size))
    return connection.exec_driver_sql(text, (*keys, *[-1] * (size - len(keys))))


_RETRIED = frozenset({408, 409, 429})
_BROKEN = frozenset({Ended.TRUNCATED, Ended.UPSTREAM_ERROR})


def _mark(
    call_id: str,
    run_id: str,
    agent: str,
    session_id: str | None,
    parent_run_id: str | None,
    model: str | None,
    stream: bool,
    started_ns: int,
    duration_ns: int | None,
    attempt_of: str | None,
    attempt: int,
    status: int | None,
    ended: str,
    rule: str,
    confidence: float,
    separated_by: Key | None,
    last_call_ns: int,
) -> Mark:
    return Mark(
        call_id=call_id,
        run_id=run_id,
        agent=agent or None,
        session_id=session_id,
        parent_run_id=parent_run_id,
        model=model,
        stream=bool(stream),
        started_ns=started_ns,
        ended_ns=None if duration_ns is None else started_ns + duration_ns,
        attempt_of=attempt_of,
        attempt=attempt,
        retryable=ended in _BROKEN or (status is not None and (status in _RETRIED or status >= 500)),
        rule=rule,
        confidence=confidence,
        separated_by=separated_by,
        continued=last_call_ns > started_ns,
    )
