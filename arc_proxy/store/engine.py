"""
Open a store: SQLite in a file of its own, or PostgreSQL. Migrations are applied, a newer database is refused.

One transaction writes at a time, on either database: BEGIN IMMEDIATE on SQLite, an advisory lock on
PostgreSQL. So the writer can hand out keys itself and take old sums from new ones without a race.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, text
from sqlalchemy.engine import URL, make_url

from arc_proxy.errors import NewerDatabase, RowRefused, StoreError
from arc_proxy.store.memory import Memory

BUSY_S = 10.0  # how long a statement waits for another process's lock
WAL_RETRY_S = 0.01
PAGE_BYTES = 8192  # a compressed message of 2-4 KB wastes half of SQLite's usual page
WRITER_LOCK = 0x6172635F70726F78  # PostgreSQL advisory lock: one saving transaction at a time

VERSIONS = Path(__file__).parent / "migrations" / "versions"


@dataclass(eq=False, kw_only=True)
class Store:
    """An open store. May be shared by threads; `close` it at the end."""

    engine: Engine
    path: Path | None  # None on PostgreSQL
    opened_as: tuple[int, int] | None  # `identity` when it was opened
    memory: Memory = field(default_factory=Memory)
    lock: threading.RLock = field(default_factory=threading.RLock)  # saving threads of this process

    @property
    def is_sqlite(self) -> bool:
        return self.path is not None

    @property
    def name(self) -> str:
        """Where it is, for people: the path, or the URL without its password."""
        return str(self.path) if self.path else self.engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        self.engine.dispose()


def open_store(target: str | Path, *, create: bool = True, busy_s: float = BUSY_S) -> Store:
    """
    Open a path, a `sqlite:///` URL or a `postgresql://` URL, and bring its tables up to date.

    Raises NewerDatabase, and StoreError where it cannot be opened or, with `create` False, does not exist.
    """
    url = _url(target)
    path = Path(url.database or "").absolute() if url.get_backend_name() == "sqlite" else None
    if path is not None:
        _prepare_file(path, create)
        engine = _sqlite_engine(path, busy_s)
    else:
        engine = create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={"options": f"-c lock_timeout={int(busy_s * 1000)}"},
        )
    store = Store(engine=engine, path=path, opened_as=None)
    try:
        _bring_up_to_date(store)
    except BaseException:
        store.close()
        raise
    store.opened_as = identity(store)
    return store


def identity(store: Store) -> tuple[int, int] | None:
    """Device and inode of the file that lies at the store's path now; None without a file."""
    if store.path is None:
        return None
    try:
        stat = store.path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def is_replaced(store: Store) -> bool:
    """
    Is the database file gone or another one than we opened? What is written now would be lost with it.

    The answer to it is to close this store, open the path again and ingest from the beginning.
    """
    return identity(store) != store.opened_as


@contextmanager
def writing(store: Store) -> Iterator[Connection]:
    """One transaction that holds the store's write lock from its start. Raises StoreError."""
    with store.lock, store_errors(), store.engine.connect() as plain:
        connection = plain.execution_options(arc_begin="BEGIN IMMEDIATE")
        with connection.begin():
            if not store.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITER_LOCK})
            yield connection


@contextmanager
def reading(store: Store) -> Iterator[Connection]:
    """One transaction that sees one state of the store. Keep it short. Raises StoreError."""
    with store_errors(), store.engine.connect() as plain:
        level = {} if store.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        connection = plain.execution_options(**level)
        with connection.begin():
            yield connection


@contextmanager
def maintaining(store: Store) -> Iterator[Connection]:
    """A connection without a transaction, for statements that want none. Raises StoreError."""
    with store_errors(), store.engine.connect() as plain:
        yield plain.execution_options(isolation_level="AUTOCOMMIT", arc_begin="")


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn the database's refusals into StoreError, without SQL and values (prompts, keys) in their text."""
    try:
        yield
    except exc.DBAPIError as error:
        refusal = RowRefused if _is_about_a_value(error) else StoreError
        raise refusal(_first_line(error.orig)) from None
    except exc.StatementError as error:
        raise RowRefused(type(error.orig).__name__) from None
    except exc.SQLAlchemyError as error:
        raise StoreError(type(error).__name__) from None


def _is_about_a_value(error: exc.DBAPIError) -> bool:
    if isinstance(error, exc.ProgrammingError | exc.InterfaceError):
        # A value that the driver cannot bind has no code; PostgreSQL gives one to a table that is missing.
        return getattr(error.orig, "sqlstate", None) is None
    return isinstance(error, exc.IntegrityError | exc.DataError)


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    # PostgreSQL quotes rows in DETAIL, and values in some messages.
    return re.sub(r'"[^"]{60,}"', '"..."', lines[0])[:300] if lines else type(error).__name__


def _url(target: str | Path) -> URL:
    if isinstance(target, Path) or "://" not in target:
        return URL.create("sqlite", database=str(target))
    try:
        url = make_url(target)
    except exc.ArgumentError:
        raise StoreError("not a database URL: expected postgresql://user@host/name or a path") from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() in ("sqlite", "postgresql"):
        return url
    raise StoreError(f"{url.drivername} is no database that arc-proxy knows: SQLite or PostgreSQL")


def _prepare_file(path: Path, create: bool) -> None:
    """Make folder and file ours alone before SQLite opens it; -wal and -shm take the file's mode."""
    try:
        if not path.exists():
            if not create:
                raise StoreError(f"there is no database at {path}")
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        elif path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error


def _sqlite_engine(path: Path, busy_s: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        hide_parameters=True,
        connect_args={"timeout": busy_s, "isolation_level": None, "cached_statements": 256},
    )

    @event.listens_for(engine, "connect")
    def _settings(dbapi_connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in (
            f"page_size = {PAGE_BYTES}",  # this and the next hold only while the file is empty
            "auto_vacuum = INCREMENTAL",
            "synchronous = NORMAL",
            "foreign_keys = ON",
            "cache_size = -16000",
            "wal_autocheckpoint = 4000",  # 32 MB: an index page that every save touches is copied once
            "journal_size_limit = 67108864",
        ):
            dbapi_connection.execute(f"PRAGMA {pragma}")
        _turn_wal_on(dbapi_connection, busy_s)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that writes after reading fails at once where another one wrote meanwhile,
        # so `writing` asks for an immediate one.
        begin = connection.get_execution_options().get("arc_begin", "BEGIN")
        if begin:
            connection.exec_driver_sql(begin)

    return engine


def _turn_wal_on(connection: sqlite3.Connection, busy_s: float) -> None:
    """SQLite does not wait for another connection that turns it on too, whatever its timeout says."""
    give_up = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(WAL_RETRY_S)


def known_revisions() -> list[str]:
    """Every revision that this version can bring up to date, oldest first; the last one is ours."""
    return sorted(path.name.partition("_")[0] for path in VERSIONS.glob("[0-9]*_*.py"))


def revision(connection: Connection) -> str | None:
    """The revision that the database stands at; None for an empty one. Raises NewerDatabase."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found not in known_revisions():
        raise NewerDatabase(
            f"the database is at revision {found}, which a later version of arc-proxy made; "
            f"this one knows {known_revisions()[-1]}. Upgrade arc-proxy, or use another data folder."
        )
    return found


def _bring_up_to_date(store: Store) -> None:
    newest = known_revisions()[-1]
    with reading(store) as connection:
        if revision(connection) == newest:
            return
    # Here, because Alembic takes time to import and few starts need it.
    from arc_proxy.store.migrations import upgrade

    with writing(store) as connection:
        if revision(connection) != newest:
            upgrade(connection, newest)
