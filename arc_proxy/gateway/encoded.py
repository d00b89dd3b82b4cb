"""
Credentials in a content-encoded body, where they cannot be cut: what holds one is not written. No I/O.

The bytes are relayed and kept as they are encoded. To know what is in them, the copy is decoded beside;
when a credential comes up, the piece that ends it and all that follows on that side stay out of the journal
and are counted as a gap.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp.compression_utils import (
    HAS_BROTLI,
    HAS_ZSTD,
    BrotliDecompressor,
    ZLibDecompressor,
    ZSTDDecompressor,
)

from arc_proxy.cut import BodyForm, Cutter, MultipartCutter, Secrets, new_cutter

# What one read may decode to, and one side: beyond it is a bomb, and nobody has looked into it.
PIECE_DECODED_MAX = 4 * 1024 * 1024
SIDE_DECODED_MAX = 64 * 1024 * 1024

Decode = Callable[[bytes, int], bytes]  # a piece, and the most that it may become


class EncodedCutter:
    """
    Like `cut.Cutter`, for a side with a content-encoding. `dropped` counts bytes that stay out.

    Without `decode` nobody can look into it, and all of it stays out.
    """

    __slots__ = ("_cutter", "_decode", "_decoded_bytes", "_held", "_is_over", "dropped")

    def __init__(self, secrets: Secrets, form: BodyForm, decode: Decode | None) -> None:
        self._cutter = new_cutter(secrets, form)
        self._decode = decode
        self._decoded_bytes = 0
        self._held = b""
        self._is_over = decode is None
        self.dropped = 0

    def feed(self, piece: bytes) -> bytes:
        return self._pass(piece, self._cutter.feed)

    def finish(self, piece: bytes = b"") -> bytes:
        return self._pass(piece, self._cutter.finish)

    def _pass(self, piece: bytes, look: Callable[[bytes], bytes]) -> bytes:
        held = self._held + piece
        self._held = b""
        if not self._is_over:
            look(self._decoded(piece))
            self._is_over = self._is_over or self._cutter.cuts > 0
        if self._is_over:
            self.dropped += len(held)
            return b""
        if self._cutter.is_holding:
            self._held = held
            return b""
        return held

    def _decoded(self, piece: bytes) -> bytes:
        """What the piece decodes to; the piece itself once it has turned out not to be what it claims."""
        if self._decode is None or not piece:
            return piece
        try:
            decoded = self._decode(piece, PIECE_DECODED_MAX)
        except Exception:  # noqa: BLE001 - three libraries, each with errors of its own
            # Whoever reads the copy later cannot decode it either, so its bytes are what there is to see.
            self._decode = None
            return piece
        self._decoded_bytes += len(decoded)
        if len(decoded) >= PIECE_DECODED_MAX or self._decoded_bytes > SIDE_DECODED_MAX:
            self._is_over = True
        return decoded


def make_cutter(
    secrets: Secrets, form: BodyForm, content_encoding: bytes
) -> Cutter | MultipartCutter | EncodedCutter:
    """
    The cutter for a side with this Content-Encoding. One that we do not know is searched as it is.

    Of several codings on top of each other nothing is kept: ingest can undo them, and we do not look there.
    """
    codings = codings_of(content_encoding)
    decode = new_decoder(codings)
    if decode is None and len(codings) < 2:
        return new_cutter(secrets, form)
    return EncodedCutter(secrets, form, decode)


def codings_of(content_encoding: bytes) -> list[bytes]:
    """The codings that were applied, in their order."""
    codings = [coding for each in content_encoding.split(b",") if (coding := each.strip().lower())]
    return [coding for coding in codings if coding != b"identity"]


def new_decoder(codings: list[bytes]) -> Decode | None:
    """What undoes these codings piece by piece; None for none, for several, for one that is not known."""
    match codings:
        case [b"gzip" | b"x-gzip"]:
            return ZLibDecompressor(encoding="gzip").decompress_sync
        case [b"deflate"]:
            return ZLibDecompressor(encoding="deflate").decompress_sync
        case [b"br"] if HAS_BROTLI:
            return BrotliDecompressor().decompress_sync
        case [b"zstd"] if HAS_ZSTD:
            return ZSTDDecompressor().decompress_sync
        case _:
            return None
