from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.journal.fact import FactType, decode_fact, encode_fact
from arc_proxy.journal.head import (
    Anchor,
    End,
    Gap,
    RequestHead,
    ResponseHead,
    decode_anchor,
    decode_end,
    decode_gap,
    decode_request_head,
    decode_response_head,
)
from arc_proxy.journal.record import Ended

tokens = st.text("abcXYZ-_09", min_size=1, max_size=20).map(str.encode)
values = st.binary(max_size=40).filter(lambda value: b"\r" not in value and b"\n" not in value)
headers = st.lists(st.tuples(tokens, values), max_size=8).map(tuple)
targets = st.text("abc/?=&%2F.:-", min_size=1, max_size=60).map(str.encode)

request_heads = st.builds(
    RequestHead,
    upstream=st.none() | st.sampled_from(["openai", "anthropic"]),
    url=st.none() | st.just("https://api.openai.com/v1/models?"),
    connection=st.integers(min_value=0),
    method=tokens,
    target=targets,
    version=st.just(b"HTTP/1.1"),
    headers=headers,
)
response_heads = st.builds(
    ResponseHead,
    origin=st.sampled_from(["upstream", "proxy"]),
    status=st.integers(100, 599),
    reason=st.sampled_from([b"", b"OK", b"Too Many Requests"]),
    version=st.just(b"HTTP/1.1"),
    headers=headers,
)


@given(request_heads)
def test_a_request_head_is_read_as_it_was_written(head: RequestHead) -> None:
    assert decode_request_head(head.encode()) == head


@given(response_heads)
def test_a_response_head_is_read_as_it_was_written(head: ResponseHead) -> None:
    assert decode_response_head(head.encode()) == head


@given(st.sampled_from(Ended), st.text(max_size=50))
def test_an_end_is_read_as_it_was_written(ended: Ended, detail: str) -> None:
    end = End(ended=ended, detail=detail)
    assert decode_end(end.encode()) == end


def test_gaps_and_anchors_are_read_as_they_were_written() -> None:
    assert decode_gap(Gap(side="response", bytes_dropped=17).encode()) == Gap(
        side="response", bytes_dropped=17
    )
    assert (
        decode_anchor(Anchor(wall_ns=1_700_000_000_123_456_789).encode()).wall_ns == 1_700_000_000_123_456_789
    )


@pytest.mark.parametrize("decode", [decode_request_head, decode_response_head])
@given(content=st.binary(max_size=80))
def test_any_bytes_are_a_head_or_a_value_error(decode: object, content: bytes) -> None:
    try:
        decode(content)  # type: ignore[operator]
    except ValueError:
        return


def test_a_fact_keeps_its_fields_and_drops_those_that_are_none() -> None:
    content = encode_fact(
        FactType.RUN_START, 1_700_000_000_000_001_000, run_id="r", agent=None, tags={"a": "1"}
    )
    assert decode_fact(content) == {
        "fact": "run_start",
        "at": "2023-11-14T22:13:20.000001Z",
        "run_id": "r",
        "tags": {"a": "1"},
    }


def test_a_fact_keeps_text_that_no_encoding_holds() -> None:
    assert decode_fact(encode_fact(FactType.EXCEPTION, 0, message="\ud800"))["message"] == "?"


@pytest.mark.parametrize("content", [b"[]", b"{}", b"not json", b'{"fact": 1}', b"\xff"])
def test_refuses_what_is_no_fact(content: bytes) -> None:
    with pytest.raises(ValueError):
        decode_fact(content)
