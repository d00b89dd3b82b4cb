"""
Heads that a connection has sent before, but for their length: read once, understood for all that follow.

The calls of an agent on one connection mostly differ in nothing but their bodies. The strict parser has read
such a head before, byte for byte, and what was decided then holds again. Only digits may differ, those of
Content-Length. All else goes to the parser: a head in several pieces, the first request behind it that begins
in the same read, chunks, a connection on which it cannot be told where a request begins. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from arc_proxy.gateway.decide import Action, Decision
from arc_proxy.gateway.headers import RequestFields
from arc_proxy.gateway.parsed import ParsedHead

# Heads that never come again (a fresh trace id in each) are given up after so many.
MISSES_MAX = 8
WAITING_BYTES_MAX = 512 * 1024

_DIGITS_MAX = 15
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\nContent-Length:[ \t]*([0-9]+)(?=[ \t]*\r\n)", re.I)


@dataclass(slots=True)
class Asked:
    """A request's head, understood. Not to be changed. Of `message` the length may be that of another."""

    message: ParsedHead
    decision: Decision
    fields: RequestFields


class Holder(Protocol):
    """Who reads the socket."""

    def hold_body(self) -> None: ...
    def release_body(self) -> None: ...


class RepeatedBody:
    """The body behind a repeated head: bytes as they come, held back when nobody takes them."""

    __slots__ = ("_holder", "_is_holding", "_left", "_waiting", "_waiting_bytes")

    def __init__(self, holder: Holder, length: int) -> None:
        self._holder = holder
        self._left = length
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._is_holding = False

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to this body; what stands behind it comes back."""
        own, rest = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
        self._left -= len(own)
        if own:
            self._waiting.append(own)
            self._waiting_bytes += len(own)
        if self._waiting_bytes > WAITING_BYTES_MAX and not self._is_holding:
            self._is_holding = True
            self._holder.hold_body()
        return rest

    def is_eof(self) -> bool:
        """Whether all of it has come; some may still wait to be read."""
        return self._left == 0

    def read_nowait(self) -> bytes:
        waiting = self._waiting
        data = waiting[0] if len(waiting) == 1 else b"".join(waiting)
        waiting.clear()
        self._waiting_bytes = 0
        if self._is_holding:
            self._is_holding = False
            self._holder.release_body()
        return data


@dataclass(slots=True)
class _Known:
    """The head that may come again, and what stands before and behind the length: in it and in its fields."""

    before: bytes
    after: bytes
    asked: Asked
    sent: tuple[bytes, bytes]
    kept_at: int
    kept_name: bytes

    def again(self, digits: bytes) -> Asked:
        fields = self.asked.fields
        kept = fields.kept.copy()
        kept[self.kept_at] = b"%b: %b\r\n" % (self.kept_name, digits)
        sent = [self.sent[0], digits, self.sent[1]]
        known = RequestFields(
            sent, kept, fields.secrets, fields.content_type, fields.content_encoding, fields.asks
        )
        return Asked(self.asked.message, self.asked.decision, known)


class Repeats:
    """
    Of one connection. Offer what is read to `match` while no request is open; what the parser gets instead is
    told to `note`, and what a request of the parser's asked to `remember`.
    """

    __slots__ = ("_is_off", "_known", "_misses", "_noted", "_until_next")

    def __init__(self) -> None:
        self._known: _Known | None = None
        self._noted: tuple[ParsedHead, bytes] | None = None  # read by the parser, and its raw head
        self._until_next = 0  # bytes of a body that the parser still gets before another head begins
        self._misses = 0
        self._is_off = False

    def match(self, data: bytes) -> tuple[Asked, int, bytes] | None:
        """What is asked again, the length of its body, and what has come of that; None if it is no repeat."""
        known = self._known
        if known is None or self._until_next or self._is_off:
            return None
        if data.startswith(known.before):
            start = len(known.before)
            end = data.find(known.after, start, start + _DIGITS_MAX + len(known.after))
            digits = data[start:end] if end != -1 else b""
            if digits.isdigit():
                length, came = int(digits), data[end + len(known.after) :]
                if len(came) <= length:
                    self._misses = 0
                    return known.again(digits), length, came
        self._misses += 1
        self._is_off = self._misses > MISSES_MAX
        return None

    def note(self, data: bytes, messages: Sequence[ParsedHead]) -> None:
        """The parser was given this, and found these heads in it."""
        if self._is_off or not data:
            return
        if 0 < len(data) <= self._until_next:
            self._until_next -= len(data)
            return
        self._noted = None
        end = data.find(_HEAD_END)
        length = _plain_length(messages[0]) if len(messages) == 1 else None
        if self._until_next or length is None or end == -1:
            self._is_off = True
            return
        end += len(_HEAD_END)
        self._until_next = length - (len(data) - end)
        # Line ends before the request line are allowed; where a head ends is then not known.
        if self._until_next < 0 or not data.startswith(messages[0].method.encode() + b" "):
            self._is_off = True
            return
        self._noted = (messages[0], data[:end])

    def remember(self, asked: Asked) -> None:
        if self._noted is None or self._noted[0] is not asked.message:
            return
        raw, self._noted = self._noted[1], None
        found = list(_LENGTH.finditer(raw))
        if len(found) != 1 or asked.decision.action is not Action.FORWARD:
            return
        sent, kept = asked.fields.sent, asked.fields.kept
        sent_at, kept_at = _length_at(sent), _length_at(kept)
        if sent_at is None or kept_at is None:
            return
        name = kept[kept_at].partition(b":")[0]
        before = b"".join(sent[:sent_at]) + name + b": "
        after = b"\r\n" + b"".join(sent[sent_at + 1 :])
        start, end = found[0].span(1)
        self._known = _Known(raw[:start], raw[end:], asked, (before, after), kept_at, name)


def _plain_length(message: ParsedHead) -> int | None:
    """The length of a request's body; None where something else says where it ends."""
    if message.chunked or message.upgrade or message.should_close:
        return None
    text = message.headers.get("Content-Length", "0")
    return int(text) if text.isdecimal() and len(text) <= _DIGITS_MAX else None


def _length_at(lines: Sequence[bytes]) -> int | None:
    return next((at for at, line in enumerate(lines) if line[:15].lower() == b"content-length:"), None)
