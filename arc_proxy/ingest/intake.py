"""
The journal read on, put together and cut into batches: what one transaction of the store takes.

A batch carries the exchanges that closed (or were checkpointed), the facts and counts read meanwhile, and,
per writer, where to resume once all of that is stored. Nothing is remembered outside of it: an intake that
is made anew from the resume points of the last stored batch goes on as if nothing had happened.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from arc_proxy.ingest.assemble import Assembler, Exchange, Position
from arc_proxy.ingest.shelf import Shelf
from arc_proxy.journal.reader import JournalReader, Problem
from arc_proxy.journal.record import NO_EXCHANGE, Record, RecordKind, id_text
from arc_proxy.journal.segment import is_writer_gone, writer_name

CALLS_MAX = 400
BODY_BYTES_MAX = 32 * 1024 * 1024
FACTS_MAX = 2_000
# Positions alone are worth a transaction only when reading again would take long.
UNCOMMITTED_BYTES_MAX = 64 * 1024 * 1024

_BEGINNING: Position = (0, 0)
_NO_LIMIT = 1 << 62

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resume:
    """
    Where to go on in one writer.

    Read from `at`, and before that the records of the `held` exchanges, each from its own beginning, or from
    where it was put away (`shelf`). What ended up to `seen` is stored already: it is only read again for the
    sake of exchanges that were open.
    """

    at: Position = _BEGINNING
    seen: Position = _BEGINNING
    held: Mapping[bytes, Position] = field(default_factory=dict)

    @property
    def oldest(self) -> Position:
        """What lies before this is never read again: see `journal.retention`."""
        return min((self.at, *self.held.values()))

    def as_json(self) -> JsonObject:
        """{"at": [seq, offset], "seen": [seq, offset], "held": {exchange id in hex: [seq, offset]}}."""
        held = {exchange_id.hex(): list(first) for exchange_id, first in self.held.items()}
        return {"at": list(self.at), "seen": list(self.seen)} | ({"held": held} if held else {})


def read_resume(body: JsonObject) -> Resume:
    """Raises ValueError for what `Resume.as_json` did not make."""
    try:
        held = {bytes.fromhex(key): _position(value) for key, value in body.get("held", {}).items()}
        return Resume(_position(body["at"]), _position(body["seen"]), held)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no resume point: {str(body)[:80]}") from error


@dataclass(frozen=True, slots=True)
class RecordedFact:
    """
    One FACT record.

    It keeps its id and the writer that made it when retention moves it to another segment, so a fact that
    is read twice is one.
    """

    writer: str
    fact_id: str
    wall_ns: int
    content: bytes


@dataclass(slots=True)
class Batch:
    exchanges: list[Exchange] = field(default_factory=list)
    facts: list[RecordedFact] = field(default_factory=list)
    counts: dict[str, bytes] = field(default_factory=dict)  # per writer, the last COUNTS record's content
    tallies: dict[str, Counter[str]] = field(default_factory=dict)  # per writer, what the reader counted
    resume: dict[str, Resume] = field(default_factory=dict)
    body_bytes: int = 0
    read_bytes: int = 0

    @property
    def is_full(self) -> bool:
        return (
            len(self.exchanges) >= CALLS_MAX
            or self.body_bytes >= BODY_BYTES_MAX
            or len(self.facts) >= FACTS_MAX
            or self.read_bytes >= UNCOMMITTED_BYTES_MAX
        )

    @property
    def is_empty(self) -> bool:
        return not (self.exchanges or self.facts or self.counts or self.tallies)

    def add(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        self.body_bytes += len(exchange.request_body) + len(exchange.response_body)
        self.body_bytes += sum(turn.request_bytes + turn.response_bytes for turn in exchange.turns)

    def tally(self, writer: str, what: str, count: int = 1) -> None:
        self.tallies.setdefault(writer, Counter())[what] += count


class Intake:
    """Reads one journal on. `resume` is what the store holds: writer -> resume point."""

    def __init__(
        self, journal_dir: Path, resume: Mapping[str, Resume], *, assembler: Assembler | None = None
    ) -> None:
        self._journal_dir = journal_dir
        self._reader = JournalReader(journal_dir)
        self._assembler = assembler or Assembler()
        self._stored = dict(resume)
        self._handed_out = dict(resume)
        self._read_to: dict[str, Position] = {writer: point.at for writer, point in resume.items()}
        self._shelf = Shelf(journal_dir)
        self._shelf.sweep({writer: point.held for writer, point in resume.items()})
        self._unreadable = 0
        self._noted: set[tuple[str, int]] = set()
        self._batch = Batch()
        for writer, point in resume.items():
            if point.held:
                self._read_held(writer, point)

    @property
    def open_count(self) -> int:
        """Exchanges whose end was not read yet."""
        return self._assembler.open_count

    @property
    def problems(self) -> list[Problem]:
        """Segments that could not be read to their end, in this intake's time."""
        return list(self._reader.problems.values())

    def batches(self, now_ns: int) -> Iterator[Batch]:
        """
        All that the journal holds now, batch by batch; a batch must be stored before the next is asked for.

        `now_ns` is wall time; it decides what has been silent for long.
        """
        gone: list[str] = []
        while True:
            yield from self._read_to_the_end()
            for writer in gone:
                for exchange in self._assembler.interrupt(writer):
                    self._batch.add(exchange)
            # A writer that is gone may have written after we looked: what it wrote is read once more first.
            gone = [w for w in self._assembler.open_writers() if is_writer_gone(self._journal_dir / w)]
            if not gone:
                break
        for exchange in self._assembler.checkpoint(now_ns):
            self._batch.add(exchange)
        if self._put_away() or not self._batch.is_empty:
            yield self._sealed()
            self._shelf.stored()

    def whole(self, exchange: Exchange) -> Exchange:
        """The exchange with its bodies, which are read again if it was spilled."""
        return read_again(self._reader, exchange) if exchange.spilled else exchange

    def _read_to_the_end(self) -> Iterator[Batch]:
        for writer, record, wall_ns, after in self._reader.read(dict(self._read_to), _NO_LIMIT):
            self._take(writer, record, wall_ns, after)
            if self._batch.is_full:
                yield self._sealed()
                self._shelf.stored()
        for problem in self._reader.problems.values():
            name, place = (problem.writer, problem.seq), (problem.seq, problem.offset + 1)
            if name not in self._noted:
                self._noted.add(name)
                if place > self._seen_before(problem.writer):
                    self._batch.tally(problem.writer, "damaged_segments")

    def _take(self, writer: str, record: Record, wall_ns: int, after: Position) -> None:
        at = self._read_to.get(writer, _BEGINNING)
        self._read_to[writer] = after
        self._batch.read_bytes += len(record.content)
        exchange = self._assembler.feed(writer, record, wall_ns, at, after)
        unreadable = self._assembler.unreadable + self._reader.unknown_records - self._unreadable
        self._unreadable += unreadable
        if after <= self._seen_before(writer):
            return  # stored already; read again for the exchanges that were open then
        if exchange is not None:
            self._batch.add(exchange)
        elif record.kind is RecordKind.FACT:
            self._batch.facts.append(_recorded_fact(writer, record, wall_ns, after))
        elif record.kind is RecordKind.COUNTS and record.exchange_id == NO_EXCHANGE:
            self._batch.counts[writer] = record.content
        if unreadable:
            self._batch.tally(writer, "unreadable_records", unreadable)

    def _put_away(self) -> bool:
        """
        Write down the tunnels that were checkpointed; whether there are any. One for which the disk has no
        room stays where it was, and so do its records.
        """
        is_any = False
        for writer, exchange_id, at, content in self._assembler.new_states():
            with contextlib.suppress(OSError):
                self._shelf.put(writer, exchange_id, at, content)
                self._assembler.put_away(writer, exchange_id, at)
                is_any = True
        return is_any

    def _sealed(self) -> Batch:
        batch, self._batch = self._batch, Batch()
        held = self._assembler.held()
        self._shelf.keep_only([exchange_id for each in held.values() for exchange_id in each])
        damaged = {problem.writer: (problem.seq, problem.offset + 1) for problem in self.problems}
        for writer, at in self._assembler.positions().items():
            seen = max(self._read_to[writer], self._seen_before(writer), damaged.get(writer, _BEGINNING))
            point = Resume(at, seen, held.get(writer, {}))
            if self._handed_out.get(writer) != point:
                self._handed_out[writer] = batch.resume[writer] = point
        self._assembler.forget_idle()
        return batch

    def _seen_before(self, writer: str) -> Position:
        point = self._stored.get(writer)
        return _BEGINNING if point is None else point.seen

    def _read_held(self, writer: str, point: Resume) -> None:
        for exchange_id, put_away_at in point.held.items():
            content = self._shelf.get(writer, exchange_id, put_away_at)
            if content is not None:
                with contextlib.suppress(
                    ValueError
                ):  # of another version: what the journal has is read again
                    self._assembler.restore(writer, exchange_id, put_away_at, content)
        first = min(point.held.values())
        at = first
        for record, wall_ns, after in self._reader.read_between(writer, first, point.at):
            if record.exchange_id in point.held and at >= point.held[record.exchange_id]:
                self._assembler.feed(writer, record, wall_ns, at, after)
            at = after
        self._assembler.hold(writer, point.held, point.at)


