from __future__ import annotations

import zlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.frames import Opcode as TheirOpcode

from arc_proxy.wire import websocket
from arc_proxy.wire.websocket import (
    Deflate,
    Direction,
    FrameReader,
    Message,
    Opcode,
    read_deflate,
    write_frame,
)

UP, DOWN = Direction.UP, Direction.DOWN
Said = list[tuple[Opcode, bytes]]


def said(messages: list[Message]) -> Said:
    return [(each.opcode, each.data) for each in messages]


def read(raw: bytes, direction: Direction = DOWN, deflate: Deflate | None = None) -> Said:
    return said(list(FrameReader(direction, deflate).feed(raw, 0)))


def frame(opcode: int, data: bytes, *, fin: bool = True, rsv1: bool = False, mask: bytes = b"") -> bytes:
    first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
    size = len(data)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 65536 else b""
    length = length or b"\x7f" + size.to_bytes(8, "big")
    if mask:
        length = bytes([length[0] | 0x80]) + length[1:]
        data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
    return bytes([first]) + length + mask + data


# Examples of https://www.rfc-editor.org/rfc/rfc6455#section-5.7 and rfc7692#section-7.2.3
CASES: dict[str, tuple[str, Deflate | None, Said]] = {
    "a text": ("81 05 48 65 6c 6c 6f", None, [(Opcode.TEXT, b"Hello")]),
    "a masked text": ("81 85 37 fa 21 3d 7f 9f 4d 51 58", None, [(Opcode.TEXT, b"Hello")]),
    "a text in two frames": ("01 03 48 65 6c 80 02 6c 6f", None, [(Opcode.TEXT, b"Hello")]),
    "a ping": ("89 05 48 65 6c 6c 6f", None, [(Opcode.PING, b"Hello")]),
    "a ping between two frames of a text": (
        "01 03 48 65 6c 89 00 80 02 6c 6f",
        None,
        [(Opcode.PING, b""), (Opcode.TEXT, b"Hello")],
    ),
    "a compressed text": ("c1 07 f2 48 cd c9 c9 07 00", Deflate(), [(Opcode.TEXT, b"Hello")]),
    "a compressed text in two frames": (
        "41 03 f2 48 cd 80 04 c9 c9 07 00",
        Deflate(),
        [(Opcode.TEXT, b"Hello")],
    ),
    "one that refers to the one before": (
        "c1 07 f2 48 cd c9 c9 07 00 c1 05 f2 00 11 00 00",
        Deflate(),
        [(Opcode.TEXT, b"Hello"), (Opcode.TEXT, b"Hello")],
    ),
    "a block that is not compressed": (
        "c1 0b 00 05 00 fa ff 48 65 6c 6c 6f 00",
        Deflate(),
        [(Opcode.TEXT, b"Hello")],
    ),
    "a last block": ("c1 08 f3 48 cd c9 c9 07 00 00", Deflate(), [(Opcode.TEXT, b"Hello")]),
    "two blocks": (
        "c1 0d f2 48 05 00 00 00 ff ff ca c9 c9 07 00",
        Deflate(),
        [(Opcode.TEXT, b"Hello")],
    ),
    "a close with its code": ("88 02 03 e8", None, [(Opcode.CLOSE, b"\x03\xe8")]),
    "an end in a frame": ("81 05 48 65", None, []),
    "an end in a head": ("81 7e 01", None, []),
    "an end between two frames": ("01 03 48 65 6c", None, []),
    "compressed, though nobody agreed": ("c1 07 f2 48 cd c9 c9 07 00 81 01 41", None, []),
    "a continuation of nothing": ("80 01 41 81 01 41", None, []),
    "a text inside a text": ("01 01 41 81 01 41", None, []),
    "an opcode that is none": ("83 01 41 81 01 41", None, []),
    "a ping in two frames": ("09 01 41", None, []),
    "a length that is negative": ("82 7f ff ff ff ff ff ff ff ff", None, []),
    "what does not inflate": ("c1 02 ff ff 81 01 41", Deflate(), []),
}


@pytest.mark.parametrize(("raw", "deflate", "messages"), CASES.values(), ids=CASES)
def test_reads(raw: str, deflate: Deflate | None, messages: Said) -> None:
    assert read(bytes.fromhex(raw), deflate=deflate) == messages


EXTENSIONS = {
    "": None,
    "x-webkit-deflate-frame": None,
    "permessage-deflate": Deflate(),
    "permessage-deflate; server_no_context_takeover": Deflate(down_forgets=True),
    'x-other, permessage-deflate; client_no_context_takeover; server_max_window_bits="10"': Deflate(
        up_forgets=True
    ),
    "permessage-deflate-2": None,
}


@pytest.mark.parametrize(("value", "deflate"), EXTENSIONS.items(), ids=EXTENSIONS)
def test_reads_what_was_agreed(value: str, deflate: Deflate | None) -> None:
    assert read_deflate(value) == deflate


def test_a_message_says_when_its_last_byte_came() -> None:
    reader = FrameReader(DOWN, None)
    raw = frame(1, b"Hello")
    assert list(reader.feed(raw[:3], 1)) == []
    assert [each.at_ns for each in reader.feed(raw[3:], 2)] == [2]


