"""
Who a process is, beyond its pid. Standard library only.

Pids are reused, so a pid alone proves nothing. A pid with the time that its process started, within one
boot and one pid namespace, names one process for good.

Linux: `/proc/<pid>/stat` field 22, `/proc/sys/kernel/random/boot_id`, `/proc/self/ns/pid`, see proc(5).
macOS: `ps -o lstart=` and `sysctl kern.bootsessionuuid`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_PLAIN_ENV = {"LC_ALL": "C", "TZ": "UTC0", "PATH": "/bin:/usr/bin:/sbin:/usr/sbin"}
_ANSWER_S = 5.0


class Identity(NamedTuple):
    """One process, told apart from all others that had or will have its pid."""

    pid: int
    start_time: int  # clock ticks since boot on Linux, seconds since the epoch on macOS, 0 if unknown
    pid_namespace: int  # 0 where there is no such thing
    boot_id: bytes  # 16 bytes, zeros if unknown


def own_identity() -> Identity:
    pid = os.getpid()
    return Identity(pid, start_time(pid) or 0, _pid_namespace(), boot_id())


def is_alive(identity: Identity) -> bool | None:
    """Whether that very process still runs. None: it cannot be told from here (another boot or container)."""
    if identity.boot_id != boot_id() or identity.pid_namespace != _pid_namespace():
        return None
    return start_time(identity.pid) == (identity.start_time or None)


def start_time(pid: int) -> int | None:
    """When the process started, see `Identity.start_time`. None: no such process, or it cannot be told."""
    if sys.platform == "darwin":
        return _start_time_macos(pid)
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The second field is the command in parentheses and may hold spaces and parentheses itself.
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def boot_id() -> bytes:
    """16 bytes that change with every boot. Zeros if the system does not say."""
    try:
        if sys.platform == "darwin":
            text = _ask("sysctl", "-n", "kern.bootsessionuuid")
        else:
            text = (_PROC / "sys/kernel/random/boot_id").read_text()
        return bytes.fromhex(text.strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


def _pid_namespace() -> int:
    try:
        return (_PROC / "self/ns/pid").stat().st_ino
    except OSError:
        return 0


def _start_time_macos(pid: int) -> int | None:
    import calendar
    import time

    try:
        started = _ask("ps", "-o", "lstart=", "-p", str(pid)).strip()
        return calendar.timegm(time.strptime(started, "%a %b %d %H:%M:%S %Y"))
    except (OSError, ValueError):
        return None


def _ask(*command: str) -> str:
    """What a program of the system prints. Raises OSError if it cannot be run or does not come to an end."""
    import subprocess  # here, because an application that is traced on Linux should not pay for it

    try:
        done = subprocess.run(  # noqa: S603  fixed programs of the system, no shell
            command, env=_PLAIN_ENV, capture_output=True, text=True, check=False, timeout=_ANSWER_S
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{command[0]} did not end within {_ANSWER_S:g} s") from error
    return done.stdout