def read_again(reader: JournalReader, exchange: Exchange) -> Exchange:
    """A spilled exchange with its bodies; as it is if the journal no longer has it."""
    alone = Assembler(spill_bytes=_NO_LIMIT, open_bytes_max=_NO_LIMIT)
    found, at = None, exchange.first
    for record, wall_ns, after in reader.read_between(exchange.writer, exchange.first, exchange.after):
        if record.exchange_id == exchange.exchange_id:
            found = alone.feed(exchange.writer, record, wall_ns, at, after)
        at = after
    if found is None:
        found = next(alone.interrupt(exchange.writer), None)
    if found is None:
        return exchange
    return replace(
        found,
        after=exchange.after,
        end=exchange.end,
        closed=exchange.closed,
        duration_ns=exchange.duration_ns,
    )


def _recorded_fact(writer: str, record: Record, wall_ns: int, after: Position) -> RecordedFact:
    if record.exchange_id == NO_EXCHANGE:
        return RecordedFact(writer, f"{after[0]}.{after[1]}", wall_ns, record.content)
    return RecordedFact(
        writer_name(int.from_bytes(record.exchange_id[6:10], "big")),
        id_text(record.exchange_id),
        wall_ns,
        record.content,
    )


def _position(pair: list[int]) -> Position:
    seq, offset = pair
    return int(seq), int(offset)
