"""
Drop old months, and give the space back.

A month goes as a whole: its calls with what hangs on them, its messages, its sums. It goes in small
transactions, calls first, each of which leaves sums and runs as they should be, so that a stop in the middle
costs nothing and whoever saves meanwhile waits for a moment only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, func, select

from arc_proxy.errors import StoreError
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts, slices
from arc_proxy.store.clue_table import sweep_clues
from arc_proxy.store.engine import Store, maintaining, reading, writing
from arc_proxy.store.names import reserve_call_ids
from arc_proxy.store.rows import Row
from arc_proxy.store.run_table import RunsInHand
from arc_proxy.store.sums import Difference
from arc_proxy.store.write import next_epoch, remove_beside

CALLS_AT_A_TIME = 1000
ROWS_AT_A_TIME = 5000
RUNS_AT_A_TIME = 500
PAGES_AT_A_TIME = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    calls: int
    runs: int
    messages: int
    bytes_before: int
    bytes_after: int


def first_month_kept(now_ns: int, months: int) -> int:
    """YYYYMM of the oldest month that stays if the running one and `months` whole ones before it do."""
    now = datetime.fromtimestamp(now_ns / 1e9, UTC)
    index = now.year * 12 + now.month - 1 - months
    return index // 12 * 100 + index % 12 + 1


def prune(store: Store, first_kept: int) -> Pruned:
    """
    Remove everything of the months before `first_kept` (YYYYMM). Raises StoreError.

    A run that goes on into a month that stays is kept with what is left of it.
    """
    start = datetime(first_kept // 100, first_kept % 100, 1, tzinfo=UTC)
    before_ns = int(start.timestamp()) * 1_000_000_000
    bytes_before = size_bytes(store)
    calls = _remove_calls(store, tables.call.c.started_ns < before_ns)
    runs = _settle_runs(store, before_ns)
    messages = _remove_month(store, tables.message, first_kept)
    nodes = _remove_month(store, tables.node, first_kept)
    if calls or runs or messages or nodes:
        sweep_clues(store)
        with writing(store) as connection:
            _remove_leftovers(connection)
            next_epoch(connection)
        give_space_back(store)
    return Pruned(
        calls=calls,
        runs=runs,
        messages=messages,
        bytes_before=bytes_before,
        bytes_after=size_bytes(store),
    )


def give_space_back(store: Store) -> None:
    """SQLite: return free pages to the file system, some at a time. PostgreSQL: have VACUUM find them."""
    with maintaining(store) as connection:
        if not store.is_sqlite:
            for name in ("call", "payload", "message", "node", "clue"):
                connection.exec_driver_sql(f'VACUUM "{name}"')
            return
        free = int(connection.exec_driver_sql("PRAGMA freelist_count").scalar_one())
        for _ in range(-(-free // PAGES_AT_A_TIME)):
            # Every step of this statement frees one page and gives a row of no columns, where a cursor takes
            # the statement for done. A script is stepped to its end.
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.executescript(f"PRAGMA incremental_vacuum({PAGES_AT_A_TIME})")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def size_bytes(store: Store) -> int:
    """What the database takes up."""
    if store.path is None:
        with reading(store) as connection:
            return int(
                connection.execute(select(func.pg_database_size(func.current_database()))).scalar_one()
            )
    try:
        return store.path.stat().st_size
    except OSError as error:
        raise StoreError(f"{store.path}: {error.strerror}") from error


def _remove_calls(store: Store, condition: ColumnElement[bool]) -> int:
    call = tables.call
    removed = 0
    while True:
        with writing(store) as connection:
            some = select(call).where(condition).order_by(call.c.started_ns).limit(CALLS_AT_A_TIME)
            rows = dicts(connection, some)
            if not rows:
                return removed
            remove_calls(connection, rows, derive_runs=False)
        removed += len(rows)


def remove_calls(connection: Connection, rows: Iterable[Row], *, derive_runs: bool = True) -> None:
    """
    Remove calls and what hangs on them; sums follow. Messages stay until their month goes, clues until they
    are swept.

    Without `derive_runs`, runs lose the calls' sums only; it is for the caller to have them derived.
    """
    gone = list(rows)
    runs = RunsInHand(connection)
    runs.load_keys(row["run_key"] for row in gone)
    difference = Difference()
    for row in gone:
        difference.call(row, -1)
        runs.remove(row, derive=derive_runs)
    keys = [row["id"] for row in gone]
    remove_beside(connection, keys)
    for some in slices(keys):
        connection.execute(delete(tables.call).where(tables.call.c.id.in_(some)))
    reserve_call_ids(connection, keys)
    runs.finish(difference)
    difference.store(connection)


def _settle_runs(store: Store, before_ns: int) -> int:
    """
    Derive again every run that began before; one of which nothing is left goes, with its facts.

    Gives how many went. Until then such a run keeps its old start, so a prune that was stopped finds it
    again.
    """
    run, fact, call = tables.run, tables.fact, tables.call
    has_calls = select(call.c.id).where(call.c.run_key == run.c.id).exists()
    has_later_facts = select(fact.c.id).where(fact.c.run_key == run.c.id, fact.c.at_ns >= before_ns).exists()
    after = gone = 0
    while True:
        with writing(store) as connection:
            old = select(run.c.id, has_calls | has_later_facts).where(
                run.c.started_ns < before_ns, run.c.id > after
            )
            found = connection.execute(old.order_by(run.c.id).limit(RUNS_AT_A_TIME)).all()
            if not found:
                connection.execute(delete(fact).where(fact.c.run_key.is_(None), fact.c.at_ns < before_ns))
                return gone
            runs = RunsInHand(connection)
            runs.load_keys(key for key, _ in found)
            silent = [key for key, is_alive in found if not is_alive]
            connection.execute(delete(fact).where(fact.c.run_key.in_(silent)))
            for key, _ in found:
                runs.doubt(key)
            difference = Difference()
            gone += runs.finish(difference)
            difference.store(connection)
            after = found[-1][0]


def _remove_month(store: Store, table: Table, first_kept: int) -> int:
    removed = 0
    while True:
        with writing(store) as connection:
            some = select(table.c.id).where(table.c.month < first_kept).limit(ROWS_AT_A_TIME)
            keys = list(connection.execute(some).scalars())
            for part in slices(keys):
                connection.execute(delete(table).where(table.c.id.in_(part)))
        removed += len(keys)
        if len(keys) < ROWS_AT_A_TIME:
            return removed


def _remove_leftovers(connection: Connection) -> None:
    """Sessions that nothing belongs to, and sums that came to nothing."""
    session, run, call = tables.session.c, tables.run.c, tables.call.c
    of_a_run = select(run.id).where(run.session_key == session.id).exists()
    of_a_call = select(call.id).where(call.session_key == session.id).exists()
    connection.execute(delete(tables.session).where(~of_a_run, ~of_a_call))
    for table in (
        tables.rollup_hour,
        tables.rollup_day,
        tables.run_rollup_hour,
        tables.run_rollup_day,
        tables.latency_hour,
        tables.latency_day,
        tables.project_hour,
        tables.project_day,
    ):
        sums: list[Any] = [column == 0 for column in table.c if not column.primary_key]
        connection.execute(delete(table).where(*sums))
