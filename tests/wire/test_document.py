from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.errors import WireError
from arc_proxy.wire.document import canonical, compact, overlay, read_object, read_value

READ = {
    "an object": (b'{"a": 1}', {"a": 1}),
    "with a byte order mark": (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    "with empty lines before it": (b'\n\n \r\n{"a": 1}', {"a": 1}),
    "with half an emoji": (rb'{"a": "x\ud83d"}', {"a": "x\ufffd"}),
    "with a whole one": (rb'{"a": "\ud83d\ude00"}', {"a": "\U0001f600"}),
    "with a byte that is no UTF-8": (b'{"a": "\xff"}', {"a": "\ufffd"}),
    "with an infinity": (b'{"a": 1e999}', {"a": float("inf")}),
}


@pytest.mark.parametrize(("document", "value"), READ.values(), ids=READ)
def test_reads(document: bytes, value: object) -> None:
    assert read_value(document) == value


NOT_READ = {
    "nothing": b"",
    "a page": b"<html>",
    "a cut object": b'{"a": ',
    "two documents": b'{"a": 1}\n{"a": 2}',
    "a tower of lists": b"[" * 100_000,
    "a tower of lists that ends": b"[" * 5000 + b"]" * 5000,
    "a number of ten thousand digits beside a NaN": b"[NaN, " + b"9" * 10_000 + b"]",
}


@pytest.mark.parametrize("document", NOT_READ.values(), ids=NOT_READ)
def test_says_that_it_cannot_read(document: bytes) -> None:
    with pytest.raises(ValueError):
        read_value(document)
    assert read_object(document) is None


def test_an_array_is_no_object() -> None:
    assert read_object(b"[1]") is None


@pytest.mark.parametrize("write", [canonical, compact])
def test_what_is_nested_too_deep_to_write_is_a_wire_error(write) -> None:
    with pytest.raises(WireError):
        write(orjson.loads(b"[" * 300 + b"]" * 300))


def test_a_number_too_large_to_write_is_a_wire_error() -> None:
    with pytest.raises(WireError):
        canonical(2**70)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_the_canonical_form_is_one_and_reads_back(value: object) -> None:
    written = canonical(value)
    assert read_value(written) == value
    shuffled = json.loads(json.dumps(value, sort_keys=True, indent=2))
    assert canonical(shuffled) == written


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_a_value_error(document: bytes) -> None:
    read_object(document)


OVERLAYS = {
    "a later value wins": ({"a": 1}, {"a": 2}, {"a": 2}),
    "a later null does not": ({"a": 1}, {"a": None, "b": 3}, {"a": 1, "b": 3}),
    "a later zero does": ({"a": 1}, {"a": 0}, {"a": 0}),
    "the first is taken as it is": (None, {"a": None}, {"a": None}),
    "nothing later": ({"a": 1}, None, {"a": 1}),
    "a number where an object should be": ({"a": 1}, 7, {"a": 1}),
    "nothing at all": (None, None, None),
}


@pytest.mark.parametrize(("counts", "later", "whole"), OVERLAYS.values(), ids=OVERLAYS)
def test_overlays(counts, later, whole) -> None:
    assert overlay(counts, later) == whole
