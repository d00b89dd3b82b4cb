"""The fold from records to exchanges: any interleaving, any restart, bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import Captured, ChunkTime
from arc_proxy.ingest import opened
from arc_proxy.ingest.assemble import AGE_NS, IDLE_NS, SECOND_NS, Assembler, Exchange, Position
from arc_proxy.journal.head import End, Gap, RequestHead, ResponseHead
from arc_proxy.journal.record import NO_EXCHANGE, Ended, Record, RecordKind, make_exchange_id

WALL_NS = 1_790_000_000 * SECOND_NS
MONO_NS = 5 * SECOND_NS
REQUEST = RequestHead(
    upstream="openai",
    url="https://api.openai.com/v1/chat/completions",
    connection=1,
    method=b"POST",
    target=b"/openai/v1/chat/completions",
    version=b"HTTP/1.1",
    headers=((b"content-type", b"application/json"),),
)
RESPONSE = ResponseHead(origin="upstream", status=200, reason=b"OK", version=b"HTTP/1.1", headers=())
COMPLETE = End(ended=Ended.COMPLETE)


@dataclass(frozen=True)
class Entry:
    """A record as the reader gives it."""

    writer: str
    record: Record
    wall_ns: int
    at: Position
    after: Position


def exchange_id(n: int, writer: int = 1) -> bytes:
    return make_exchange_id(WALL_NS // 1_000_000, writer, n)


def record(kind: RecordKind, content: bytes, *, n: int = 0, ms: int = 0, writer: int = 1) -> Record:
    return Record(kind, exchange_id(n, writer), MONO_NS + ms * 1_000_000, content)


def head(n: int = 0, ms: int = 0) -> Record:
    return record(RecordKind.REQUEST_HEAD, REQUEST.encode(), n=n, ms=ms)


def answer(n: int = 0, ms: int = 0) -> Record:
    return record(RecordKind.RESPONSE_HEAD, RESPONSE.encode(), n=n, ms=ms)


def asked(piece: bytes, n: int = 0, ms: int = 0) -> Record:
    return record(RecordKind.REQUEST_BODY, piece, n=n, ms=ms)


def told(piece: bytes, n: int = 0, ms: int = 0) -> Record:
    return record(RecordKind.RESPONSE_BODY, piece, n=n, ms=ms)


def gap(side: str, size: int, n: int = 0) -> Record:
    return record(RecordKind.GAP, Gap(side=side, bytes_dropped=size).encode(), n=n)


def end(ended: Ended = Ended.COMPLETE, n: int = 0, ms: int = 0, detail: str = "") -> Record:
    return record(RecordKind.END, End(ended=ended, detail=detail).encode(), n=n, ms=ms)


def lay(records: Sequence[Record], writer: str = "00000001") -> list[Entry]:
    """Records as they would lie in a segment, one byte long each."""
    return [
        Entry(writer, one, WALL_NS + one.mono_ns - MONO_NS, (0, place), (0, place + 1))
        for place, one in enumerate(records)
    ]


def feed(assembler: Assembler, entries: Sequence[Entry]) -> list[Exchange]:
    fed = (assembler.feed(e.writer, e.record, e.wall_ns, e.at, e.after) for e in entries)
    return [exchange for exchange in fed if exchange is not None]


def test_an_exchange_is_its_records_put_together() -> None:
    records = [
        head(ms=0),
        asked(b'{"model":', ms=1),
        asked(b'"m"}', ms=2),
        record(RecordKind.INTERIM_HEAD, RESPONSE.encode(), ms=3),
        answer(ms=40),
        told(b"data: 1\n\n", ms=41),
        told(b"data: 2\n\n", ms=60),
        record(RecordKind.TRAILERS, b"x: y\r\n", ms=61),
        end(ms=62, detail="fine"),
    ]
    [exchange] = feed(Assembler(), lay(records))
    assert exchange == Exchange(
        exchange_id=exchange_id(0),
        writer="00000001",
        first=(0, 0),
        after=(0, 9),
        started_ns=WALL_NS,
        request=REQUEST,
        request_body=b'{"model":"m"}',
        response=RESPONSE,
        response_body=b"data: 1\n\ndata: 2\n\n",
        first_byte_ns=41_000_000,
        duration_ns=62_000_000,
        end=End(ended=Ended.COMPLETE, detail="fine"),
        closed=True,
        spilled=False,
        captured=Captured.FULL,
        unsecured=False,
        request_bytes=13,
        response_bytes=18,
        chunk_times=(ChunkTime(after_ns=41_000_000, size=9), ChunkTime(after_ns=60_000_000, size=9)),
    )


@pytest.mark.parametrize(
    ("records", "captured", "bodies", "sizes"),
    {
        "everything was kept": ([asked(b"ab"), told(b"cd")], Captured.FULL, (b"ab", b"cd"), (2, 2)),
        "there were no bodies": ([], Captured.FULL, (b"", b""), (0, 0)),
        "the end of the response was dropped": (
            [asked(b"ab"), told(b"cd"), gap("response", 7)],
            Captured.HEAD,
            (b"ab", b"cd"),
            (2, 9),
        ),
        "what follows a gap does not continue what was kept": (
            [asked(b"ab"), gap("response", 7), told(b"cd")],
            Captured.HEAD,
            (b"ab", b""),
            (2, 9),
        ),
        "no byte was kept": ([gap("request", 3), gap("response", 4)], Captured.NONE, (b"", b""), (3, 4)),
    }.values(),
    ids=[
        "everything was kept",
        "there were no bodies",
        "the end of the response was dropped",
        "what follows a gap does not continue what was kept",
        "no byte was kept",
    ],
)
def test_gaps_say_how_much_was_captured(
    records: list[Record], captured: Captured, bodies: tuple[bytes, bytes], sizes: tuple[int, int]
) -> None:
    [exchange] = feed(Assembler(), lay([head(), *records, end()]))
    assert exchange.captured is captured
    assert (exchange.request_body, exchange.response_body) == bodies
    assert (exchange.request_bytes, exchange.response_bytes) == sizes


def test_an_exchange_without_a_response_keeps_how_it_ended() -> None:
    [exchange] = feed(Assembler(), lay([head(), end(Ended.UPSTREAM_ERROR, ms=9, detail="refused")]))
    assert (exchange.response, exchange.first_byte_ns) == (None, None)
    assert exchange.end == End(ended=Ended.UPSTREAM_ERROR, detail="refused")


def test_a_writer_that_is_gone_leaves_interrupted_exchanges() -> None:
    assembler = Assembler()
    assert feed(assembler, lay([head(0), head(1), told(b"half", n=0, ms=5), end(n=1)]))
    [exchange] = assembler.interrupt("00000001")
    assert (exchange.end.ended, exchange.closed) == (Ended.INTERRUPTED, True)
    assert (exchange.response_body, exchange.duration_ns) == (b"half", 5_000_000)
    assert assembler.positions() == {"00000001": (0, 4)}
    assert list(assembler.interrupt("00000001")) == []
    assert list(assembler.interrupt("deadbeef")) == []


def test_the_oldest_open_exchange_holds_the_position() -> None:
    assembler = Assembler()
    entries = lay([head(0), head(1), end(n=0), end(n=1)])
    seen = []
    for entry in entries:
        feed(assembler, [entry])
        seen.append(assembler.positions()["00000001"])
    assert seen == [(0, 0), (0, 0), (0, 1), (0, 4)]


@pytest.mark.parametrize(
    ("now_ns", "due"),
    {
        "it spoke a minute ago": (WALL_NS + IDLE_NS, True),
        "it spoke just now": (WALL_NS + IDLE_NS - 1, False),
        "it has been open for ten minutes": (WALL_NS + AGE_NS, True),
    }.values(),
)
def test_a_silent_or_old_exchange_is_checkpointed(now_ns: int, due: bool) -> None:
    assembler = Assembler()
    feed(assembler, lay([head(), answer(ms=0), told(b"data", ms=0)]))
    provisional = list(assembler.checkpoint(now_ns))
    assert [e.closed for e in provisional] == [False] * due
    assert assembler.positions() == {"00000001": (0, 3) if due else (0, 0)}
    assert assembler.held() == ({"00000001": {exchange_id(0): (0, 0)}} if due else {})


def test_a_checkpointed_exchange_ends_as_any_other() -> None:
    assembler = Assembler()
    entries = lay([head(), answer(ms=0), told(b"one ", ms=0), told(b"two", ms=1), end(ms=2)])
    feed(assembler, entries[:3])
    [provisional] = assembler.checkpoint(WALL_NS + AGE_NS)
    assert (provisional.response_body, provisional.duration_ns) == (b"one ", None)
    assert (provisional.end.ended, provisional.end.detail) == (Ended.INTERRUPTED, "in flight")
    [whole] = feed(assembler, entries[3:])
    assert (whole.response_body, whole.closed, assembler.held()) == (b"one two", True, {})


def test_a_checkpointed_exchange_comes_again_only_when_there_is_more_of_it() -> None:
    assembler = Assembler()
    entries = lay([head(), told(b"one"), told(b"two", ms=AGE_NS // 1_000_000)])
    feed(assembler, entries[:2])
    assert len(list(assembler.checkpoint(WALL_NS + AGE_NS))) == 1
    assert list(assembler.checkpoint(WALL_NS + 3 * AGE_NS)) == []
    feed(assembler, entries[2:])
    assert len(list(assembler.checkpoint(WALL_NS + 3 * AGE_NS))) == 1


def test_a_large_body_is_spilled_and_says_where_it_lies() -> None:
    assembler = Assembler(spill_bytes=10)
    entries = lay([head(0), asked(b"12345"), told(b"1234567"), told(b"more", ms=3), end(ms=4)])
    [exchange] = feed(assembler, entries)
    assert (exchange.spilled, exchange.request_body, exchange.response_body) == (True, b"", b"")
    assert (exchange.request_bytes, exchange.response_bytes) == (5, 11)
    assert (exchange.first, exchange.after, exchange.captured) == ((0, 0), (0, 5), Captured.FULL)


def test_all_open_exchanges_together_are_bounded_and_the_largest_goes_first() -> None:
    assembler = Assembler(open_bytes_max=10)
    entries = lay([head(0), head(1), told(b"1234567", n=0), told(b"1234", n=1), end(n=0), end(n=1)])
    exchanges = feed(assembler, entries)
    assert [(e.spilled, e.response_body) for e in exchanges] == [(True, b""), (False, b"1234")]


def test_chunk_times_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "CHUNK_TIMES_MAX", 2)
    [exchange] = feed(Assembler(), lay([head(), *[told(b"x", ms=n) for n in range(5)], end(ms=9)]))
    assert exchange.chunk_times == (
        ChunkTime(after_ns=0, size=1),
        ChunkTime(after_ns=4_000_000, size=4),
    )


@pytest.mark.parametrize(
    "stray",
    [
        told(b"a body whose head is gone", n=9),
        end(n=9),
        record(RecordKind.REQUEST_HEAD, b"no head", n=9),
        Record(RecordKind.FACT, NO_EXCHANGE, 0, b"{}"),
        Record(RecordKind.COUNTS, NO_EXCHANGE, 0, b"{}"),
    ],
    ids=lambda stray: f"{stray.kind.name} {stray.content!r}",
)
def test_what_belongs_to_no_open_exchange_only_moves_the_position(stray: Record) -> None:
    assembler = Assembler()
    assert feed(assembler, lay([stray])) == []
    assert assembler.positions() == {"00000001": (0, 1)}


@pytest.mark.parametrize("kind", [RecordKind.RESPONSE_HEAD, RecordKind.GAP, RecordKind.END])
def test_unreadable_content_is_counted_and_the_exchange_goes_on(kind: RecordKind) -> None:
    assembler = Assembler()
    [exchange] = feed(assembler, lay([head(), record(kind, b"\xff nonsense"), told(b"ok"), end()]))
    assert (exchange.response_body, assembler.unreadable) == (b"ok", 1)


def test_a_clock_that_steps_back_makes_no_negative_time() -> None:
    [exchange] = feed(Assembler(), lay([head(ms=5), told(b"x", ms=7), told(b"y", ms=3), end(ms=4)]))
    assert [c.after_ns for c in exchange.chunk_times] == [2_000_000, 2_000_000]
    assert exchange.duration_ns == 2_000_000


def test_a_tape_that_was_not_secure_says_so_of_the_exchange() -> None:
    entries = lay([head(), record(RecordKind.COUNTS, b'{"unsecured":true}'), end()])
    assert [e.unsecured for e in feed(Assembler(), entries)] == [True]


def test_only_writers_with_open_exchanges_are_remembered() -> None:
    assembler = Assembler()
    feed(assembler, [*lay([head(), end()]), *lay([head()], writer="00000002")])
    assembler.forget_idle()
    assert assembler.positions() == {"00000002": (0, 0)}
    assert (assembler.open_writers(), assembler.open_count) == (["00000002"], 1)


WRITERS = ("00000001", "00000002")


@st.composite
def journals(draw: st.DrawFn) -> list[Entry]:
    """Exchanges of two writers, interleaved at will; some never end."""
    tapes: dict[str, list[list[Record]]] = {writer: [] for writer in WRITERS}
    for n in range(draw(st.integers(1, 5))):
        writer = draw(st.sampled_from(WRITERS))
        number = int(writer, 16)
        pieces = draw(st.lists(st.tuples(st.booleans(), st.binary(max_size=6)), max_size=5))
        records = [record(RecordKind.REQUEST_HEAD, REQUEST.encode(), n=n, writer=number)]
        for up, piece in pieces:
            kind = RecordKind.REQUEST_BODY if up else RecordKind.RESPONSE_BODY
            records.append(record(kind, piece, n=n, writer=number))
        if draw(st.booleans()):
            records.append(record(RecordKind.END, COMPLETE.encode(), n=n, writer=number))
        tapes[writer].append(records)
    entries: list[Entry] = []
    for writer, exchanges in tapes.items():
        merged: list[Record] = []
        while any(exchanges):
            merged.append(draw(st.sampled_from([one for one in exchanges if one])).pop(0))
        timed = [replace(one, mono_ns=MONO_NS + n * SECOND_NS) for n, one in enumerate(merged)]
        entries += lay(timed, writer)
    order = draw(st.permutations([e.writer for e in entries]))
    queues = {writer: [e for e in entries if e.writer == writer] for writer in WRITERS}
    return [queues[writer].pop(0) for writer in order]


def settled(exchanges: Sequence[Exchange]) -> dict[bytes, Exchange]:
    """What a store holds that was given these in order. `after` is about reading, not about the exchange."""
    return {e.exchange_id: replace(e, after=(0, 0)) for e in exchanges}


def finish(assembler: Assembler) -> list[Exchange]:
    return [exchange for writer in WRITERS for exchange in assembler.interrupt(writer)]


def one_by_one(entries: Sequence[Entry]) -> dict[bytes, Exchange]:
    exchanges: list[Exchange] = []
    for one in {e.record.exchange_id for e in entries}:
        assembler = Assembler()
        exchanges += feed(assembler, [e for e in entries if e.record.exchange_id == one])
        exchanges += finish(assembler)
    return settled(exchanges)


@given(journals())
def test_interleaving_changes_nothing(entries: list[Entry]) -> None:
    assembler = Assembler()
    exchanges = feed(assembler, entries) + finish(assembler)
    assert settled(exchanges) == one_by_one(entries)
    assert assembler.open_count == 0


def resume(
    entries: Sequence[Entry], positions: dict[str, Position], held: dict[str, dict[bytes, Position]]
) -> tuple[Assembler, list[Entry]]:
    """A new process that knows what was committed. Gives it and what it has still to read."""
    assembler = Assembler()
    for writer, beginnings in held.items():
        for entry in entries:
            mine = entry.writer == writer and entry.record.exchange_id in beginnings
            if mine and entry.at < positions[writer]:
                feed(assembler, [entry])
        assembler.hold(writer, beginnings, positions[writer])
    return assembler, [e for e in entries if e.at >= positions.get(e.writer, (0, 0))]


@given(journals(), st.data())
def test_a_restart_anywhere_changes_nothing(entries: list[Entry], data: st.DataObject) -> None:
    assembler, waiting, stored = Assembler(), list(entries), []
    for _ in range(data.draw(st.integers(0, 3), label="restarts")):
        read = data.draw(st.integers(0, len(waiting)), label="records read and stored")
        stored += feed(assembler, waiting[:read])
        if data.draw(st.booleans(), label="checkpoint"):
            latest = max((e.wall_ns for e in waiting[:read]), default=WALL_NS)
            stored += assembler.checkpoint(latest + data.draw(st.sampled_from([0, IDLE_NS, AGE_NS])))
        committed = assembler.positions(), assembler.held()
        lost = data.draw(st.integers(0, len(waiting) - read), label="records read and lost")
        feed(assembler, waiting[read : read + lost])
        assembler, waiting = resume(entries, *committed)
    stored += feed(assembler, waiting) + finish(assembler)
    assert settled(stored) == one_by_one(entries)
