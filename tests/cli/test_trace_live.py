"""`arc-proxy trace -f` as a process beside a real proxy, with calls of a real SDK."""

from __future__ import annotations

import json
import os
import pty
import queue
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from arc_proxy.store.engine import open_store
from arc_proxy.store.write import save
from tests.cli.command import clean_environ
from tests.store.conftest import build_call
from tests.system.installation import Installation

WAIT_S_MAX = 60
COMMAND = [sys.executable, "-m", "arc_proxy.cli.main", "trace", "-f"]


class Follower:
    """A process that follows, and its lines as they come."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, *options, "--data-dir", str(data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environ(COLUMNS="120", XDG_RUNTIME_DIR=str(data_dir.parent)),
        )
        self.lines: list[str] = []
        self.said: list[str] = []
        self._came: queue.Queue[None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=each)
            for each in ((self._process.stdout, self.lines), (self._process.stderr, self.said))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, into: list[str]) -> None:
        for line in stream:
            into.append(line.rstrip("\n"))
            self._came.put(None)

    def until(self, is_there: Callable[[], bool]) -> None:
        give_up = time.monotonic() + WAIT_S_MAX
        while not is_there():
            assert time.monotonic() < give_up, (self.lines, self.said)
            try:
                self._came.get(timeout=1)
            except queue.Empty:
                continue

    def objects(self, kind: str) -> list[dict]:
        return [each for line in self.lines if (each := json.loads(line))["type"] == kind]

    def end(self, number: int = signal.SIGINT) -> int:
        self._process.send_signal(number)
        code = self._process.wait(WAIT_S_MAX)
        for reader in self._readers:
            reader.join()
        return code

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self.end()
        self._process.stdout.close()
        self._process.stderr.close()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def served(data_dir: Path, provider: str) -> Iterator[Installation]:
    with Installation(data_dir, provider, environment={"XDG_RUNTIME_DIR": str(data_dir.parent)}) as served:
        yield served


@contextmanager
def client(served: Installation) -> Iterator[openai.OpenAI]:
    url = f"http://127.0.0.1:{served.port}/openai/v1"
    with openai.OpenAI(api_key="none", base_url=url, max_retries=2) as opened:
        yield opened


def ask(
    gpt: openai.OpenAI, run: str, words: str, *, agent: str = "finance", parent: str | None = None
) -> None:
    headers = {"x-arc-run-id": run, "x-arc-agent": agent} | (
        {"x-arc-parent-run-id": parent} if parent else {}
    )
    messages = [{"role": "user", "content": words}]
    try:
        gpt.chat.completions.create(model="gpt-5", messages=messages, extra_headers=headers)
    except openai.APIStatusError:
        assert "[500]" in words


def test_it_waits_for_the_first_call_and_shows_what_comes_until_ctrl_c(data_dir, provider):
    data_dir.parent.mkdir(exist_ok=True)
    with Follower(data_dir) as follower:
        follower.until(lambda: any("waiting" in line for line in follower.said))
        environment = {"XDG_RUNTIME_DIR": str(data_dir.parent)}
        with Installation(data_dir, provider, environment=environment) as served:
            with client(served) as gpt:
                ask(gpt, "task", "once [429] more")
                ask(gpt, "part", "hello", agent="helper", parent="task")
                ask(gpt, "broken", "fail [500]")
            follower.until(lambda: len([line for line in follower.lines if "gpt-5" in line]) == 2 + 1 + 3)
            # Each failed step says so at once, and why it failed when analysis has found it.
            follower.until(lambda: any("✗ provider.server_error" in line for line in follower.lines))
            follower.until(lambda: any("✗ provider.rate_limited" in line for line in follower.lines))
            follower.until(lambda: "└─ helper  part  of task" in follower.lines)
            assert follower.end() == 0
    text = "\n".join(follower.lines)
    assert follower.lines[0].split()[:3] == ["time", "model", "in"]
    assert "↻ attempt 2, stop" in text
    assert re.search(r"gpt-5 .*\$0\.0\d+ .*\d ms .*stop", text)
    assert "Traceback" not in "\n".join(follower.said)


def test_json_has_every_step_once_through_a_restart_of_the_console(data_dir, served):
    with client(served) as gpt, Follower(data_dir, "--json") as follower:
        ask(gpt, "task", "first")
        follower.until(lambda: len(follower.objects("step")) == 1)
        [console] = served.children("arc_proxy.cli.console")
        console.kill()
        for number in range(5):
            ask(gpt, "task", f"while it is gone {number}")
        follower.until(lambda: len(follower.objects("step")) == 6)
        ask(gpt, "task", "fail [500]")
        follower.until(lambda: len(follower.objects("step")) == 6 + 3)
        follower.until(lambda: len(follower.objects("failure")) >= 1)
        assert follower.end() == 0
    steps = [each["call_id"] for each in follower.objects("step")]
    assert len(steps) == len(set(steps)) == 6 + 3
    assert [each["run_id"] for each in follower.objects("run")] == ["task"]
    assert {each["code"] for each in follower.objects("failure")} >= {"provider.server_error"}
    for failure in follower.objects("failure"):
        assert failure["run_id"] == "task"


def test_a_database_that_is_locked_for_a_moment_is_waited_for(data_dir, served):
    with client(served) as gpt, Follower(data_dir, "--json") as follower:
        ask(gpt, "task", "first")
        follower.until(lambda: len(follower.objects("step")) == 1)
        with sqlite3.connect(data_dir / "arc.db", isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            ask(gpt, "task", "second")
            other.execute("ROLLBACK")
        other.close()
        follower.until(lambda: len(follower.objects("step")) == 2)
        assert follower.end() == 0


def test_a_hundred_calls_a_second_stay_readable_and_all_are_counted(data_dir, served):
    calls = 400
    with client(served) as gpt, Follower(data_dir) as text, Follower(data_dir, "--json") as whole:
        text.until(lambda: bool(text.said))
        whole.until(lambda: bool(whole.said))
        with ThreadPoolExecutor(16) as pool:
            numbers = range(calls)
            for asked in [pool.submit(ask, gpt, f"r{n % 20}", f"q{n}", agent=f"a{n % 4}") for n in numbers]:
                asked.result()
        whole.until(lambda: len(whole.objects("step")) == calls)
        text.until(lambda: counted(text.lines) == calls)
        assert (text.end(), whole.end()) == (0, 0)
    assert len({each["call_id"] for each in whole.objects("step")}) == calls
    assert len(text.lines) < calls


def counted(lines: list[str]) -> int:
    """Steps that the lines stand for, whole ones and sums."""
    single = sum(line.startswith("  ") and "gpt-5" in line for line in lines)
    return single + sum(int(found) for found in re.findall(r"(\d+) (?:more )?steps?,", "\n".join(lines)))


def test_it_leaves_when_its_reader_does(data_dir, served):
    with client(served) as gpt:
        ask(gpt, "task", "first")
    served.cli("runs")
    command = f"{' '.join(COMMAND)} --data-dir {data_dir} | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        env=clean_environ(XDG_RUNTIME_DIR=str(data_dir.parent)),
        timeout=WAIT_S_MAX,
        check=False,
    )
    assert done.returncode == 141
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_without_a_proxy_it_reads_the_journal_itself_and_leaves_room_for_one(data_dir, provider):
    environment = {"XDG_RUNTIME_DIR": str(data_dir.parent)}
    with Installation(data_dir, provider, environment=environment) as served, client(served) as gpt:
        ask(gpt, "before", "first")
    with Follower(data_dir, "--json") as follower:
        follower.until(lambda: len(follower.objects("step")) == 1)
        with Installation(data_dir, provider, environment=environment) as served, client(served) as gpt:
            ask(gpt, "after", "second")
            follower.until(lambda: len(follower.objects("step")) == 2)
            assert follower.end() == 0


def test_a_database_that_is_made_anew_is_followed_from_its_beginning(data_dir):
    def database(run: str, calls: int) -> Path:
        path = data_dir / f"{run}.db"
        store = open_store(path)
        save(store, [build_call(number, grouping_run_id=run) for number in range(calls)])
        store.close()
        return path

    (data_dir / "journal").mkdir(parents=True)
    database("before", 9).rename(data_dir / "arc.db")
    with Follower(data_dir, "--json") as follower:
        follower.until(lambda: len(follower.objects("step")) == 9)
        for name in ("arc.db", "arc.db-wal", "arc.db-shm"):
            (data_dir / name).unlink(missing_ok=True)
        follower.until(lambda: any("waiting" in line for line in follower.said))
        database("after", 3).rename(data_dir / "arc.db")
        follower.until(lambda: len(follower.objects("step")) == 9 + 3)
        assert follower.end() == 0
    assert [each["run_id"] for each in follower.objects("run")] == ["before", "after"]
    assert {each["run_id"] for each in follower.objects("step")[9:]} == {"after"}


# Makes the terminal on its stdin its own, as a shell does for what it starts, so that ^C reaches it.
ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize(("extra", "has_colour"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_on_a_terminal_it_has_colours_and_ctrl_c_ends_it(data_dir, served, extra, has_colour):
    with client(served) as gpt:
        ask(gpt, "task", "fail [500]")
    served.cli("runs")
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, *COMMAND, "--data-dir", str(data_dir)],
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        env=clean_environ(XDG_RUNTIME_DIR=str(data_dir.parent), TERM="xterm", **extra),
    )
    os.close(its)
    try:
        seen = b""
        while b"finance" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, b"\x03")
        seen += rest_of(ours)
        assert process.wait(WAIT_S_MAX) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert (b"\x1b[1mfinance" in seen) is has_colour
    assert b"Traceback" not in seen


def rest_of(terminal: int) -> bytes:
    seen = b""
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:  # how a terminal says on Linux that nobody is there any more
            return seen
        if not more:
            return seen
        seen += more
