"""
The supervisor: sockets, locks, signals, restarts. Standard library only, so that it stays small.

    python -m arc_proxy.supervisor CONFIG.json

It reads of the file `version, host, port, workers, data_dir, runtime_dir, drain_s` and, if they are there,
`commands.gateway` and `commands.console`: the beginnings of the commands to start. It adds to them

    CONFIG.json --worker N --socket FD --lifeline FD     a gateway worker: accept from that socket
    CONFIG.json --lifeline FD                            the console

The lifeline is the reading end of a pipe on which nothing is ever sent: it closes when the supervisor is
gone, however it went, and its children then stop by themselves.

SIGTERM, SIGINT   stop: listening ends, workers get SIGTERM and have `drain_s` for their streams, then the
                  console gets SIGTERM to ingest the rest. A second one cuts the streams, a third kills.
SIGHUP            restarts the console, which reads its files again. Traffic goes on.

A child that dies is replaced at once, and with growing pauses if it dies again soon. A worker's listening
socket stays open here meanwhile, so clients wait in its queue and are not refused. Exit code 0 after a stop,
2 for what the operator has to change: the port, the data folder, a setting.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, Self

from arc_proxy.claim import announced, claimed_folder
from arc_proxy.errors import ConfigError
from arc_proxy.listener import open_listeners, shown_host

# A thousand streams are two thousand descriptors, and more than this costs some programs time.
DESCRIPTORS = 65_536
# A child that lived this long was well; the next death of its kind is a first one again.
STEADY_S = 10.0
PAUSE_S_MAX = 5.0
# What a worker may take beyond its drain to write the journal and end.
WORKER_END_S = 5.0
CONSOLE_END_S = 20.0
# After a second signal.
HASTE_S = 2.0

_MISUSE = 2


class SupervisorConfig(NamedTuple):  # importing dataclasses costs this process more than a megabyte
    """What the supervisor itself reads of the file."""

    path: Path  # of the file, handed on to the children
    content: bytes  # of the file
    version: str
    host: str
    port: int
    workers: int
    data_dir: Path
    runtime_dir: Path
    drain_s: float
    gateway_command: Sequence[str]
    console_command: Sequence[str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ConfigError."""
        try:
            content = path.read_bytes()
            values: Mapping[str, Any] = json.loads(content)
            commands = values.get("commands", {})
            return cls(
                path=path,
                content=content,
                version=str(values["version"]),
                host=str(values["host"]),
                port=int(values["port"]),
                workers=max(1, int(values["workers"])),
                data_dir=Path(values["data_dir"]),
                runtime_dir=Path(values["runtime_dir"]),
                drain_s=float(values["drain_s"]),
                gateway_command=commands.get("gateway") or _module("arc_proxy.gateway"),
                console_command=commands.get("console") or _module("arc_proxy.cli.console"),
            )
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
        except KeyError as error:
            raise ConfigError(f"{path} does not say {error}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path} is wrong: {error}") from error

    def keep_file(self) -> None:
        """Put the file back if something tidied its folder up: it lies under /tmp on some systems."""
        if self.path.exists():
            return
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(self.content)
        except OSError as error:
            _say("config.not_restored", path=self.path, error=error.strerror)


class Child:
    """One process to be kept alive."""

    def __init__(self, name: str, command: Sequence[str], descriptors: Sequence[int]) -> None:
        self.name = name
        self._command = command
        self._descriptors = descriptors
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._quick_deaths = 0
        self.starts = 0
        self.start_at_s = 0.0  # monotonic; when to start it, while it does not run

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self, now_s: float) -> None:
        self._started_s = now_s
        self.starts += 1
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own configuration, no shell
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=2,  # stdout is for results, of which a server has none
                pass_fds=self._descriptors,
                # A group of its own, so that Ctrl-C reaches the supervisor alone.
                process_group=0,
            )
        except OSError as error:
            _say("child.not_started", child=self.name, error=error.strerror)
            self._note_death(now_s)
            return
        _say("child.started", child=self.name, pid=self._process.pid)

    def reap(self, now_s: float) -> int | None:
        """Its exit code (negative: a signal) if it has ended since the last look."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        _say("child.ended", child=self.name, pid=self._process.pid, code=code)
        self._process = None
        self._note_death(now_s)
        return code

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _note_death(self, now_s: float) -> None:
        self._quick_deaths = 1 if now_s - self._started_s >= STEADY_S else self._quick_deaths + 1
        self.start_at_s = now_s + restart_pause_s(self._quick_deaths)


def restart_pause_s(quick_deaths: int) -> float:
    """How long to wait before the next start: not at all after a first death, 5 s after many."""
    if quick_deaths <= 1:
        return 0.0
    return min(PAUSE_S_MAX, 0.1 * 2.0 ** min(quick_deaths - 2, 10))


class Signals:
    """The signals of this process, and a place to wait for the next."""

    def __init__(self) -> None:
        self.stops = 0  # how often somebody asked for the end
        self._has_hangup = False
        self._woken, waking = os.pipe()
        for end in (self._woken, waking):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_hangup)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # wakes us, no more

    def wait(self, until_s: float | None) -> None:
        """Until any signal, a child's end included, or the monotonic time; None waits for a signal."""
        timeout_s = None if until_s is None else max(0.0, until_s - time.monotonic())
        select.select([self._woken], [], [], timeout_s)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._woken, 512):
                pass

    def take_hangup(self) -> bool:
        had, self._has_hangup = self._has_hangup, False
        return had

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self.stops += 1

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        self._has_hangup = True


