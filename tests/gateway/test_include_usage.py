"""Asking for usage where the client did not, pure: what is added to a body and taken out of a stream."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.gateway.include_usage import EVENT_BYTES_MAX, UsageFilter, ask_usage, is_usage_alone, may_ask

ASK = b'"stream_options":{"include_usage":true}'

ASKED = {
    "a stream that says nothing": (b'{"stream":true}', b'{"stream":true,' + ASK + b"}"),
    "white space and the order of keys stay": (
        b' { "stream" : true ,\n "model": "m"\n}\r\n',
        b' { "stream" : true ,\n "model": "m"\n,' + ASK + b"}\r\n",
    ),
    "options that say nothing of usage": (
        b'{"stream_options": {"include_obfuscation": false}, "stream": true}',
        b'{"stream_options": {"include_usage":true,"include_obfuscation": false}, "stream": true}',
    ),
    "empty options": (
        b'{"stream":true,"stream_options":{ }}',
        b'{"stream":true,"stream_options":{"include_usage":true }}',
    ),
    "a prompt that speaks of options": (
        b'{"stream":true,"messages":[{"content":"\\"stream_options\\": {"}]}',
        b'{"stream":true,"messages":[{"content":"\\"stream_options\\": {"}],' + ASK + b"}",
    ),
}

NOT_ASKED = {
    "no stream": b'{"stream":false}',
    "a stream by another word": b'{"stream":1}',
    "nothing of a stream": b'{"model":"m"}',
    "usage is asked for": b'{"stream":true,"stream_options":{"include_usage":true}}',
    "usage is declined": b'{"stream":true,"stream_options":{"include_usage":false}}',
    "options are null": b'{"stream":true,"stream_options":null}',
    "options twice": b'{"stream_options":{},"stream":true,"stream_options":{}}',
    "an array": b'["stream"]',
    "no JSON": b'{"stream":true',
    "deeper than a parser goes": b'{"stream":true,"a":' + b"[" * 100_000,
    "no UTF-8": b'{"stream":true,"a":"\xff"}',
    "nothing": b"",
}


@pytest.mark.parametrize(("body", "changed"), ASKED.values(), ids=ASKED)
def test_usage_is_asked_for(body, changed):
    assert ask_usage(body) == changed
    asked = json.loads(changed)
    assert asked["stream_options"].pop("include_usage") is True
    asked["stream_options"] = asked["stream_options"] or None
    before = json.loads(body)
    assert asked == before | {"stream_options": before.get("stream_options") or None}


@pytest.mark.parametrize("body", NOT_ASKED.values(), ids=NOT_ASKED)
def test_usage_is_not_asked_for(body):
    assert ask_usage(body) is None


JSON = b"application/json"
HEADS = {
    "a chat completion": ("POST", "/v1/chat/completions", JSON, (), True),
    "of a deployment, with a query": (
        *("POST", "/openai/deployments/d/chat/completions?v=1", JSON + b"; charset=utf-8", (), True),
    ),
    "a response": ("POST", "/v1/responses", JSON, (), False),
    "a query that looks like one": ("POST", "/v1/x?/chat/completions", JSON, (), False),
    "a list of stored ones": ("GET", "/v1/chat/completions", JSON, (), False),
    "a form": ("POST", "/v1/chat/completions", b"multipart/form-data", (), False),
    "signed for Amazon": ("POST", "/v1/chat/completions", JSON, ((b"Authorization", b"AWS4-x"),), False),
    "with a digest": ("POST", "/v1/chat/completions", JSON, ((b"Content-Digest", b"sha-256=:x:"),), False),
    "with an expectation": ("POST", "/v1/chat/completions", JSON, ((b"Expect", b"100-continue"),), False),
    "compressed": ("POST", "/v1/chat/completions", JSON, ((b"content-encoding", b"gzip"),), False),
    "in chunks": ("POST", "/v1/chat/completions", JSON, ((b"Transfer-Encoding", b"chunked"),), False),
    "with a key": ("POST", "/v1/chat/completions", JSON, ((b"Authorization", b"Bearer x"),), True),
}


@pytest.mark.parametrize(("method", "path", "kind", "fields", "expected"), HEADS.values(), ids=HEADS)
def test_which_requests_may_be_added_to(method, path, kind, fields, expected):
    assert may_ask(method, path, kind, fields) is expected


USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}'
TEXT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hi"}}],"usage":null}'

EVENTS = {
    "usage alone": (USAGE + b"\n\n", True),
    "with its name and an id": (b"event: message\nid: 4\n" + USAGE + b"\n\n", True),
    "with other line ends": (USAGE + b"\r\n\r\n", True),
    "over two lines of data": (b'data: {"choices": [],\ndata: "usage": {}}\n\n', True),
    "text": (TEXT + b"\n\n", False),
    "usage beside a choice": (b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":9}}\n\n', False),
    "no choices and no usage: what a filter said of the prompt": (
        *(b'data: {"choices":[],"prompt_filter_results":[],"usage":null}\n\n', False),
    ),
    "an error that speaks of usage": (b'data: {"error":{"message":"usage"},"usage":{}}\n\n', False),
    "the end": (b"data: [DONE]\n\n", False),
    "a comment": (b': "usage"\n\n', False),
    "no JSON": (b'data: "usage" {\n\n', False),
}


@pytest.mark.parametrize(("event", "expected"), EVENTS.values(), ids=EVENTS)
def test_what_is_usage_alone(event, expected):
    assert is_usage_alone(event) is expected


def filtered(pieces):
    usage_filter = UsageFilter()
    return b"".join([*map(usage_filter.feed, pieces), usage_filter.finish()])


BLOCKS = [
    *(USAGE + b"\n\n", USAGE + b"\r\n\r\n", TEXT + b"\n\n", TEXT + b"\r\n\r\n", b": still here\n\n", b"\n"),
    *(b"data: [DONE]\n\n", b"data: " + b"x" * (EVENT_BYTES_MAX + 9) + b"\n\n", b'data: {"usage":{}}\n\n'),
]


@given(
    st.lists(st.sampled_from(BLOCKS), max_size=12),
    st.lists(st.integers(0, 200_000), max_size=12),
    st.binary(),
)
def test_any_cut_of_a_stream_gives_the_same_without_usage_alone(blocks, cuts, rest):
    stream = b"".join(blocks)
    expected = b"".join(block for block in blocks if not block.startswith(USAGE))
    marks = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    pieces = [stream[a:b] for a, b in itertools.pairwise(marks)]
    assert filtered(pieces) == expected
    assert filtered([stream[at : at + 77] for at in range(0, len(stream), 77)]) == expected
    assert filtered([rest, rest]) == rest + rest or b'"usage"' in rest


def test_an_event_is_given_out_as_soon_as_it_is_whole():
    usage_filter = UsageFilter()
    assert usage_filter.feed(TEXT + b"\n\n" + TEXT[:9]) == TEXT + b"\n\n"
    assert usage_filter.feed(TEXT[9:] + b"\n") == b""
    assert usage_filter.feed(b"\n") == TEXT + b"\n\n"


def test_what_is_too_long_for_usage_is_not_held():
    usage_filter = UsageFilter()
    long = b"data: " + b"x" * EVENT_BYTES_MAX
    assert usage_filter.feed(long) == long
    assert usage_filter.feed(b"y\r") + usage_filter.feed(b"\n\r\n" + USAGE + b"\n\n") == b"y\r\n\r\n"


@pytest.mark.parametrize("cut", range(len(USAGE) // 2, len(USAGE)))
def test_a_stream_that_is_cut_within_usage_gives_none_of_it(cut):
    held = USAGE[:cut]
    given_out = filtered([TEXT + b"\n\n", held])
    has_begun = b'"usage":{' in held.replace(b" ", b"")
    assert given_out == TEXT + b"\n\n" + (b"" if has_begun else held)
