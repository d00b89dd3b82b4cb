from __future__ import annotations

import pytest

from arc_proxy.cut import Fingerprints
from arc_proxy.gateway.framing import parse_start
from arc_proxy.gateway.headers import kept_response_lines, read_request_fields, response_head

fingerprints = Fingerprints(b"k" * 32)

REQUESTS = {
    "case, order and duplicates stay": (
        [(b"X-b", b"1"), (b"x-A", b"2"), (b"X-B", b"3")],
        b"X-b: 1\r\nx-A: 2\r\nX-B: 3\r\n",
    ),
    "the host is upstream's, in its place": (
        [(b"A", b"1"), (b"hOST", b"127.0.0.1:8000"), (b"B", b"2")],
        b"A: 1\r\nhOST: api.example\r\nB: 2\r\n",
    ),
    "what belongs to one connection goes": (
        [
            (b"Keep-Alive", b"timeout=5"),
            (b"Proxy-Connection", b"x"),
            (b"Proxy-Authorization", b"Basic x"),
            (b"Upgrade", b"h2c"),
            (b"A", b"1"),
        ],
        b"A: 1\r\n",
    ),
    "what Connection names goes": (
        [(b"X-Hop", b"1"), (b"Connection", b"keep-alive, x-hop"), (b"x-HOP", b"2"), (b"A", b"1")],
        b"A: 1\r\n",
    ),
    "close stays": ([(b"Connection", b"X-Hop, Close"), (b"X-Hop", b"1")], b"Connection: close\r\n"),
    "Connection cannot name the framing away": (
        [(b"Connection", b"content-length, host, transfer-encoding"), (b"Content-Length", b"5")],
        b"Content-Length: 5\r\n",
    ),
    "Expect and TE pass": (
        [(b"Expect", b"100-continue"), (b"TE", b"trailers"), (b"Connection", b"TE")],
        b"Expect: 100-continue\r\nTE: trailers\r\n",
    ),
    "ours are for us": (
        [(b"X-Arc-Run-Id", b"1"), (b"x-arc-anything", b"2"), (b"x-arcade", b"3")],
        b"x-arcade: 3\r\n",
    ),
    "keys pass": ([(b"Authorization", b"Bearer x")], b"Authorization: Bearer x\r\n"),
    "bytes beyond ASCII pass": ([(b"X", b"\xc3\x9c\xff")], b"X: \xc3\x9c\xff\r\n"),
    "an empty value passes": ([(b"X", b"")], b"X: \r\n"),
}


@pytest.mark.parametrize(("fields", "lines"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_going_up(fields: list[tuple[bytes, bytes]], lines: bytes) -> None:
    assert b"".join(read_request_fields(fields, b"api.example", fingerprints).sent) == lines


RESPONSES = {
    "byte for byte": (
        b"HTTP/1.1 200 Fine\r\nx-B:1\r\nX-a:   2\r\nx-b: 3\r\n\r\n",
        b"HTTP/1.1 200 Fine\r\nx-B:1\r\nX-a:   2\r\nx-b: 3\r\nx-arc-call-id: c\r\n\r\n",
    ),
    "with bare line feeds": (
        b"HTTP/1.1 200 OK\nA: b\n\n",
        b"HTTP/1.1 200 OK\nA: b\nx-arc-call-id: c\r\n\r\n",
    ),
    "no fields at all": (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nx-arc-call-id: c\r\n\r\n"),
    "what belongs to one connection goes": (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: 5\r\nX-Hop: 1\r\nA:b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA:b\r\nx-arc-call-id: c\r\n\r\n",
    ),
    "what goes without saying goes": (
        b"HTTP/1.1 200 OK\r\nA:b\r\nConnection:  Keep-Alive \r\nB: Connection: keep-alive\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA:b\r\nB: Connection: keep-alive\r\nx-arc-call-id: c\r\n\r\n",
    ),
    "what goes without saying goes, folds stay": (
        b"HTTP/1.1 200 OK\r\nA: b\r\n Connection: keep-alive\r\nConnection: keep-alive\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n Connection: keep-alive\r\nx-arc-call-id: c\r\n\r\n",
    ),
    "close stays as it is": (
        b"HTTP/1.1 200 OK\r\nconnection:close\r\nA: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection:close\r\nA: b\r\nx-arc-call-id: c\r\n\r\n",
    ),
    "close among others stays": (
        b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nx-arc-call-id: c\r\n\r\n",
    ),
    "an old version may say that it stays": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nx-arc-call-id: c\r\n\r\n",
    ),
    "another proxy's names for this call go": (
        b"HTTP/1.1 200 OK\r\nX-Arc-Call-Id: other\r\nA: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\nx-arc-call-id: c\r\n\r\n",
    ),
    "a folded field stays folded": (
        b"HTTP/1.1 200 OK\r\nKeep-Alive: 1\r\nA: b\r\n  c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n  c\r\nx-arc-call-id: c\r\n\r\n",
    ),
}


@pytest.mark.parametrize(("raw", "head"), RESPONSES.values(), ids=RESPONSES)
def test_a_response_coming_down(raw: bytes, head: bytes) -> None:
    assert response_head(parse_start(raw), b"x-arc-call-id: c\r\n") == head


def test_a_length_beside_chunks_goes() -> None:
    start = parse_start(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert (
        response_head(start, b"", {b"content-length"})
        == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    )


def test_the_journal_keeps_all_fields_without_their_secrets() -> None:
    fields = [
        (b"X-Arc-Run-Id", b"r"),
        (b"AUTHORIZATION", b"Bearer sk-canary-0123456789"),
        (b"Proxy-Authorization", b"Basic Zm9v"),
        (b"Connection", b"x"),
        (b"Content-Type", b"text/plain"),
        (b"content-encoding", b"br"),
    ]
    read = read_request_fields(fields, b"api.example", fingerprints)
    assert b"".join(read.kept) == (
        b"X-Arc-Run-Id: r\r\n"
        b"AUTHORIZATION: Bearer %b\r\nProxy-Authorization: Basic %b\r\n"
        b"Connection: x\r\nContent-Type: text/plain\r\ncontent-encoding: br\r\n"
    ) % (fingerprints.mark(b"sk-canary-0123456789"), fingerprints.mark(b"Zm9v"))
    assert b"sk-canary-0123456789" in read.secrets
    assert (read.content_type, read.content_encoding) == (b"text/plain", b"br")


def test_a_cookie_that_is_set_is_cut_for_the_journal() -> None:
    start = parse_start(b"HTTP/1.1 200 OK\r\nA: b\r\nSet-Cookie: session=0123456789ab; Path=/\r\n\r\n")
    lines, secrets = kept_response_lines(start, fingerprints)
    assert lines[0] == b"A: b\r\n"
    assert lines[1].startswith(b"Set-Cookie: cut-")
    assert secrets == [b"0123456789ab"]
