"""
The running proxy of a data folder, and talking to its console. Standard library only.

`serve.json` names the supervisor by pid and start time. The console is asked over its Unix socket, with a
token that only who can read `secret.key` can make.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arc_proxy.cli.folder import Folder, read_secret
from arc_proxy.errors import ArcError
from arc_proxy.journal.standing import read_standing
from arc_proxy.process import start_time
from arc_proxy.token import api_token

ANSWER_S = 5.0
START_S = 15.0  # a console imports a database layer before it answers
HEALTH_S = 0.5
HEALTH_BYTES_MAX = 64 * 1024
_RETRY_S = 0.1
_POLL_S = 0.05


class ConsoleUnreachable(ArcError):
    """The console did not answer. The supervisor starts a new one within a second or so."""


class ConsoleHangs(ConsoleUnreachable):
    """The console is there and says nothing: stopped, or far too busy. To ask again does not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    pid: int
    version: str
    url: str
    host: str
    port: int
    console_socket: Path
    started_at: str
    workers: int


def find_instance(folder: Folder) -> Instance | None:
    """The live instance of this folder, or None: never started, stopped, or killed."""
    try:
        found = json.loads((folder.path / "serve.json").read_bytes())
        pid, started = int(found["pid"]), found["start_time"]
        if start_time(pid) != started:
            return None
        return Instance(
            pid=pid,
            version=str(found["version"]),
            url=str(found["url"]),
            host=str(found["host"]),
            port=int(found["port"]),
            console_socket=Path(found["console_socket"]),
            started_at=str(found["started_at"]),
            workers=int(found["workers"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running_config(instance: Instance) -> dict[str, Any]:
    """What `prepare_launch` wrote for the running proxy. Raises ArcError where it cannot be read."""
    path = instance.console_socket.parent / "config.json"
    try:
        whole = json.loads(path.read_bytes())
        return {**whole, "gateway": dict(whole["gateway"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArcError(f"the configuration of the running proxy, {path}, cannot be read.") from error


def standing_counts(instance: Instance | None) -> dict[str, dict[str, int]]:
    """What the running gateways lost and may not be able to write down, by writer."""
    return {} if instance is None else read_standing(instance.console_socket.parent)


def await_end(instance: Instance, folder: Folder, timeout_s: float) -> bool:
    """Wait until this instance is gone and the folder can be served again. False if it is still there."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = find_instance(folder)
        if (found is None or found.pid != instance.pid) and _is_unlocked(folder):
            return True
        time.sleep(_POLL_S)
    return False


def _is_unlocked(folder: Folder) -> bool:
    try:
        lock = os.open(folder.path / "serve.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def is_ready(instance: Instance) -> bool:
    """Whether a gateway worker answers; the port alone is open before it does."""
    connection = http.client.HTTPConnection(instance.host, instance.port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/_arc/health", headers={"host": f"localhost:{instance.port}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def is_ours(host: str, port: int, folder: Folder) -> bool:
    """Whether a gateway of this data folder listens there, be it the proxy's or a run's own."""
    connection = http.client.HTTPConnection(host, port, timeout=HEALTH_S)
    try:
        connection.request("GET", "/_arc/health", headers={"host": f"localhost:{port}"})
        health = json.loads(connection.getresponse().read(HEALTH_BYTES_MAX))
        return bool(health["data_dir"] == folder.digest)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False
    finally:
        connection.close()


def await_console(
    instance: Instance, folder: Folder, method: str, path: str, *, timeout_s: float, start_s: float = START_S
) -> Any:
    """As `ask_console`, with patience for a console that is just starting or being replaced."""
    deadline = time.monotonic() + start_s
    while True:
        try:
            return ask_console(instance, folder, method, path, timeout_s=timeout_s)
        except ConsoleHangs:
            raise
        except ConsoleUnreachable:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_S)


def ask_console(
    instance: Instance, folder: Folder, method: str, path: str, *, timeout_s: float = ANSWER_S
) -> Any:
    """What the console answers, decoded. Raises ConsoleUnreachable; ConsoleHangs after `timeout_s`."""
    connection = _UnixConnection(str(instance.console_socket), timeout_s)
    headers = {"authorization": f"Bearer {api_token(read_secret(folder))}", "host": "localhost"}
    if method == "POST":
        headers["content-type"] = "application/json"
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise ConsoleUnreachable(f"the console answered {response.status} to {path}")
        return json.loads(body)
    except TimeoutError as error:
        raise ConsoleHangs(f"the console says nothing for {timeout_s:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ConsoleUnreachable(f"the console does not answer: {error}") from error
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, socket_path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._socket_path = socket_path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._socket_path)
