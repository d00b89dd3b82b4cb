"""The loops: what goes wrong in one look does not end the next, and stopping is prompt."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from analysis.budget import Budgets
from arc_proxy.alerts import courier
from arc_proxy.alerts.kept import read_kept
from arc_proxy.alerts.notify import Means
from arc_proxy.alerts.watch import Watcher
from arc_proxy.errors import StoreError
from arc_proxy.store.engine import Store
from tests.alerts.conftest import Receiver
from tests.store.runs import NOW_NS, Traffic

ERRORS = '[[rule]]\nwhen = "errors"\nabove = 0.2\n'
MINUTE_NS = 60 * 10**9


def watcher(folder: Path, open_store: Callable[[], Store], **options: Any) -> Watcher:
    whole: dict[str, Any] = {"every_s": 0.001, "means": Means(), "budgets": Budgets()}
    return Watcher(folder, open_store, **(whole | {"clock": lambda: NOW_NS} | options))


def failing(store: Store) -> Store:
    Traffic(store).runs(20, ago_ns=MINUTE_NS, status=500)
    return store


def test_a_look_that_fails_is_told_and_followed_by_others(tmp_path: Path, store: Store) -> None:
    tries: list[str] = []

    def open_store() -> Store:
        tries.append("try")
        if len(tries) == 1:
            raise StoreError("locked too long")
        if len(tries) == 2:
            raise ZeroDivisionError("what somebody said")
        found.stop()
        return store

    found = watcher(tmp_path, open_store)
    with capture_logs() as logs:
        found.run_forever()
    failed = [each for each in logs if each["event"] == "alerts.failed"]
    assert [each["error"] for each in failed] == ["locked too long", "ZeroDivisionError"]
    assert "what somebody said" not in str(logs)
    assert (found.state.trouble, found.state.looked_ns) == (None, NOW_NS)


def test_what_fires_is_in_the_log_without_titles(tmp_path: Path, store: Store) -> None:
    (tmp_path / "alerts.toml").write_text(ERRORS)
    found = watcher(tmp_path, lambda: failing(store))
    with capture_logs() as logs:
        found.look_once()
    [line] = [each for each in logs if each["event"] == "alert.firing"]
    assert (line["rule"], line["agent"], line["value"], line["log_level"]) == (
        "errors",
        "finance",
        1.0,
        "warning",
    )
    assert "title" not in line


def test_a_changed_file_is_read_again_and_a_mistake_in_it_leaves_the_last(
    tmp_path: Path, store: Store
) -> None:
    found = watcher(tmp_path, lambda: store)
    found.look_once()
    assert found.state.rules == 3
    (tmp_path / "alerts.toml").write_text(ERRORS)
    found.look_once()
    assert (found.state.rules, found.state.trouble) == (1, None)
    (tmp_path / "alerts.toml").write_text(ERRORS + "[[rule]]\n")
    found.look_once()
    assert found.state.rules == 1
    assert "does not say when" in (found.state.trouble or "")
    (tmp_path / "alerts.toml").unlink()
    found.look_once()
    assert (found.state.rules, found.state.trouble) == (3, None)


def test_a_mistake_in_the_file_at_the_start_loses_nothing(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "alerts.toml"
    good = f'[target.team]\ncommand = ["/nowhere"]\n{ERRORS}'
    path.write_text(good)
    watcher(tmp_path, lambda: failing(store)).look_once()
    before = read_kept(tmp_path)
    assert len(before.parcels) == len(before.alerts.firing) == 1
    path.write_text("[[rule]]")
    again = watcher(tmp_path, lambda: store)
    again.look_once()
    assert read_kept(tmp_path) == before
    assert "does not say when" in (again.state.trouble or "")
    path.write_text(good)
    again.look_once()
    assert (read_kept(tmp_path), again.state.trouble) == (before, None)


async def test_deliveries_stop_at_once_and_are_made_up_for(
    tmp_path: Path, store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "BETWEEN_DELIVERIES_S", 0)
    (tmp_path / "alerts.toml").write_text(f'[target.team]\nwebhook = "{receiver.url}"\n{ERRORS}')
    receiver.hangs = True
    found = watcher(tmp_path, lambda: failing(store))
    thread = threading.Thread(target=found.deliver_forever)
    thread.start()
    await asyncio.to_thread(found.look_once)
    await receiver.came.wait()
    found.stop()
    await asyncio.to_thread(thread.join)  # and not after the ten seconds that a delivery may take
    assert len(read_kept(tmp_path).parcels) == 1

    receiver.hangs = False
    receiver.came.clear()
    again = watcher(tmp_path, lambda: store)
    thread = threading.Thread(target=again.deliver_forever)
    thread.start()
    await receiver.came.wait()
    while read_kept(tmp_path).parcels:
        await asyncio.sleep(0.01)
    again.stop()
    await asyncio.to_thread(thread.join)
    assert receiver.bodies[0] == receiver.bodies[1]
    assert len(receiver.bodies) == 2


def test_a_name_that_is_long_looked_up_does_not_hold_up_the_end(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end, daemons = threading.Event(), threading.Event(), []

    def look_up(*_arguments: object, **_options: object) -> list[object]:
        daemons.append(threading.current_thread().daemon)
        began.set()
        may_end.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    (tmp_path / "alerts.toml").write_text(f'[target.team]\nwebhook = "http://slow.example/"\n{ERRORS}')
    found = watcher(tmp_path, lambda: failing(store))
    found.look_once()
    thread = threading.Thread(target=found.deliver_forever)
    thread.start()
    began.wait()
    found.stop()
    thread.join(10)
    is_over = not thread.is_alive()
    may_end.set()
    thread.join()
    assert (is_over, daemons) == (True, [True])


def test_what_was_stopped_before_it_began_ends_at_once(tmp_path: Path, store: Store) -> None:
    found = watcher(tmp_path, lambda: store)
    found.stop()
    found.run_forever()
    found.deliver_forever()
    assert found.state.looked_ns is None
