"""
Records of the journal, folded into exchanges. No I/O, no clock.

An exchange is open from its REQUEST_HEAD to its END. What lies between is kept in memory, because a
writer's exchanges are interleaved, within two bounds: an open exchange of more than `spill_bytes`, and the
largest ones when all open exchanges together hold more than `open_bytes_max`, give up their bodies. Such an
exchange is *spilled*: the journal still has all of it, so whoever holds the journal reads it again, alone,
between `first` and `after` when it closes. Nothing is lost by it but time.

Where to resume after a restart is the beginning of the oldest open exchange, per writer. A stream of an
hour must not pin everything behind it, so an exchange that has been silent for `IDLE_NS` or open for
`AGE_NS` is *checkpointed*: a provisional exchange (`closed` False) is handed out, the position may pass it,
and its own beginning is kept apart, in `held`. After a restart the held exchanges' records are read again
up to the position, and only theirs. Records of an exchange whose head was never fed are passed over: they
belong to an exchange that closed before the position, or to one whose beginning is gone.

Reading the same records again makes the same exchanges, so resuming too early costs time and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from arc_proxy.call import Captured, ChunkTime
from arc_proxy.journal.head import (
    End,
    RequestHead,
    ResponseHead,
    decode_end,
    decode_gap,
    decode_request_head,
    decode_response_head,
)
from arc_proxy.journal.record import Ended, Record, RecordKind

Position = tuple[int, int]  # segment number, byte offset in it

SECOND_NS = 1_000_000_000
IDLE_NS = 60 * SECOND_NS
AGE_NS = 600 * SECOND_NS
# A body that large is rare, and reading it a second time is cheaper than holding a thousand of them.
SPILL_BYTES = 32 * 1024 * 1024
OPEN_BYTES_MAX = 256 * 1024 * 1024
# A stream of single bytes would else cost a hundred bytes of memory for each.
CHUNK_TIMES_MAX = 10_000

_IN_FLIGHT = End(ended=Ended.INTERRUPTED, detail="in flight")
_WRITER_GONE = End(ended=Ended.INTERRUPTED, detail="the process that recorded it ended first")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """
    One HTTP request and its response as recorded. Bodies still carry their content-encoding.

    `closed` is False for one handed out before its end; `spilled` says that the bodies and chunk times are
    left out for their size and have to be read again from the journal, records `first` to before `after`.
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


@dataclass(slots=True)
class _Side:
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
class _Open:
    """An exchange whose end was not read yet."""

    exchange_id: bytes
    writer: str
    first: Position
    started_ns: int
    started_mono_ns: int
    request: RequestHead
    sent: _Side = field(default_factory=_Side)
    received: _Side = field(default_factory=_Side)
    response: ResponseHead | None = None
    first_byte_ns: int | None = None
    last_ns: int = 0  # after started_ns
    chunk_times: list[ChunkTime] = field(default_factory=list)
    spilled: bool = False
    unsecured: bool = False
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

    def as_exchange(self, end: End, after: Position, *, closed: bool) -> Exchange:
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
        )

    def _captured(self) -> Captured:
        if not self.sent.dropped_bytes and not self.received.dropped_bytes:
            return Captured.FULL
        return Captured.HEAD if self.sent.kept_bytes or self.received.kept_bytes else Captured.NONE


@dataclass(slots=True)
class _Writer:
    after: Position  # behind the last record fed
    pinned: dict[bytes, _Open] = field(default_factory=dict)  # in the order of their beginnings
    held: dict[bytes, _Open] = field(default_factory=dict)  # checkpointed

    def find(self, exchange_id: bytes) -> _Open | None:
        return self.pinned.get(exchange_id) or self.held.get(exchange_id)

    def drop(self, exchange_id: bytes) -> None:
        self.pinned.pop(exchange_id, None)
        self.held.pop(exchange_id, None)


