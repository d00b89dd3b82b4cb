from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.gateway.framing import (
    CHUNK_LINE_BYTES_MAX,
    HEAD_BYTES_MAX,
    TRAILER_BYTES_MAX,
    Body,
    ChunkedBody,
    ClosingBody,
    FramingError,
    LengthBody,
    body_of,
    find_head_end,
    parse_start,
    stays_open,
)


def start_of(*lines: bytes) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"


HEADS = {
    "a usual one": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A:b\r\n\r\n",
        (b"HTTP/1.1", 200, b"OK"),
        ((b"Content-Type", b"text/plain"), (b"X-A", b"b")),
    ),
    "no reason": (b"HTTP/1.1 404\r\n\r\n", (b"HTTP/1.1", 404, b""), ()),
    "an empty reason": (b"HTTP/1.1 404 \r\n\r\n", (b"HTTP/1.1", 404, b""), ()),
    "an old version": (b"HTTP/1.0 200 OK\r\n\r\n", (b"HTTP/1.0", 200, b"OK"), ()),
    "bare line feeds": (b"HTTP/1.1 200 OK\nA: b\n\n", (b"HTTP/1.1", 200, b"OK"), ((b"A", b"b"),)),
    "duplicates in order": (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n",
        (b"HTTP/1.1", 200, b"OK"),
        ((b"Set-Cookie", b"a"), (b"set-cookie", b"b")),
    ),
    "a folded value": (
        b"HTTP/1.1 200 OK\r\nA: b\r\n  c\r\n\r\n",
        (b"HTTP/1.1", 200, b"OK"),
        ((b"A", b"b c"),),
    ),
    "bytes beyond ASCII": (
        b"HTTP/1.1 200 \xc3\x9c\r\nA: \xff\r\n\r\n",
        (b"HTTP/1.1", 200, b"\xc3\x9c"),
        ((b"A", b"\xff"),),
    ),
}


@pytest.mark.parametrize(("raw", "line", "fields"), HEADS.values(), ids=HEADS)
def test_reads_a_head(
    raw: bytes, line: tuple[bytes, int, bytes], fields: tuple[tuple[bytes, bytes], ...]
) -> None:
    assert find_head_end(raw + b"rest") == len(raw)
    start = parse_start(raw)
    assert (start.version, start.status, start.reason) == line
    assert tuple(start.fields) == fields


@pytest.mark.parametrize("raw", [raw for raw, _, _ in HEADS.values()], ids=HEADS)
def test_a_head_is_found_once_its_last_byte_is_there(raw: bytes) -> None:
    assert all(find_head_end(raw[:size], size - 1) == -1 for size in range(len(raw)))
    assert find_head_end(raw, len(raw) - 1) == len(raw)


NO_HEADS = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a status that is none": b"HTTP/1.1 999 No\r\n\r\n",
    "a line without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "a name with a space": b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
    "an empty name": b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
    "a fold without a field": b"HTTP/1.1 200 OK\r\n x\r\n\r\n",
}


@pytest.mark.parametrize("raw", NO_HEADS.values(), ids=NO_HEADS)
def test_refuses_what_is_no_head(raw: bytes) -> None:
    with pytest.raises(FramingError):
        parse_start(raw)


def test_a_head_without_an_end_is_given_up() -> None:
    with pytest.raises(FramingError):
        find_head_end(b"HTTP/1.1 200 OK\r\nA: " + b"x" * HEAD_BYTES_MAX)


