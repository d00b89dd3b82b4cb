from __future__ import annotations

import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.errors import CorruptRecord
from arc_proxy.journal.frame import FRAME_BYTES_MAX, Deframer, frame, whole_frames

payloads = st.lists(st.binary(min_size=1, max_size=300), max_size=12)
cuts = st.lists(st.integers(min_value=0, max_value=5000), max_size=8)


def chunked(tape: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(tape) + 1) for cut in at), len(tape)]
    return [tape[a:b] for a, b in itertools.pairwise(edges)]


@given(payloads, cuts)
def test_any_chunking_gives_the_same_payloads(written, at):
    tape = b"".join(map(frame, written))
    deframer = Deframer(start=100)
    read = [payload for chunk in chunked(tape, at) for payload in deframer.feed(chunk)]
    assert read == written
    assert deframer.whole_bytes == 100 + len(tape)


@given(payloads, st.integers(min_value=0), st.integers(min_value=0, max_value=5000), cuts)
def test_a_crash_at_any_byte_loses_only_the_torn_record(written, crash_at, zeros, at):
    tape = b"".join(map(frame, written))
    torn = tape[: crash_at % (len(tape) + 1)]
    deframer = Deframer()
    read = [payload for chunk in chunked(torn + bytes(zeros), at) for payload in deframer.feed(chunk)]
    assert read == written[: len(read)]  # a prefix: no record lost but the torn one, none invented
    assert deframer.whole_bytes == sum(8 + len(payload) for payload in read)
    assert whole_frames(torn)[1] >= len(read) - 1


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=2, max_size=6), st.integers(min_value=0))
def test_a_byte_that_changed_before_the_tail_is_named_with_its_place(written, which):
    frames = list(map(frame, written))
    bad = which % (len(frames) - 1)
    frames[bad] = frames[bad][:-1] + bytes([frames[bad][-1] ^ 0xFF])
    deframer = Deframer()
    read = []
    with pytest.raises(CorruptRecord) as caught:
        read.extend(deframer.feed(b"".join(frames)))
    assert caught.value.offset == deframer.whole_bytes == sum(map(len, frames[:bad]))


TAILS = {
    "nothing": b"",
    "half a header": frame(b"x" * 20)[:3],
    "half a payload": frame(b"x" * 20)[:15],
    "zeros": bytes(5000),
    "a header whose payload never reached the disk": frame(b"x" * 20)[:8] + bytes(20),
    "half a payload, then zeros to the page's end": frame(b"x" * 20)[:15] + bytes(4096),
    "half a header, then zeros": frame(b"x" * 20)[:1] + bytes(4096),
    "a last frame with a bad checksum": frame(b"x" * 20)[:-1] + b"y",
}


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_a_tail_that_a_crash_can_leave_is_no_error(tail):
    deframer = Deframer()
    assert list(deframer.feed(frame(b"whole") + tail)) == [b"whole"]
    assert deframer.whole_bytes == len(frame(b"whole"))


NO_TAILS = {
    "zeros with something behind them": bytes(100) + b"x",
    "a length that no writer makes": (FRAME_BYTES_MAX + 1).to_bytes(4, "little") + bytes(4),
    "a bad checksum with a frame behind it": frame(b"x")[:-1] + b"y" + frame(b"z"),
}


@pytest.mark.parametrize("tail", NO_TAILS.values(), ids=NO_TAILS)
@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_what_no_crash_leaves_is_corrupt(tail, chunk_bytes):
    tape = frame(b"whole") + tail
    deframer = Deframer()
    chunks = (tape[start : start + chunk_bytes] for start in range(0, len(tape), chunk_bytes))
    with pytest.raises(CorruptRecord):
        list(itertools.chain.from_iterable(map(deframer.feed, chunks)))
    assert deframer.whole_bytes == len(frame(b"whole"))


def test_a_reader_that_stops_in_the_middle_of_a_chunk_can_go_on():
    tape = b"".join(map(frame, [b"one", b"two", b"three"]))
    deframer = Deframer()
    first = next(iter(deframer.feed(tape)))
    assert (first, deframer.whole_bytes) == (b"one", len(frame(b"one")))
    assert list(deframer.feed(b"")) == [b"two", b"three"]


def test_a_large_frame_in_small_chunks_is_put_together_once():
    payload = b"x" * (4 * 1024 * 1024)
    tape = frame(payload)
    deframer = Deframer()
    read = [p for at in range(0, len(tape), 4096) for p in deframer.feed(tape[at : at + 4096])]
    assert read == [payload]


@pytest.mark.parametrize("payload", [b"", b"x" * (FRAME_BYTES_MAX + 1)], ids=["empty", "too long"])
def test_no_frame_is_made_that_a_reader_would_refuse(payload):
    with pytest.raises(ValueError, match="a frame holds"):
        frame(payload)


def test_the_layout_on_disk():
    assert frame(b"abc") == (3).to_bytes(4, "little") + zlib.crc32(b"abc").to_bytes(4, "little") + b"abc"
