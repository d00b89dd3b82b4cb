"""
Credentials in JSON, plain or in the `data:` lines of a stream: where they stand, whole or open. No I/O.

Two things open one: the name of a field (see `names`), whose value may be a text, a list of texts, or an
object; and a text that is a key by its form. One pass over a body looks for how such names end and such keys
begin; only where it finds something is there more to read.

Not looked into is what stands inside a text, as code in a prompt does: its quotes are escaped.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

from ahocorasick_rs import BytesAhoCorasick, Implementation

from arc_proxy.cut.escapes import ESCAPE_STARTS, unescaped
from arc_proxy.cut.heads import SECRET_BYTES_MIN
from arc_proxy.cut.names import FIELD, GROUP, GROUP_FIELD, KEY, KEY_BYTES_MAX, KEY_STARTS, NAME_ENDS

_NAME_BYTES_MAX = 72
_NAMES_MAX = 1024  # that are remembered; the same come again and again

# A dict, as their order matters: the search skips by the rarest letter of the first, which is the quote.
_ENDS = list(
    dict.fromkeys(
        spelling.encode() + b'"'
        for name in NAME_ENDS
        for spelling in (name, name[0].upper() + name[1:], name.upper())
    )
)
_KEY_STARTS = tuple(start.encode() for start in KEY_STARTS)
_STARTS = [b'"' + start for start in _KEY_STARTS]
# An escape may be a key's first character.
_ANCHORS = [*_ENDS, *_STARTS, *(b'"' + start for start in ESCAPE_STARTS), *ESCAPE_STARTS]
_FIRST_START = len(_ENDS)
_FIRST_ESCAPE = _FIRST_START + len(_STARTS)
_FIRST_BARE_ESCAPE = _FIRST_ESCAPE + len(ESCAPE_STARTS)
# Two machines for one search. The first skips from quote to quote, which passes over a text at 1 ns a byte
# and over an image at 0.1, but takes 5 where nearly all is quotes, as in the small pieces of a stream. The
# second looks at each byte, 2 ns; words that occur nowhere keep it from skipping.
_LONG = BytesAhoCorasick(_ANCHORS, implementation=Implementation.DFA)
_SEES_EACH_BYTE = [*_ANCHORS, b"\xff~#@", b"\xfeZ!|"]
_SHORT = BytesAhoCorasick(_SEES_EACH_BYTE, implementation=Implementation.DFA)
SHORT_BYTES_MAX = 1024

Anchors = list[tuple[int, int, int]]  # which, where it begins and ends

_FIELD = re.compile(FIELD, re.I)
_GROUP = re.compile(GROUP, re.I)
_GROUP_FIELD = re.compile(GROUP_FIELD, re.I)

_TEXT = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'  # the inside of a JSON string
# Between the parts of a field, which a stream may spread over several `data:` lines.
_SPACE = rb"(?:\s|(?<=[\r\n])data:)*+"
_STRING = re.compile(_TEXT, re.S)
_VALUE_BEGINS = re.compile(_SPACE + rb":" + _SPACE + rb'(?P<kind>["\[{])')
_ENDS_BEFORE_VALUE = re.compile(_SPACE + rb"(?::" + _SPACE + rb")?(?:(?<=[\r\n])(?:data|dat|da|d))?\Z")
# The inside of a list or an object as far as no other stands in it.
_MEMBERS = re.compile(rb'(?:[^{}\[\]"]++|"' + _TEXT + rb'")*+', re.S)
_MEMBER = re.compile(rb'"(?P<text>' + _TEXT + rb')"', re.S)
_COLON = re.compile(_SPACE + rb":" + _SPACE + rb'(?=")')
_NAME_AT_END = re.compile(_MEMBER.pattern + _SPACE + rb":" + _SPACE + rb"\Z", re.S)
_KEY_RUN = re.compile(rb"(?:(?:Bearer|Basic) *)?(?:[A-Za-z0-9_.~+/=-]|\\/|\\u00[2-7][0-9a-fA-F])*+")
_KEY_RUN_OPEN = re.compile(rb"\\?(?:u0{0,2}|u00[2-7])?\Z")
_OPEN_NAME = re.compile(rb'"[A-Za-z0-9_\\-]{0,%d}\Z' % _NAME_BYTES_MAX)
_NAME_BYTES = frozenset(b'"\\_-' + bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)))

VALUE_END = re.compile(_TEXT + rb'"', re.S)

Span = tuple[int, int]


class Open(NamedTuple):
    """A field, or a key, that the text ends in."""

    at: int
    kind: bytes  # how its value begins: `"`, `[` or `{`; empty if there is no value yet
    begins: int  # where it does
    text: Span  # the inside of the text in it that is open and a credential; empty if none is


class Found(NamedTuple):
    values: list[Span]  # the insides of the texts that are credentials, in order; those of an open field too
    open: Open | None
    last_escape: int  # where the last escape begins that a key could be spelled with, -1 without one


def find_anchors(text: bytes) -> Anchors:
    """Where there may be a credential; nowhere, nearly always."""
    return (_SHORT if len(text) < SHORT_BYTES_MAX else _LONG).find_matches_as_indexes(text)


def make_finder(probes: Iterable[bytes]) -> BytesAhoCorasick:
    """Finds something in a short text that holds an anchor or one of the probes. Takes 0.2 ms to make."""
    return BytesAhoCorasick([*_SEES_EACH_BYTE, *probes], implementation=Implementation.DFA)


def find_fields(text: bytes, anchors: Anchors) -> Found:
    """What of the anchors are credentials. Whole ones are found though one is open behind them."""
    values: list[Span] = []
    opened: Open | None = None
    last_escape = -1
    done = 0
    for which, start, end in anchors:
        if which >= _FIRST_ESCAPE:
            last_escape = start
        if start < done or opened is not None or which >= _FIRST_BARE_ESCAPE:
            continue
        if which < _FIRST_START:
            done, opened = _read_field(text, end, values, done)
        else:
            done, opened = _read_key(text, start, values, done)
    return Found(values, opened, last_escape)


def holds_credentials(text: bytes) -> bool:
    """Whether there are credentials in a document."""
    anchors = find_anchors(text)
    return bool(anchors and find_fields(text, anchors).values)


@functools.lru_cache(maxsize=_NAMES_MAX)
def is_field(name: bytes) -> bool:
    """Whether a text, or a list of texts, of this name is a credential."""
    return _FIELD.fullmatch(name) is not None


@functools.lru_cache(maxsize=_NAMES_MAX)
def is_group(name: bytes) -> bool:
    """Whether an object of this name is a credential."""
    return _GROUP.fullmatch(name) is not None


def is_group_field(name: bytes) -> bool:
    """Whether a text of this name, in such an object, is a credential."""
    return _GROUP_FIELD.fullmatch(name) is not None


def name_begins_at(text: bytes) -> int:
    """Where the name of a field, or a key, may have begun that is not over; the text's length if nowhere."""
    size = len(text)
    if not size or text[-1] not in _NAME_BYTES:
        return size
    last = text.rfind(b'"', max(0, size - _NAME_BYTES_MAX - 1))
    return last if last != -1 and _OPEN_NAME.match(text, last) else size