class Assembler:
    """The fold. `feed` it each writer's records in their order; writers may be mixed at will."""

    def __init__(self, *, spill_bytes: int = SPILL_BYTES, open_bytes_max: int = OPEN_BYTES_MAX) -> None:
        self._spill_bytes = spill_bytes
        self._open_bytes_max = open_bytes_max
        self._open_bytes = 0
        self._writers: dict[str, _Writer] = {}
        self.unreadable = 0  # records of a known kind whose content is not what the kind says

    def feed(
        self, writer: str, record: Record, wall_ns: int, at: Position, after: Position
    ) -> Exchange | None:
        """
        Take one record that lies from `at` to `after`; gives the exchange that it ends, if it does.

        Records that speak of no exchange only move the position.
        """
        state = self._writers.get(writer)
        if state is None:
            state = self._writers[writer] = _Writer(after)
        state.after = after
        try:
            return self._fold(state, writer, record, wall_ns, at)
        except ValueError:
            self.unreadable += 1
            return None

    def interrupt(self, writer: str) -> Iterator[Exchange]:
        """The writer is gone and all its records were fed: what is open now will never end."""
        state = self._writers.get(writer)
        if state is None:
            return
        for opened in [*state.held.values(), *state.pinned.values()]:
            yield self._close(state, opened, _WRITER_GONE)

    def checkpoint(self, now_ns: int) -> Iterator[Exchange]:
        """
        Hand out what has been silent or open for long, so that positions can pass it.

        `now_ns` is wall time. An exchange already checkpointed comes again after another `AGE_NS` if more of
        it has arrived.
        """
        for state in self._writers.values():
            for opened in [*state.pinned.values(), *state.held.values()]:
                if _is_due(opened, now_ns):
                    state.pinned.pop(opened.exchange_id, None)
                    state.held[opened.exchange_id] = opened
                    opened.fresh, opened.checkpointed_ns = False, now_ns
                    yield opened.as_exchange(_IN_FLIGHT, state.after, closed=False)

    def positions(self) -> dict[str, Position]:
        """Where to resume each writer fed since `forget_idle`, once all exchanges handed out are stored."""
        return {writer: _resume_at(state) for writer, state in self._writers.items()}

    def held(self) -> dict[str, dict[bytes, Position]]:
        """The beginnings of checkpointed exchanges, per writer: to be read again before `positions`."""
        return {
            writer: {opened.exchange_id: opened.first for opened in state.held.values()}
            for writer, state in self._writers.items()
            if state.held
        }

    def hold(self, writer: str, held: Iterable[bytes], at: Position) -> None:
        """
        After a restart: these exchanges, just fed again, had been checkpointed before, and `at` was reached.

        One of them whose beginning the journal no longer has stays as it was last handed out.
        """
        state = self._writers.get(writer)
        if state is None:
            return
        state.after = at
        for exchange_id in held:
            opened = state.pinned.pop(exchange_id, None)
            if opened is not None:
                state.held[exchange_id] = opened
                opened.checkpointed_ns, opened.fresh = opened.started_ns + opened.last_ns, False

    def forget_idle(self) -> None:
        """Drop writers without open exchanges, of which the position is all there was to know."""
        self._writers = {name: state for name, state in self._writers.items() if state.pinned or state.held}

    def open_writers(self) -> list[str]:
        return [writer for writer, state in self._writers.items() if state.pinned or state.held]

    @property
    def open_count(self) -> int:
        return sum(len(state.pinned) + len(state.held) for state in self._writers.values())

    def _fold(
        self, state: _Writer, writer: str, record: Record, wall_ns: int, at: Position
    ) -> Exchange | None:
        if record.kind is RecordKind.REQUEST_HEAD:
            self._begin(state, writer, record, wall_ns, at)
            return None
        opened = state.find(record.exchange_id)
        if opened is None:
            return None
        after_ns = max(record.mono_ns - opened.started_mono_ns, opened.last_ns)
        opened.last_ns, opened.fresh = after_ns, True
        match record.kind:
            case RecordKind.REQUEST_BODY | RecordKind.TUNNEL_UP:
                self._add(opened, opened.sent, record.content)
            case RecordKind.RESPONSE_BODY | RecordKind.TUNNEL_DOWN:
                if record.content:
                    opened.note_chunk(after_ns, len(record.content))
                self._add(opened, opened.received, record.content)
            case RecordKind.RESPONSE_HEAD:
                opened.response = decode_response_head(record.content)
            case RecordKind.GAP:
                gap = decode_gap(record.content)
                side = opened.sent if gap.side == "request" else opened.received
                side.dropped_bytes += gap.bytes_dropped
            case RecordKind.COUNTS:  # under an exchange's own id it says one thing only, see `journal.tape`
                opened.unsecured = True
            case RecordKind.END:
                return self._close(state, opened, decode_end(record.content))
            case _:
                pass  # interim heads and trailers say nothing that a call keeps
        return None

    def _begin(self, state: _Writer, writer: str, record: Record, wall_ns: int, at: Position) -> None:
        again = state.find(record.exchange_id)
        if again is not None:
            self._open_bytes -= again.held_bytes
            state.drop(record.exchange_id)
        state.pinned[record.exchange_id] = _Open(
            exchange_id=record.exchange_id,
            writer=writer,
            first=at,
            started_ns=wall_ns,
            started_mono_ns=record.mono_ns,
            request=decode_request_head(record.content),
        )

    def _add(self, opened: _Open, side: _Side, piece: bytes) -> None:
        before = opened.held_bytes
        side.add(piece, keep=not opened.spilled)
        self._open_bytes += opened.held_bytes - before
        if opened.held_bytes > self._spill_bytes:
            self._spill(opened)
        while self._open_bytes > self._open_bytes_max:
            self._spill(max(self._all_open(), key=lambda other: other.held_bytes))

    def _spill(self, opened: _Open) -> None:
        self._open_bytes -= opened.held_bytes
        opened.spill()

    def _all_open(self) -> Iterator[_Open]:
        for state in self._writers.values():
            yield from state.pinned.values()
            yield from state.held.values()

    def _close(self, state: _Writer, opened: _Open, end: End) -> Exchange:
        state.drop(opened.exchange_id)
        self._open_bytes -= opened.held_bytes
        return opened.as_exchange(end, state.after, closed=True)


def _is_due(opened: _Open, now_ns: int) -> bool:
    if opened.checkpointed_ns is not None:
        return opened.fresh and now_ns - opened.checkpointed_ns >= AGE_NS
    return now_ns - opened.started_ns >= AGE_NS or now_ns - opened.started_ns - opened.last_ns >= IDLE_NS


def _resume_at(state: _Writer) -> Position:
    for opened in state.pinned.values():
        return opened.first
    return state.after
