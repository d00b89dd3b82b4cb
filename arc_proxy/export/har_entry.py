"""
An exchange as one entry of a HAR 1.2 file. No I/O.

Source: http://www.softwareishard.com/blog/har-12-spec/

Bodies are decoded, as the format wants it: text where they are UTF-8, else base64 (in `postData.encoding`
too, which several recorders write though the format has no word for it). Names that the caller put into the
URL (`/run/...`) are written as the headers that mean the same, since the URL here is the provider's.

Fields of a body that are credentials by their name are cut once more, now that the content-encoding is off.

A WebSocket is one entry, whatever was said on it: `_webSocketMessages` lists its texts and binary messages
in the form in which browsers write them (type "send" or "receive", time in seconds since the epoch, opcode,
data; binary data in base64), see
https://github.com/ChromeDevTools/devtools-frontend/blob/main/front_end/models/har/Log.ts

What HAR has no place for stands in `_arc`, as custom fields do: `call_id`, `ended`, `detail`, `captured`
and how many bytes of each body were not kept.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from arc_proxy.call import Captured
from arc_proxy.cut import BodyForm, Cutter, Fingerprints, Secrets
from arc_proxy.ingest.assemble import Exchange
from arc_proxy.journal.fact import rfc3339
from arc_proxy.journal.record import id_text
from arc_proxy.prefix import split_prefix
from arc_proxy.wire.content import decode_body
from arc_proxy.wire.websocket import Direction, Message, Opcode

_UNKNOWN_TIME = -1
_GROUPING_HEADERS = {"run_id": "x-arc-run-id", "session_id": "x-arc-session-id", "agent": "x-arc-agent"}
# A name that no resolver knows (RFC 2606), for requests that arc-proxy answered itself and sent nowhere.
_NOWHERE = "http://arc-proxy.invalid"

Headers = list[tuple[str, str]]


def as_har_entry(exchange: Exchange, fingerprints: Fingerprints) -> dict[str, Any]:
    """The entry as JSON values. Header bytes that are no UTF-8 are read as ISO 8859-1."""
    request, response = exchange.request, exchange.response
    duration_ns = exchange.duration_ns or 0
    first_byte_ns = duration_ns if exchange.first_byte_ns is None else exchange.first_byte_ns
    request_headers = _as_text(request.headers) + _prefix_headers(exchange)
    response_headers = _as_text(response.headers) if response else []
    url = request.url or _NOWHERE + _text(request.target)
    return {
        "startedDateTime": rfc3339(exchange.started_ns),
        "time": _ms(duration_ns),
        "request": {
            "method": _text(request.method),
            "url": url,
            "httpVersion": _text(request.version),
            "cookies": [],
            "headers": _fields(request_headers),
            "queryString": _query(url),
            "headersSize": -1,
            "bodySize": exchange.request_bytes,
            **_post_data(request_headers, exchange.request_body, fingerprints),
        },
        "response": {
            "status": response.status if response else 0,
            "statusText": _text(response.reason) if response else "",
            "httpVersion": _text(response.version) if response else "",
            "cookies": [],
            "headers": _fields(response_headers),
            "content": _content(response_headers, exchange.response_body, fingerprints),
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": exchange.response_bytes,
        },
        "cache": {},
        "timings": {
            "blocked": _UNKNOWN_TIME,
            "dns": _UNKNOWN_TIME,
            "connect": _UNKNOWN_TIME,
            "ssl": _UNKNOWN_TIME,
            "send": 0,
            "wait": _ms(first_byte_ns),
            "receive": _ms(duration_ns - first_byte_ns),
        },
        "_arc": {
            "call_id": id_text(exchange.exchange_id),
            "ended": str(exchange.end.ended),
            "detail": exchange.end.detail,
            "origin": response.origin if response else None,
            "captured": str(exchange.captured),
            "request_missing": _missing(exchange, exchange.request_bytes, exchange.request_body),
            "response_missing": _missing(exchange, exchange.response_bytes, exchange.response_body),
        },
        **_socket(exchange, fingerprints),
    }


def _missing(exchange: Exchange, wire_bytes: int, body: bytes) -> int:
    """Bytes that were not kept. Of a WebSocket the frames around what was said are none of them."""
    if exchange.is_tunnel:
        return 0 if exchange.captured is Captured.FULL else 1
    return wire_bytes - len(body)


def _socket(exchange: Exchange, fingerprints: Fingerprints) -> dict[str, Any]:
    if not exchange.is_tunnel:
        return {}
    said = [message for message in exchange.messages if message.opcode in (Opcode.TEXT, Opcode.BINARY)]
    return {
        "_resourceType": "websocket",
        "_webSocketMessages": [
            {
                "type": "send" if message.direction is Direction.UP else "receive",
                "time": (exchange.started_ns + message.at_ns) / 1_000_000_000,
                "opcode": int(message.opcode),
                "data": _message_data(message, fingerprints),
            }
            for message in said
        ],
    }


def _message_data(message: Message, fingerprints: Fingerprints) -> str:
    data = Cutter(Secrets(fingerprints), BodyForm.JSON).finish(message.data)
    if message.opcode is Opcode.BINARY:
        return base64.b64encode(data).decode()
    return data.decode(errors="replace")


def _post_data(headers: Headers, body: bytes, fingerprints: Fingerprints) -> dict[str, Any]:
    if not body:
        return {}
    decoded = _decoded(headers, body, fingerprints)
    return {"postData": {"mimeType": _mime_type(headers), "params": [], **_as_body(decoded)}}


def _content(headers: Headers, body: bytes, fingerprints: Fingerprints) -> dict[str, Any]:
    decoded = _decoded(headers, body, fingerprints)
    return {"size": len(decoded), "mimeType": _mime_type(headers), **_as_body(decoded)}


def _decoded(headers: Headers, body: bytes, fingerprints: Fingerprints) -> bytes:
    decoded = decode_body(headers, body).body
    return Cutter(Secrets(fingerprints), BodyForm.JSON).finish(decoded)


def _as_body(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(body).decode(), "encoding": "base64"}


def _prefix_headers(exchange: Exchange) -> Headers:
    target = _text(exchange.request.target)
    url = exchange.request.url
    if url is None or url.endswith(target):
        return []
    prefix, _ = split_prefix(target)
    said = {name.lower() for name, _ in exchange.request.headers}
    return [
        (header, value)
        for level, header in _GROUPING_HEADERS.items()
        if (value := getattr(prefix, level)) is not None and header.encode() not in said
    ]


def _query(url: str) -> list[dict[str, str]]:
    query = url.partition("#")[0].partition("?")[2]
    return _fields(parse_qsl(query, keep_blank_values=True))


def _fields(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _mime_type(headers: Headers) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def _as_text(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [(_text(name), _text(value)) for name, value in headers]


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _ms(ns: int) -> float:
    return ns / 1_000_000
