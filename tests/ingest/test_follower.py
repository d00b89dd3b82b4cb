"""The console's ingest: what goes wrong is waited out, and nothing is lost by it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from structlog.testing import capture_logs

from arc_proxy.errors import StoreError
from arc_proxy.ingest.follower import Follower
from arc_proxy.ingest.lock import hold_ingest_lock
from arc_proxy.journal.record import id_text
from arc_proxy.store.engine import Store, open_store
from pricing.book import load_book
from tests.ingest.dump import dump
from tests.ingest.tape import Tape, asked

PATIENCE_S = 30.0


@pytest.fixture
def tape(tmp_path: Path) -> Iterator[Tape]:
    tape = Tape(tmp_path / "journal")
    yield tape
    tape.writer.close()


Start = Callable[..., Follower]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a follower on a thread of its own; all are stopped at the end."""
    running: list[tuple[Follower, threading.Thread]] = []

    def begin(opener: Callable[[], Store] | None = None) -> Follower:
        follower = Follower(
            tmp_path,
            opener or (lambda: open_store(tmp_path / "arc.db", busy_s=0.05)),
            load_book,
            poll_s=0.02,
        )
        thread = threading.Thread(target=follower.run_forever)
        thread.start()
        running.append((follower, thread))
        return follower

    yield begin
    for follower, thread in running:
        follower.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def stored(path: Path) -> set[str]:
    store = open_store(path)
    try:
        return {row["call_id"] for row in dump(store)["call"]}
    finally:
        store.close()


def eventually(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_follows_the_journal(tmp_path: Path, start: Start, tape: Tape) -> None:
    written = {id_text(tape.call(str(n))) for n in range(3)}
    follower = start()
    assert follower.catch_up(PATIENCE_S)
    assert stored(tmp_path / "arc.db") == written
    written.add(id_text(tape.call("more")))
    tape.begin(asked())
    assert follower.catch_up(PATIENCE_S)
    assert stored(tmp_path / "arc.db") == written
    state = follower.state
    assert (state.calls, state.open_calls, state.trouble) == (4, 1, None)


def test_rows_are_there_before_what_is_made_of_them(tmp_path: Path, start: Start, tape: Tape) -> None:
    follower = start()
    written = id_text(tape.call())
    assert follower.catch_up(PATIENCE_S, rows_only=True)
    assert stored(tmp_path / "arc.db") == {written}
    assert follower.catch_up(PATIENCE_S, rows_only=True), "and there is nothing new"


def test_it_follows_without_being_asked(tmp_path: Path, start: Start, tape: Tape) -> None:
    follower = start()
    tape.call()
    eventually(lambda: follower.state.calls == 1)


def test_a_database_locked_for_long_is_waited_out(tmp_path: Path, start: Start, tape: Tape) -> None:
    open_store(tmp_path / "arc.db").close()
    locker = sqlite3.connect(tmp_path / "arc.db", isolation_level=None, check_same_thread=False)
    locker.execute("BEGIN IMMEDIATE")
    with capture_logs() as logs:
        follower = start()
        written = id_text(tape.call())
        eventually(lambda: follower.state.trouble is not None)
        assert "locked" in (follower.state.trouble or "")
        assert not follower.catch_up(0.1)
        locker.execute("COMMIT")
        locker.close()
        assert follower.catch_up(PATIENCE_S)
    assert stored(tmp_path / "arc.db") == {written}
    assert follower.state.trouble is None
    events = [entry["event"] for entry in logs]
    assert events.count("ingest.waits") == 1
    assert "ingest.recovered" in events


@pytest.mark.parametrize("replacement", [None, "another store"])
def test_a_database_that_was_deleted_or_replaced_is_filled_again(
    tmp_path: Path, start: Start, tape: Tape, replacement: str | None
) -> None:
    written = {id_text(tape.call(str(n))) for n in range(3)}
    follower = start()
    assert follower.catch_up(PATIENCE_S)
    for path in tmp_path.glob("arc.db*"):
        path.unlink()
    if replacement:
        open_store(tmp_path / "arc.db").close()
    written.add(id_text(tape.call("after")))
    eventually(lambda: (tmp_path / "arc.db").exists() and stored(tmp_path / "arc.db") == written)


def test_a_full_disk_is_waited_out(tmp_path: Path, start: Start, tape: Tape) -> None:
    is_full = threading.Event()
    is_full.set()

    def opener() -> Store:
        store = open_store(tmp_path / "arc.db", busy_s=0.05)

        @event.listens_for(store.engine, "begin")
        def limit(connection: object) -> None:
            pages = 1 if is_full.is_set() else 1 << 30  # SQLite takes the least that it needs
            connection.connection.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined]

        return store

    follower = start(opener)
    written = {id_text(tape.call(f"{n} " + "x" * 5000)) for n in range(200)}
    eventually(lambda: "full" in (follower.state.trouble or ""))
    is_full.clear()
    assert follower.catch_up(PATIENCE_S)
    assert stored(tmp_path / "arc.db") == written


def test_a_store_that_cannot_be_opened_is_tried_again(tmp_path: Path, start: Start, tape: Tape) -> None:
    attempts: list[int] = []

    def opener() -> Store:
        attempts.append(1)
        if len(attempts) < 3:
            raise StoreError("unreachable")
        return open_store(tmp_path / "arc.db")

    tape.call()
    follower = start(opener)
    assert follower.catch_up(PATIENCE_S)
    assert len(attempts) == 3


def test_a_bug_does_not_end_it(tmp_path: Path, start: Start, tape: Tape) -> None:
    attempts: list[int] = []

    def opener() -> Store:
        attempts.append(1)
        if len(attempts) < 2:
            raise KeyError("sk-canary")
        return open_store(tmp_path / "arc.db")

    tape.call()
    with capture_logs() as logs:
        assert start(opener).catch_up(PATIENCE_S)
    assert "canary" not in str(logs)
    assert [entry["error"] for entry in logs if entry["event"] == "ingest.failed"] == ["KeyError"]


def test_it_waits_for_the_lock_and_says_whose_it_is(tmp_path: Path, start: Start, tape: Tape) -> None:
    tape.call()
    with hold_ingest_lock(tmp_path, purpose="db rebuild"):
        follower = start()
        eventually(lambda: "db rebuild" in (follower.state.trouble or ""))
    assert follower.catch_up(PATIENCE_S)
