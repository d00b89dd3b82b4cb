"""Does somebody listen on a port of this machine, and which port is free? Standard library only."""

from __future__ import annotations

import errno
import socket

from arc_proxy.errors import ConfigError
from arc_proxy.listener import bind

PROBE_S = 0.25


def is_listening(host: str, port: int) -> bool:
    """Whether something accepts connections there; on this machine the answer is immediate."""
    try:
        socket.create_connection((host, port), PROBE_S).close()
    except OSError:
        return False
    return True


def free_port(host: str) -> int:
    with bind(host, 0) as probe:
        port: int = probe.getsockname()[1]
        return port


def is_free(host: str, port: int) -> bool:
    """Raises ConfigError where the address is none of this machine, or the port needs more rights."""
    try:
        bind(host, port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}.") from error
    return True
