"""
One ingester per data folder: `ingest.lock`, held by flock.

The file says who holds it, for the message to whoever has to wait. It is never removed: a lock on a file
that no longer has the name protects nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from arc_proxy.errors import ArcError

LOCK_NAME = "ingest.lock"

_RETRY_S = 0.05
_HOLDER_BYTES_MAX = 4096


class IngestBusy(ArcError):
    """Another process ingests into this data folder. `pid` is None if it left no word of itself."""

    def __init__(self, data_dir: Path, pid: int | None, purpose: str) -> None:
        holder = f"process {pid} ({purpose})" if pid else "another process"
        super().__init__(f"{data_dir}: {holder} holds {LOCK_NAME}; only one process at a time may write rows")
        self.pid = pid
        self.purpose = purpose


@contextlib.contextmanager
def hold_ingest_lock(data_dir: Path, *, purpose: str, wait_s: float = 0.0) -> Iterator[None]:
    """
    Hold the lock within the block. `purpose` is what others are told: "serve", "db rebuild" ...

    Raises IngestBusy if it is still taken after `wait_s`.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / LOCK_NAME
    deadline = time.monotonic() + wait_s
    while (fd := _try_lock(path)) is None:
        if time.monotonic() >= deadline:
            raise IngestBusy(data_dir, *_read_holder(path))
        time.sleep(_RETRY_S)
    try:
        os.ftruncate(fd, 0)
        os.write(fd, json.dumps({"pid": os.getpid(), "purpose": purpose}).encode())
        yield
    finally:
        os.close(fd)


def _try_lock(path: Path) -> int | None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(fd).st_ino:
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass  # held by another, or the file was replaced between the two calls
    os.close(fd)
    return None


def _read_holder(path: Path) -> tuple[int | None, str]:
    try:
        with path.open("rb") as file:
            holder = json.loads(file.read(_HOLDER_BYTES_MAX))
        return int(holder["pid"]), str(holder["purpose"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, ""
