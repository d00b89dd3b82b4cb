"""
Images, sound and files inside messages: replaced by a stub before anything is stored. No I/O.

A screenshot is sent again with every step of an agent. Its base64 would fill the database and help nobody,
so what is kept of it is its type, size and digest, in its place:

    "arc-media;type=image/png;bytes=20971520;sha256=4f53...10"

The same media gives the same stub, so two messages are equal exactly when they were before. The bytes
themselves stay in the journal for as long as that is kept.
"""

from __future__ import annotations

import binascii
import hashlib
import re

MEDIA_CHARS_MAX = 4096  # base64 no longer than this stays as it is

# Line-wrapped base64 has escaped line ends in a JSON string. Possessive, so that no text makes it slow.
_BASE64 = rb"(?P<base64>(?:[A-Za-z0-9+/_-]++|\\[rn])++={0,2}(?:\\[rn]){0,4})"
_TYPE_BEHIND = rb'(?=",?"(?:media_type|mimeType|mime_type)":"(?P<type>[^"\\]{1,100})"|")'
# Each with the bytes without which there is nothing to search for.
_PLACES = (
    (
        (b";base64,",),
        re.compile(rb"data:(?P<type>[\w.+/-]{0,100})(?:;[\w=.+-]{0,100}){0,5};base64," + _BASE64),
    ),
    (
        (b'data":"', b'bytes":"', b'b64_json":"', b'result":"', b'image":"', b'inputImage":"'),
        re.compile(rb'(?:data|bytes|b64_json|result|image|inputImage)":"' + _BASE64 + _TYPE_BEHIND),
    ),
    ((b'images":["',), re.compile(rb'(?<=[\[,]")' + _BASE64 + rb'(?P<type>)(?="[,\]])')),  # Ollama's
)
_MAGIC = (
    (b"\x89PNG", b"image/png"),
    (b"\xff\xd8\xff", b"image/jpeg"),
    (b"GIF8", b"image/gif"),
    (b"%PDF", b"application/pdf"),
    (b"ID3", b"audio/mpeg"),
    (b"OggS", b"audio/ogg"),
    (b"RIFF", b"audio/wav"),
)


def stub_media(message: bytes) -> bytes:
    """A message in canonical JSON, with every base64 text over MEDIA_CHARS_MAX replaced by its stub."""
    if len(message) <= MEDIA_CHARS_MAX:
        return message
    for marks, place in _PLACES:
        if any(mark in message for mark in marks):
            message = place.sub(_stub, message)
    return message


def _stub(match: re.Match[bytes]) -> bytes:
    text = match["base64"]
    if len(text) <= MEDIA_CHARS_MAX:
        return match[0]
    start = match.start("base64") - match.start()
    return match[0][:start] + media_stub(_decode(text), match["type"])


def media_stub(content: bytes, media_type: bytes) -> bytes:
    """`media_type` b"" where nobody says it."""
    return b"arc-media;type=%b;bytes=%d;sha256=%b" % (
        media_type or _sniff(content),
        len(content),
        hashlib.sha256(content).hexdigest().encode(),
    )


def _decode(text: bytes) -> bytes:
    """The bytes that base64 of either alphabet stands for, an odd character at its end left out."""
    text = text.replace(b"\\n", b"").replace(b"\\r", b"").rstrip(b"=")
    text = text.translate(bytes.maketrans(b"-_", b"+/"))
    whole = len(text) - (len(text) % 4 == 1)
    return binascii.a2b_base64(text[:whole] + b"=" * (-whole % 4))


def _sniff(content: bytes) -> bytes:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return b"image/webp"
    return next((kind for magic, kind in _MAGIC if content.startswith(magic)), b"application/octet-stream")
