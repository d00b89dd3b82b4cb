"""
Are the sums right? Compare them with the raw rows, or make them anew: see `sums`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select

from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts, stream
from arc_proxy.store.engine import Store, reading, writing
from arc_proxy.store.run_table import derived_rows, update_runs
from arc_proxy.store.sums import DAY_NS, DAYS, HOURS, Difference


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A sum, or a run's row, that is not what the rows beneath it say."""

    table: str
    key: tuple[Any, ...]
    kept: Mapping[str, Any]  # the columns that differ
    raw: Mapping[str, Any]


MISMATCHES_MAX = 100


def check(store: Store) -> tuple[Mismatch, ...]:
    """
    Compare runs with their calls and facts, and all sums with the raw rows.

    Gives the first MISMATCHES_MAX that differ: none if all is well.
    """
    found: list[Mismatch] = []
    with reading(store) as connection:
        for kept, raw_run in derived_rows(connection):
            different = [name for name in kept if kept[name] != raw_run[name]]
            if different:
                found.append(
                    Mismatch("run", (kept["id"],), _only(kept, different), _only(raw_run, different))
                )
            if len(found) >= MISMATCHES_MAX:
                return tuple(found)
        for day, raw in _raw_days(connection):
            raw.cap(connection, adds=False)
            for table, rows in zip(HOURS, raw.rows(), strict=True):
                found += _compare(connection, table, rows, (day * 24, day * 24 + 24))
            for table, rows in zip(DAYS, raw.by_day().rows(), strict=True):
                found += _compare(connection, table, rows, (day, day + 1))
            if len(found) >= MISMATCHES_MAX:
                break
    return tuple(found[:MISMATCHES_MAX])


def rebuild(store: Store) -> None:
    """Derive runs again, and make all sums anew from the raw rows, in one transaction."""
    with writing(store) as connection:
        update_runs(connection, [raw for kept, raw in derived_rows(connection) if kept != raw])
        for table in (*HOURS, *DAYS):
            connection.execute(delete(table))
        for _, raw in _raw_days(connection):
            raw.store(connection)


def _raw_days(connection: Connection) -> Iterator[tuple[int, Difference]]:
    """Every day that has rows or sums, and its sums from the raw rows."""
    for day in sorted(_days(connection)):
        raw = Difference()
        for table, add in ((tables.call, raw.call), (tables.run, raw.run)):
            started = table.c.started_ns
            rows = select(table).where(started >= day * DAY_NS, started < (day + 1) * DAY_NS)
            for row in stream(connection, rows):
                add(row, 1)
        yield day, raw


def _days(connection: Connection) -> set[int]:
    days: set[int] = set()
    for table in (tables.call, tables.run):
        started = table.c.started_ns
        after = -1
        # A jump from day to day along the index, not a scan of it.
        while True:
            first = connection.execute(
                select(func.min(started)).where(started >= (after + 1) * DAY_NS)
            ).scalar()
            if first is None:
                break
            after = first // DAY_NS
            days.add(after)
    for table in DAYS:
        days.update(connection.execute(select(table.c.start).distinct()).scalars())
    for table in HOURS:
        hours = connection.execute(select(table.c.start).distinct()).scalars()
        days.update(hour // 24 for hour in hours)
    return days


def _compare(
    connection: Connection, table: Table, raw_rows: Sequence[Mapping[str, Any]], span: tuple[int, int]
) -> Iterator[Mismatch]:
    keys = [column.name for column in table.primary_key]
    sums = [column.name for column in table.c if not column.primary_key]
    nothing = dict.fromkeys(sums, 0)
    raw = {tuple(row[name] for name in keys): row for row in raw_rows}
    statement = select(table).where(table.c.start >= span[0], table.c.start < span[1])
    for kept in dicts(connection, statement):
        key = tuple(kept[name] for name in keys)
        expected = raw.pop(key, nothing)
        different = [name for name in sums if kept[name] != expected[name]]
        if different:
            yield Mismatch(table.name, key, _only(kept, different), _only(expected, different))
    for key, expected in raw.items():
        yield Mismatch(table.name, key, nothing, _only(expected, sums))


def _only(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}
