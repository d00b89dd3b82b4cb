from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arc_proxy.journal.reader import JournalReader, Position
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.segment import HEADER_BYTES, list_segments
from arc_proxy.journal.writer import SegmentWriter


def write(journal: Path, contents: list[bytes], **options) -> Path:
    """One writer that wrote these and is gone. Returns its folder."""
    with SegmentWriter(journal, **options) as writer:
        for content in contents:
            writer.append([Record(RecordKind.RESPONSE_BODY, writer.make_id(), 1, content)])
    return writer.folder


def read(reader: JournalReader, positions=None, budget: int = 1 << 40) -> list[bytes]:
    records = reader.read({} if positions is None else positions, budget)
    return [record.content for _, record, _, _ in records if record.kind is not RecordKind.ANCHOR]


CONTENTS = [b"%d" % number * 40 for number in range(30)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(min_value=1, max_value=3000), min_size=1, max_size=10), st.booleans())
def test_reading_in_any_portions_gives_each_record_once(tmp_path_factory, budgets, keep_reader):
    journal = tmp_path_factory.mktemp("portions") / "journal"
    folder = write(journal, CONTENTS, segment_bytes_max=700)
    assert len(list_segments(folder)) > 2
    reader = JournalReader(journal)
    positions: dict[str, Position] = {}
    seen, walls = [], []
    for budget in [*budgets, 1 << 40]:
        if not keep_reader:
            reader = JournalReader(journal)  # a restart
        for writer, record, wall_ns, after in reader.read(positions, budget):
            positions[writer] = after
            if record.kind is not RecordKind.ANCHOR:
                seen.append(record.content)
                walls.append(wall_ns)
    assert seen == CONTENTS
    whole = [w for _, r, w, _ in JournalReader(journal).read({}, 1 << 40) if r.kind is not RecordKind.ANCHOR]
    assert walls == whole  # times do not depend on where a reader resumed


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(min_value=0), st.integers(min_value=0, max_value=5000))
def test_a_segment_cut_anywhere_yields_a_beginning_and_the_next_one_all(tmp_path_factory, cut, zeros):
    journal = tmp_path_factory.mktemp("cut") / "journal"
    folder = write(journal, CONTENTS[:10], segment_bytes_max=700)
    (_, first), *others = list_segments(folder)
    tape = first.read_bytes()
    first.write_bytes(tape[: HEADER_BYTES + cut % (len(tape) - HEADER_BYTES + 1)] + bytes(zeros))
    reader = JournalReader(journal)
    seen = read(reader)
    rest = read(JournalReader(journal), {folder.name: (others[0][0], 0)})
    kept = seen[: len(seen) - len(rest)]
    assert kept == CONTENTS[: len(kept)]
    assert seen[len(kept) :] == rest
    assert not reader.problems


def test_a_corrupt_segment_is_reported_and_reading_goes_on_with_the_next(journal: Path):
    folder = write(journal, CONTENTS, segment_bytes_max=700)
    _, (seq, second), *_ = list_segments(folder)
    tape = bytearray(second.read_bytes())
    tape[300] ^= 0xFF
    second.write_bytes(tape)
    reader = JournalReader(journal)
    seen = read(reader)
    [problem] = reader.problems.values()
    assert (problem.writer, problem.seq) == (folder.name, seq)
    assert "checksum" in problem.reason
    assert len(CONTENTS) - 8 < len(seen) < len(CONTENTS)
    assert seen[-1] == CONTENTS[-1]


BEGINNINGS = {
    "nothing": b"",
    "zeros, as a power cut leaves": bytes(4096),
    "another kind of file": b"SQLite format 3\0" * 20,
}


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_a_file_without_a_header_is_reported_and_passed_over(journal: Path, beginning):
    folder = write(journal, CONTENTS, segment_bytes_max=700)
    list_segments(folder)[0][1].write_bytes(beginning)
    reader = JournalReader(journal)
    assert read(reader)[-1] == CONTENTS[-1]
    assert len(reader.problems) == 1


def test_a_segment_of_a_later_version_is_reported(journal: Path):
    folder = write(journal, CONTENTS)
    path = list_segments(folder)[0][1]
    tape = bytearray(path.read_bytes())
    tape[8:10] = (2).to_bytes(2, "little")
    path.write_bytes(tape)
    reader = JournalReader(journal)
    assert read(reader) == []
    assert "segment format 2" in next(iter(reader.problems.values())).reason


def test_a_record_of_an_unknown_kind_is_counted_and_passed_over(journal: Path):
    with SegmentWriter(journal) as writer:
        known = Record(RecordKind.FACT, writer.make_id(), 1, b"{}")
        unknown = Record(200, writer.make_id(), 1, b"from the future")  # type: ignore[arg-type]
        writer.append([known, unknown, known])
    reader = JournalReader(journal)
    assert read(reader) == [b"{}", b"{}"]
    assert reader.unknown_records == 1


