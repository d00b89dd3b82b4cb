"""`arc-proxy demo` as a person runs it: a process of its own, a folder of its own, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from arc_proxy.cli.folder import find_folder

COMMAND = [sys.executable, "-m", "arc_proxy.cli.main"]
# None of this may matter: a demo is the same for everyone.
HOSTILE = {
    "ARC_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "ARC_PORT": "1",
    "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "http_proxy": "http://127.0.0.1:1",
}


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """What runs for this folder: the run-time folder with its name stands in the command lines."""
    found = []
    digest = find_folder(data_dir, {}).digest
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if process.pid != os.getpid() and (digest in line or str(data_dir) in line):
            found.append(process)
    return found


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "demo"
    for process in processes_of(tmp_path / "demo"):
        process.kill()


def arc_proxy(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **variables, "NO_COLOR": "1", "PYTHONUTF8": "1"}
    return subprocess.run(
        [*COMMAND, *arguments], env=environ, capture_output=True, text=True, check=False, timeout=100
    )


@pytest.mark.timeout(240)
def test_a_demo_prints_the_card_and_leaves_only_its_folder(data_dir):
    done = arc_proxy("demo", "--data-dir", str(data_dir), **HOSTILE)

    assert done.returncode == 0, done.stderr
    for agent, tasks in (("finance", 29), ("support", 8), ("research", 4)):
        assert re.search(rf"━━━ {agent}(?: v2.1)? ━+ demo data ━━$", done.stdout, re.M)
        assert f"{agent}: {tasks} tasks" in done.stderr
    assert "Cost/run" in done.stdout
    assert "+ 4 unpriced calls" in done.stdout  # the model that no price list knows is not free
    assert "warning" not in done.stderr
    assert processes_of(data_dir) == []

    # What it says to type next can be typed.
    (failed,) = re.findall(r" show ([0-9a-f]{8}) ", done.stdout)
    shown = arc_proxy("show", failed, ARC_DATA_DIR=str(data_dir))
    assert shown.returncode == 0, shown.stderr
    assert "KeyError" in shown.stdout
    assert "unset ARC_DATABASE_URL" in done.stdout

    # Each call joined the run that its agent's tracer opened.
    exported = arc_proxy("export", "calls", ARC_DATA_DIR=str(data_dir))
    calls = [json.loads(line) for line in exported.stdout.splitlines()]
    assert {call["grouping_rule"] for call in calls} == {"header"}
    assert len({(call["agent"], call["run_id"]) for call in calls}) == 29 + 8 + 4
    assert {call["cost_grade"] for call in calls if call["model"] == "acme-local-7b"} == {"unknown"}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_demo_that_is_interrupted_leaves_nothing_running(data_dir, number):
    demo = subprocess.Popen(
        [*COMMAND, "demo", "--data-dir", str(data_dir)],
        env={**os.environ, **HOSTILE},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (data_dir / "serve.json").exists():
        assert time.monotonic() < deadline
        assert demo.poll() is None
        time.sleep(0.01)
    demo.send_signal(number)

    assert demo.wait(60) == 128 + number
    assert processes_of(data_dir) == []


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "arc.db").write_text("mine")

    done = arc_proxy("demo", "--data-dir", str(tmp_path))

    assert done.returncode == 2
    assert "holds no demo" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["arc.db"]
