"""
Listening sockets, one for each worker, and who has the port if we cannot. Standard library only.

With SO_REUSEPORT the kernel shares connections out among the sockets, and each has its own queue: while a
worker is replaced its connections wait. But two programs of one user can then take the same port without
noticing, so a plain bind has to succeed first. macOS does not share out; there all workers accept from one.
"""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path

from arc_proxy.errors import ConfigError

# The kernel takes less if net.core.somaxconn says so.
BACKLOG = 4096

_PROC = Path("/proc")
_LISTEN = "0A"  # the state's number in /proc/net/tcp


class PortTaken(ConfigError):
    """Somebody else listens there."""

    def __init__(self, port: int, owner: str | None) -> None:
        super().__init__(
            f"port {port} is taken by {owner or 'another process'}. "
            "Stop it, or choose another with --port; --port 0 takes a free one."
        )
        self.port = port
        self.owner = owner


def open_listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """
    `count` sockets that listen on the same address; port 0 takes a free one.

    Raises PortTaken, or ConfigError where the address is none of this machine or needs more rights.
    """
    try:
        first = bind(host, port)
        if count == 1 or sys.platform == "darwin":
            listeners = [first, *(first.dup() for _ in range(count - 1))]
        else:
            port = first.getsockname()[1]
            first.close()
            listeners = [bind(host, port, is_shared=True) for _ in range(count)]
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(port, owner_of(port)) from error
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    for listener in listeners:
        listener.listen(BACKLOG)
    return listeners


def shown_host(host: str) -> str:
    """How a client on this machine writes the host of what is bound to `host`, in a URL."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def owner_of(port: int) -> str | None:
    """The command and pid of who listens on the port, if the system tells this user."""
    if sys.platform == "darwin":
        return _owner_macos(port)
    sockets = _listening_sockets(port)
    for process in _PROC.glob("[0-9]*") if sockets else ():
        try:
            if any(str(fd.readlink()) in sockets for fd in (process / "fd").iterdir()):
                return f"`{_command_of(process)}` (process {process.name})"
        except OSError:
            continue  # it has ended, or belongs to someone else
    return None


def bind(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """A socket with that address, not listening yet. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


def _listening_sockets(port: int) -> set[str]:
    """Those on the port, by the name that the links in /proc/<pid>/fd have, see proc(5)."""
    found = set()
    for table in ("net/tcp", "net/tcp6"):
        try:
            rows = (_PROC / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, rows):
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _command_of(process: Path) -> str:
    words = (process / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
    return " ".join(words)[:120] or (process / "comm").read_text().strip()


def _owner_macos(port: int) -> str | None:
    import subprocess

    try:
        done = subprocess.run(  # noqa: S603  a fixed program of the system, no shell
            ["/usr/sbin/lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"],
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    fields = {line[0]: line[1:] for line in done.stdout.splitlines() if line}
    return f"`{fields['c']}` (process {fields['p']})" if {"c", "p"} <= fields.keys() else None
