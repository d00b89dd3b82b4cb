"""
A real installation under test: `arc-proxy serve` in a folder of its own, and what its surfaces say of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

ARC_PROXY = Path(sys.executable).parent / "arc-proxy"
START_S_MAX = 30
STOP_S_MAX = 60
CURRENT_S_MAX = 60


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would change or slow an installation, and with `extra`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ARC_", "OPENAI_", "ANTHROPIC_", "PYTHONDONTWRITE"))
        and not name.lower().endswith("_proxy")
    }
    return kept | extra


class Installation(AbstractContextManager["Installation"]):
    def __init__(
        self,
        data_dir: Path,
        upstream: str | None,  # None: the providers themselves
        *options: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        moved = [] if upstream is None else ["--upstream", f"*={upstream}"]
        self._options = [*moved, "--port", "0", *options]
        self._environment = clean_environment(**(environment or {}))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        log = (self.data_dir.parent / "serve.log").open("ab")
        command = [ARC_PROXY, "serve", "--data-dir", str(self.data_dir), *self._options]
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)
        self._wait_until_ready()
        return self

    def _wait_until_ready(self) -> None:
        give_up = time.monotonic() + START_S_MAX
        while time.monotonic() < give_up:
            assert self._process is not None
            if self._process.poll() is not None:
                raise AssertionError(f"serve exited with {self._process.returncode}:\n{self.log()}")
            try:
                instance = json.loads((self.data_dir / "serve.json").read_bytes())
                if instance["pid"] == self._process.pid:
                    self.port = instance["port"]
                    self._ask_health()
                    return
            except (OSError, json.JSONDecodeError):
                pass
            time.sleep(0.05)
        raise AssertionError(f"serve was not ready in {START_S_MAX} s:\n{self.log()}")

    def _ask_health(self) -> None:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}/_arc/health", timeout=START_S_MAX
        ) as answer:
            assert json.load(answer)["status"] == "ok"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def log(self) -> str:
        return (self.data_dir.parent / "serve.log").read_text(errors="replace")

    def children(self, module: str) -> list[psutil.Process]:
        """The processes of the installation that run `module`."""
        assert self._process is not None
        found = []
        for child in psutil.Process(self._process.pid).children():
            try:
                if module in child.cmdline():
                    found.append(child)
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return found

    def cli(self, *arguments: str) -> str:
        """
        What a command says on stdout. Fails the test if the command fails.

        On a machine whose cores are all full the console is late, and the command says so: it is asked again.
        """
        command = [ARC_PROXY, *arguments, "--data-dir", str(self.data_dir)]
        give_up = time.monotonic() + CURRENT_S_MAX
        while True:
            done = subprocess.run(command, capture_output=True, text=True, env=self._environment, timeout=120)
            assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
            if "may be a little behind" not in done.stderr or time.monotonic() > give_up:
                return done.stdout

    def await_console(self, within_s: float = 60.0) -> None:
        """Until the console answers: on a busy machine a command would show what it had stored until then."""
        deadline = time.monotonic() + within_s
        while json.loads(self.cli("status", "--json"))["console"] is None:
            assert time.monotonic() < deadline, "the console does not answer"
            time.sleep(0.2)

    def calls(self) -> list[dict[str, Any]]:
        """All calls, as `export calls` gives them, with everything that the journal holds ingested."""
        return [json.loads(line) for line in self.cli("export", "calls", "--format", "jsonl").splitlines()]

    def runs(self) -> list[dict[str, Any]]:
        """All runs, as `export runs` gives them."""
        return [json.loads(line) for line in self.cli("export", "runs").splitlines()]


async def worst_loop_lag_ms(port: int, until: asyncio.Event) -> float:
    """The longest that the gateway kept a health check waiting while `until` was not set."""
    worst = 0.0
    while not until.is_set():
        started = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /_arc/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()
        worst = max(worst, (time.monotonic() - started) * 1000)
        await asyncio.sleep(0.02)
    return worst
