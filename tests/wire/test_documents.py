from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.wire.documents import read_items, read_lines
from arc_proxy.wire.stream import StreamEvent

Reader = Callable[[bytes], Iterator[StreamEvent]]

CASES: dict[str, tuple[Reader, bytes, list[bytes]]] = {
    "two lines": (read_lines, b'{"a":1}\n{"a":2}\n', [b'{"a":1}', b'{"a":2}']),
    "empty lines between them": (read_lines, b'\n{"a":1}\r\n\r\n{"a":2}', [b'{"a":1}', b'{"a":2}']),
    "a last line that is cut": (read_lines, b'{"a":1}\n{"a', [b'{"a":1}', b'{"a']),
    "an array": (read_items, b'[{"a":1},{"a":2}]', [b'{"a":1}', b'{"a":2}']),
    "an array as Google prints it": (
        read_items,
        b'[{\n  "a": [1]\n}\n,\r\n{"b": "]"}\n]\n',
        [b'{\n  "a": [1]\n}', b'{"b": "]"}'],
    ),
    "an array that is cut in an item": (read_items, b'[{"a":1},{"a":', [b'{"a":1}']),
    "an array that is cut between items": (read_items, b'[{"a":1},', [b'{"a":1}']),
    "an array whose items are no objects": (read_items, b"[1, 2]", []),
    "an array nested too deep": (read_items, b'[{"a":' + b"[" * 100_000, []),
    "no array": (read_items, b"not JSON", []),
    "nothing": (read_items, b"", []),
}


@pytest.mark.parametrize(("read", "body", "documents"), CASES.values(), ids=CASES)
def test_reads_documents(read: Reader, body: bytes, documents: list[bytes]) -> None:
    assert [event.data for event in read(body)] == documents


objects = st.lists(st.dictionaries(st.text(), st.text() | st.lists(st.text()), max_size=3))


@given(objects, st.integers(min_value=0), st.booleans())
def test_a_cut_body_yields_its_beginning(written: list[dict[str, object]], cut: int, lines: bool) -> None:
    body = b"\n".join(map(orjson.dumps, written)) if lines else orjson.dumps(written)
    events = list((read_lines if lines else read_items)(body[: cut % (len(body) + 1)]))
    whole = [event.data for event in events[: max(0, len(events) - 1) if lines else len(events)]]
    assert [orjson.loads(document) for document in whole] == written[: len(whole)]


@given(st.binary())
def test_any_bytes_are_read_without_an_error(body: bytes) -> None:
    list(read_lines(body))
    list(read_items(body))