def test_a_live_segment_is_followed_record_by_record(journal: Path):
    reader, positions = JournalReader(journal), {}
    with SegmentWriter(journal) as writer:
        for content in CONTENTS:
            writer.append([Record(RecordKind.RESPONSE_BODY, writer.make_id(), 1, content)])
            got = list(reader.read(positions, 1 << 40))
            positions |= {name: after for name, _, _, after in got}
            assert [r.content for _, r, _, _ in got if r.kind is not RecordKind.ANCHOR] == [content]
    assert read(reader, positions) == []


def test_half_a_frame_of_a_live_writer_is_waited_for(journal: Path):
    folder = write(journal, CONTENTS[:3])
    path = list_segments(folder)[0][1]
    tape = path.read_bytes()
    path.write_bytes(tape[:-5])
    reader = JournalReader(journal)
    positions = {name: after for name, _, _, after in reader.read({}, 1 << 40)}
    with path.open("ab") as file:
        file.write(tape[-5:])
    assert read(reader, positions) == [CONTENTS[2]]


def test_a_segment_still_held_is_not_left_for_the_next(journal: Path):
    """The writer's thread makes the next segment while its loop still writes to the old one."""
    writer = SegmentWriter(journal, segment_bytes_max=700)
    body = [Record(RecordKind.RESPONSE_BODY, writer.make_id(), 1, content) for content in CONTENTS[:3]]
    writer.append(body)
    old = list_segments(writer.folder)[0][1]
    keeps_it_held = os.dup(writer._segment.fd)
    for content in CONTENTS[3:10]:
        writer.append([Record(RecordKind.RESPONSE_BODY, writer.make_id(), 1, content)])
    assert len(list_segments(writer.folder)) > 1
    reader = JournalReader(journal)
    in_old = read(reader)
    assert in_old == CONTENTS[: len(in_old)]
    assert len(in_old) < 10
    os.close(keeps_it_held)
    assert read(reader) == CONTENTS[:10]
    assert old.exists()
    writer.close()


def test_segments_that_retention_removed_are_passed_over(journal: Path):
    folder = write(journal, CONTENTS, segment_bytes_max=700)
    segments = list_segments(folder)
    segments[0][1].unlink()
    segments[1][1].unlink()
    seen = read(JournalReader(journal), {folder.name: (1, 200)})
    assert seen == CONTENTS[-len(seen) :]
    assert seen


def test_no_writer_starves_another(journal: Path):
    folders = [write(journal, CONTENTS).name for _ in range(3)]
    reader, first = JournalReader(journal), set()
    for _ in range(3):
        first.add(next(iter(reader.read({}, 1)))[0])
    assert first == set(folders)


def test_a_writer_that_is_gone_and_read_is_not_opened_again(journal: Path):
    folder = write(journal, CONTENTS)
    os.utime(folder, (1, 1))
    reader = JournalReader(journal)
    positions = {name: after for name, _, _, after in reader.read({}, 1 << 40)}
    list_segments(folder)[0][1].write_bytes(b"nobody looks here")
    assert read(reader, positions) == []
    assert not reader.problems
    assert read(reader) == []  # asked for its beginning it does look
    assert reader.problems


def test_records_between_two_positions_can_be_read_again(journal: Path):
    folder = write(journal, CONTENTS, segment_bytes_max=700)
    reader = JournalReader(journal)
    everything = [(record, wall_ns, after) for _, record, wall_ns, after in reader.read({}, 1 << 40)]
    for first, last in [(3, 5), (0, len(everything) - 1), (10, 10), (2, len(everything) - 3)]:
        wanted = everything[first + 1 : last + 1]
        assert list(reader.read_between(folder.name, everything[first][2], everything[last][2])) == wanted


def test_a_large_segment_is_streamed(journal: Path):
    """Python's own accounting of the reader's memory, for a segment of 30 MB."""
    import tracemalloc

    with SegmentWriter(journal) as writer:
        exchange_id = writer.make_id()
        piece = Record(RecordKind.RESPONSE_BODY, exchange_id, 1, bytes(500_000))
        writer.append(piece for _ in range(60))
    tracemalloc.start()
    try:
        count = sum(1 for _ in JournalReader(journal).read({}, 1 << 40))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 61
    assert peak < 6 * 1024 * 1024


def test_no_journal_is_an_empty_one(journal: Path):
    assert read(JournalReader(journal)) == []


def test_a_segment_that_may_not_be_read_is_reported_and_passed_over(journal: Path):
    folder = write(journal, CONTENTS, segment_bytes_max=700)
    first = list_segments(folder)[0][1]
    first.unlink()
    first.symlink_to(first)  # no one can open this, root included
    reader = JournalReader(journal)
    assert read(reader)[-1] == CONTENTS[-1]
    assert len(reader.problems) == 1
