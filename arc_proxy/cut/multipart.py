"""
Credentials in the fields of a multipart form, whole or in pieces. No I/O.

A part whose name says so loses its content. All else is searched as JSON is: a part may be a session's
description or a file of requests. Sound, pictures and the like are only searched for what is known.

Source: https://www.rfc-editor.org/rfc/rfc7578, https://www.rfc-editor.org/rfc/rfc2046#section-5.1
"""

from __future__ import annotations

import re
from enum import Enum, auto

from arc_proxy.cut.cutter import HELD_BYTES_MAX, BodyForm, Cutter
from arc_proxy.cut.names import PART_FIELD
from arc_proxy.cut.secrets import Secrets

# What comes before the first delimiter, and the fields of a part, are shorter; else it is no such body.
HEAD_BYTES_MAX = 16 * 1024

# The first line that begins with two hyphens tells the boundary, in the case that the header has lost.
_FIRST_LINE = re.compile(rb"(?:\A|\n)(?P<line>--[^\r\n]{1,200})\r?\n")
_HEAD_END = re.compile(rb"\n\r?\n")
_SECRET_PART = re.compile(
    rb"^content-disposition:[^\r\n]*?;[ \t]*name[ \t]*=[ \t]*"
    + rb'(?:"NAME(?:\[\])?"|NAME(?=[;\s]))'.replace(b"NAME", PART_FIELD),
    re.I | re.M,
)
_BINARY_PART = re.compile(
    rb"^content-type:[ \t]*(?:audio|image|video|application/(?:pdf|zip))\b", re.I | re.M
)


class _In(Enum):
    PREAMBLE = auto()
    HEAD = auto()
    CONTENT = auto()
    SECRET = auto()
    LONG_SECRET = auto()  # it is marked already, and the rest of it is thrown away
    NOTHING = auto()  # it is no multipart body after all


class MultipartCutter:
    """Like `Cutter`, for `BodyForm.MULTIPART`."""

    __slots__ = ("_cutter", "_delimiter", "_form", "_held", "_in", "_own_cuts", "_past_cuts", "_secrets")

    dropped = 0

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._form = BodyForm.JSON
        self._cutter = Cutter(secrets, self._form)
        self._in = _In.PREAMBLE
        self._delimiter = b""
        self._held = b""
        self._own_cuts = 0
        self._past_cuts = 0

    @property
    def cuts(self) -> int:
        return self._own_cuts + self._past_cuts + self._cutter.cuts

    @property
    def is_holding(self) -> bool:
        return bool(self._held) or self._cutter.is_holding

    def feed(self, piece: bytes) -> bytes:
        """What may be written now."""
        self._held += piece
        ready = []
        before = None
        while self._in is not before:
            before = self._in
            ready.append(self._step())
        return b"".join(ready)

    def finish(self, piece: bytes = b"") -> bytes:
        """The rest. A secret part that never ended is cut too."""
        ready = self.feed(piece)
        rest = self._taken(len(self._held))
        if self._in is _In.SECRET:
            rest = self._marked(rest)
        elif self._in is _In.LONG_SECRET:
            rest = b""
        return ready + self._cutter.finish(rest)

    def _step(self) -> bytes:
        """As far as what is held tells. Where `_in` has changed there may be more to do."""
        match self._in:
            case _In.PREAMBLE:
                return self._look_for_boundary()
            case _In.HEAD:
                return self._read_head()
            case _In.CONTENT:
                return self._cutter.feed(self._until_delimiter())
            case _In.SECRET:
                return self._cut_content()
            case _In.LONG_SECRET:
                self._until_delimiter()
                return b""
            case _In.NOTHING:
                return self._cutter.feed(self._taken(len(self._held)))

    def _look_for_boundary(self) -> bytes:
        found = _FIRST_LINE.search(self._held)
        if found is not None:
            self._delimiter = b"\n" + found["line"]
            self._in = _In.HEAD
            return self._cutter.feed(self._taken(found.start("line")))
        if len(self._held) > HEAD_BYTES_MAX:
            self._in = _In.NOTHING
        return b""

    def _read_head(self) -> bytes:
        """The head of a part, with its delimiter and without the line feed that ends it."""
        end = _HEAD_END.search(self._held)
        if end is None:
            if len(self._held) > HEAD_BYTES_MAX:
                self._in = _In.CONTENT
                return self._cutter.feed(self._taken(len(self._delimiter)))
            return b""
        head = self._taken(end.end() - 1)
        self._in = _In.SECRET if _SECRET_PART.search(head) else _In.CONTENT
        ready = self._cutter.feed(head)
        form = BodyForm.NONE if _BINARY_PART.search(head) else BodyForm.JSON
        if form is not self._form:
            ready += self._cutter.finish()
            self._past_cuts += self._cutter.cuts
            self._form = form
            self._cutter = Cutter(self._secrets, form)
        return ready

    def _cut_content(self) -> bytes:
        content = self._held
        if self._delimiter in content:
            return self._cutter.feed(self._marked(self._until_delimiter()))
        if len(content) <= HELD_BYTES_MAX:
            return b""
        self._in = _In.LONG_SECRET
        self._own_cuts += 1
        return self._cutter.feed(b"\n" + self._secrets.mark(content))

    def _until_delimiter(self) -> bytes:
        """The content up to the next delimiter, which stays; without one, what cannot be part of it."""
        held, delimiter = self._held, self._delimiter
        at = held.find(delimiter)
        if at != -1:
            self._in = _In.HEAD
            return self._taken(at)
        line = held.rfind(b"\n", max(0, len(held) - len(delimiter)))
        return self._taken(line if line != -1 and delimiter.startswith(held[line:]) else len(held))

    def _marked(self, content: bytes) -> bytes:
        """A secret part's content, which begins with the end of its head, with its value cut."""
        value = content[1:].removesuffix(b"\r")
        kept = self._secrets.cut_value(value)
        self._own_cuts += kept != value
        return content[:1] + kept + content[1 + len(value) :]

    def _taken(self, size: int) -> bytes:
        taken, self._held = self._held[:size], self._held[size:]
        return taken


def new_cutter(secrets: Secrets, form: BodyForm) -> Cutter | MultipartCutter:
    return MultipartCutter(secrets) if form is BodyForm.MULTIPART else Cutter(secrets, form)
