"""A supervisor in a process of its own, with small real children."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Serve:
    """One `python -m arc_proxy.supervisor`."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.data_dir = folder / "data"
        self.runtime_dir = folder / "run"
        self.runtime_dir.mkdir(exist_ok=True)
        self.config_path = self.runtime_dir / f"config-{time.monotonic_ns()}.json"
        config = {
            "version": "0.0.0",
            "host": "127.0.0.1",
            "port": 0,
            "workers": 2,
            "data_dir": str(self.data_dir),
            "runtime_dir": str(self.runtime_dir),
            "drain_s": 10,
            "commands": {
                "gateway": [sys.executable, str(HERE / "small_worker.py")],
                "console": [sys.executable, str(HERE / "small_console.py")],
            },
            **changes,
        }
        self.config_path.write_text(json.dumps(config))
        self.log = folder / f"log-{time.monotonic_ns()}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "arc_proxy.supervisor", str(self.config_path)], cwd=ROOT, stderr=log
            )

    @property
    def served(self) -> dict[str, Any]:
        path = self.data_dir / "serve.json"

        def own() -> dict[str, Any] | None:
            told = json.loads(path.read_text()) if path.exists() else {}
            return told if told.get("pid") == self.process.pid else None

        return self.until(own, "no serve.json of this supervisor")

    def until(self, condition: Callable[[], Any], otherwise: str, seconds: float = 20) -> Any:
        """The condition's value, once it is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.01)
        raise AssertionError(f"{otherwise}; noted: {self.diary()}; said: {self.said()}")

    def said(self) -> str:
        return self.log.read_text()

    def diary(self) -> list[str]:
        path = self.data_dir / "diary"
        return path.read_text().splitlines() if path.exists() else []

    def has_noted(self, *lines: str) -> None:
        self.until(lambda: set(lines) <= set(self.diary()), f"not noted: {lines}")

    def is_up(self) -> None:
        self.has_noted("worker-0 started", "worker-1 started")
        self.until(lambda: any(line.startswith("console started") for line in self.diary()), "no console")

    def call(self, line: str = "hello", timeout_s: float = 20) -> tuple[int, int]:
        """(worker, pid) of who answered."""
        with self.connect(timeout_s) as connection:
            return self.send(connection, line)

    def connect(self, timeout_s: float = 20) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.served["port"]), timeout_s)

    @staticmethod
    def send(connection: socket.socket, line: str) -> tuple[int, int]:
        connection.sendall(f"{line}\n".encode())
        with connection.makefile() as answers:
            worker, pid = answers.readline().split()
        return int(worker), int(pid)

    def pids(self) -> dict[str, int]:
        """Of each child's last start."""
        found = {}
        for line in self.said().splitlines():
            _, _, event, *fields = line.split(" ")
            if event == "child.started":
                values = dict(field.split("=") for field in fields)
                found[values["child"]] = int(values["pid"])
        return found

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        for pid in self.pids().values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serve]]:
    started: list[Serve] = []

    def start(**changes: Any) -> Serve:
        started.append(Serve(tmp_path, **changes))
        return started[-1]

    yield start
    for each in started:
        each.end()
