"""
The nouns Exchange, what a journal holds of one request, and Opened, one whose end was not read yet. No I/O.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import orjson

from arc_proxy.call import Captured, ChunkTime
from arc_proxy.ingest.tunnel import Tunnel, TunnelMaker
from arc_proxy.journal.head import (
    End,
    RequestHead,
    ResponseHead,
    decode_request_head,
    decode_response_head,
)
from arc_proxy.wire.document import to_bytes, to_text
from arc_proxy.wire.turn import Turn
from arc_proxy.wire.websocket import Direction, Message

Position = tuple[int, int]  # segment number, byte offset in it

# A stream of single bytes would else cost a hundred bytes of memory for each.
CHUNK_TIMES_MAX = 10_000
# Of a tunnel that was put away. One of another version is read again as far as the journal has it.
STATE_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """
    One HTTP request and its response as recorded. Bodies still carry their content-encoding.

    `closed` is False for one handed out before its end; `spilled` says that the bodies and chunk times are
    left out for their size and have to be read again from the journal, records `first` to before `after`.
    A tunnel is handed out with each turn that is over; `turns` may be unfinished where it is closed, or
    checkpointed.
    """

    exchange_id: bytes
    writer: str
    first: Position
    after: Position
    started_ns: int  # wall clock
    request: RequestHead
    request_body: bytes
    response: ResponseHead | None
    response_body: bytes
    first_byte_ns: int | None  # after started_ns, first byte of the response body
    duration_ns: int | None  # after started_ns, the last record; None while it is open
    end: End
    closed: bool
    spilled: bool
    captured: Captured
    unsecured: bool  # its records did not always precede its bytes
    request_bytes: int  # as they went over the wire, those not kept included
    response_bytes: int
    chunk_times: tuple[ChunkTime, ...]
    is_tunnel: bool = False  # a WebSocket: it has no bodies, but turns
    is_understood: bool = True  # of a tunnel: whatever was said in it is in a turn
    turns: tuple[Turn, ...] = ()  # of a tunnel, those that are over and were not handed out yet, or its last
    turns_said: int = 0  # of a tunnel, all so far
    messages: tuple[Message, ...] = ()  # of a tunnel, where they are kept


@dataclass(slots=True)
class Side:
    """One direction's body: what was kept, and how much there was."""

    body: bytes | bytearray = b""
    kept_bytes: int = 0
    dropped_bytes: int = 0

    def add(self, piece: bytes, *, keep: bool) -> None:
        if self.dropped_bytes:  # what follows a gap does not continue what was kept
            self.dropped_bytes += len(piece)
            return
        self.kept_bytes += len(piece)
        if not keep:
            return
        if not self.body:
            self.body = piece  # the common case: a body of one piece is never copied
        elif isinstance(self.body, bytearray):
            self.body += piece
        else:
            self.body = bytearray(self.body) + piece

    @property
    def wire_bytes(self) -> int:
        return self.kept_bytes + self.dropped_bytes


