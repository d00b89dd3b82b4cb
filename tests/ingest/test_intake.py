"""Batches out of a real journal: what one transaction takes, and where to go on."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.ingest import intake
from arc_proxy.ingest.assemble import AGE_NS, Assembler, Exchange
from arc_proxy.ingest.intake import Batch, Intake, Resume, read_resume
from arc_proxy.journal.fact import FactType, encode_fact
from arc_proxy.journal.record import NO_EXCHANGE, Ended, RecordKind, id_text
from tests.ingest.tape import Tape


@pytest.fixture
def tape(tmp_path: Path) -> Iterator[Tape]:
    tape = Tape(tmp_path)
    yield tape
    tape.writer.close()


def read(taken: Intake, now_ns: int | None = None) -> list[Batch]:
    return list(taken.batches(time.time_ns() if now_ns is None else now_ns))


def ids(batches: list[Batch]) -> list[bytes]:
    return [exchange.exchange_id for batch in batches for exchange in batch.exchanges]


def resume_of(batches: list[Batch]) -> dict[str, Resume]:
    points: dict[str, Resume] = {}
    for batch in batches:
        points |= {
            writer: read_resume(json.loads(json.dumps(point.as_json())))
            for writer, point in batch.resume.items()
        }
    return points


def test_an_empty_journal_gives_nothing(tmp_path: Path) -> None:
    assert read(Intake(tmp_path / "journal", {})) == []


def test_what_was_handed_out_is_not_read_again(tape: Tape, tmp_path: Path) -> None:
    taken = Intake(tmp_path, {})
    first = tape.whole()
    batches = read(taken)
    assert ids(batches) == [first]
    assert read(taken) == []
    second = tape.whole()
    assert ids(read(taken)) == [second]
    assert ids(read(Intake(tmp_path, resume_of(batches)))) == [second]


def test_batches_are_bounded_by_calls(tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "CALLS_MAX", 2)
    written = [tape.whole() for _ in range(5)]
    batches = read(Intake(tmp_path, {}))
    assert [len(batch.exchanges) for batch in batches] == [2, 2, 1]
    assert ids(batches) == written
    assert ids(read(Intake(tmp_path, resume_of(batches[:1])))) == written[2:]


def test_batches_are_bounded_by_bytes(tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BODY_BYTES_MAX", 1000)
    for _ in range(4):
        tape.whole(b"x" * 600)
    assert [len(batch.exchanges) for batch in read(Intake(tmp_path, {}))] == [2, 2]


def test_an_open_exchange_is_resumed_at_its_beginning(tape: Tape, tmp_path: Path) -> None:
    opened = tape.begin(b"first half")
    other = tape.whole()
    batches = read(Intake(tmp_path, {}))
    assert ids(batches) == [other]
    tape.answer(opened, b"second half")
    tape.end(opened)
    [batch] = read(Intake(tmp_path, resume_of(batches)))
    # What was read between is read again, and not handed out again.
    assert {e.exchange_id: e.request_body for e in batch.exchanges} == {opened: b"first half"}


def test_a_checkpointed_exchange_outlives_a_restart_though_the_position_passed_it(
    tape: Tape, tmp_path: Path
) -> None:
    opened = tape.begin(b"first half")
    other = tape.whole()
    batches = read(Intake(tmp_path, {}), time.time_ns() + AGE_NS)
    assert [(e.exchange_id, e.closed) for b in batches for e in b.exchanges] == [
        (other, True),
        (opened, False),
    ]
    tape.answer(opened, b"second half")
    tape.end(opened)
    again = Intake(tmp_path, resume_of(batches))
    assert again.open_count == 1
    [batch] = read(again)
    [exchange] = batch.exchanges
    assert (exchange.exchange_id, exchange.request_body, exchange.response_body, exchange.closed) == (
        opened,
        b"first half",
        b"second half",
        True,
    )
    assert [point.held for point in batch.resume.values()] == [{}]


def test_a_writer_that_is_gone_leaves_interrupted_exchanges(tape: Tape, tmp_path: Path) -> None:
    opened = tape.begin()
    watching = Intake(tmp_path, {})
    assert ids(read(watching)) == []
    tape.writer.close()
    for taken in (watching, Intake(tmp_path, {})):
        [exchange] = read(taken)[0].exchanges
        assert (exchange.exchange_id, exchange.end.ended) == (opened, Ended.INTERRUPTED)
        assert read(taken) == []


def test_unreadable_records_are_counted_once(tape: Tape, tmp_path: Path) -> None:
    tape.begin()
    tape.write(tape.writer.make_id(), RecordKind.REQUEST_HEAD, b"no head")
    tape.whole()
    batches = read(Intake(tmp_path, {}))
    assert [dict(tally) for b in batches for tally in b.tallies.values()] == [{"unreadable_records": 1}]
    tape.whole()
    again = read(Intake(tmp_path, resume_of(batches)))
    assert (len(ids(again)), [b.tallies for b in again]) == (1, [{}])


def test_facts_and_counts_come_with_the_calls_that_were_read_with_them(tape: Tape, tmp_path: Path) -> None:
    fact_id = tape.writer.make_id()
    content = encode_fact(FactType.OUTCOME, 0, run_id="1", outcome="success")
    tape.write(fact_id, RecordKind.FACT, content)
    tape.write(NO_EXCHANGE, RecordKind.COUNTS, b'{"lost_records":1}')
    tape.write(NO_EXCHANGE, RecordKind.COUNTS, b'{"lost_records":2}')
    [batch] = read(Intake(tmp_path, {}))
    writer = f"{tape.writer.writer_id:08x}"
    assert [(f.writer, f.fact_id, f.content) for f in batch.facts] == [(writer, id_text(fact_id), content)]
    assert batch.counts == {writer: b'{"lost_records":2}'}


def test_a_spilled_exchange_is_read_again_from_the_journal(tape: Tape, tmp_path: Path) -> None:
    opened = tape.begin(b"a request of some bytes")
    tape.whole(b"other")
    tape.answer(opened, b"the answer")
    taken = Intake(tmp_path, {}, assembler=Assembler(spill_bytes=9))
    [other, provisional] = [e for b in read(taken, time.time_ns() + AGE_NS) for e in b.exchanges]
    assert not other.spilled
    assert (provisional.spilled, provisional.request_body) == (True, b"")
    whole = taken.whole(provisional)
    assert (whole.request_body, whole.response_body) == (b"a request of some bytes", b"the answer")
    assert (whole.closed, whole.duration_ns, whole.end) == (False, None, provisional.end)
    tape.end(opened)
    [spilled] = read(taken)[0].exchanges
    whole = taken.whole(spilled)
    assert (whole.response_body, whole.closed, whole.end.ended) == (b"the answer", True, Ended.COMPLETE)
    assert len(whole.chunk_times) == 1


def test_a_damaged_segment_is_counted_and_passed_over(tmp_path: Path) -> None:
    tape = Tape(tmp_path, segment_bytes_max=300)
    written = [tape.whole(b"x" * 200) for _ in range(4)]
    tape.writer.close()
    segments = sorted(tmp_path.rglob("*.seg"))
    damaged = bytearray(segments[0].read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    segments[0].write_bytes(damaged + b"more")
    taken = Intake(tmp_path, {})
    batches = read(taken)
    assert written[-1] in ids(batches)
    assert [problem.seq for problem in taken.problems] == [1]
    assert [dict(tally) for b in batches for tally in b.tallies.values()] == [{"damaged_segments": 1}]
    assert [b.tallies for b in read(Intake(tmp_path, resume_of(batches)))] == []


def test_resume_points_of_another_hand_are_refused() -> None:
    for body in ([], {}, {"at": [1]}, {"at": [1, 2]}, {"at": [1, 2], "seen": [1, 2], "held": {"zz": [1, 2]}}):
        with pytest.raises(ValueError, match=r"."):
            read_resume(body)  # type: ignore[arg-type]


POSITIONS = st.tuples(st.integers(0, 1 << 32), st.integers(0, 1 << 40))


@given(POSITIONS, POSITIONS, st.dictionaries(st.binary(min_size=16, max_size=16), POSITIONS, max_size=3))
def test_resume_points_survive_being_written(
    at: tuple[int, int], seen: tuple[int, int], held: dict[bytes, tuple[int, int]]
) -> None:
    point = Resume(at, seen, held)
    assert read_resume(json.loads(json.dumps(point.as_json()))) == point
    assert point.oldest <= at


def test_any_point_of_resuming_gives_the_same_exchanges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "CALLS_MAX", 1)
    tape = Tape(tmp_path, segment_bytes_max=2000)
    opened = [tape.begin(b"%d" % n) for n in range(3)]
    for n in range(12):
        tape.whole(b"%d" % n)
        if n % 4 == 3:
            tape.answer(opened[n // 4], b"late")
            tape.end(opened[n // 4])
    tape.writer.close()

    def stored(batches: list[Batch]) -> dict[bytes, Exchange]:
        return {e.exchange_id: e for batch in batches for e in batch.exchanges}

    batches = read(Intake(tmp_path, {}))
    everything = stored(batches)
    assert len(everything) == 15
    for count in itertools.accumulate([1] * len(batches)):
        rest = read(Intake(tmp_path, resume_of(batches[:count])))
        assert stored(batches[:count]) | stored(rest) == everything
