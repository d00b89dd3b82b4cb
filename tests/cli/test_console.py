"""The console as a process of its own, and the limits that it keeps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from arc_proxy.cli import retention
from arc_proxy.cli.console import read_config
from arc_proxy.cli.console_work import ConsoleWork
from arc_proxy.cli.folder import Folder, find_folder, prepare
from arc_proxy.cli.instance import ConsoleUnreachable, Instance, ask_console, await_console
from arc_proxy.cli.launch import prepare_launch
from arc_proxy.errors import ConfigError
from arc_proxy.export.har_import import import_har
from arc_proxy.ingest.worker import catch_up
from arc_proxy.settings import Settings
from arc_proxy.store.engine import open_store
from arc_proxy.store.read import iter_calls
from pricing.book import load_book
from tests.cli.command import clean_environ
from tests.report.traffic import NOW, call, write_har


@pytest.fixture
def folder(tmp_path) -> Folder:
    found = find_folder(tmp_path / "data", {})
    prepare(found)
    return found


@pytest.fixture
def config(folder, tmp_path) -> Path:
    settings = Settings.model_validate({"journal_days": 1, "rows_months": 1})
    return prepare_launch(settings, folder, {"XDG_RUNTIME_DIR": str(tmp_path)}, port=8123).config_path


@pytest.fixture
def console(config, folder) -> Iterator[tuple[subprocess.Popen[bytes], Instance, int]]:
    """A console, how to ask it, and our end of its lifeline."""
    lifeline, held = os.pipe()
    command = [sys.executable, "-m", "arc_proxy.cli.console", str(config), "--lifeline", str(lifeline)]
    process = subprocess.Popen(command, pass_fds=[lifeline], env=clean_environ(), stderr=subprocess.DEVNULL)
    os.close(lifeline)
    instance = Instance(
        pid=process.pid,
        version="0",
        url="http://127.0.0.1:8123",
        host="127.0.0.1",
        port=8123,
        console_socket=read_config(config).socket,
        started_at="",
        workers=1,
    )
    yield process, instance, held
    process.kill()
    process.wait()
    os.close(held)


def import_calls(folder: Folder, name: str, *entries) -> None:
    import_har(write_har(folder.path.parent / name, list(entries)), folder.path)


def test_it_ingests_answers_and_leaves_with_the_supervisor(console, folder):
    process, instance, held = console
    import_calls(folder, "a.har", call("finance", "r1"))
    answer = await_console(instance, folder, "POST", "/_arc/api/catch-up", timeout_s=30, start_s=60)
    assert answer == {"is_done": True, "calls": 1, "trouble": None}
    status = ask_console(instance, folder, "GET", "/_arc/api/status")
    assert status["pid"] == process.pid
    assert status["trouble"] is None
    report = ask_console(instance, folder, "GET", "/_arc/api/report?since=all")
    assert [agent["agent"] for agent in report["agents"]] == ["finance"]
    with pytest.raises(ConsoleUnreachable, match="400"):
        ask_console(instance, folder, "GET", "/_arc/api/report?since=yesterday")
    assert instance.console_socket.stat().st_mode & 0o777 == 0o600
    import_calls(folder, "b.har", call("finance", "r2"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), held)  # the supervisor is gone
    assert process.wait(30) == 0
    store = open_store(folder.path / "arc.db")
    assert catch_up(folder.path, store, load_book()).calls == 0  # the last catch-up had it
    store.close()
    log = (folder.logs / "console.log").read_text()
    assert "console.ready" in log
    assert "console.stopped" in log
    assert "Traceback" not in log


def test_it_leaves_on_a_signal(console, folder):
    process, instance, _ = console
    await_console(instance, folder, "GET", "/_arc/api/status", timeout_s=30, start_s=60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_it_keeps_the_limits(config, folder):
    age_days = (datetime.now(UTC) - NOW).total_seconds() / 86_400
    import_calls(folder, "old.har", call("finance", "old", days_ago=200 - age_days))
    import_calls(folder, "new.har", call("finance", "new", days_ago=0.1 - age_days))
    store = open_store(folder.path / "arc.db")
    catch_up(folder.path, store, load_book())
    store.close()
    for segment in folder.journal.rglob("*.seg"):
        os.utime(segment, (time.time() - 3 * 86_400,) * 2)
    work = ConsoleWork(read_config(config))
    try:
        work.retention.retain()
        assert work.status()["retention"]["calls"] == 1
        assert work.status()["retention"]["segments"] == 2
        body = json.loads(json.dumps(work.report({"since": "all"})))
        assert body["total"]["runs"] == 1
    finally:
        work.close()


def test_a_mistake_of_ours_does_not_end_retention(folder, monkeypatch):
    monkeypatch.setattr(retention, "FIRST_S", 0.001)
    monkeypatch.setattr(retention, "EVERY_S", 0.001)
    tries = []

    class Mistaken(retention.Retention):
        def retain(self) -> None:
            tries.append(len(tries))
            if len(tries) == 2:
                self.stop()
            raise ValueError("what somebody said")

    limits = {"journal_days": 1, "journal_bytes_max": 1, "rows_months": 1}
    kept = Mistaken(folder.journal, lambda: open_store(folder.path / "arc.db"), **limits)
    kept.keep_forever()
    assert tries == [0, 1]
    assert kept.last == {"error": "ValueError"}


def test_a_mistake_in_the_prices_file_does_not_end_ingest(config, folder):
    (folder.path / "prices.toml").write_text("[[rate]]\n")
    work = ConsoleWork(read_config(config))
    assert work.status()["price_book"] == load_book().version
    work.close()


def test_a_running_console_prices_by_an_updated_book(console, folder):
    _, instance, _ = console
    ask = {"timeout_s": 30, "start_s": 60}
    import_calls(folder, "a.har", call("finance", "r1", model="acme-7b"))
    await_console(instance, folder, "POST", "/_arc/api/catch-up", **ask)
    rows = (
        {"provider": "openai", "url": ""},
        {"model": "acme-7b", "match": [["=", "acme-7b"]]},
        {"recorded": "2026-11-26", "source": "me", "rates": {"input_text": 1000000, "output_text": 1000000}},
    )
    (folder.path / "prices").mkdir()
    written = "".join(json.dumps(row) + "\n" for row in rows)
    (folder.path / "prices" / "2026-11-26.01.jsonl").write_text(written)
    import_calls(folder, "b.har", call("finance", "r2", model="acme-7b"))
    await_console(instance, folder, "POST", "/_arc/api/catch-up", **ask)
    status = ask_console(instance, folder, "GET", "/_arc/api/status")
    assert "+updated-2026-11-26.01." in status["price_book"]
    store = open_store(folder.path / "arc.db")
    costs = {call.run_id: call.cost_nanousd for call in iter_calls(store)}
    store.close()
    assert costs["r1"] is None
    assert costs["r2"]


def test_the_config_is_for_this_user_alone(config):
    assert config.stat().st_mode & 0o777 == 0o600
    assert config.parent.stat().st_mode & 0o777 == 0o700


def test_an_upstream_that_leads_back_is_refused(folder, tmp_path):
    settings = Settings.model_validate({"upstreams": {"openai": "http://localhost:8123/v1"}})
    with pytest.raises(ConfigError, match="for ever"):
        prepare_launch(settings, folder, {"XDG_RUNTIME_DIR": str(tmp_path)}, port=8123)


def test_it_says_how_many_runs_wait_to_be_looked_at(config, folder):
    import_calls(folder, "new.har", call("finance", "new"))
    store = open_store(folder.path / "arc.db")
    catch_up(folder.path, store, load_book())
    work = ConsoleWork(read_config(config))
    try:
        status = work.status()
        assert status["unanalysed_runs"] == 1
        assert status["unanalysed_s"] > 0
        catch_up(folder.path, store, load_book(), derive=True)
        assert (work.status()["unanalysed_runs"], work.status()["unanalysed_s"]) == (0, None)
    finally:
        store.close()
        work.close()
