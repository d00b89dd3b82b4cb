"""
Runs that turn out to be one: calls, facts and all else of the old run get the new one. The old id goes on
leading there, so links, outcomes and exports that name it stay valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from arc_proxy.runs.grouper import Move
from arc_proxy.store import tables
from arc_proxy.store.bounds import some_word
from arc_proxy.store.bulk import dicts, rows_in
from arc_proxy.store.memory import Memory
from arc_proxy.store.names import agent_keys, series_keys
from arc_proxy.store.run_table import RunName, RunsInHand
from arc_proxy.store.sums import Difference

_SERIES = ("provider", "dialect", "model", "kind")
_MOVE_CALL = (
    update(tables.call)
    .where(tables.call.c.id == bindparam("b_id"))
    .values(
        run_key=bindparam("b_run_key"), agent_id=bindparam("b_agent_id"), series_id=bindparam("b_series_id")
    )
)


def move_runs(connection: Connection, memory: Memory, moves: Sequence[Move]) -> int:
    """
    Apply moves in their order, within the transaction that stored the calls. Gives how many runs went.

    A run that is not stored has nothing to move; its id leads to the new run all the same.
    """
    if not moves:
        return 0
    agents = agent_keys(
        connection, memory, {some_word(name or "") for move in moves for name in (move.old_agent, move.agent)}
    )
    gone = 0
    for move in moves:
        old = (some_word(move.old_run_id), agents[some_word(move.old_agent or "")])
        new = (some_word(move.run_id), agents[some_word(move.agent or "")])
        if old != new:
            gone += _move(connection, memory, old, new)
    return gone


def resolve_aliases(connection: Connection, run_ids: Sequence[str]) -> dict[str, int]:
    """By old id, the key of the run that it leads to; nothing for an id that no run ever lost."""
    wanted = {(run_id,) for run_id in run_ids}
    return dict(rows_in(connection, tables.run_alias, ("alias",), wanted, "run_key"))


def _move(connection: Connection, memory: Memory, old: RunName, new: RunName) -> int:
    runs = RunsInHand(connection)
    runs.load([old, new])
    old_key, new_key = runs.key(old), runs.key(new)
    if old_key is None:
        if new_key is not None:
            _alias(connection, old[0], new_key)
        return 0
    if new_key is None:
        new_key = runs.key_or_new(new)
        runs.insert_new()
    difference = Difference()
    _move_calls(connection, memory, old_key, new_key, new[1], difference)
    _move_beside(connection, old_key, new_key)
    _alias(connection, old[0], new_key)
    for key in (old_key, new_key):
        runs.doubt(key)
    gone = runs.finish(difference)
    difference.store(connection)
    return gone


def _move_calls(
    connection: Connection, memory: Memory, old_key: int, new_key: int, agent_id: int, difference: Difference
) -> None:
    call, series = tables.call, tables.series
    statement = select(call, *[series.c[name].label(f"series_{name}") for name in _SERIES]).join(
        series, series.c.id == call.c.series_id
    )
    rows = dicts(connection, statement.where(call.c.run_key == old_key))
    names: dict[int, Any] = {
        row["id"]: (agent_id, *(row[f"series_{name}"] for name in _SERIES)) for row in rows
    }
    keys = series_keys(connection, memory, set(names.values()))
    parameters = []
    for row in rows:
        moved = row | {"run_key": new_key, "agent_id": agent_id, "series_id": keys[names[row["id"]]]}
        difference.call(row, -1)
        difference.call(moved, 1)
        parameters.append(
            {
                "b_id": row["id"],
                "b_run_key": new_key,
                "b_agent_id": agent_id,
                "b_series_id": moved["series_id"],
            }
        )
    if parameters:
        connection.execute(_MOVE_CALL, parameters)


def _move_beside(connection: Connection, old_key: int, new_key: int) -> None:
    tag = tables.tag
    for table in (tables.fact, tables.failure, tables.run_alias):
        connection.execute(update(table).where(table.c.run_key == old_key).values(run_key=new_key))
    # Of the tags that facts gave a whole run, those of the run that stays hold.
    taken = select(tag.c.name).where(tag.c.run_key == new_key, tag.c.call_key == 0)
    connection.execute(
        delete(tag).where(tag.c.run_key == old_key, tag.c.call_key == 0, tag.c.name.in_(taken))
    )
    connection.execute(update(tag).where(tag.c.run_key == old_key).values(run_key=new_key))


def _alias(connection: Connection, old_id: str, new_key: int) -> None:
    alias, run = tables.run_alias, tables.run
    new_id = connection.execute(select(run.c.run_id).where(run.c.id == new_key)).scalar_one()
    for table in (tables.call, run):
        connection.execute(update(table).where(table.c.parent_run_id == old_id).values(parent_run_id=new_id))
    if old_id != new_id:
        connection.execute(delete(alias).where(alias.c.alias == old_id))
        connection.execute(insert(alias).values(alias=old_id, run_key=new_key))
