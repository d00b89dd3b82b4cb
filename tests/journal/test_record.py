from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.journal.record import (
    ID_BYTES,
    ID_TEXT_LEN,
    Record,
    RecordKind,
    decode_record,
    id_bytes,
    id_text,
    id_wall_ms,
    make_exchange_id,
)

ids = st.binary(min_size=ID_BYTES, max_size=ID_BYTES)
records = st.builds(
    Record, st.sampled_from(RecordKind), ids, st.integers(min_value=0, max_value=2**64 - 1), st.binary()
)


@given(records)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert decode_record(record.encode()) == record


@given(ids)
def test_an_id_survives_its_text(exchange_id: bytes) -> None:
    text = id_text(exchange_id)
    assert len(text) == ID_TEXT_LEN
    assert id_bytes(text) == exchange_id


@given(ids, ids)
def test_ids_sort_alike_as_bytes_and_as_text(one: bytes, other: bytes) -> None:
    assert (one < other) == (id_text(one) < id_text(other))


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**48 - 1))
def test_an_id_tells_when_its_exchange_began(wall_ms: int, writer_id: int, counter: int) -> None:
    assert id_wall_ms(make_exchange_id(wall_ms, writer_id, counter)) == wall_ms


REFUSED_IDS = {
    "too short": "0123",
    "too long": "0" * 27,
    "a letter that the alphabet leaves out": "u" + "0" * 25,
    "upper case": "A" + "0" * 25,
    "more than 128 bits": "z" * 26,
    "empty": "",
}


@pytest.mark.parametrize("text", REFUSED_IDS.values(), ids=REFUSED_IDS)
def test_refuses_what_is_no_id(text: str) -> None:
    with pytest.raises(ValueError):
        id_bytes(text)


@given(st.binary())
def test_any_payload_is_a_record_or_a_value_error(payload: bytes) -> None:
    try:
        record = decode_record(payload)
    except ValueError:
        return
    assert record.encode() == payload


def test_kinds_on_disk_keep_their_numbers() -> None:
    assert {kind.name: kind.value for kind in RecordKind} == {
        "ANCHOR": 1,
        "REQUEST_HEAD": 2,
        "REQUEST_BODY": 3,
        "INTERIM_HEAD": 4,
        "RESPONSE_HEAD": 5,
        "RESPONSE_BODY": 6,
        "TRAILERS": 7,
        "END": 8,
        "GAP": 9,
        "FACT": 10,
        "TUNNEL_UP": 11,
        "TUNNEL_DOWN": 12,
        "COUNTS": 13,
    }
