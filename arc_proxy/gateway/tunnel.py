"""
A WebSocket on its way through: a request and its 101, and from there on a pipe of bytes.

    client data   -> record, upstream, at once     upstream data -> record, client, as of any response
    client FIN    -> upstream FIN                  upstream FIN  -> client FIN
    client RST    -> upstream RST                  upstream RST  -> client RST, behind what had arrived

Nothing is parsed here: frames are read at ingest (`arc_proxy.wire.websocket`), so no ping, close code or
extension can be handled wrongly. Each read is one write; a side that is full holds the other one back. An
answer other than 101 is a response like any other, after which the connection closes: what the client may
have sent behind its request was never looked at.

A WebSocket may be silent for as long as it likes: nothing but its ends can tell a quiet one from a dead one,
so TCP's own keep-alive asks for them. One that is closed on one side falls under the idle timeout. Over TLS
there is no half of a connection to close: the end of one side is the end.

The journal holds both directions raw, and is 0600. Frames to the server are masked, XOR with four bytes that
stand beside them, so that a credential which a client sends inside a frame is not found here: it is cut at
ingest, before anything is stored. What comes back is searched for the request's own credentials, read by
read, and they are overwritten in place.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from arc_proxy.gateway.forward import Exchange, Payload
from arc_proxy.gateway.framing import Body, ClosingBody, ResponseStart
from arc_proxy.gateway.headers import switching_head
from arc_proxy.gateway.repeat import Asked
from arc_proxy.journal.record import Ended

if TYPE_CHECKING:
    from arc_proxy.gateway.client import ClientConnection

KEEP_ALIVE_AFTER_S = 60
KEEP_ALIVE_EVERY_S = 20


class Tunnel(Exchange):
    __slots__ = ("_has_client_ended", "_has_upstream_ended", "_is_open")

    def __init__(self, client: ClientConnection, asked: Asked, payload: Payload) -> None:
        super().__init__(client, asked, payload)
        self._closes = True
        self._is_open = False  # the upstream has agreed
        self._has_client_ended = False  # it sends no more, and may still be sent to
        self._has_upstream_ended = False

    # What the client's side does.

    def client_bytes(self, data: bytes) -> None:
        self.touched = self._client.loop.time()
        if self._recording is not None:
            self._recording.request_body(data, False)
            self._gateway.outbox.nudge()
        if self._connection is not None:
            self._connection.write(data)

    def client_ended(self) -> bool:
        """True: the client may still be written to."""
        if self._has_client_ended:
            return True
        if self._has_upstream_ended or self._connection is None:
            return False
        self._has_client_ended = self._connection.end_writing()
        return self._has_client_ended

    def client_left(self, *, is_reset: bool) -> None:
        if not self._is_open:
            super().client_left(is_reset=is_reset)
            return
        self._is_alone = True
        connection, self._connection = self._connection, None
        if connection is not None:
            self._client.give_away(connection)  # what it has not sent yet is still to go
            if is_reset:
                connection.reset()
            else:
                connection.finish()
        self._end(Ended.COMPLETE if self._has_upstream_ended else Ended.CLIENT_CLOSED)

    def silent_for(self, seconds: float) -> None:
        if self._is_open and not (self._has_client_ended or self._has_upstream_ended):
            self.touched = self._client.loop.time()
        else:
            super().silent_for(seconds)

    def _drains(self) -> bool:
        return False  # nobody would answer its pings

    # What the upstream's side does.

    def upstream_ended(self) -> bool:
        if not self._is_open or self._has_client_ended:
            return False
        if not self._has_upstream_ended:
            self._has_upstream_ended = True
            self._gateway.outbox.send(self._client.end_writing, b"")
        return True

    def upstream_lost(self, error: Exception | None) -> None:
        if self._has_upstream_ended and not self.is_over:
            # It had said all: the client's own goodbye may have found nobody there.
            self._end(Ended.COMPLETE)
            self._client.break_off(is_reset=isinstance(error, ConnectionError))
        else:
            super().upstream_lost(error)

    def _switch(self, start: ResponseStart) -> tuple[Body, bytes]:
        assert self._connection is not None
        self._is_open = True
        if self._recording is not None:
            self._recording.response_head(start, "upstream")
            self._recording.switch()
        for transport in (self._client.transport, self._connection.transport):
            if transport is not None:
                _keep_alive(transport)
        self._body = ClosingBody()
        early = self._client.switch(self)
        if early:
            self.client_bytes(early)
        return self._body, switching_head(start, self._added_fields())


def _keep_alive(transport: asyncio.Transport) -> None:
    """Have the kernel ask whether the other end is still there, so that a dead one does not stay for ever."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEP_ALIVE_EVERY_S)
        after = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)  # macOS
        if after is not None:
            connection.setsockopt(socket.IPPROTO_TCP, after, KEEP_ALIVE_AFTER_S)
