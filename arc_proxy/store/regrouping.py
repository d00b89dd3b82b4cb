"""How far a regrouping has come, and by which rules the stored calls were grouped."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from arc_proxy.store import tables
from arc_proxy.store.bounds import dump_json, load_json
from arc_proxy.store.engine import Store, reading, writing
from arc_proxy.store.views import Cursor

_NAME = "regrouping"


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


def write_regrouping(store: Store, state: Regrouping | None) -> None:
    """None: it has come to its end. An old id that a run has again leads to that run alone."""
    meta, run, alias = tables.meta, tables.run, tables.run_alias
    with writing(store) as connection:
        connection.execute(delete(meta).where(meta.c.name == _NAME))
        if state is None:
            connection.execute(delete(alias).where(alias.c.alias.in_(select(run.c.run_id))))
        else:
            value = dump_json([state.version, *state.after]).decode()
            connection.execute(insert(meta).values(name=_NAME, value=value))