def _read_field(text: bytes, name_end: int, values: list[Span], done: int) -> tuple[int, Open | None]:
    """Behind `name_end`, the name's closing quote, stands its value. Returns how far all is read."""
    at = text.rfind(b'"', max(0, name_end - 1 - _NAME_BYTES_MAX), name_end - 1)
    name = text[at + 1 : name_end - 1]
    if b"\\" in name:
        name = unescaped(name)
    if at == -1 or not is_group(name):
        return done, None
    size = len(text)
    begins = _VALUE_BEGINS.match(text, name_end)
    if begins is None:
        return done, Open(at, b"", size, (size, size)) if _ENDS_BEFORE_VALUE.match(text, name_end) else None
    kind, start = begins["kind"], begins.end()
    if kind == b'"':
        if not is_field(name):
            return done, None
        end = _end_of(_STRING, text, start)
        if text[end : end + 1] != b'"':
            return end, Open(at, kind, start - 1, (start, size))
        values.append((start, end))
        return end, None
    if kind == b"[" and not is_field(name):
        return done, None
    end = _end_of(_MEMBERS, text, start)
    values += _members(text, start, end, kind)
    if end == size:
        return end, Open(at, kind, start - 1, (end, end))
    if text[end : end + 1] == b'"':
        is_secret = kind == b"[" or _is_secret_member(text, start, end)
        return end, Open(at, kind, start - 1, (end + 1 if is_secret else size, size))
    return end, None


def _members(text: bytes, start: int, end: int, kind: bytes) -> list[Span]:
    """The texts of a list; of an object, those whose name says so, or their form."""
    if kind == b"[":
        return [member.span("text") for member in _MEMBER.finditer(text, start, end)]
    spans = []
    name: bytes | None = None
    for member in _MEMBER.finditer(text, start, end):
        if name is None:
            name = member["text"] if _COLON.match(text, member.end(), end) else None
        else:
            if is_group_field(name) or _is_key(member["text"]):
                spans.append(member.span("text"))
            name = None
    return spans


def _is_secret_member(text: bytes, start: int, end: int) -> bool:
    """Whether the text that begins at `end`, in an object, has the name of a secret, or begins like one."""
    if text.startswith(_KEY_STARTS, end + 1):
        return True
    name = _NAME_AT_END.search(text, start, end)
    return name is not None and is_group_field(name["text"])


def _read_key(text: bytes, at: int, values: list[Span], done: int) -> tuple[int, Open | None]:
    """At `at` begins a JSON text as keys begin."""
    start = at + 1
    end = _end_of(_KEY_RUN, text, start)
    if text[end : end + 1] == b'"':
        if _is_key(text[start:end]):
            values.append((start, end))
            return end, None
    elif end - start <= KEY_BYTES_MAX and _KEY_RUN_OPEN.match(text, end):
        size = len(text)
        return end, Open(at, b'"', at, (start if size - start >= SECRET_BYTES_MIN else size, size))
    return done, None


def _is_key(inside: bytes) -> bool:
    if len(inside) > KEY_BYTES_MAX:
        return False
    return KEY.fullmatch(unescaped(inside) if b"\\" in inside else inside) is not None


def _end_of(pattern: re.Pattern[bytes], text: bytes, at: int) -> int:
    """Of a pattern that matches anywhere, if only nothing."""
    found = pattern.match(text, at)
    return found.end() if found else at
