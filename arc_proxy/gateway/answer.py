"""
What the gateway answers itself: refusals, its own health, the way to the console. No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arc_proxy.gateway.refusal import Refusal

_JSON = (b"Content-Type", b"application/json; charset=utf-8")
_TEXT = (b"Content-Type", b"text/plain; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def head(self, added: bytes, *, closes: bool) -> bytes:
        """The head as it is sent, `added` lines at its end. `closes`: the connection ends behind it."""
        fields = (*self.fields, (b"Content-Length", b"%d" % len(self.body)))
        if closes:
            # Who sends an Upgrade says so in Connection: RFC 9110, section 7.8.
            offers = any(name == b"Upgrade" for name, _ in fields)
            fields = (*fields, (b"Connection", b"Upgrade, close" if offers else b"close"))
        lines = b"".join([b"%b: %b\r\n" % pair for pair in fields])
        return b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (self.status, self.reason, lines, added)


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PROBE = Answer(200, b"OK")
WELCOME = Answer(302, b"Found", ((b"Location", b"/_arc/"),))
CONSOLE_DOWN = Answer(
    503,
    b"Service Unavailable",
    (_TEXT, (b"Retry-After", b"1")),
    b"The console is not running. Traffic is not affected; try again in a moment.\n",
)


def health_answer(health: Mapping[str, Any]) -> Answer:
    return Answer(200, b"OK", (_JSON, (b"Cache-Control", b"no-store")), json.dumps(health).encode())


def refusal_answer(refusal: Refusal) -> Answer:
    return Answer(refusal.status, refusal.reason(), (_JSON, *refusal.head_fields()), refusal.body())
