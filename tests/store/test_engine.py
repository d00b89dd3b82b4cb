"""Open, migrate, refuse: `store.engine` and the migrations."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from arc_proxy.errors import NewerDatabase, StoreError
from arc_proxy.store import tables
from arc_proxy.store.bulk import rows_in
from arc_proxy.store.engine import (
    Store,
    identity,
    is_replaced,
    known_revisions,
    open_store,
    reading,
    writing,
)
from arc_proxy.store.migrations import upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where an empty database can be made."""
    if request.param == "sqlite":
        return tmp_path / "arc.db"
    make: Callable[[], str] = request.getfixturevalue("new_postgres_url")
    return make()


def bare_engine(target: str | Path) -> sa.Engine:
    """An engine on the database, without bringing it up to date."""
    if isinstance(target, Path):
        return sa.create_engine(f"sqlite:///{target}")
    return sa.create_engine(target.replace("postgresql://", "postgresql+psycopg://"))


def differences(connection: sa.Connection) -> list[object]:
    return compare_metadata(MigrationContext.configure(connection), tables.metadata)


def test_a_new_store_has_the_tables_that_the_models_declare(store: Store) -> None:
    with store.engine.connect() as connection:
        assert differences(connection) == []


@pytest.mark.parametrize("revision", [None, *known_revisions()])
def test_every_past_revision_ends_where_the_models_are(target: str | Path, revision: str | None) -> None:
    if revision is not None:
        engine = bare_engine(target)
        with engine.begin() as connection:
            upgrade(connection, revision)
        engine.dispose()
    store = open_store(target)
    with store.engine.connect() as connection:
        assert differences(connection) == []
    store.close()


def test_the_comparison_notices_a_missing_column(store: Store) -> None:
    extra = sa.Column("forgotten", sa.Text)
    tables.agent.append_column(extra)
    try:
        with store.engine.connect() as connection:
            assert [difference[0] for difference in differences(connection)] == ["add_column"]
    finally:
        tables.agent._columns.remove(extra)


def test_migrations_import_nothing_of_the_models() -> None:
    code = (
        "import sys, runpy, pathlib, arc_proxy.store.engine as engine\n"
        "for path in engine.VERSIONS.glob('[0-9]*.py'): runpy.run_path(str(path))\n"
        "print('arc_proxy.store.tables' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_a_store_that_is_up_to_date_opens_without_alembic(tmp_path: Path) -> None:
    open_store(tmp_path / "arc.db").close()
    code = (
        "import sys, arc_proxy.store.engine as engine\n"
        f"engine.open_store({str(tmp_path / 'arc.db')!r}).close()\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('alembic', 'sqlmodel')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_newer_database_is_refused_and_left_alone(target: str | Path) -> None:
    store = open_store(target)
    with writing(store) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(NewerDatabase, match="9999"):
        open_store(target)


def test_two_openers_of_an_empty_database_do_not_collide(target: str | Path) -> None:
    failures: list[BaseException] = []

    def opener() -> None:
        try:
            open_store(target).close()
        except BaseException as error:  # noqa: BLE001  the assertion below shows it
            failures.append(error)

    threads = [threading.Thread(target=opener) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_files_are_the_owners_alone(tmp_path: Path) -> None:
    old_umask = os.umask(0)
    try:
        store = open_store(tmp_path / "data" / "arc.db")
        with writing(store) as connection:
            connection.execute(tables.meta.insert(), {"name": "a", "value": "b"})
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
        store.close()
    finally:
        os.umask(old_umask)
    assert modes == {"arc.db": 0o600, "arc.db-wal": 0o600, "arc.db-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    open_store(tmp_path / "arc.db").close()
    (tmp_path / "arc.db").chmod(0o644)
    open_store(tmp_path / "arc.db").close()
    assert stat.S_IMODE((tmp_path / "arc.db").stat().st_mode) == 0o600


def test_sqlite_is_set_up_for_one_writer_and_many_readers(tmp_path: Path) -> None:
    store = open_store(tmp_path / "arc.db")
    wanted = {"page_size": 8192, "journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "auto_vacuum": 2}
    with store.engine.connect() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted}
    store.close()
    assert found == wanted


def test_a_missing_database_is_an_error_where_none_should_be_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no database at"):
        open_store(tmp_path / "arc.db", create=False)
    assert not (tmp_path / "arc.db").exists()


WRONG = {
    "not a database": (b"not a database, but long enough to have a header that could be one" * 20),
    "cut in the middle of its header": b"SQLite format 3\0" + bytes(20),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "arc.db").write_bytes(content)
    with pytest.raises(StoreError):
        open_store(tmp_path / "arc.db")
    assert (tmp_path / "arc.db").read_bytes() == content


def test_an_unknown_kind_of_database_is_named() -> None:
    with pytest.raises(StoreError, match="mysql"):
        open_store("mysql://somewhere/arc")


def test_a_password_is_in_no_name_and_no_error() -> None:
    with pytest.raises(StoreError) as caught:
        open_store("postgresql://arc:canary-secret@127.0.0.1:1/arc?connect_timeout=2")
    assert "canary-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_locked_database_is_a_store_error_after_the_wait(tmp_path: Path) -> None:
    holder, waiter = open_store(tmp_path / "arc.db"), open_store(tmp_path / "arc.db", busy_s=0.05)
    with (
        writing(holder),
        pytest.raises(StoreError, match="locked"),
        writing(waiter),
    ):
        raise AssertionError("it was not locked")
    with reading(waiter) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.call)).scalar() == 0
    holder.close()
    waiter.close()


def test_a_replaced_or_deleted_file_is_noticed(tmp_path: Path) -> None:
    store = open_store(tmp_path / "arc.db")
    assert not is_replaced(store)
    for path in tmp_path.glob("arc.db*"):
        path.unlink()
    assert identity(store) is None
    assert is_replaced(store)
    other = open_store(tmp_path / "arc.db")
    assert is_replaced(store)
    assert not is_replaced(other)
    store.close()
    other.close()


def test_errors_show_neither_sql_nor_values(store: Store) -> None:
    with pytest.raises(StoreError) as caught, writing(store) as connection:
        connection.execute(sa.text("SELECT * FROM nowhere WHERE a = :a"), {"a": "canary-prompt"})
    assert "canary-prompt" not in str(caught.value)
    assert "SELECT" not in str(caught.value)


LOOKED_UP = {
    "message": ("month", "hash"),
    "node": ("month", "parent_id", "message_id"),
    "run": ("run_id", "agent_id"),
    "call": ("call_id",),
    "fact": ("fact_id", "writer_id"),
}


@pytest.mark.parametrize(("name", "columns"), LOOKED_UP.items(), ids=LOOKED_UP)
def test_rows_are_looked_up_by_an_index(tmp_path: Path, name: str, columns: tuple[str, ...]) -> None:
    """A scan would make every save slower than the one before."""
    store = open_store(tmp_path / "arc.db")
    plans: list[str] = []

    @sa.event.listens_for(store.engine, "before_cursor_execute")
    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "SELECT" in statement:
            plans.extend(row[-1] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    with reading(store) as connection:
        wanted = {tuple(range(number, number + len(columns))) for number in range(5)}
        assert list(rows_in(connection, tables.metadata.tables[name], columns, wanted, "id")) == []
    store.close()
    assert any(f"SEARCH {name} USING" in step for step in plans)
    assert not any(step.startswith(f"SCAN {name}") for step in plans)
