"""
An exchange that asks for usage where its client said nothing of it, and keeps the answer to itself.

    client's body, all of it -> with `include_usage` -> upstream
    upstream's events        -> without the one that is usage alone -> client

The journal keeps what the client sent, and what the upstream answered. An upstream that refuses the request
is sent the client's own, so that the client sees the answer to what it asked; if that one is taken, the
upstream is never asked again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Set
from enum import Enum, auto
from typing import TYPE_CHECKING

from arc_proxy.gateway.encoded import PIECE_DECODED_MAX, Decode, codings_of, new_decoder
from arc_proxy.gateway.forward import Exchange, Payload
from arc_proxy.gateway.framing import (
    Body,
    ChunkedBody,
    FramingError,
    ResponseStart,
    body_of,
    find_head_end,
    has_length,
    parse_start,
    stays_open,
)
from arc_proxy.gateway.include_usage import UsageFilter, ask_usage
from arc_proxy.gateway.repeat import Asked

if TYPE_CHECKING:
    from arc_proxy.gateway.client import ClientConnection

log = logging.getLogger("arc_proxy.gateway")

# A longer body goes on as it is: it would have to be held.
BODY_HELD_MAX = 8 * 1024 * 1024
# A longer refusal is passed on as it comes.
REFUSAL_HELD_MAX = 64 * 1024
# Statuses that say something is wrong with the request.
REFUSALS = (400, 422)

_LENGTH_DIGITS = re.compile(rb"(?im)^(content-length:[ \t]*)[0-9]+")


class _State(Enum):
    HOLDING = auto()  # the body is not all there
    PLAIN = auto()  # nothing was added
    ASKED = auto()  # added, and the upstream has not said what it thinks of it
    TAKEN = auto()  # added, and the upstream did not refuse
    AGAIN = auto()  # refused, and the client's own body was sent


class AskingExchange(Exchange):
    __slots__ = ("_decode", "_early", "_filter", "_held", "_held_bytes", "_own", "_request_head", "_state")

    def __init__(self, client: ClientConnection, asked: Asked, payload: Payload) -> None:
        super().__init__(client, asked, payload)
        keeps_bodies = self._recording is not None and self._recording.keeps_bodies
        self._state = _State.HOLDING if keeps_bodies else _State.PLAIN
        self._request_head = b""
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._own = b""  # the body as the client sent it, while it may have to be sent again
        self._early = b""  # an answer that may be a refusal
        self._filter: UsageFilter | None = None
        self._decode: Decode | None = None  # of a response that is encoded

    # Towards the upstream.

    def _pass_on(self, head: bytes) -> None:
        if self._state is _State.AGAIN:
            assert self._connection is not None
            self._connection.write(head + self._own)  # on a new connection
        elif self._state is not _State.HOLDING:
            super()._pass_on(head)
        else:
            self._request_head = self._request_head or head
            self._hold()

    def _hold(self) -> None:
        connection, recording = self._connection, self._recording
        assert connection is not None
        assert recording is not None, "without a recording nothing is held"
        data, is_last = self._payload.read_nowait(), self._payload.is_eof()
        self._held.append(data)
        self._held_bytes += len(data)
        if data or is_last:
            recording.request_body(data, is_last)
            self._gateway.outbox.nudge()
        if not is_last and self._held_bytes <= BODY_HELD_MAX:
            return
        body = b"".join(self._held)
        self._held = []
        changed = ask_usage(body) if is_last else None
        if changed is None:
            self._state = _State.PLAIN
            connection.write(self._request_head + body)
        else:
            self._state, self._own = _State.ASKED, body
            digits = rb"\g<1>%d" % len(changed)
            connection.write(_LENGTH_DIGITS.sub(digits, self._request_head, count=1) + changed)
        if is_last:
            self._is_sent = True
            self._settle()

    # What the upstream's side does.

    def upstream_data(self, data: bytes) -> None:
        if self._state is _State.ASKED:
            self.touched = self._client.loop.time()
            self._early += data
            if self._is_refused():
                return
            data, self._early = self._early, b""
            self._state, self._own = _State.TAKEN, b""
        super().upstream_data(data)

    def upstream_lost(self, error: Exception | None) -> None:
        if self._state is _State.ASKED and self._early and not self.is_over:
            # A refusal that ended with its connection, or did not end.
            self._ask_again(on_this_one=False)
            return
        if self._filter is not None and not self._is_answered:
            self._send(self._framed(self._filter.finish(), is_last=False))
        super().upstream_lost(error)

    def _is_refused(self) -> bool:
        """Whether what has come may still be a refusal; if it is one to its end, the client's own is sent."""
        try:
            end = find_head_end(self._early)
            if end == -1:
                return True
            start = parse_start(self._early[:end])
            if start.status not in REFUSALS or len(self._early) > REFUSAL_HELD_MAX:
                return False
            body = body_of(start, is_head=False)
            used, _ = body.feed(self._early[end:])
        except FramingError:
            return False
        if body.is_done:
            self._ask_again(on_this_one=stays_open(start) and end + used == len(self._early))
        return True

    def _ask_again(self, *, on_this_one: bool) -> None:
        self._state, self._early = _State.AGAIN, b""
        connection, route = self._connection, self._decision.route
        assert connection is not None
        assert route is not None
        if on_this_one:
            connection.write(self._request_head + self._own)
        else:
            connection.hang_up()
            self._connection = None
            self._reach(route.upstream.origin)

    # Towards the client.

    def _open_response(self, start: ResponseStart, body: Body) -> bytes:
        if self._state is _State.AGAIN:
            self._own = b""
            if start.status < 400:
                self._stop_asking("it refuses stream_options")
        elif self._state is _State.TAKEN and start.content_type.startswith(b"text/event-stream"):
            codings = codings_of(start.content_encoding)
            if codings:
                # Decoded for the client this once: nothing can be taken out of coded bytes.
                self._decode = new_decoder(codings)
                self._stop_asking("its streams are encoded")
            if self._decode is not None or not codings:
                self._filter = UsageFilter()
        return super()._open_response(start, body)

    def _dropped(self, start: ResponseStart, body: Body) -> Set[bytes]:
        if self._filter is None:
            return super()._dropped(start, body)
        length = {b"content-length"} if has_length(start) else set()
        return length if self._decode is None else length | {b"content-encoding"}

    def _shown(self, body: Body, content: bytes, raw: bytes) -> bytes:
        if self._filter is None:
            return raw
        shown = self._filter.feed(self._decoded(content))
        if body.is_done:
            shown += self._filter.finish()
        self._gateway.outbox.nudge()  # there may be nothing to send
        return self._framed(shown, is_last=body.is_done)

    def _decoded(self, content: bytes) -> bytes:
        """Raises FramingError for what is not encoded as it says: then there is nothing to go on with."""
        if self._decode is None or not content:
            return content
        try:
            decoded = self._decode(content, PIECE_DECODED_MAX)
        except Exception:  # noqa: BLE001 - three libraries, each with errors of its own
            raise FramingError("it is not encoded as it says") from None
        if len(decoded) >= PIECE_DECODED_MAX:
            raise FramingError(f"a piece decodes to more than {PIECE_DECODED_MAX} bytes")
        return decoded

    def _framed(self, content: bytes, *, is_last: bool) -> bytes:
        if not isinstance(self._body, ChunkedBody):
            return content
        framed = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
        return b"%b0\r\n%b\r\n" % (framed, self._body.trailers) if is_last else framed

    def _stop_asking(self, reason: str) -> None:
        assert self._decision.route is not None
        upstream = self._decision.route.upstream
        self._gateway.unasked.add(upstream.origin)
        log.warning("gateway.include_usage_off upstream=%s reason=%r", upstream.name, reason)
