"""How far a regrouping has come, and by which rules the stored calls were grouped."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from arc_proxy.store import tables
from arc_proxy.store.bounds import dump_json, load_json
from arc_proxy.store.engine import Store, reading, writing
from arc_proxy.store.views import Cursor

_NAME = "regrouping"
_RULES = "grouping_version"  # see `tables.MetaTable`


@dataclass(frozen=True, slots=True)
class Regrouping:
    version: int  # of the rules
    after: Cursor  # the last call that was placed anew


def read_regrouping(store: Store) -> Regrouping | None:
    """One that was begun and not ended."""
    meta = tables.meta
    with reading(store) as connection:
        value = connection.execute(select(meta.c.value).where(meta.c.name == _NAME)).scalar()
    if value is None:
        return None
    version, started_ns, key = load_json(value)
    return Regrouping(version, (started_ns, key))


def write_regrouping(store: Store, state: Regrouping) -> None:
    with writing(store) as connection:
        _write(connection, _NAME, dump_json([state.version, *state.after]).decode())


def end_regrouping(store: Store, version: int) -> None:
    """Every call stands where these rules put it. An old id that a run has again leads to that run alone."""
    meta, run, alias = tables.meta, tables.run, tables.run_alias
    with writing(store) as connection:
        connection.execute(delete(meta).where(meta.c.name == _NAME))
        connection.execute(delete(alias).where(alias.c.alias.in_(select(run.c.run_id))))
        _write(connection, _RULES, str(version))


def read_grouping_version(store: Store) -> int:
    """The oldest rules that may have grouped a stored call; 0 where nobody knows."""
    meta = tables.meta
    with reading(store) as connection:
        return int(connection.execute(select(meta.c.value).where(meta.c.name == _RULES)).scalar() or 0)


def _write(connection: Connection, name: str, value: str) -> None:
    meta = tables.meta
    connection.execute(delete(meta).where(meta.c.name == name))
    connection.execute(insert(meta).values(name=name, value=value))
