"""
Small tables of names (agents, sessions, writers, rates, series) and their keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select

from arc_proxy.store import tables
from arc_proxy.store.bulk import Name, insert_rows, rows_in, slices
from arc_proxy.store.memory import Memory, Recent

PROJECTS_MAX = 500  # values of the tag `project` with sums of their own
AGENTS_MAX = 500  # agents with series of their own
MODELS_MAX = 100  # models per agent with series of their own
OTHER_AGENT = 0
OTHER = "other"

_LAST_CALL_ID = "last_call_id"  # in meta


def next_id(connection: Connection, table: Table) -> int:
    """The first free key. Ours for this transaction, since one transaction writes at a time."""
    return int(connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()) + 1


def next_call_id(connection: Connection) -> int:
    """
    The first key that no call has, nor had.

    What is left of a call that is gone, as its clues, must not speak of another.
    """
    meta = tables.meta
    last = connection.execute(select(meta.c.value).where(meta.c.name == _LAST_CALL_ID)).scalar()
    return max(next_id(connection, tables.call), int(last or 0) + 1)


def reserve_call_ids(connection: Connection, gone: Iterable[int]) -> None:
    """Calls of these keys were removed: see to it that `next_call_id` never gives one of them."""
    meta = tables.meta
    last = max(gone, default=0)
    if last < next_id(connection, tables.call):
        return
    connection.execute(delete(meta).where(meta.c.name == _LAST_CALL_ID))
    connection.execute(insert(meta).values(name=_LAST_CALL_ID, value=str(last)))


def keys_of(
    connection: Connection, memory: Memory, table: Table, columns: Sequence[str], wanted: set[Name]
) -> dict[Name, int]:
    """The key of every name, new rows made for those that have none."""
    remembered = memory.names_of(table.name)
    keys, unknown = _remembered_keys(remembered, wanted)
    if not unknown:
        return keys
    found = {row[:-1]: row[-1] for row in rows_in(connection, table, columns, unknown, "id")}
    missing = sorted(unknown - found.keys())
    if missing:
        found |= zip(missing, range(first := next_id(connection, table), first + len(missing)), strict=True)
        blank: dict[str, Any] = dict.fromkeys(table.c.keys())
        rows = [blank | {"id": found[name], **dict(zip(columns, name, strict=True))} for name in missing]
        insert_rows(connection, table, rows)
    for name, key in found.items():
        remembered[name] = key
    return keys | found


def _remembered_keys(remembered: Recent[Name, int], wanted: set[Name]) -> tuple[dict[Name, int], set[Name]]:
    """The keys that are remembered, and the names whose key has to be looked up."""
    keys: dict[Name, int] = {}
    unknown: set[Name] = set()
    for name in wanted:
        key = remembered.get(name)
        if key is None:
            unknown.add(name)
        else:
            keys[name] = key
    return keys, unknown


def agent_keys(connection: Connection, memory: Memory, names: set[str]) -> dict[str, int]:
    keys = keys_of(connection, memory, tables.agent, ("name",), {(name,) for name in names})
    return {name: keys[(name,)] for name in names}


def session_keys(connection: Connection, memory: Memory, ids: set[str]) -> dict[str, int]:
    keys = keys_of(connection, memory, tables.session, ("session_id",), {(text,) for text in ids})
    return {text: keys[(text,)] for text in ids}


def writer_keys(connection: Connection, memory: Memory, writers: set[str]) -> dict[str, int]:
    keys = keys_of(connection, memory, tables.segment, ("writer",), {(writer,) for writer in writers})
    return {writer: keys[(writer,)] for writer in writers}


def rate_keys(connection: Connection, memory: Memory, rates: set[Name]) -> dict[Name, int]:
    """Keys of (rate id, table version)."""
    return keys_of(connection, memory, tables.rate, ("rate_id", "table_version"), rates)


def rollup_agent(agent_id: int) -> int:
    """The agent that sums are kept under. Keys are handed out in order, so the first ones have their own."""
    return agent_id if agent_id <= AGENTS_MAX else OTHER_AGENT


def rollup_projects(connection: Connection, names: set[str], *, adds: bool) -> dict[str, str]:
    """
    The name that sums of each of these are kept under: its own, if it has been given a place, else "other".

    `adds`: new ones are given one while there is room.
    """
    project = tables.project
    known = {name for (name,) in rows_in(connection, project, ("name",), {(name,) for name in names})}
    new = sorted(names - known)
    if new and adds:
        count = int(connection.execute(select(func.count()).select_from(project)).scalar_one())
        new = new[: max(0, PROJECTS_MAX - count)]
        if new:
            connection.execute(insert(project), [{"name": name} for name in new])
            known.update(new)
    return {name: name if name in known else OTHER for name in names}


SERIES = ("agent_id", "provider", "dialect", "model", "kind")


def series_keys(connection: Connection, memory: Memory, wanted: set[Name]) -> dict[Name, int]:
    """
    Keys of (agent id, provider, dialect, model, kind), with "other" for what is beyond the caps.

    Provider, dialect and kind are our own words; agent and model are a client's.
    """
    remembered = memory.names_of(tables.series.name)
    keys, unknown = _remembered_keys(remembered, wanted)
    if not unknown:
        return keys
    capped = _cap(connection, unknown)
    found = keys_of(connection, memory, tables.series, SERIES, set(capped.values()))
    for name, capped_name in capped.items():
        keys[name] = remembered[name] = found[capped_name]
    return keys


def _cap(connection: Connection, unknown: set[Name]) -> dict[Name, Name]:
    """Each name, and the one that it is kept under."""
    under = {name: (rollup_agent(name[0]), *name[1:]) for name in unknown}
    models: dict[int, set[str]] = {}
    agents = sorted({name[0] for name in under.values()})
    columns = tables.series.c
    for some in slices(agents):
        known = select(columns.agent_id, columns.model).where(columns.agent_id.in_(some)).distinct()
        for agent_id, model in connection.execute(known):
            models.setdefault(agent_id, set()).add(model)
    capped: dict[Name, Name] = {}
    for name in sorted(unknown):
        agent_id, provider, dialect, model, kind = under[name]
        known_models = models.setdefault(agent_id, set())
        if model not in known_models and len(known_models) >= MODELS_MAX:
            model = OTHER
        known_models.add(model)
        capped[name] = (agent_id, provider, dialect, model, kind)
    return capped
