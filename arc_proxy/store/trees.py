"""Runs with those of their sub-agents below them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select

from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.filters import Condition
from arc_proxy.store.load import RUNS, run_row
from arc_proxy.store.views import RunRow, RunTree

# A sub-agent's own sub-agents go on; what is deeper, or more, is left out.
DEPTH_MAX = 8
PARTS_MAX = 1000


def is_root() -> Condition:
    """A run whose parent is not here: it has none, or another data folder has it."""
    return or_(tables.run.c.parent_run_id.is_(None), ~_parent().exists())


def is_part() -> Condition:
    """A run whose parent is here and goes by the same agent: a part of it, and no task of its own."""
    run = tables.run.c
    own = _parent().where(_PARENT.c.agent_id == run.agent_id)
    return and_(run.parent_run_id.is_not(None), own.exists())


def whole_key() -> Any:
    """The key of the run that a run is part of, else its own. Parts of parts are taken for wholes."""
    run = tables.run.c
    return func.coalesce(_parent().where(_PARENT.c.agent_id == run.agent_id).scalar_subquery(), run.id)


_PARENT = tables.run.alias("parent")


def _parent() -> Select[tuple[int]]:
    run = tables.run.c
    return (
        select(_PARENT.c.id)
        .where(
            _PARENT.c.run_id == run.parent_run_id,
            _PARENT.c.id != run.id,
            # Two that name each other have no root between them, and would never be seen.
            func.coalesce(_PARENT.c.parent_run_id, "") != run.run_id,
        )
        .correlate(tables.run)
    )


def trees_of(connection: Connection, roots: tuple[RunRow, ...]) -> tuple[RunTree, ...]:
    """The trees that stand below these runs."""
    below: dict[str, list[RunRow]] = {}
    seen = {run.key for run in roots}
    level = roots
    for _ in range(DEPTH_MAX):
        level = tuple(run for run in _parts(connection, level) if run.key not in seen)
        if not level:
            break
        for run in level:
            below.setdefault(run.parent_run_id or "", []).append(run)
        seen |= {run.key for run in level}
        if len(seen) > PARTS_MAX:
            break
    # A name is one agent's; where two agents have a run of that name, its parts hang below the first.
    return tuple(_tree(run, below) for run in roots)


def _parts(connection: Connection, parents: tuple[RunRow, ...]) -> list[RunRow]:
    if not parents:
        return []
    run = tables.run.c
    names = sorted({parent.run_id for parent in parents})
    found = RUNS.where(run.parent_run_id.in_(names)).order_by(run.started_ns, run.id).limit(PARTS_MAX)
    return [run_row(row) for row in dicts(connection, found)]


def _tree(run: RunRow, below: dict[str, list[RunRow]]) -> RunTree:
    return RunTree(run, tuple(_tree(part, below) for part in below.pop(run.run_id, ())))
