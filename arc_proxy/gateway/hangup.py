"""
Ending a client's connection the way the upstream ended its own.

A reset throws away what the kernel has not sent yet, so it waits until the client has what had arrived.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys

# How long a client that reads slowly may hold up a reset, and how often to look.
RESET_WAIT_S = 10.0
_LOOK_EVERY_S = 0.01

_PLATFORM: str = sys.platform
_SIOCOUTQNSD = 0x894B  # Linux: bytes in the send queue that were not sent
_SO_NWRITE = 0x1024  # macOS: bytes in the send queue


async def reset(transport: asyncio.Transport) -> None:
    """Close with an RST, once all that was written has left."""
    loop = asyncio.get_running_loop()
    until = loop.time() + RESET_WAIT_S
    while _unsent(transport) and loop.time() < until:  # noqa: ASYNC110 - the kernel has no event for it
        await asyncio.sleep(_LOOK_EVERY_S)
    set_reset(transport)
    transport.abort()


def set_reset(transport: asyncio.Transport) -> None:
    """Have the connection end with an RST when it is closed."""
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _unsent(transport: asyncio.Transport) -> int:
    """Bytes that would be lost."""
    if transport.is_closing():
        return 0
    waiting = transport.get_write_buffer_size()
    connection = transport.get_extra_info("socket")
    if waiting or connection is None:
        return waiting
    if _PLATFORM == "linux":
        answer = fcntl.ioctl(connection.fileno(), _SIOCOUTQNSD, bytes(4))
        return int.from_bytes(answer, sys.byteorder)
    if _PLATFORM == "darwin":
        return int(connection.getsockopt(socket.SOL_SOCKET, _SO_NWRITE))
    return 0
