"""An exchange as a HAR entry: bodies decoded, names kept, credentials left out."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from arc_proxy.call import Captured
from arc_proxy.cut import Fingerprints
from arc_proxy.export.har_entry import as_har_entry
from arc_proxy.export.har_read import read_har
from arc_proxy.ingest.assemble import Exchange
from arc_proxy.journal.head import End, RequestHead, ResponseHead
from arc_proxy.journal.record import Ended, make_exchange_id

FINGERPRINTS = Fingerprints(bytes(32))
EXCHANGE = Exchange(
    exchange_id=make_exchange_id(1_790_000_000_000, 7, 1),
    writer="00000007",
    first=(1, 0),
    after=(1, 999),
    started_ns=1_790_000_000_123_456_789,
    request=RequestHead(
        upstream="openai",
        url="https://api.openai.com/v1/chat/completions?a=1&b=",
        connection=1,
        method=b"POST",
        target=b"/run/r%201/openai/v1/chat/completions?a=1&b=",
        version=b"HTTP/1.1",
        headers=((b"Content-Type", b"application/json"), (b"X-Odd", b"caf\xe9")),
    ),
    request_body=b'{"model":"m"}',
    response=ResponseHead(
        origin="upstream",
        status=200,
        reason=b"OK",
        version=b"HTTP/1.1",
        headers=((b"content-type", b"application/json"), (b"content-encoding", b"gzip")),
    ),
    response_body=gzip.compress(b'{"id":"1"}'),
    first_byte_ns=20_000_000,
    duration_ns=50_500_000,
    end=End(ended=Ended.COMPLETE),
    closed=True,
    spilled=False,
    captured=Captured.FULL,
    unsecured=False,
    request_bytes=13,
    response_bytes=len(gzip.compress(b'{"id":"1"}')),
    chunk_times=(),
)


def test_an_entry_says_what_happened() -> None:
    entry = as_har_entry(EXCHANGE, FINGERPRINTS)
    assert entry["startedDateTime"] == "2026-09-21T14:13:20.123456Z"
    assert (entry["time"], entry["timings"]["wait"], entry["timings"]["receive"]) == (50.5, 20.0, 30.5)
    request, response = entry["request"], entry["response"]
    assert (request["method"], request["url"]) == ("POST", EXCHANGE.request.url)
    assert request["queryString"] == [{"name": "a", "value": "1"}, {"name": "b", "value": ""}]
    assert request["headers"] == [
        {"name": "Content-Type", "value": "application/json"},
        {"name": "X-Odd", "value": "café"},
        {"name": "x-arc-run-id", "value": "r 1"},
    ]
    assert request["postData"] == {"mimeType": "application/json", "params": [], "text": '{"model":"m"}'}
    assert (response["status"], response["statusText"]) == (200, "OK")
    assert response["content"] == {"size": 10, "mimeType": "application/json", "text": '{"id":"1"}'}
    assert entry["_arc"]["ended"] == "complete"


def test_what_is_written_can_be_read() -> None:
    document = json.loads(json.dumps({"log": {"entries": [as_har_entry(EXCHANGE, FINGERPRINTS)]}}))
    [read] = read_har(document)
    assert (read.started_ns, read.first_byte_ns, read.duration_ns) == (
        EXCHANGE.started_ns // 1000 * 1000,
        EXCHANGE.first_byte_ns,
        EXCHANGE.duration_ns,
    )
    assert (read.request_body, read.response_body) == (b'{"model":"m"}', b'{"id":"1"}')


def test_bytes_that_are_no_text_are_base64_on_both_sides() -> None:
    entry = as_har_entry(replace(EXCHANGE, request_body=b"\xff\x00", response_body=b"\x00\xff"), FINGERPRINTS)
    assert (entry["request"]["postData"]["text"], entry["request"]["postData"]["encoding"]) == (
        "/wA=",
        "base64",
    )
    assert entry["response"]["content"]["encoding"] == "base64"


def test_a_header_beats_the_prefix() -> None:
    headers = ((b"X-Arc-Run-Id", b"by header"),)
    entry = as_har_entry(replace(EXCHANGE, request=replace(EXCHANGE.request, headers=headers)), FINGERPRINTS)
    assert entry["request"]["headers"] == [{"name": "X-Arc-Run-Id", "value": "by header"}]


def test_an_exchange_without_an_answer_has_status_0() -> None:
    lost = replace(
        EXCHANGE,
        response=None,
        response_body=b"",
        first_byte_ns=None,
        end=End(ended=Ended.UPSTREAM_ERROR, detail="connection refused"),
    )
    entry = as_har_entry(lost, FINGERPRINTS)
    assert (entry["response"]["status"], entry["_arc"]["detail"]) == (0, "connection refused")


def test_a_request_that_went_nowhere_has_a_url_all_the_same() -> None:
    entry = as_har_entry(replace(EXCHANGE, request=replace(EXCHANGE.request, url=None)), FINGERPRINTS)
    assert entry["request"]["url"].startswith("http://arc-proxy.invalid/run/r%201/openai/")


MARK = FINGERPRINTS.mark(b"canary").decode()
BODIES: dict[str, tuple[bytes, str]] = {
    "a document": (
        b'{"mcp_servers": [{"authorization_token": "canary"}]}',
        f'{{"mcp_servers": [{{"authorization_token": "{MARK}"}}]}}',
    ),
    "a stream": (
        b'event: a\ndata: {"tools":[{"authorization":"canary"}]}\n\ndata: {"n":1}\n\n',
        f'event: a\ndata: {{"tools":[{{"authorization":"{MARK}"}}]}}\n\ndata: {{"n":1}}\n\n',
    ),
    "a document that broke off": (
        b'{"a":1,"authorization_token":"canary',
        f'{{"a":1,"authorization_token":"{MARK}',
    ),
    "one that was cut before": (b'{"api_key":"cut-01234567"}', '{"api_key":"cut-01234567"}'),
}


@pytest.mark.parametrize(("body", "written"), BODIES.values(), ids=BODIES)
def test_credentials_in_bodies_are_cut(body: bytes, written: str) -> None:
    entry: dict[str, Any] = as_har_entry(
        replace(EXCHANGE, request_body=body, response_body=body), FINGERPRINTS
    )
    assert entry["request"]["postData"]["text"] == written
    assert entry["response"]["content"]["text"] == written
