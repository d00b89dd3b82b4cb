from __future__ import annotations

import gzip
import sys
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.wire.content import Decoded, decode_body

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b'{"model": "m", "messages": []}' * 50


def _raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


CODINGS = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip, its old name": ("x-gzip", gzip.compress),
    "gzip in capitals": ("GZIP", gzip.compress),
    "deflate as the standard means it": ("deflate", zlib.compress),
    "deflate as some servers send it": ("deflate", _raw_deflate),
    "brotli": ("br", brotli.compress),
    "zstd": ("zstd", zstd.compress),
    "none": ("identity", lambda body: body),
    "two, the last one outermost": ("gzip, br", lambda body: brotli.compress(gzip.compress(body))),
    "one that is named twice": ("gzip,gzip", lambda body: gzip.compress(gzip.compress(body))),
    "several gzip members": ("gzip", lambda body: gzip.compress(body[:7]) + gzip.compress(body[7:])),
    "several zstd frames": ("zstd", lambda body: zstd.compress(body[:7]) + zstd.compress(body[7:])),
}
INFLATED = [name for name in CODINGS if name != "none"]


@pytest.mark.parametrize(("coding", "encode"), CODINGS.values(), ids=CODINGS)
def test_undoes(coding, encode) -> None:
    assert decode_body([("Content-Encoding", coding)], encode(TEXT)) == Decoded(TEXT, None)


@pytest.mark.parametrize(("coding", "encode"), CODINGS.values(), ids=CODINGS)
def test_undoes_a_large_body(coding, encode) -> None:
    body = bytes(range(256)) * 4000
    assert decode_body([("content-encoding", coding)], encode(body)) == Decoded(body, None)


def test_two_header_fields_are_one_list() -> None:
    headers = [("content-encoding", "gzip"), ("content-encoding", "br")]
    assert decode_body(headers, brotli.compress(gzip.compress(TEXT))).body == TEXT


def test_without_a_header_the_body_stays_as_it_is() -> None:
    assert decode_body([("content-type", "text/plain")], gzip.compress(b"a")).note is None


@pytest.mark.parametrize("name", INFLATED)
def test_a_body_that_is_cut_gives_its_beginning_and_a_note(name) -> None:
    coding, encode = CODINGS[name]
    noise = bytes((i * i * 7919 >> 3) & 255 for i in range(20_000))
    encoded = encode(noise)
    decoded = decode_body([("content-encoding", coding)], encoded[: len(encoded) - 20])
    assert noise.startswith(decoded.body)
    assert decoded.note is not None
    assert decoded.note.endswith("the body is cut")


@pytest.mark.parametrize("name", INFLATED)
def test_inflation_stops_at_the_limit(name) -> None:
    coding, encode = CODINGS[name]
    decoded = decode_body([("content-encoding", coding)], encode(bytes(5_000_000)), limit=100_000)
    assert decoded.body == bytes(100_000)
    assert "more than 100000 bytes" in str(decoded.note)


@pytest.mark.parametrize("name", INFLATED)
def test_a_body_of_just_the_limit_is_whole(name) -> None:
    coding, encode = CODINGS[name]
    assert decode_body([("content-encoding", coding)], encode(TEXT), limit=len(TEXT)) == Decoded(TEXT, None)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize(
    "body", [b'{"id": "c"}', b'{\n  "id": "c"\n}', b"{}", b'[{"max": 7}]', b"data: {}\n\n"]
)
def test_a_body_that_the_recorder_has_decoded_already_is_taken_as_it_is(coding, body) -> None:
    decoded = decode_body([("content-encoding", coding)], body)
    assert decoded.body == body
    assert "not so encoded" in str(decoded.note)


def test_a_coding_that_nobody_knows_is_named() -> None:
    decoded = decode_body([("content-encoding", "lzma")], b"x")
    assert decoded == Decoded(b"x", "content coding 'lzma' is not known")


def test_bytes_behind_the_end_do_not_cost_the_body() -> None:
    decoded = decode_body([("content-encoding", "gzip")], gzip.compress(TEXT) + b"\x00\x00")
    assert decoded.body == TEXT


def test_a_tower_of_codings_is_not_climbed() -> None:
    assert decode_body([("content-encoding", ",".join(["gzip"] * 50))], b"x").body == b"x"


@given(st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip, br", "?"]), st.binary(max_size=200))
def test_no_bytes_raise(coding: str, body: bytes) -> None:
    decoded = decode_body([("content-encoding", coding)], body, limit=1000)
    assert len(decoded.body) <= max(1000, len(body))


@given(
    st.sampled_from([gzip.compress, zlib.compress, brotli.compress, zstd.compress]),
    st.binary(min_size=1, max_size=500),
    st.data(),
)
def test_one_changed_byte_raises_nothing(compress, body: bytes, data: st.DataObject) -> None:
    encoded = bytearray(compress(body))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    coding = {gzip.compress: "gzip", zlib.compress: "deflate", brotli.compress: "br"}.get(compress, "zstd")
    decoded = decode_body([("content-encoding", coding)], bytes(encoded), limit=10_000)
    assert len(decoded.body) <= 10_000
