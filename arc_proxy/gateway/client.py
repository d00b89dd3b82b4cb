"""
One client connection: aiohttp's parser reads its requests, which are answered in order, one at a time.

The parser is aiohttp's own and strict; what surrounds it there (a task, a request and a response object per
call, a log that prints what it could not parse) is not used. Bodies wait in aiohttp's stream, bounded, when
the upstream does not take them; then nothing more is read from the socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from arc_proxy.gateway.asking import AskingExchange
from arc_proxy.gateway.forward import Exchange, Payload
from arc_proxy.gateway.hangup import reset
from arc_proxy.gateway.parsed import UNREADABLE, ParsedHead
from arc_proxy.gateway.repeat import Asked, RepeatedBody, Repeats
from arc_proxy.gateway.signing import SigningExchange
from arc_proxy.gateway.tunnel import Tunnel
from arc_proxy.gateway.upstream import UpstreamConnection

if TYPE_CHECKING:
    from arc_proxy.gateway.server import Gateway

WRITE_BUFFER_HIGH = 256 * 1024
# One read of the event loop fits in, so that the parser need not stop in the middle of one.
BODY_BUFFER_LOW = 256 * 1024
FIELD_BYTES_MAX = 64 * 1024
FIELDS_MAX = 256
# Requests that a client may send ahead of their turn.
PIPELINE_MAX = 32
UPSTREAMS_MAX = 4
# What a client may say on its WebSocket before it knows whether it has one.
EARLY_BYTES_MAX = 64 * 1024
# After an answer that came before the whole request: how long to take in the rest, so that the answer is
# not lost in a reset.
LINGER_S = 5.0


# Why the socket is not read: a body that nobody takes (the parser holds it, or nobody parses it), requests
# ahead of their turn, a full upstream, a WebSocket that is not there yet.
HOLD_PARSER = 1
HOLD_PIPELINE = 2
HOLD_UPSTREAM = 4
HOLD_BODY = 8
HOLD_EARLY = 16


class ClientConnection(asyncio.Protocol):
    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.loop = gateway.loop
        self.number = gateway.next_connection()
        self.transport: asyncio.Transport | None = None
        self.exchange: Exchange | None = None
        self.touched = gateway.loop.time()
        self._upstreams: dict[object, UpstreamConnection] = {}
        self._latest: UpstreamConnection | None = None
        self._queue: deque[tuple[ParsedHead, StreamReader]] = deque()
        self._repeats = Repeats()
        self._coming: RepeatedBody | None = None  # the body of a repeated head that is not all there
        self._holds = 0
        self._is_deaf = False  # what comes is thrown away
        self._is_garbled = False  # what the parser refused may go on for a while
        self._is_full = False
        self._tunnel: Tunnel | None = None  # where all goes that comes
        self._early: bytearray | None = None  # what came behind a request for one
        self._farewell: asyncio.Task[None] | None = None
        self._parser = HttpRequestParser(
            self,  # type: ignore[arg-type]
            gateway.loop,
            BODY_BUFFER_LOW,
            max_line_size=FIELD_BYTES_MAX,
            max_headers=FIELDS_MAX,
            max_field_size=FIELD_BYTES_MAX,
            auto_decompress=False,
            max_msg_queue_size=PIPELINE_MAX,
        )

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_HIGH)
        self.gateway.clients.add(self)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if self._tunnel is not None:
            self._tunnel.client_bytes(data)
            return
        if self._early is not None:
            self._take_early(data)
            return
        if self._coming is not None:
            data = self._take_body(self._coming, data)
            if not data or self._is_deaf:
                return
        elif self.exchange is None and not self._queue:
            again = self._repeats.match(data)
            if again is not None:
                self._begin_again(*again)
                return
        try:
            fed = self._parser.feed_data(data)
        except (HttpProcessingError, ValueError):
            self._unreadable()
            return
        messages: Sequence[tuple[ParsedHead, StreamReader]] = fed[0]
        if fed[1]:
            self._early = bytearray()
            self._take_early(fed[2])  # no HTTP any more; if it is refused, the connection is closed
        self._repeats.note(data, [message for message, _ in messages])
        self._queue.extend(messages)
        if len(self._queue) >= PIPELINE_MAX:
            self._hold(HOLD_PIPELINE)  # the parser has stopped too
        if self.exchange is not None:
            self.exchange.client_data()
        elif self._queue:
            self._next()

    def eof_received(self) -> bool:
        if self._tunnel is not None and not self._is_deaf and self._tunnel.client_ended():
            return True
        self._left()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._left(is_reset=isinstance(exc, ConnectionError))
        for connection in list(self._upstreams.values()):
            connection.hang_up()
        self.gateway.client_gone(self)

    def pause_writing(self) -> None:
        self._is_full = True
        if self.exchange is not None:
            self.exchange.client_full()

    def resume_writing(self) -> None:
        self._is_full = False
        if self.exchange is not None:
            self.exchange.client_ready()

    # What aiohttp's stream of a body calls.

    @property
    def connected(self) -> bool:
        return self.transport is not None

    def pause_reading(self) -> None:
        self._parser.pause_reading()
        self._hold(HOLD_PARSER)

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._holds & HOLD_PARSER:
            self._release(HOLD_PARSER)
            # Not at once: whoever reads the stream has not used yet what it just took out.
            self.loop.call_soon(self._parse_rest)

    # What the body of a repeated head calls.

    def hold_body(self) -> None:
        self._hold(HOLD_BODY)

    def release_body(self) -> None:
        self._release(HOLD_BODY)

    # What an exchange calls.

    @property
    def peer(self) -> str | None:
        """The address that the connection came from; None once it is gone."""
        peer = None if self.transport is None else self.transport.get_extra_info("peername")
        return peer[0] if peer else None

    @property
    def is_full(self) -> bool:
        """Whether the client takes no more for now."""
        return self._is_full

    def deliver(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def switch(self, tunnel: Tunnel) -> bytes:
        """All that comes from now on goes to the tunnel; what has come already is given back."""
        self._tunnel = tunnel
        early, self._early = bytes(self._early or b""), None
        self._release(HOLD_EARLY)
        return early

    def end_writing(self, _: bytes) -> None:
        """Say that no more comes, and go on listening."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write_eof()

    def hold_upload(self) -> None:
        self._hold(HOLD_UPSTREAM)

    def release_upload(self) -> None:
        self._release(HOLD_UPSTREAM)

    def upstream(self, key: object) -> UpstreamConnection | None:
        """The open connection to that upstream, if this client has one."""
        connection = self._upstreams.get(key)
        if connection is None or not connection.is_open:
            return None
        self._latest = connection
        return connection

    def keep_upstream(self, connection: UpstreamConnection) -> None:
        while len(self._upstreams) >= UPSTREAMS_MAX:
            self._upstreams.pop(next(iter(self._upstreams))).hang_up()
        self._upstreams[connection.key] = connection
        self._latest = connection

    def give_away(self, connection: UpstreamConnection) -> None:
        """The connection is to outlive this one."""
        self._upstreams.pop(connection.key, None)

    def exchange_over(self, *, closes: bool, has_rest: bool) -> None:
        """The next request, or the end. `has_rest`: not all of the request has come."""
        self.exchange = None
        self.touched = self.loop.time()
        self._release(HOLD_UPSTREAM)
        is_deaf_to_http = self._early is not None
        if closes or has_rest or is_deaf_to_http or self.gateway.is_draining:
            self._is_deaf = True
            self._queue.clear()
            self._release(HOLD_PARSER | HOLD_PIPELINE | HOLD_BODY | HOLD_EARLY)
            lingers = has_rest or self._is_garbled
            self.gateway.outbox.send(self._linger if lingers else self._close, b"")
        elif self._queue:
            self.loop.call_soon(self._next)

    def break_off(self, *, is_reset: bool) -> None:
        """End the connection in the middle, once what had arrived is delivered."""
        self.exchange = None
        self._is_deaf = True
        self.gateway.outbox.send(self._reset if is_reset else self._close, b"")

    # What an upstream connection calls.

    def upstream_gone(self, connection: UpstreamConnection) -> None:
        if self._upstreams.get(connection.key) is connection:
            del self._upstreams[connection.key]
        if connection is self._latest:
            self._latest = None
            if self.exchange is None and not self._is_deaf:
                # As the client would see it without us: the connection that it keeps is over.
                self._close(b"")

    # What the gateway calls.

    def close_idle(self) -> None:
        """Close if nothing is being asked."""
        if self.exchange is None and not self._queue:
            self._is_deaf = True
            self._close(b"")

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _next(self) -> None:
        if self.exchange is not None or not self._queue or self.transport is None:
            return
        message, payload = self._queue.popleft()
        self._parser.message_consumed()
        if len(self._queue) < PIPELINE_MAX // 2 and self._holds & HOLD_PIPELINE:
            self._release(HOLD_PIPELINE)
            self.loop.call_soon(self._parse_rest)
        asked = self.gateway.ask(message)
        self._repeats.remember(asked)
        self._begin(asked, payload)

    def _begin(self, asked: Asked, payload: Payload) -> None:
        self.exchange = self._kind_of(asked)(self, asked, payload)
        self.exchange.begin()

    def _kind_of(self, asked: Asked) -> type[Exchange]:
        if asked.decision.switches:
            return Tunnel
        if asked.decision.sign_for is not None:
            return SigningExchange
        return AskingExchange if self.gateway.may_ask_usage(asked) else Exchange

    def _begin_again(self, asked: Asked, length: int, came: bytes) -> None:
        body = RepeatedBody(self, length)
        body.feed(came)
        self._coming = None if body.is_eof() else body
        self._begin(asked, body)

    def _take_body(self, body: RepeatedBody, data: bytes) -> bytes:
        """More of a repeated head's body has come; what stands behind it is for the parser."""
        rest = body.feed(data)
        if body.is_eof():
            self._coming = None
        if self.exchange is not None:
            self.exchange.client_data()
        return rest

    def _take_early(self, data: bytes) -> None:
        assert self._early is not None
        self._early += data
        if len(self._early) > EARLY_BYTES_MAX:
            self._hold(HOLD_EARLY)

    def _parse_rest(self) -> None:
        if self.transport is not None and self._tunnel is None and self._early is None:
            self.data_received(b"")

    def _unreadable(self) -> None:
        self._is_deaf = self._is_garbled = True
        if self.exchange is not None and self.exchange.is_uploading:
            self.exchange.client_broke_framing()
        else:
            self._queue.append((UNREADABLE, EMPTY_PAYLOAD))
            if self.exchange is None:
                self._next()

    def _left(self, *, is_reset: bool = False) -> None:
        self._is_deaf = True
        self._queue.clear()
        if self.exchange is not None:
            exchange, self.exchange = self.exchange, None
            exchange.client_left(is_reset=is_reset)

    def _hold(self, reason: int) -> None:
        if self.transport is not None and not self._holds:
            self.transport.pause_reading()
        self._holds |= reason

    def _release(self, reason: int) -> None:
        if self._holds & reason:
            self._holds &= ~reason
            if self.transport is not None and not self._holds:
                self.transport.resume_reading()

    def _close(self, _: bytes) -> None:
        if self.transport is not None:
            self.transport.close()

    def _linger(self, _: bytes) -> None:
        """Say that no more comes, and take in what the client is still sending."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write_eof()
            self.loop.call_later(LINGER_S, self._close, b"")

    def _reset(self, _: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self._farewell = self.loop.create_task(reset(self.transport))
