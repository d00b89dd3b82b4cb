"""What lies compressed comes back; what is remembered stays bounded; what a database takes is kept to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import Call, ChunkTime, ToolCall
from arc_proxy.store import payload
from arc_proxy.store.bounds import NANOUSD_MAX, WORD_MAX, dump_json, load_json, share, whole, word
from arc_proxy.store.memory import Recent
from pricing.cost import CostLine

MakeCall = Callable[..., Call]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(content=st.binary(max_size=5000) | texts.map(lambda text: (text * 50).encode()))
def test_any_message_comes_back(content: bytes) -> None:
    packed = payload.pack_message(content)
    assert payload.unpack_message(packed) == content
    assert len(packed) <= len(content) or content.startswith(b"\x28")


@given(
    output=st.none() | texts,
    message=st.none()
    | st.binary(max_size=50)
    | texts.map(lambda text: b'{"content":' + dump_json(text) + b"}"),
    arguments=texts,
    usage=st.none() | st.dictionaries(texts, json_values, max_size=3),
    parameters=st.dictionaries(texts, json_values, max_size=3),
    headers=st.lists(st.tuples(texts, texts), max_size=4).map(tuple),
    chunks=st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**6)), max_size=20),
)
def test_any_envelope_comes_back(
    make_call: MakeCall,
    output: str | None,
    message: bytes | None,
    arguments: str,
    usage: Any,
    parameters: Any,
    headers: Any,
    chunks: list[tuple[int, int]],
) -> None:
    times = tuple(ChunkTime(after_ns=after_us * 1000, size=size) for after_us, size in sorted(chunks))
    lines = (CostLine(bucket="a", units=-1, rate_picousd=5, rate_id="x"),)
    call = make_call(
        1,
        reply_output_text=output,
        reply_message=message,
        reply_tool_calls=(ToolCall(id=None, name="n", arguments=arguments),),
        reply_usage=usage,
        prompt_parameters=parameters,
        request_headers=headers,
        chunk_times=times,
        cost_lines=lines,
        cost_rate_id="x",
    )
    envelope = payload.unpack_call(payload.pack_call(call))
    assert payload.output_text(envelope, message) == output
    assert payload.tool_calls(envelope, message) == call.reply.tool_calls
    assert payload.headers(envelope, "request") == headers
    assert payload.chunk_times(envelope) == times
    assert payload.cost_lines(envelope, "x") == lines
    assert envelope.get("usage") == usage
    assert envelope.get("parameters", {}) == parameters


def test_a_text_that_stands_in_the_message_is_not_stored_twice(make_call: MakeCall) -> None:
    long = "".join(chr(97 + n * n % 26) for n in range(4000))
    message = b'{"content":"%s"}' % long.encode()
    once = payload.pack_call(make_call(1, reply_output_text=long, reply_message=message))
    twice = payload.pack_call(make_call(1, reply_output_text=long, reply_message=None))
    assert len(once) < len(twice)


def test_headers_that_everybody_sends_take_hardly_any_room(make_call: MakeCall) -> None:
    headers = tuple(
        (name, "application/json") for name in ("Accept", "Content-Type", "User-Agent", "Connection")
    )
    bare, full = make_call(1, request_headers=()), make_call(1, request_headers=headers)
    assert len(payload.pack_call(full)) - len(payload.pack_call(bare)) < 40


@given(text=st.text(max_size=300))
def test_any_text_becomes_one_that_both_databases_take(text: str) -> None:
    kept = word(text)
    assert kept is not None
    assert "\0" not in kept
    assert len(kept) <= WORD_MAX
    assert kept.encode().decode() == kept
    assert word(kept) == kept


@given(value=st.text(max_size=9) | st.integers() | st.lists(st.text(max_size=3)), depth=st.integers(0, 3))
def test_any_json_comes_back(value: Any, depth: int) -> None:
    for _ in range(depth):
        value = {"a": [value]}
    assert load_json(dump_json(value)) == value


NUMBERS = {
    "negative": (-5, 0),
    "nothing": (0, 0),
    "as it is": (17, 17),
    "too large": (2**70, NANOUSD_MAX),
}


@pytest.mark.parametrize(("number", "kept"), NUMBERS.values(), ids=NUMBERS)
def test_counts_are_kept_within_bounds(number: int, kept: int) -> None:
    assert whole(number, NANOUSD_MAX) == kept


@given(number=st.floats())
def test_a_share_is_between_nothing_and_all(number: float) -> None:
    assert 0 <= share(number) <= 1


@given(keys=st.lists(st.integers(0, 30), max_size=200))
def test_recent_keys_are_found_and_their_number_is_bounded(keys: list[int]) -> None:
    recent: Recent[int, int] = Recent(5)
    for place, key in enumerate(keys):
        found = recent.get(key)
        assert found is None or found == -key
        assert found is not None or key not in keys[max(0, place - 4) : place]
        recent[key] = -key
        assert len(recent) <= 10
