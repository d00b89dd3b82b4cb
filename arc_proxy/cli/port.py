"""Who listens on a port of this machine, and which port is free. Standard library only."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from pathlib import Path

from arc_proxy.errors import ConfigError

PROBE_S = 0.25


def is_listening(host: str, port: int) -> bool:
    """Whether something accepts connections there; on this machine the answer is immediate."""
    try:
        socket.create_connection((host, port), PROBE_S).close()
    except OSError:
        return False
    return True


def free_port(host: str) -> int:
    with _bind(host, 0) as probe:
        port: int = probe.getsockname()[1]
        return port


def is_free(host: str, port: int) -> bool:
    """Raises ConfigError where the address is none of this machine, or the port needs more rights."""
    try:
        _bind(host, port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}.") from error
    return True


def owner_of(port: int) -> str | None:
    """`python3 (process 4711)`, if the system tells this user."""
    if sys.platform == "darwin":
        return _owner_macos(port)
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = (str(link.readlink()) for link in (process / "fd").iterdir())
            if any(link in inodes for link in links):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue  # it has ended, or belongs to someone else
    return None


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    probe = socket.socket(family, kind, protocol)
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
    except BaseException:
        probe.close()
        raise
    return probe


def _listening_inodes(port: int) -> set[str]:
    """Sockets in state LISTEN (0A) on the port, as the links in /proc/<pid>/fd name them: see proc(5)."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _owner_macos(port: int) -> str | None:
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
    return f"{fields['c']} (process {fields['p']})" if {"c", "p"} <= fields.keys() else None
