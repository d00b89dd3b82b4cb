"""
A data folder has one proxy: its lock, and the file by which others find it. Standard library only.

`serve.lock` is held (flock) as long as the supervisor lives. `serve.json` is there from when it listens until
it ends: `pid, start_time, url, data_dir, version, host, port, console_socket, started_at, workers`. One that
was killed leaves the file behind, so a reader compares pid and start time, see `arc_proxy.process`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from arc_proxy.errors import ConfigError
from arc_proxy.process import start_time


@contextlib.contextmanager
def claimed_folder(data_dir: Path) -> Iterator[None]:
    """Holds `serve.lock`. Raises ConfigError naming who else serves the folder."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"cannot use {data_dir}: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"{data_dir} is served already{_who_serves(data_dir)}. Use that one, stop it with "
                "`arc-proxy stop`, or choose another --data-dir."
            ) from error
        yield
    finally:
        os.close(lock)


def _who_serves(data_dir: Path) -> str:
    try:
        served = json.loads((data_dir / "serve.json").read_bytes())
        return f", at {served['url']} by process {served['pid']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # it is just starting


@contextlib.contextmanager
def announced(data_dir: Path, *, url: str, **facts: object) -> Iterator[None]:
    """Keeps `serve.json`, by which the other commands and ArcTracer find this proxy."""
    path = data_dir / "serve.json"
    pid = os.getpid()
    content = {"pid": pid, "start_time": start_time(pid), "url": url, "data_dir": str(data_dir), **facts}
    unfinished = path.with_suffix(f".{pid}.tmp")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(content, file, indent=1)
        unfinished.rename(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