@dataclass(slots=True)
class Opened:
    """An exchange whose end was not read yet."""

    exchange_id: bytes
    writer: str
    first: Position
    started_ns: int
    started_mono_ns: int
    request: RequestHead
    sent: Side = field(default_factory=Side)
    received: Side = field(default_factory=Side)
    response: ResponseHead | None = None
    first_byte_ns: int | None = None
    last_ns: int = 0  # after started_ns
    chunk_times: list[ChunkTime] = field(default_factory=list)
    spilled: bool = False
    unsecured: bool = False
    tunnel: Tunnel | None = None
    turns_said: int = 0
    fresh: bool = True  # something came since the last checkpoint
    checkpointed_ns: int | None = None  # wall clock of the last one

    @property
    def held_bytes(self) -> int:
        return len(self.sent.body) + len(self.received.body)

    def spill(self) -> None:
        self.spilled = True
        self.sent.body = self.received.body = b""
        self.chunk_times.clear()

    def note_chunk(self, after_ns: int, size: int) -> None:
        if self.first_byte_ns is None:
            self.first_byte_ns = after_ns
        if self.spilled:
            return
        if len(self.chunk_times) < CHUNK_TIMES_MAX:
            self.chunk_times.append(ChunkTime(after_ns=after_ns, size=size))
        else:
            last = self.chunk_times[-1]
            self.chunk_times[-1] = ChunkTime(after_ns=after_ns, size=last.size + size)

    def take(self, direction: Direction, piece: bytes, after_ns: int) -> tuple[Turn, ...]:
        """A piece of a tunnel came. Gives the turns that it ends. Raises what a reader's mistake raises."""
        side = self.sent if direction is Direction.UP else self.received
        was_cut = side.dropped_bytes > 0
        side.add(piece, keep=False)
        if direction is Direction.DOWN and self.first_byte_ns is None:
            self.first_byte_ns = after_ns
        if self.tunnel is None or was_cut:
            return ()
        turns = self.tunnel.feed(direction, piece, after_ns)
        self.turns_said = max([self.turns_said, *[turn.number for turn in turns]])
        return tuple(turns)

    def unfinished(self) -> tuple[Turn, ...]:
        """The turns of a tunnel that are not over."""
        if self.tunnel is None:
            return ()
        turns = self.tunnel.open_turns()
        self.turns_said = max([self.turns_said, *[turn.number for turn in turns]])
        return tuple(turns)

    def as_exchange(
        self, end: End, after: Position, *, closed: bool, turns: tuple[Turn, ...] = ()
    ) -> Exchange:
        return Exchange(
            exchange_id=self.exchange_id,
            writer=self.writer,
            first=self.first,
            after=after,
            started_ns=self.started_ns,
            request=self.request,
            request_body=bytes(self.sent.body),
            response=self.response,
            response_body=bytes(self.received.body),
            first_byte_ns=self.first_byte_ns,
            duration_ns=self.last_ns if closed else None,
            end=end,
            closed=closed,
            spilled=self.spilled,
            captured=self._captured(),
            unsecured=self.unsecured,
            request_bytes=self.sent.wire_bytes,
            response_bytes=self.received.wire_bytes,
            chunk_times=tuple(self.chunk_times),
            is_tunnel=self.tunnel is not None,
            is_understood=self.tunnel is None or self.tunnel.is_understood,
            turns=turns,
            turns_said=self.turns_said,
            messages=() if self.tunnel is None else self.tunnel.messages,
        )

    def _captured(self) -> Captured:
        if not self.sent.dropped_bytes and not self.received.dropped_bytes:
            return Captured.FULL
        return Captured.HEAD if self.sent.kept_bytes or self.received.kept_bytes else Captured.NONE

    def state(self) -> bytes:
        """A tunnel put away, to be gone on with from where it is. May hold what was said."""
        assert self.tunnel is not None
        assert self.response is not None
        held = {
            "version": STATE_VERSION,
            "request": to_text(self.request.encode()),
            "response": to_text(self.response.encode()),
            "started_ns": self.started_ns,
            "started_mono_ns": self.started_mono_ns,
            "first_byte_ns": self.first_byte_ns,
            "last_ns": self.last_ns,
            "sent_bytes": self.sent.kept_bytes,
            "received_bytes": self.received.kept_bytes,
            "unsecured": self.unsecured,
            "turns_said": self.turns_said,
            "tunnel": self.tunnel.state(),
        }
        return zlib.compress(orjson.dumps(held))


def restored_tunnel(
    content: bytes, exchange_id: bytes, writer: str, at: Position, make_tunnel: TunnelMaker
) -> Opened:
    """The tunnel whose `Opened.state` this was, read up to `at`. Raises ValueError for what is none."""
    try:
        held = orjson.loads(zlib.decompress(content))
        if held["version"] != STATE_VERSION:
            raise ValueError(f"a tunnel's state of version {held['version']}")
        request = decode_request_head(to_bytes(held["request"]))
        response = decode_response_head(to_bytes(held["response"]))
        tunnel = make_tunnel(request, response)
        tunnel.restore(held["tunnel"])
        return Opened(
            exchange_id=exchange_id,
            writer=writer,
            first=at,
            started_ns=held["started_ns"],
            started_mono_ns=held["started_mono_ns"],
            request=request,
            response=response,
            sent=Side(kept_bytes=held["sent_bytes"]),
            received=Side(kept_bytes=held["received_bytes"]),
            first_byte_ns=held["first_byte_ns"],
            last_ns=held["last_ns"],
            unsecured=held["unsecured"],
            tunnel=tunnel,
            turns_said=held["turns_said"],
        )
    except (zlib.error, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no tunnel's state: {error!r}") from error
