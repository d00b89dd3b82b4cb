"""HAR entries, checked: structure refuses, data is taken as it is."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.errors import ImportRefused
from arc_proxy.export.har_read import read_har, split_url

ENTRY: dict[str, Any] = {
    "startedDateTime": "2026-11-25T09:30:00.123456+01:00",
    "time": 250.5,
    "timings": {"blocked": -1, "dns": 1, "connect": 2, "send": 3, "wait": 94, "receive": 150.5},
    "request": {
        "method": "POST",
        "url": "https://api.openai.com/v1/chat/completions?a=b#fragment",
        "httpVersion": "HTTP/2.0",
        "headers": [
            {"name": ":authority", "value": "api.openai.com"},
            {"name": "Content-Type", "value": "application/json"},
        ],
        "postData": {"mimeType": "application/json", "text": '{"model": "gpt-4o"}'},
        "bodySize": 19,
    },
    "response": {
        "status": 200,
        "statusText": "OK",
        "httpVersion": "HTTP/2.0",
        "headers": [{"name": "x-request-id", "value": "req_1"}],
        "content": {"size": 2, "mimeType": "application/json", "text": "{}"},
    },
}


def har(*entries: Any) -> dict[str, Any]:
    return {"log": {"version": "1.2", "creator": {"name": "t", "version": "1"}, "entries": list(entries)}}


def entry(**changes: Any) -> dict[str, Any]:
    """ENTRY with values replaced: `request__url="..."` goes into request; `...` removes."""
    changed = copy.deepcopy(ENTRY)
    for path, value in changes.items():
        *parents, name = path.split("__")
        holder = changed
        for parent in parents:
            holder = holder[parent]
        if value is ...:
            del holder[name]
        else:
            holder[name] = value
    return changed


def test_an_entry_is_read_whole() -> None:
    [read] = read_har(har(ENTRY))
    assert read.number == 1
    assert read.started_ns == 1_795_595_400_123_456_000
    assert (read.first_byte_ns, read.duration_ns) == (100_000_000, 250_500_000)
    assert (read.method, read.url) == (b"POST", ENTRY["request"]["url"])
    assert read.request_headers == ((b"Content-Type", b"application/json"),)
    assert (read.request_body, read.request_missing) == (b'{"model": "gpt-4o"}', 0)
    assert (read.status, read.reason, read.response_body) == (200, b"OK", b"{}")
    assert (read.version, read.response_version) == (b"HTTP/2.0", b"HTTP/2.0")


REFUSED: dict[str, tuple[Any, str]] = {
    "an entry that is a list": ([], r"entry 2: log\.entries\[1\] is not an object"),
    "no request": (entry(request=...), "request is missing"),
    "no response": (entry(response=...), "response is missing"),
    "a response that is text": (entry(response="200"), "response is not an object"),
    "no URL": (entry(request__url=...), r"request\.url is missing"),
    "an empty URL": (entry(request__url=" "), r"request\.url is empty"),
    "a method with a space": (entry(request__method="GET /"), r"request\.method is no HTTP method"),
    "a status in quotes": (entry(response__status="200"), r"response\.status is not a whole number"),
    "a status of true": (entry(response__status=True), r"response\.status is not a whole number"),
    "no start": (entry(startedDateTime=...), "startedDateTime is missing"),
    "a start that is no time": (entry(startedDateTime="yesterday"), "'yesterday' is no ISO 8601 time"),
    "a start before 1970": (entry(startedDateTime="1969-01-01T00:00:00Z"), "lies before 1970"),
    "a time in words": (entry(time="fast"), r"\.time is not a number"),
    "timings as a list": (entry(timings=[]), r"\.timings is not an object"),
    "headers as an object": (entry(request__headers={}), r"request\.headers is not a list"),
    "a header without value": (
        entry(response__headers=[{"name": "a"}]),
        r"response\.headers\[0\] is not an object with the texts name and value",
    ),
    "a body that is an object": (
        entry(request__postData={"text": {}}),
        r"request\.postData\.text is not a text",
    ),
    "a body in base 32": (
        entry(response__content={"text": "ME======", "encoding": "base32"}),
        "only base64 is known",
    ),
    "a body that is no base64": (
        entry(request__postData={"text": "é?", "encoding": "base64"}),
        r"postData\.text is not the base64",
    ),
}


@pytest.mark.parametrize(("bad", "reason"), REFUSED.values(), ids=REFUSED)
def test_wrong_structure_refuses_the_whole_and_names_the_entry(bad: Any, reason: str) -> None:
    with pytest.raises(ImportRefused, match=reason) as refused:
        list(read_har(har(ENTRY, bad)))
    assert refused.value.entry == 2


@pytest.mark.parametrize(
    "document", [None, [], "har", {}, {"log": []}, {"log": {}}, {"log": {"entries": {}}}]
)
def test_what_is_no_har_is_refused(document: Any) -> None:
    with pytest.raises(ImportRefused, match="this is no HAR file"):
        list(read_har(document))


ODD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no response came": (entry(response__status=0), {"status": 0}),
    "a status that HTTP does not have": (entry(response__status=7), {"status": 0}),
    "a host that was masked": (
        entry(request__url="https://<REGION>.example.com/v1/x y"),
        {"url": "https://<REGION>.example.com/v1/x%20y"},
    ),
    "no post data": (entry(request__postData=..., request__bodySize=0), {"request_body": b""}),
    "post data that the recorder dropped": (
        entry(request__postData=..., request__bodySize=512),
        {"request_body": b"", "request_missing": 512},
    ),
    "content that the recorder dropped": (
        entry(response__content={"size": 77, "mimeType": "x"}),
        {"response_body": b"", "response_missing": 77},
    ),
    "sizes of -1": (
        entry(request__postData=None, request__bodySize=-1, response__content={"size": -1}),
        {"request_missing": 0, "response_missing": 0},
    ),
    "base64 on both sides": (
        entry(
            request__postData={"text": "/wA=", "encoding": "base64"},
            response__content={"text": "AAE=", "encoding": "base64"},
        ),
        {"request_body": b"\xff\x00", "response_body": b"\x00\x01"},
    ),
    "a lone surrogate": (
        entry(response__content={"text": "a\ud83d"}),
        {"response_body": b"a?"},
    ),
    "a lone surrogate in a URL": (entry(request__url="http://h/\udc00"), {"url": "http://h/?"}),
    "a header that tries to end its line": (
        entry(request__headers=[{"name": "x-a", "value": "b\r\nx-c: d"}, {"name": "x y", "value": "e"}]),
        {"request_headers": ((b"x-a", b"b x-c: d"),)},
    ),
    "a version that tries to end its line": (
        entry(response__httpVersion="HTTP/1.1 200\r\n"),
        {"response_version": b"HTTP/1.1200"},
    ),
    "no headers": (entry(request__headers=..., response__headers=None), {"request_headers": ()}),
    "no time but timings": (entry(time=...), {"duration_ns": 250_500_000}),
    "no timings but a time": (entry(timings=...), {"first_byte_ns": 250_500_000}),
    "no times at all": (entry(timings=..., time=-1), {"first_byte_ns": 0, "duration_ns": 0}),
    "timings longer than the time": (entry(time=50), {"first_byte_ns": 50_000_000}),
    "a start without a zone, taken as UTC": (
        entry(startedDateTime="2026-11-25T08:30:00"),
        {"started_ns": 1_795_595_400_000_000_000},
    ),
    "the recorder's word on an error": (
        entry(response___error="net::ERR_FAILED") | {"response": {**ENTRY["response"], "_error": "net::ERR"}},
        {"comment": "net::ERR"},
    ),
}


@pytest.mark.parametrize(("odd", "expected"), ODD.values(), ids=ODD)
def test_what_is_odd_is_data(odd: dict[str, Any], expected: dict[str, Any]) -> None:
    [read] = read_har(har(odd))
    assert {name: getattr(read, name) for name in expected} == expected


URLS = {
    "https://api.openai.com/v1/x?y=1#z": ("api.openai.com", "/v1/x?y=1"),
    "https://user:secret@host:8443/a": ("host:8443", "/a"),
    "https://host?q": ("host", "/?q"),
    "https://host": ("host", "/"),
    "http://[masked]/v1": ("[masked]", "/v1"),
    "http://<OLLAMA_API_BASE>/v1/chat/completions": ("<OLLAMA_API_BASE>", "/v1/chat/completions"),
    "/only/a/path": ("", "/only/a/path"),
}


@pytest.mark.parametrize(("url", "parts"), URLS.items(), ids=URLS)
def test_urls_are_split_as_they_are(url: str, parts: tuple[str, str]) -> None:
    assert split_url(url) == parts


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        found += [one for key, inner in value.items() for one in places(inner, (*path, key))]
    elif isinstance(value, list):
        found += [one for key, inner in enumerate(value) for one in places(inner, (*path, key))]
    return found


@given(st.sampled_from(places(ENTRY)), JSON)
def test_any_value_at_any_place_is_read_or_refused(place: tuple[Any, ...], value: Any) -> None:
    changed = json.loads(json.dumps(ENTRY))
    holder = changed
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    try:
        [read] = read_har(har(changed))
    except ImportRefused as refused:
        number = refused.entry
    else:
        number = read.number
        line = b" ".join([read.method, read.url.encode(), read.version])
        assert b"\r" not in line
        assert line.count(b" ") == 2
    assert number == 1