BODIES = {
    "a length": ((b"Content-Length: 5",), LengthBody),
    "a length twice, the same": ((b"Content-Length: 5", b"content-length: 5, 5"), LengthBody),
    "chunks": ((b"Transfer-Encoding: Chunked",), ChunkedBody),
    "chunks beside a length": ((b"Content-Length: 5", b"Transfer-Encoding: chunked"), ChunkedBody),
    "chunks last": ((b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"), ChunkedBody),
    "another coding last": ((b"Transfer-Encoding: chunked, gzip",), ClosingBody),
    "nothing said": ((), ClosingBody),
}


@pytest.mark.parametrize(("lines", "kind"), BODIES.values(), ids=BODIES)
def test_frames_a_body(lines: tuple[bytes, ...], kind: type[Body]) -> None:
    assert type(body_of(parse_start(start_of(b"HTTP/1.1 200 OK", *lines)), is_head=False)) is kind


@pytest.mark.parametrize("status", [b"100", b"103", b"204", b"304"])
def test_a_status_without_a_body(status: bytes) -> None:
    start = parse_start(start_of(b"HTTP/1.1 " + status, b"Content-Length: 5"))
    assert body_of(start, is_head=False).is_done


def test_an_answer_to_head_has_no_body() -> None:
    start = parse_start(start_of(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked"))
    assert body_of(start, is_head=True).is_done


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: +5",),
        (b"Content-Length: 5, 6",),
        (b"Content-Length:",),
    ],
)
def test_a_length_that_contradicts_itself(lines: tuple[bytes, ...]) -> None:
    with pytest.raises(FramingError):
        body_of(parse_start(start_of(b"HTTP/1.1 200 OK", *lines)), is_head=False)


OPEN = {
    "by default": (b"HTTP/1.1 200 OK", (), True),
    "not if it says so": (b"HTTP/1.1 200 OK", (b"Connection: Foo, Close",), False),
    "not of an old version": (b"HTTP/1.0 200 OK", (), False),
    "an old version that says so": (b"HTTP/1.0 200 OK", (b"Connection: keep-alive",), True),
}


@pytest.mark.parametrize(("line", "fields", "is_open"), OPEN.values(), ids=OPEN)
def test_stays_open(line: bytes, fields: tuple[bytes, ...], is_open: bool) -> None:
    assert stays_open(parse_start(start_of(line, *fields))) is is_open


def feed_in_pieces(body: Body, raw: bytes, cuts: list[int]) -> tuple[int, bytes]:
    used, content = 0, b""
    at = sorted({min(cut, len(raw)) for cut in cuts})
    for a, b in zip([0, *at], [*at, len(raw)], strict=True):
        if not body.is_done:
            size, piece = body.feed(raw[a:b])
            used += size
            content += piece
    return used, content


cuts = st.lists(st.integers(0, 400), max_size=10)
extensions = st.sampled_from([b"", b";a=b", b' ; a="\xff"', b" "])
chunks = st.lists(st.tuples(st.binary(min_size=1, max_size=40), extensions, st.booleans()), max_size=6)


@given(chunks=chunks, trailers=st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC: d\r\n"]), cuts=cuts)
def test_chunks_in_any_pieces(
    chunks: list[tuple[bytes, bytes, bool]], trailers: bytes, cuts: list[int]
) -> None:
    raw = b""
    for data, extension, in_capitals in chunks:
        size = b"%X" % len(data) if in_capitals else b"00%x" % len(data)
        raw += size + extension + b"\r\n" + data + b"\r\n"
    raw += b"0\r\n" + trailers + b"\r\n"
    body = ChunkedBody()
    used, content = feed_in_pieces(body, raw + b"HTTP/1.1 200 the next", cuts)
    assert (used, content) == (len(raw), b"".join(data for data, _, _ in chunks))
    assert body.is_done
    assert body.trailers == trailers


@given(data=st.binary(max_size=100), cuts=cuts)
def test_a_length_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    body = LengthBody(len(data))
    assert feed_in_pieces(body, data + b"the next", cuts) == (len(data), data)
    assert body.is_done


@given(raw=st.binary(max_size=100), cuts=cuts)
def test_any_bytes_are_chunks_or_an_error(raw: bytes, cuts: list[int]) -> None:
    body = ChunkedBody()
    try:
        used, _ = feed_in_pieces(body, raw, cuts)
    except FramingError:
        return
    assert used == len(raw) or body.is_done


BROKEN = {
    "no size": b"\r\n",
    "a size that is none": b"xyz\r\n",
    "a negative size": b"-1\r\n",
    "a size with a prefix": b"0x5\r\n",
    "a huge size": b"f" * 16 + b"\r\n",
    "a chunk longer than it says": b"2\r\nabc\r\n",
    "a line without an end": b"1" * (CHUNK_LINE_BYTES_MAX + 1),
    "trailers without an end": b"0\r\n" + b"A: b\r\n" * TRAILER_BYTES_MAX,
    "a trailer without an end": b"0\r\nA:" + b"b" * TRAILER_BYTES_MAX,
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
def test_broken_chunks(raw: bytes) -> None:
    with pytest.raises(FramingError):
        ChunkedBody().feed(raw)


def test_what_the_end_of_the_connection_means() -> None:
    cut = LengthBody(5)
    cut.feed(b"ab")
    assert not cut.ends_with_connection()
    assert not ChunkedBody().ends_with_connection()
    assert ClosingBody().ends_with_connection()
