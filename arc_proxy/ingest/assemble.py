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

A tunnel (a WebSocket) is read as its bytes come, and keeps none of them: a provisional exchange is handed out
with each turn that is over. When it is checkpointed, what was understood of it so far is put away
(`new_states`), and it is gone on with from there, so that its records may go before its end. That is done
again every `AGE_NS`, also where nothing was said.

Reading the same records again makes the same exchanges, so resuming too early costs time and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from arc_proxy.ingest.opened import Exchange as Exchange
from arc_proxy.ingest.opened import Opened, Side, restored_tunnel
from arc_proxy.ingest.opened import Position as Position
from arc_proxy.ingest.tunnel import SWITCHED, TunnelMaker, TurnTunnel
from arc_proxy.journal.head import (
    End,
    decode_end,
    decode_gap,
    decode_request_head,
    decode_response_head,
)
from arc_proxy.journal.record import Ended, Record, RecordKind
from arc_proxy.wire.websocket import Direction

SECOND_NS = 1_000_000_000
IDLE_NS = 60 * SECOND_NS
AGE_NS = 600 * SECOND_NS
# A body that large is rare, and reading it a second time is cheaper than holding a thousand of them.
SPILL_BYTES = 32 * 1024 * 1024
OPEN_BYTES_MAX = 256 * 1024 * 1024

_IN_FLIGHT = End(ended=Ended.INTERRUPTED, detail="in flight")
_WRITER_GONE = End(ended=Ended.INTERRUPTED, detail="the process that recorded it ended first")


@dataclass(slots=True)
class _Writer:
    after: Position  # behind the last record fed
    pinned: dict[bytes, Opened] = field(default_factory=dict)  # in the order of their beginnings
    held: dict[bytes, Opened] = field(default_factory=dict)  # checkpointed

    def find(self, exchange_id: bytes) -> Opened | None:
        return self.pinned.get(exchange_id) or self.held.get(exchange_id)

    def drop(self, exchange_id: bytes) -> None:
        self.pinned.pop(exchange_id, None)
        self.held.pop(exchange_id, None)


class Assembler:
    """The fold. `feed` it each writer's records in their order; writers may be mixed at will."""

    def __init__(
        self,
        *,
        spill_bytes: int = SPILL_BYTES,
        open_bytes_max: int = OPEN_BYTES_MAX,
        make_tunnel: TunnelMaker = TurnTunnel,
    ) -> None:
        self._spill_bytes = spill_bytes
        self._open_bytes_max = open_bytes_max
        self._open_bytes = 0
        self._make_tunnel = make_tunnel
        self._states: list[tuple[Opened, Position, bytes]] = []
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
                    was_fresh, opened.fresh, opened.checkpointed_ns = opened.fresh, False, now_ns
                    turns = opened.unfinished()
                    if opened.tunnel is not None:
                        self._note_state(opened, state.after)
                    if was_fresh:
                        yield opened.as_exchange(_IN_FLIGHT, state.after, closed=False, turns=turns)

    def new_states(self) -> Iterator[tuple[str, bytes, Position, bytes]]:
        """(writer, exchange id, position, content) of the tunnels checkpointed since the last time."""
        states, self._states = self._states, []
        for opened, at, content in states:
            yield opened.writer, opened.exchange_id, at, content

    def put_away(self, writer: str, exchange_id: bytes, at: Position) -> None:
        """A state is written down: from now on its tunnel begins there."""
        state = self._writers.get(writer)
        opened = state.find(exchange_id) if state is not None else None
        if opened is not None:
            opened.first = at

    def restore(self, writer: str, exchange_id: bytes, at: Position, content: bytes) -> None:
        """
        After a restart: a tunnel whose state this is, read up to `at`. `hold` is told of it like of others.

        Raises ValueError for what is no state.
        """
        opened = restored_tunnel(content, exchange_id, writer, at, self._make_tunnel)
        self._writers.setdefault(writer, _Writer(at)).pinned[exchange_id] = opened

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
            case RecordKind.TUNNEL_UP | RecordKind.TUNNEL_DOWN:
                return self._take(state, opened, record, after_ns)
            case RecordKind.REQUEST_BODY:
                self._add(opened, opened.sent, record.content)
            case RecordKind.RESPONSE_BODY:
                if record.content:
                    opened.note_chunk(after_ns, len(record.content))
                self._add(opened, opened.received, record.content)
            case RecordKind.RESPONSE_HEAD:
                opened.response = decode_response_head(record.content)
                if opened.response.status == SWITCHED:
                    opened.tunnel = self._make_tunnel(opened.request, opened.response)
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

    def _take(self, state: _Writer, opened: Opened, record: Record, after_ns: int) -> Exchange | None:
        """A piece of a tunnel: a provisional exchange if a turn is over."""
        direction = Direction.UP if record.kind is RecordKind.TUNNEL_UP else Direction.DOWN
        try:
            turns = opened.take(direction, record.content, after_ns)
        except Exception:  # noqa: BLE001  a mistake of a reader costs its socket, not all that follow
            self.unreadable += 1
            return None
        return opened.as_exchange(_IN_FLIGHT, state.after, closed=False, turns=turns) if turns else None

    def _note_state(self, opened: Opened, at: Position) -> None:
        try:
            self._states.append((opened, at, opened.state()))
        except Exception:  # noqa: BLE001  what cannot be written is read again from where it was
            self.unreadable += 1

    def _begin(self, state: _Writer, writer: str, record: Record, wall_ns: int, at: Position) -> None:
        again = state.find(record.exchange_id)
        if again is not None:
            self._open_bytes -= again.held_bytes
            state.drop(record.exchange_id)
        state.pinned[record.exchange_id] = Opened(
            exchange_id=record.exchange_id,
            writer=writer,
            first=at,
            started_ns=wall_ns,
            started_mono_ns=record.mono_ns,
            request=decode_request_head(record.content),
        )

    def _add(self, opened: Opened, side: Side, piece: bytes) -> None:
        before = opened.held_bytes
        side.add(piece, keep=not opened.spilled)
        self._open_bytes += opened.held_bytes - before
        if opened.held_bytes > self._spill_bytes:
            self._spill(opened)
        while self._open_bytes > self._open_bytes_max:
            self._spill(max(self._all_open(), key=lambda other: other.held_bytes))

    def _spill(self, opened: Opened) -> None:
        self._open_bytes -= opened.held_bytes
        opened.spill()

    def _all_open(self) -> Iterator[Opened]:
        for state in self._writers.values():
            yield from state.pinned.values()
            yield from state.held.values()

    def _close(self, state: _Writer, opened: Opened, end: End) -> Exchange:
        state.drop(opened.exchange_id)
        self._open_bytes -= opened.held_bytes
        return opened.as_exchange(end, state.after, closed=True, turns=opened.unfinished())


def _is_due(opened: Opened, now_ns: int) -> bool:
    if opened.checkpointed_ns is not None:
        return (opened.fresh or opened.tunnel is not None) and now_ns - opened.checkpointed_ns >= AGE_NS
    return now_ns - opened.started_ns >= AGE_NS or now_ns - opened.started_ns - opened.last_ns >= IDLE_NS


def _resume_at(state: _Writer) -> Position:
    for opened in state.pinned.values():
        return opened.first
    return state.after
