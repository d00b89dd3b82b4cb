"""Everything that a store holds, for comparing two states of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading

# Of the journal's reader, and drawn at random when a store is made.
_NOT_DERIVED = {"segment", "meta"}


def dump(store: Store) -> dict[str, list[dict[str, Any]]]:
    """The rows of every derived table, in the order of their keys."""
    rows: dict[str, list[dict[str, Any]]] = {}
    with reading(store) as connection:
        for table in tables.metadata.sorted_tables:
            if table.name not in _NOT_DERIVED:
                found = connection.execute(select(table).order_by(*table.primary_key.columns))
                rows[table.name] = [dict(row) for row in found.mappings()]
    return rows


def tallies(store: Store) -> dict[str, tuple[str | None, str | None]]:
    """Per writer, what it says it lost and what the reader counted."""
    segment = tables.segment
    with reading(store) as connection:
        rows = connection.execute(select(segment.c.writer, segment.c.counts, segment.c.tallies))
        return {row.writer: (row.counts, row.tallies) for row in rows}
