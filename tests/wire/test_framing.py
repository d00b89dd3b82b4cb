from __future__ import annotations

import pytest

from arc_proxy.wire.framing import recognise_framing
from tests.wire.test_eventstream import HELLO

EVENT = b'data: {"a":1}\n\n'
SSE, JSON, LINES = "text/event-stream; charset=utf-8", "application/json", "application/x-ndjson"

CASES: dict[str, tuple[bytes, str, bool, int | None]] = {
    "events": (EVENT * 2, SSE, False, 2),
    "events that are called JSON": (EVENT * 2, JSON, False, 2),
    "events behind a comment and empty lines": (b"\n\n: ping\n\n" + EVENT, "", False, 1),
    "one document that is called events": (b'{"a":1}', SSE, False, None),
    "one document": (b'{"a":1}', JSON, False, None),
    "one document in lines": (b'{\n  "a": {\n  }\n}\n', JSON, False, None),
    "one document and an empty line": (b'{"a":1}\n', JSON, False, None),
    "lines": (b'{"a":1}\n{"a":2}\n', "", False, 2),
    "lines that are called JSON": (b'{"a":1} \r\n{"a":2}', JSON, False, 2),
    "one line that says it is one": (b'{"a":1}\n', LINES, False, 1),
    "an array where streams may be one": (b'[{"a":1},\n{"a":2}]', JSON, True, 2),
    "an array elsewhere": (b'[{"a":1},\n{"a":2}]', JSON, False, None),
    "an array of numbers": (b"[1,2]", JSON, True, None),
    "Amazon's messages, whatever they are called": (HELLO * 2, JSON, False, 2),
    "a page": (b"<html></html>", "text/html", False, None),
    "nothing": (b"", SSE, False, 0),
    "nothing that is nothing": (b"", "", False, None),
}


@pytest.mark.parametrize(("body", "content_type", "arrays", "events"), CASES.values(), ids=CASES)
def test_tells_the_framing(body: bytes, content_type: str, arrays: bool, events: int | None) -> None:
    framing = recognise_framing(body, content_type, arrays=arrays)
    assert (None if framing is None else len(list(framing(body, [])))) == events
