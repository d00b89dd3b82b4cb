"""
One connection to an upstream. It belongs to the client connection that opened it and ends with it.

Which bytes mean what is the exchange's business; this only carries them, and both sides' patience.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from arc_proxy.gateway.hangup import set_reset

WRITE_BUFFER_HIGH = 256 * 1024


class Speaker(Protocol):
    """Who is on the line: the exchange that the connection serves now."""

    def upstream_data(self, data: bytes) -> None: ...
    def upstream_lost(self, error: Exception | None) -> None: ...
    def upstream_full(self) -> None: ...
    def upstream_ready(self) -> None: ...
    def upstream_ended(self) -> bool:
        """No more will come. True: it may still be written to."""
        ...


class Owner(Protocol):
    """Whose connection it is."""

    def upstream_gone(self, connection: UpstreamConnection) -> None:
        """The upstream ended it. Not called for an end of our own."""
        ...


class UpstreamConnection(asyncio.Protocol):
    """`key` says to which upstream, in its owner's words."""

    __slots__ = ("_is_dropped", "_owner", "key", "speaker", "transport")

    def __init__(self, owner: Owner, key: object) -> None:
        self._owner = owner
        self.key = key
        self.speaker: Speaker | None = None
        self.transport: asyncio.Transport | None = None
        self._is_dropped = False

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def pause(self) -> None:
        """Read no more until `resume`."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.transport is not None:
            self.transport.resume_reading()

    def end_writing(self) -> bool:
        """Say that no more will be sent. False where only closing says that: TLS has no such half."""
        if self.transport is None or self.transport.is_closing() or not self.transport.can_write_eof():
            return False
        self.transport.write_eof()
        return True

    def finish(self) -> None:
        """Close once all is sent."""
        self.speaker = None
        self._is_dropped = True
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """Hang up with an RST."""
        if self.transport is not None:
            set_reset(self.transport)
        self.hang_up()

    def hang_up(self) -> None:
        """Close now; what was not sent is not sent any more."""
        self.speaker = None
        self._is_dropped = True
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_HIGH)
        if self._is_dropped:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.speaker is not None:
            self.speaker.upstream_data(data)
        else:
            # Bytes that answer nothing: whatever they are, no later response must be mixed with them.
            self._owner.upstream_gone(self)
            self.hang_up()

    def eof_received(self) -> bool:
        has_halves = self.transport is not None and self.transport.can_write_eof()
        return has_halves and self.speaker is not None and self.speaker.upstream_ended()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.speaker is not None:
            speaker, self.speaker = self.speaker, None
            speaker.upstream_lost(exc)
        if not self._is_dropped:
            self._owner.upstream_gone(self)

    def pause_writing(self) -> None:
        if self.speaker is not None:
            self.speaker.upstream_full()

    def resume_writing(self) -> None:
        if self.speaker is not None:
            self.speaker.upstream_ready()
