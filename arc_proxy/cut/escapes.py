r"""
Texts that a JSON writer has spelled with escapes: `\u0041`, `\/`. No I/O.

Only characters that keys are made of are looked for: `\u003c` and `\u0026` are common, and open nothing.
"""

from __future__ import annotations

import json
import re

# How the escapes of letters, digits, and `+ - . / = _ ~` begin, whose characters keys are made of.
ESCAPE_STARTS = (
    *(rb"\u00%d" % digit for digit in (4, 5, 6, 7)),
    *(rb"\u003%d" % digit for digit in range(10)),
    *(rb"\u003d", rb"\u003D", rb"\u002b", rb"\u002B", rb"\u002d", rb"\u002D", rb"\u002e", rb"\u002E"),
    *(rb"\u002f", rb"\u002F"),
)
ESCAPE_BYTES = 6

_ESCAPE = re.compile(rb"\\(?:u00(?P<hex>[2-7][0-9a-fA-F])|/)")
_CHARACTER = re.compile(_ESCAPE.pattern + rb"|.", re.S)
_BEGUN = re.compile(rb"\\(?:u(?:0(?:0[2-7]?)?)?)?\Z")


def unescaped(text: bytes) -> bytes:
    """The text with escapes of printable ASCII characters undone, wherever they stand."""
    return _ESCAPE.sub(_character, text)


def read_text(inside: bytes) -> bytes:
    """What the inside of a JSON string says; the same bytes if it is no JSON."""
    try:
        return str(json.loads(b'"%b"' % inside, strict=False)).encode(errors="surrogatepass")
    except ValueError:
        return inside


def any_spelling(secret: bytes) -> re.Pattern[bytes]:
    """The secret with any of its characters escaped."""
    return re.compile(b"".join(map(_any_spelling_of, secret)), re.S)


def spelled_begins_at(text: bytes, secrets: list[bytes]) -> int:
    """Where in the text one of the secrets, with escapes in it, may have begun that does not end in it."""
    size = len(text)
    begun = _BEGUN.search(text, max(0, size - ESCAPE_BYTES))
    end = begun.start() if begun else size
    reach = ESCAPE_BYTES * max(map(len, secrets), default=0)
    characters = list(_CHARACTER.finditer(text, max(0, end - reach), end))
    plain = b"".join(map(_character, characters))
    for at in range(len(plain)):
        if any(len(secret) > len(plain) - at and secret.startswith(plain[at:]) for secret in secrets):
            return characters[at].start()
    return end


def ends_in_escape(text: bytes) -> bool:
    """Whether the text's end may be the beginning of an escape."""
    return _BEGUN.search(text, max(0, len(text) - ESCAPE_BYTES)) is not None


def _character(found: re.Match[bytes]) -> bytes:
    digits = found["hex"]
    if digits:
        return bytes((int(digits, 16),))
    return b"/" if found[0] == rb"\/" else found[0]


def _any_spelling_of(byte: int) -> bytes:
    plain = re.escape(bytes((byte,)))
    slash = rb"|\\/" if byte == ord("/") else b""
    return rb"(?:%b|\\u00(?i:%02x)%b)" % (plain, byte, slash)