class Supervisor:
    """The children of one `serve`, from start to stop."""

    def __init__(
        self, config: SupervisorConfig, listeners: Sequence[socket.socket], signals: Signals
    ) -> None:
        self._config = config
        self._listeners = listeners
        self._signals = signals
        # The other end must not reach a child, or it would hold its own lifeline.
        lifeline, self._held = os.pipe()
        self._workers = [
            Child(
                f"worker-{number}",
                [
                    *config.gateway_command,
                    str(config.path),
                    *("--worker", str(number)),
                    *("--socket", str(listener.fileno())),
                    *("--lifeline", str(lifeline)),
                ],
                [listener.fileno(), lifeline],
            )
            for number, listener in enumerate(listeners)
        ]
        self._console = Child(
            "console",
            [*config.console_command, str(config.path), "--lifeline", str(lifeline)],
            [lifeline],
        )
        self._children = [*self._workers, self._console]

    def run(self) -> int:
        """Until a stop is asked for and done. Returns the exit code."""
        code = 0
        while not self._signals.stops and not code:
            self._start_what_is_due()
            self._signals.wait(self._next_start_s())
            if self._signals.take_hangup():
                self._console.send(signal.SIGTERM)
            self._console.reap(time.monotonic())
            for worker in self._workers:
                # A setting that the gateway refuses: another attempt would not help.
                if worker.reap(time.monotonic()) == _MISUSE and worker.starts == 1:
                    code = _MISUSE
        self._stop()
        return code

    def _start_what_is_due(self) -> None:
        now_s = time.monotonic()
        for child in self._children:
            if not child.is_running and now_s >= child.start_at_s:
                self._config.keep_file()
                child.start(now_s)

    def _next_start_s(self) -> float | None:
        return min((child.start_at_s for child in self._children if not child.is_running), default=None)

    def _stop(self) -> None:
        _say("supervisor.stopping", drain_s=self._config.drain_s)
        for listener in self._listeners:
            listener.close()
        self._end(self._workers, self._config.drain_s + WORKER_END_S)
        self._end([self._console], CONSOLE_END_S)
        _say("supervisor.stopped")

    def _end(self, children: Sequence[Child], patience_s: float) -> None:
        """SIGTERM, again when a second stop is asked for, and SIGKILL when patience ends."""
        deadline_s = time.monotonic() + patience_s
        told = 0
        while any(child.is_running for child in children):
            now_s = time.monotonic()
            asked = max(1, self._signals.stops)
            if asked > 1:
                deadline_s = min(deadline_s, now_s + HASTE_S)
            if now_s >= deadline_s or asked > 2:
                _send_all(children, signal.SIGKILL)
                deadline_s = now_s + HASTE_S
            elif told < asked:
                _send_all(children, signal.SIGTERM)
                told = asked
            self._signals.wait(deadline_s)
            for child in children:
                child.reap(time.monotonic())


def _send_all(children: Iterable[Child], number: signal.Signals) -> None:
    for child in children:
        child.send(number)


def raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS refuses more than its kernel's own limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(config: SupervisorConfig) -> int:
    """Returns the exit code. Raises ConfigError before any child was started."""
    raise_descriptor_limit()
    with claimed_folder(config.data_dir):
        signals = Signals()
        listeners = open_listeners(config.host, config.port, config.workers)
        port = listeners[0].getsockname()[1]
        with announced(
            config.data_dir,
            url=f"http://{shown_host(config.host)}:{port}",
            version=config.version,
            host=config.host,
            port=port,
            console_socket=str(config.runtime_dir / "console.sock"),
            started_at=_now(),
            workers=config.workers,
        ):
            return Supervisor(config, listeners, signals).run()


def main(arguments: Sequence[str]) -> int:
    try:
        if len(arguments) != 1:
            raise ConfigError("usage: python -m arc_proxy.supervisor CONFIG.json")
        return serve(SupervisorConfig.read(Path(arguments[0])))
    except ConfigError as error:
        os.write(2, f"arc-proxy: {error}\n".encode())
        return _MISUSE


def _module(name: str) -> list[str]:
    # -P: a module of the user's in the working directory must not take the place of one of ours.
    return [sys.executable, "-P", "-m", name]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _say(event: str, **fields: object) -> None:
    line = " ".join([_now(), "info", event, *(f"{name}={value}" for name, value in fields.items())])
    with contextlib.suppress(OSError):  # the terminal may be gone
        os.write(2, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
