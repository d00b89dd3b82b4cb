"""
Asking for usage where a stream's client did not: what is added to a request, and what is taken out of the
answer again. Bytes in, bytes out; no I/O.

A stream of chat completions states its usage only if `stream_options.include_usage` asks for it; then one
more event comes before `[DONE]`, with the usage and no choices, that a client which did not ask may not be
made for. This is one of two places where the gateway looks into bodies, and it does so only when configured.
Source: https://platform.openai.com/docs/api-reference/chat/create (`stream_options`)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

# An event with the usage alone is a few hundred bytes. A longer one is passed on before its end is there.
EVENT_BYTES_MAX = 16 * 1024

_PATH_END = "/chat/completions"
# Over a body that something signs, nobody may write.
_SIGNING = frozenset({b"content-digest", b"content-md5", b"digest", b"signature", b"x-amz-content-sha256"})
_OPTIONS = re.compile(rb'"stream_options"\s*:\s*\{')
_ASK = b'"include_usage":true'
_EVENT_END = re.compile(rb"\n\r?\n|\r\r")
_DATA = re.compile(rb"^data:[ ]?([^\r\n]*)", re.M)


def may_ask(method: str, path: str, content_type: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request with this head can be a chat completion's whose body may be added to."""
    return (
        method == "POST"
        and path.partition("?")[0].endswith(_PATH_END)
        and b"json" in content_type
        and not any(_forbids(name.lower(), value) for name, value in fields)
    )


def _forbids(name: bytes, value: bytes) -> bool:
    if name == b"authorization":
        return value.startswith(b"AWS4-")
    # Who sends an expectation waits for an answer to its head, and the head waits for the body here.
    return name in _SIGNING or name in (b"expect", b"content-encoding", b"transfer-encoding")


def ask_usage(body: bytes) -> bytes | None:
    """
    The request's body with `include_usage` in it, all else as it was.

    None for what is no stream, for what says itself whether it wants usage, and for what is no JSON object.
    """
    if b'"stream"' not in body:
        return None
    asked = _json(body)
    if not isinstance(asked, dict) or asked.get("stream") is not True:
        return None
    if "stream_options" not in asked:
        end = body.rstrip(b" \t\r\n")[:-1]
        return b'%b,"stream_options":{%b}%b' % (end, _ASK, body[len(end) :])
    options = asked["stream_options"]
    places = list(_OPTIONS.finditer(body))
    if not isinstance(options, dict) or "include_usage" in options or len(places) != 1:
        return None
    at = places[0].end()
    return b"%b%b%b%b" % (body[:at], _ASK, b"," if options else b"", body[at:])


# Of an event that was cut: no choice, and the first word of what was used.
_USAGE_BEGUN = re.compile(rb'"choices"\s*:\s*\[\s*\].*"usage"\s*:\s*\{', re.DOTALL)


class UsageFilter:
    """
    Takes the events that carry nothing but usage out of a stream of events.

    Holds at most the beginning of one event, and gives it out as soon as it is whole, or longer than such an
    event can be.
    """

    __slots__ = ("_held", "_is_inside")

    def __init__(self) -> None:
        self._held = b""
        self._is_inside = False  # the beginning of the present event has been given out

    def feed(self, data: bytes) -> bytes:
        buffer = self._held + data if self._held else data
        kept: list[bytes] = []
        at = 0
        for found in _EVENT_END.finditer(buffer):
            event = buffer[at : found.end()]
            if self._is_inside or not is_usage_alone(event):
                kept.append(event)
            else:
                kept.append(event[: len(event) - len(event.lstrip(b"\r\n"))])
            self._is_inside = False
            at = found.end()
        rest = buffer[at:]
        if self._is_inside or len(rest) > EVENT_BYTES_MAX:
            self._is_inside = bool(rest) or self._is_inside
            # What may be half of an event's end is held: the other half has to be seen with it.
            ends_open = len(rest) - len(rest.rstrip(b"\r\n"))
            kept.append(rest[: len(rest) - ends_open])
            rest = rest[len(rest) - ends_open :]
        self._held = rest
        return b"".join(kept)

    def finish(self) -> bytes:
        """
        What is held when the stream has ended, in the middle of an event or not. The beginning of an event
        that nobody but us has asked for stays here.
        """
        rest, self._held = self._held, b""
        return b"" if _USAGE_BEGUN.search(rest) else rest


def is_usage_alone(event: bytes) -> bool:
    """Whether it says what was used, and nothing else: `{"choices":[],"usage":{...}}`."""
    if b'"usage"' not in event:
        return False
    chunk = _json(b"\n".join(_DATA.findall(event)))
    return isinstance(chunk, dict) and chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict)


def _json(text: bytes) -> Any:
    """None for what is none."""
    try:
        return json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
