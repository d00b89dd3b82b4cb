"""The noun StreamEvent: one piece of a streamed response, whatever framing it came in. No I/O."""

from __future__ import annotations

from typing import NamedTuple


class StreamEvent(NamedTuple):
    name: str  # as the framing names it, "message" where it does not
    data: bytes  # nearly always one JSON document
