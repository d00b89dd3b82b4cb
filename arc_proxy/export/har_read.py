"""
HAR 1.2, read: a parsed document in, checked entries out. No I/O.

Source: http://www.softwareishard.com/blog/har-12-spec/

What is structure is checked: the objects, lists and types that the format promises; a wrong one refuses the
whole document and names the entry. What is data is taken as it is, however odd: unknown hosts, masked URLs,
status 0 (no response came), times of -1 (not known), bodies that the recorder left out. What `har_entry`
wrote into `_arc` is taken back where it makes sense.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from arc_proxy.errors import ImportRefused
from arc_proxy.journal.record import Ended
from arc_proxy.wire.websocket import Direction, Message, Opcode

Headers = tuple[tuple[bytes, bytes], ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE_IN_LINE = re.compile(r"[\x00-\x20\x7f]")
_UNSAFE_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
_ENDS = frozenset(map(str, Ended))
_SECONDS_MAX = 1 << 32  # what is no time of day
_BEFORE_FIRST_BYTE = ("blocked", "dns", "connect", "send", "wait")


@dataclass(frozen=True, slots=True, kw_only=True)
class HarEntry:
    """
    One entry. Bodies are as HAR keeps them: content-encoding undone.

    `missing` bytes are those of a body that the recorder counted but did not keep.
    """

    number: int  # 1 for the first
    started_ns: int  # wall clock
    first_byte_ns: int  # after started_ns
    duration_ns: int
    method: bytes
    url: str
    version: bytes
    request_headers: Headers
    request_body: bytes
    request_missing: int
    status: int  # 0: no response
    reason: bytes
    response_version: bytes
    response_headers: Headers
    response_body: bytes
    response_missing: int
    messages: tuple[Message, ...] | None  # of a WebSocket; None: none, or the recorder kept none
    comment: str  # the recorder's word on an error, may be empty
    ended: Ended
    origin: str  # "upstream", or "proxy" where arc-proxy itself had answered


class _Refusal(Exception):
    """The place and what is wrong there; the entry's number is put to it further up."""


