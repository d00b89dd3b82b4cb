"""
JSON documents one after another: lines of them (NDJSON), or the items of one array. No I/O.

Sources: https://github.com/ndjson/ndjson-spec (Ollama, Cohere v1) and
https://cloud.google.com/apis/design/design_patterns (Google streams the items of an array without `alt=sse`)

A body that was cut yields the documents that are whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from arc_proxy.wire.stream import StreamEvent

_BETWEEN = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder()


def read_lines(body: bytes) -> Iterator[StreamEvent]:
    """One event per line that is not empty; the last may be cut."""
    for line in body.splitlines():
        if line.strip():
            yield StreamEvent("message", line)


def read_items(body: bytes) -> Iterator[StreamEvent]:
    """One event per object in a JSON array, until its end or the first that is not whole."""
    text = body.decode(errors="replace")
    place = text.find("[") + 1
    while True:
        gap = _BETWEEN.match(text, place)
        place = gap.end() if gap else place
        if not text.startswith("{", place):
            return
        try:
            _, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return
        yield StreamEvent("message", text[place:end].encode(errors="replace"))
        place = end
