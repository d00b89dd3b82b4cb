"""
Content-encoding: the bytes as they went over the wire in, the document out. No I/O.

Source: https://www.rfc-editor.org/rfc/rfc9110#section-8.4 and the registry
https://www.iana.org/assignments/http-parameters/http-parameters.xhtml#content-coding

What cannot be decoded is no error here: the part that can be is returned, with a note that says why the
rest is missing. Inflation stops at a limit, so that a kilobyte cannot fill the memory.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

INFLATED_BYTES_MAX = 64 * 1024 * 1024

_GZIP_WBITS = 16 + zlib.MAX_WBITS
_CODINGS_MAX = 4  # nobody stacks more, and each is a pass over as much as the limit allows
_SLICE_BYTES = 4096  # of a body that turns out broken, at most the output of one slice is lost


class Decoded(NamedTuple):
    body: bytes
    note: str | None  # why the body is not all there is; None if it is


def decode_body(headers: Iterable[tuple[str, str]], body: bytes, limit: int = INFLATED_BYTES_MAX) -> Decoded:
    """
    Undo the codings that `Content-Encoding` names, the last one applied first.

    A body that does not even begin as its coding would is returned as it is: recorders often keep the
    header and store the body decoded.
    """
    codings = _codings(headers)
    if not codings or not body:
        return Decoded(body, None)
    if len(codings) > _CODINGS_MAX:
        return Decoded(body, f"{len(codings)} content codings, more than {_CODINGS_MAX}")
    notes = []
    for coding in reversed(codings):
        inflate = _INFLATERS.get(coding)
        if inflate is None:
            notes.append(f"content coding {coding[:40]!r} is not known")
            break
        body, note = inflate(body, limit)
        if note:
            notes.append(f"{coding}: {note}")
    return Decoded(body, "; ".join(notes) or None)


def _codings(headers: Iterable[tuple[str, str]]) -> list[str]:
    codings = []
    for name, value in headers:
        # Most names differ in length: that spares lowering each of them.
        if len(name) == 16 and name.lower() == "content-encoding":
            codings += [coding.strip().lower() for coding in value.split(",")]
    return [coding for coding in codings if coding not in {"", "identity"}]


def _inflate_gzip(body: bytes, limit: int) -> Decoded:
    return _inflate_members(body, limit, lambda: zlib.decompressobj(_GZIP_WBITS), zlib.error)


def _inflate_deflate(body: bytes, limit: int) -> Decoded:
    # "deflate" is zlib's format by the standard and raw deflate by some servers.
    has_zlib_header = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    wbits = zlib.MAX_WBITS if has_zlib_header else -zlib.MAX_WBITS
    inflated = _inflate_members(body, limit, lambda: zlib.decompressobj(wbits), zlib.error)
    if inflated.note and body.startswith((b"{", b"[")):  # raw deflate makes something of nearly any bytes
        return Decoded(body, "not so encoded (it is JSON)")
    return inflated


def _inflate_zstd(body: bytes, limit: int) -> Decoded:
    return _inflate_members(body, limit, zstd.ZstdDecompressor, zstd.ZstdError)


class _Member(Protocol):
    """One gzip member or zstd frame; a body may be several of them in a row."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


def _inflate_members(
    body: bytes, limit: int, new_member: Callable[[], _Member], broken: type[Exception]
) -> Decoded:
    inflated = bytearray()
    member = new_member()
    for start in range(0, len(body), _SLICE_BYTES):
        rest = body[start : start + _SLICE_BYTES]
        while rest:
            if member.eof:
                member = new_member()
            try:
                inflated += member.decompress(rest, limit - len(inflated) + 1)
            except broken as error:
                return _broken(body, inflated, str(error))
            if len(inflated) > limit:
                return _over(inflated, limit)
            rest = member.unused_data
    return Decoded(bytes(inflated), None if member.eof else "the body is cut")


def _inflate_brotli(body: bytes, limit: int) -> Decoded:
    decompressor = brotli.Decompressor()
    inflated = bytearray()
    for start in range(0, len(body), _SLICE_BYTES):
        rest = body[start : start + _SLICE_BYTES]
        try:
            inflated += decompressor.process(rest, output_buffer_limit=limit - len(inflated) + 1)
        except brotli.error as error:
            return _broken(body, inflated, str(error))
        if len(inflated) > limit:
            return _over(inflated, limit)
    return Decoded(bytes(inflated), None if decompressor.is_finished() else "the body is cut")


def _broken(body: bytes, inflated: bytearray, reason: str) -> Decoded:
    if not inflated:
        return Decoded(body, f"not so encoded ({reason})")
    return Decoded(bytes(inflated), f"broken after {len(inflated)} bytes ({reason})")


def _over(inflated: bytearray, limit: int) -> Decoded:
    return Decoded(bytes(inflated[:limit]), f"inflates to more than {limit} bytes; the rest was left")


_INFLATERS: dict[str, Callable[[bytes, int], Decoded]] = {
    "gzip": _inflate_gzip,
    "x-gzip": _inflate_gzip,
    "deflate": _inflate_deflate,
    "br": _inflate_brotli,
    "zstd": _inflate_zstd,
}