def read_har(document: Any) -> Iterator[HarEntry]:
    """
    The entries in the document's order. Raises ImportRefused at the first that is not what HAR says.

    Read it to the end before anything is taken: a later entry may refuse the whole.
    """
    log = document.get("log") if isinstance(document, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise ImportRefused("this is no HAR file: log.entries is not a list")
    for index, entry in enumerate(entries):
        try:
            yield _read_entry(entry, index)
        except _Refusal as refusal:
            raise ImportRefused(f"log.entries[{index}]{refusal}", entry=index + 1) from None


def split_url(url: str) -> tuple[str, str]:
    """
    Host (with port) and target (path and query) of a URL, which may be as odd as a recorder left it.

    Never raises, where urllib would refuse a masked host such as `<region>.example.com` or `[masked]`.
    """
    _, mark, rest = url.partition("://")
    rest = (rest if mark else url).partition("#")[0]
    end = min((place for place in map(rest.find, "/?") if place >= 0), default=len(rest))
    host, target = rest[:end].rpartition("@")[2], rest[end:]
    return host, target if target.startswith("/") else f"/{target}"


def _read_entry(entry: Any, index: int) -> HarEntry:
    _expect(isinstance(entry, dict), "", "is not an object")
    request = _object(entry, "request", "")
    response = _object(entry, "response", "")
    first_byte_ns, duration_ns = _times(entry)
    started_ns = _started_ns(_text(entry, "startedDateTime", ""))
    url = _text(request, "url", ".request")
    _expect(bool(url.strip()), ".request.url", "is empty")
    method = _text(request, "method", ".request")
    _expect(bool(_TOKEN.fullmatch(method)), ".request.method", "is no HTTP method")
    request_body, request_missing = _request_body(request)
    response_body, response_missing = _response_body(response)
    status = _status(response)
    messages = _messages(entry, started_ns)
    if messages is not None:  # the sizes are those of the frames
        request_missing = response_missing = 0
    ours = entry.get("_arc")
    ours = ours if isinstance(ours, dict) else {}
    return HarEntry(
        number=index + 1,
        started_ns=started_ns,
        first_byte_ns=first_byte_ns,
        duration_ns=duration_ns,
        method=method.encode(),
        url=_UNSAFE_IN_LINE.sub(lambda found: f"%{ord(found[0]):02X}", _whole(url.strip())),
        version=_version(request),
        request_headers=_headers(request, ".request"),
        request_body=request_body,
        request_missing=_size(ours.get("request_missing")) or request_missing,
        status=status,
        reason=_one_line(response.get("statusText")).encode(),
        response_version=_version(response),
        response_headers=_headers(response, ".response"),
        response_body=response_body,
        response_missing=_size(ours.get("response_missing")) or response_missing,
        messages=messages,
        comment=_one_line(ours.get("detail") or response.get("_error") or response.get("comment")),
        ended=_ended(ours.get("ended"), status),
        origin="proxy" if ours.get("origin") == "proxy" else "upstream",
    )


def _request_body(request: dict[str, Any]) -> tuple[bytes, int]:
    posted = _optional_object(request, "postData", ".request")
    if posted is None or posted.get("text") is None:
        return b"", _size(request.get("bodySize"))
    return _body(posted, ".request.postData"), 0


def _response_body(response: dict[str, Any]) -> tuple[bytes, int]:
    content = _optional_object(response, "content", ".response")
    if content is None or content.get("text") is None:
        return b"", _size(content.get("size") if content else None)
    return _body(content, ".response.content"), 0


def _body(holder: dict[str, Any], place: str) -> bytes:
    text = _text(holder, "text", place)
    encoding = holder.get("encoding")
    if encoding in (None, ""):
        return text.encode(errors="replace")
    _expect(encoding == "base64", f"{place}.encoding", f"is {str(encoding)[:40]!r}, and only base64 is known")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _Refusal(f"{place}.text is not the base64 that it claims to be") from None


def _messages(entry: dict[str, Any], started_ns: int) -> tuple[Message, ...] | None:
    """What browsers write of a WebSocket. One of an odd form is left out: no format promises any."""
    said = entry.get("_webSocketMessages")
    if not isinstance(said, list):
        return None
    messages = (_message(each, started_ns) for each in said if isinstance(each, dict))
    return tuple(message for message in messages if message is not None)


def _message(said: dict[str, Any], started_ns: int) -> Message | None:
    data, time_s = said.get("data"), said.get("time")
    if not isinstance(data, str) or said.get("type") not in ("send", "receive"):
        return None
    is_binary = said.get("opcode") == Opcode.BINARY
    try:
        content = base64.b64decode(data, validate=True) if is_binary else data.encode(errors="replace")
    except (binascii.Error, ValueError):
        return None
    if not isinstance(time_s, int | float) or not 0 < time_s < _SECONDS_MAX:
        time_s = 0
    return Message(
        Direction.UP if said["type"] == "send" else Direction.DOWN,
        Opcode.BINARY if is_binary else Opcode.TEXT,
        content,
        max(0, int(time_s * 1_000_000_000) - started_ns),
    )


def _headers(holder: dict[str, Any], place: str) -> Headers:
    fields = holder.get("headers")
    if fields is None:
        return ()
    _expect(isinstance(fields, list), f"{place}.headers", "is not a list")
    headers = []
    for index, one in enumerate(fields):
        try:
            name, value = one["name"], one["value"]
        except (TypeError, KeyError, IndexError):
            name = value = None
        if not isinstance(name, str) or not isinstance(value, str):
            raise _Refusal(f"{place}.headers[{index}] is not an object with the texts name and value")
        # HTTP/2 pseudo headers (":authority") are no fields, and neither is a name that no wire can carry.
        if _TOKEN.fullmatch(name):
            if not value.isprintable():
                value = _UNSAFE_IN_VALUE.sub(" ", value)
            headers.append((name.encode(), value.strip().encode(errors="replace")))
    return tuple(headers)


def _times(entry: dict[str, Any]) -> tuple[int, int]:
    """First byte and end in nanoseconds after the start."""
    timings = _optional_object(entry, "timings", "") or {}
    before = sum(_ms(timings.get(name), f".timings.{name}") for name in _BEFORE_FIRST_BYTE)
    whole = _ms(entry.get("time"), ".time") or before + _ms(timings.get("receive"), ".timings.receive")
    return min(before, whole) if timings else whole, whole


def _ms(value: Any, place: str) -> int:
    """Milliseconds as nanoseconds; 0 for what is absent or -1, which is HAR's word for not known."""
    if value is None:
        return 0
    _expect(isinstance(value, int | float) and not isinstance(value, bool), place, "is not a number")
    return round(value * 1e6) if 0 < value < 1e12 else 0


def _started_ns(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise _Refusal(f".startedDateTime {text[:40]!r} is no ISO 8601 time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    ns = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
    _expect(ns >= 0, ".startedDateTime", "lies before 1970")
    return ns


def _status(response: dict[str, Any]) -> int:
    status = response.get("status")
    _expect(
        isinstance(status, int) and not isinstance(status, bool), ".response.status", "is not a whole number"
    )
    assert isinstance(status, int)
    return status if 100 <= status <= 999 else 0


def _ended(said: object, status: int) -> Ended:
    if isinstance(said, str) and said in _ENDS:
        return Ended(said)
    return Ended.COMPLETE if status else Ended.UPSTREAM_ERROR


def _version(holder: dict[str, Any]) -> bytes:
    named = _one_line(holder.get("httpVersion")).replace(" ", "")
    return named.encode() or b"HTTP/1.1"


def _size(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _one_line(value: Any) -> str:
    return _UNSAFE_IN_VALUE.sub(" ", _whole(value)).strip() if isinstance(value, str) else ""


def _whole(text: str) -> str:
    """Text that has bytes: a lone surrogate is what JavaScript makes of half an emoji, and has none."""
    return text.encode(errors="replace").decode()


def _text(holder: dict[str, Any], name: str, place: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str):
        raise _Refusal(f"{place}.{name} is {'missing' if value is None else 'not a text'}")
    return value


def _object(holder: dict[str, Any], name: str, place: str) -> dict[str, Any]:
    value = _optional_object(holder, name, place)
    if value is None:
        raise _Refusal(f"{place}.{name} is missing")
    return value


def _optional_object(holder: dict[str, Any], name: str, place: str) -> dict[str, Any] | None:
    value = holder.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise _Refusal(f"{place}.{name} is not an object")


def _expect(right: bool, place: str, wrong: str) -> None:
    if not right:
        raise _Refusal(f"{place} {wrong}")