def test_a_large_frame_in_small_pieces_is_copied_once() -> None:
    """Not once for each piece, which would take minutes."""
    raw = frame(2, bytes(12_000_000))
    reader = FrameReader(DOWN, None)
    pieces = (raw[start : start + 1400] for start in range(0, len(raw), 1400))
    [message] = [message for piece in pieces for message in reader.feed(piece, 0)]
    assert len(message.data) == 12_000_000


def test_what_is_too_large_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MESSAGE_BYTES_MAX", 10)
    reader = FrameReader(DOWN, None)
    large = frame(1, b"12345", fin=False) + frame(0, b"678901", fin=False) + frame(9, b"") + frame(0, b"")
    raw = frame(1, b"a") + large + frame(2, b"x" * 1000) + frame(1, b"b")
    messages = [message for byte in raw for message in reader.feed(bytes([byte]), 0)]
    assert said(messages) == [(Opcode.TEXT, b"a"), (Opcode.PING, b""), (Opcode.TEXT, b"b")]
    assert (reader.skipped, reader.is_broken) == (2, False)


@pytest.mark.parametrize("forgets", [False, True])
def test_what_inflates_to_too_much_is_skipped(monkeypatch: pytest.MonkeyPatch, forgets: bool) -> None:
    """And nothing that follows can be read where it may refer to that."""
    monkeypatch.setattr(websocket, "MESSAGE_BYTES_MAX", 1000)
    deflater = zlib.compressobj(wbits=-15)
    bomb = deflater.compress(bytes(100_000)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    reader = FrameReader(DOWN, Deflate(down_forgets=forgets))
    raw = frame(1, bomb.removesuffix(b"\x00\x00\xff\xff"), rsv1=True) + frame(1, b"after")
    assert said(list(reader.feed(raw, 0))) == ([(Opcode.TEXT, b"after")] if forgets else [])
    assert (reader.skipped, reader.is_broken) == (1, not forgets)


agreements = st.builds(Deflate, up_forgets=st.booleans(), down_forgets=st.booleans())
bits = st.integers(9, 15)
texts = st.lists(
    st.tuples(
        st.one_of(st.binary(max_size=200), st.just(b'{"type":"response.output_text.delta"}' * 20)),
        st.integers(0, 3),  # how often it is cut into frames
        st.booleans(),  # compressed, where they agreed to
        st.booleans(),  # a ping in the middle
    ),
    max_size=12,
)


def written(direction: Direction, deflate: Deflate | None, window: int, messages: Any) -> tuple[bytes, Said]:
    """As another library writes them."""
    forgets = deflate is not None and (deflate.up_forgets if direction is UP else deflate.down_forgets)
    extension = PerMessageDeflate(False, forgets, 15, window) if deflate else None
    raw, expected = b"", Said()
    for data, cuts, is_compressed, has_ping in messages:
        step = len(data) // (cuts + 1) + 1
        edges = [*range(0, len(data), step), len(data)] if data else [0, 0]
        pieces = [data[start:end] for start, end in pairwise(edges)]
        for number, piece in enumerate(pieces):
            opcode = TheirOpcode.TEXT if number == 0 else TheirOpcode.CONT
            each = Frame(opcode, piece, fin=number == len(pieces) - 1)
            used = [extension] if extension and is_compressed else []
            raw += each.serialize(mask=direction is UP, extensions=used)
            if has_ping and number == 0 and len(pieces) > 1:
                raw += Frame(TheirOpcode.PING, b"p").serialize(mask=direction is UP)
                expected.append((Opcode.PING, b"p"))
        expected.append((Opcode.TEXT, data))
    return raw, expected


def cut_at(raw: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[start:end] for start, end in pairwise(edges)]


@settings(deadline=None)
@given(st.sampled_from(Direction), st.none() | agreements, bits, texts, st.lists(st.integers(0), max_size=20))
def test_what_another_library_writes_is_read_in_any_pieces(
    direction: Direction, deflate: Deflate | None, window: int, messages: Any, places: list[int]
) -> None:
    """And a reader that is put away and made anew between two pieces goes on as if nothing had happened."""
    raw, expected = written(direction, deflate, window, messages)
    whole, reader = FrameReader(direction, deflate), FrameReader(direction, deflate)
    got: list[Message] = []
    for piece in cut_at(raw, places):
        got += reader.feed(piece, 0)
        reader = FrameReader.restored(direction, deflate, reader.state())
    assert said(got) == expected
    assert said(list(whole.feed(raw, 0))) == expected
    assert not whole.is_broken


@given(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.sampled_from([0, 125, 126, 65_535, 65_536]))
def test_a_frame_that_is_written_can_be_read(opcode: Opcode, size: int) -> None:
    assert read(write_frame(opcode, b"x" * size)) == [(opcode, b"x" * size)]


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from(Direction), st.none() | agreements, st.lists(st.integers(0)))
def test_any_bytes_in_any_pieces_are_read_alike(
    raw: bytes, direction: Direction, deflate: Deflate | None, places: list[int]
) -> None:
    whole, pieces = FrameReader(direction, deflate), FrameReader(direction, deflate)
    got = said(list(whole.feed(raw, 0)))
    assert [each for piece in cut_at(raw, places) for each in said(list(pieces.feed(piece, 0)))] == got
    assert (whole.is_broken, whole.skipped) == (pieces.is_broken, pieces.skipped)
