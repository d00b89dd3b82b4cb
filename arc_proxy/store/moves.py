"""
Runs that turn out to be one: calls, facts and all else of the old run get the new one. The old id goes on
leading there, so links, outcomes and exports that name it stay valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from arc_proxy.runs.grouper import Move
from arc_proxy.store import tables
from arc_proxy.store.bounds import some_word
from arc_proxy.store.bulk import dicts, rows_in, slices
from arc_proxy.store.findings import forget_findings
from arc_proxy.store.memory import Memory
from arc_proxy.store.names import agent_keys, series_keys
from arc_proxy.store.run_table import RunName, RunsInHand
from arc_proxy.store.sums import Difference

_SERIES = ("provider", "dialect", "model", "kind")
_MOVED = ("run_key", "agent_id", "series_id")
_MOVE_CALL = (
    update(tables.call)
    .where(tables.call.c.id == bindparam("b_id"))
    .values({name: bindparam(f"b_{name}") for name in _MOVED})
)
_OLD: BindParameter[Any] = bindparam("b_old")
_NEW: BindParameter[Any] = bindparam("b_new")
_RENAME_OF_CALLS = (
    update(tables.call)
    .where(tables.call.c.run_key == bindparam("b_id"), tables.call.c.parent_run_id == _OLD)
    .values(parent_run_id=_NEW)
)
_RENAME_OF_RUN = (
    update(tables.run)
    .where(tables.run.c.id == bindparam("b_id"), tables.run.c.parent_run_id == _OLD)
    .values(parent_run_id=_NEW)
)
_TAG = tables.tag
_MOVE_BESIDE = (
    *(
        update(table).where(table.c.run_key == _OLD).values(run_key=_NEW)
        for table in (tables.fact, tables.run_alias)
    ),
    update(_TAG).where(_TAG.c.run_key == _OLD, _TAG.c.call_key != 0).values(run_key=_NEW),
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
    pairs = [
        (
            (some_word(move.old_run_id), agents[some_word(move.old_agent or "")]),
            (some_word(move.run_id), agents[some_word(move.agent or "")]),
        )
        for move in moves
    ]
    return sum(_move(connection, memory, wave) for wave in waves(pairs))


def waves(pairs: Iterable[tuple[RunName, RunName]]) -> Iterator[dict[RunName, RunName]]:
    """
    The moves in their order, as many at once as do not meet: no run of a wave goes twice, or is where another
    goes to. Each is {old: new}.
    """
    wave: dict[RunName, RunName] = {}
    targets: set[RunName] = set()
    for old, new in pairs:
        if old == new:
            continue
        if old in wave or old in targets or new in wave:
            yield wave
            wave, targets = {}, set()
        wave[old] = new
        targets.add(new)
    if wave:
        yield wave


def resolve_aliases(connection: Connection, run_ids: Sequence[str]) -> dict[str, int]:
    """By old id, the key of the run that it leads to; nothing for an id that no run ever lost."""
    wanted = {(run_id,) for run_id in run_ids}
    return dict(rows_in(connection, tables.run_alias, ("alias",), wanted, "run_key"))


def _move(connection: Connection, memory: Memory, wave: Mapping[RunName, RunName]) -> int:
    runs = RunsInHand(connection)
    runs.load({*wave, *wave.values()})
    stored = {old: new for old, new in wave.items() if runs.key(old) is not None}
    new_keys = {old: runs.key_or_new(new) for old, new in stored.items()}
    runs.insert_new()
    keys = {key: new_keys[old] for old in stored if (key := runs.key(old)) is not None}
    led = {old[0]: (new[0], key) for old, new in wave.items() if (key := runs.key(new)) is not None}
    difference = Difference()
    _rename_parents(connection, {old_id: new_id for old_id, (new_id, _) in led.items() if old_id != new_id})
    _move_calls(connection, memory, keys, {new_keys[old]: new[1] for old, new in stored.items()}, difference)
    _move_beside(connection, keys)
    _alias(connection, {old_id: key for old_id, (new_id, key) in led.items() if old_id != new_id})
    for key in {*keys, *keys.values()}:
        runs.doubt(key)
    gone = runs.finish(difference)
    difference.store(connection)
    return gone


def _move_calls(
    connection: Connection,
    memory: Memory,
    keys: Mapping[int, int],
    agents: Mapping[int, int],
    difference: Difference,
) -> None:
    """`keys` of runs, old to new; `agents`: the new runs'."""
    call, series = tables.call, tables.series
    statement = select(call, *[series.c[name].label(f"series_{name}") for name in _SERIES]).join(
        series, series.c.id == call.c.series_id
    )
    for some in slices(sorted(keys)):
        rows = dicts(connection, statement.where(call.c.run_key.in_(some)))
        names: dict[int, Any] = {
            row["id"]: (agents[keys[row["run_key"]]], *(row[f"series_{name}"] for name in _SERIES))
            for row in rows
        }
        series_of = series_keys(connection, memory, set(names.values()))
        parameters = []
        for row in rows:
            moved = row | {
                "run_key": keys[row["run_key"]],
                "agent_id": names[row["id"]][0],
                "series_id": series_of[names[row["id"]]],
            }
            difference.call(row, -1)
            difference.call(moved, 1)
            parameters.append({"b_id": row["id"]} | {f"b_{name}": moved[name] for name in _MOVED})
        if parameters:
            connection.execute(_MOVE_CALL, parameters)


def _move_beside(connection: Connection, keys: Mapping[int, int]) -> None:
    if not keys:
        return
    forget_findings(connection, keys)
    parameters = [{"b_old": old, "b_new": new} for old, new in keys.items()]
    for statement in _MOVE_BESIDE:
        connection.execute(statement, parameters)
    _move_tags(connection, keys)


def _move_tags(connection: Connection, keys: Mapping[int, int]) -> None:
    """Of the tags that facts gave a whole run: those of the run that stays hold."""
    for some in slices(sorted(keys)):
        of_runs = select(_TAG).where(_TAG.c.run_key.in_(some), _TAG.c.call_key == 0)
        for row in dicts(connection, of_runs.order_by(_TAG.c.run_key)):
            new_key = keys[row["run_key"]]
            at = (_TAG.c.call_key == 0, _TAG.c.name == row["name"])
            taken = select(_TAG.c.name).where(_TAG.c.run_key == new_key, *at)
            here = (_TAG.c.run_key == row["run_key"], *at)
            if connection.execute(taken).first() is None:
                connection.execute(update(_TAG).where(*here).values(run_key=new_key))
            else:
                connection.execute(delete(_TAG).where(*here))


def _rename_parents(connection: Connection, new_ids: Mapping[str, str]) -> None:
    """Runs whose parent has another id now, and their calls, which no index finds by that."""
    run = tables.run
    for some in slices(sorted(new_ids)):
        children = connection.execute(
            select(run.c.id, run.c.parent_run_id).where(run.c.parent_run_id.in_(some))
        )
        parameters = [
            {"b_id": key, "b_old": parent, "b_new": new_ids[parent]} for key, parent in children.all()
        ]
        if parameters:
            connection.execute(_RENAME_OF_CALLS, parameters)
            connection.execute(_RENAME_OF_RUN, parameters)


def _alias(connection: Connection, new_keys: Mapping[str, int]) -> None:
    alias = tables.run_alias
    for some in slices(sorted(new_keys)):
        connection.execute(delete(alias).where(alias.c.alias.in_(some)))
    if new_keys:
        connection.execute(
            insert(alias), [{"alias": old_id, "run_key": key} for old_id, key in new_keys.items()]
        )
