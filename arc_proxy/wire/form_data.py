"""
A form with files (`multipart/form-data`) as the JSON object that it might have been. No I/O.

Source: https://www.rfc-editor.org/rfc/rfc7578, https://www.rfc-editor.org/rfc/rfc2046#section-5.1

A field becomes a text, a file its stub (see `media`); `name[]`, or a name that comes again, becomes a list.
"""

from __future__ import annotations

import re
from typing import Any

from arc_proxy.wire.document import JsonObject
from arc_proxy.wire.media import media_stub

FIELD_CHARS_MAX = 64 * 1024
_PARTS_MAX = 1000

# The first line tells the boundary, in the case that the header may have lost.
_FIRST_LINE = re.compile(rb"\s*(?P<line>--[^\r\n]{1,200})\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_NAME = re.compile(rb';[ \t]*name[ \t]*=[ \t]*(?:"([^"\r\n]*)"|([^;\s"]+))', re.I)
_FILENAME = re.compile(rb";[ \t]*filename\*?[ \t]*=", re.I)
_TYPE = re.compile(rb"^content-type:[ \t]*([\w.+-]+/[\w.+-]+)", re.I | re.M)

# What OpenAI's forms have for true and false.
_WORDS = {"true": True, "false": False}


def read_form(body: bytes) -> JsonObject | None:
    """None if this is no such form. Of a form that was cut, the parts that are whole."""
    first = _FIRST_LINE.match(body)
    if first is None:
        return None
    fields: JsonObject = {}
    parts = body[first.end() :].split(b"\n" + first["line"], _PARTS_MAX)
    for part in parts[:-1]:  # the last is what follows the closing delimiter
        _add_part(fields, part.removesuffix(b"\r"))
    return fields


def _add_part(fields: JsonObject, part: bytes) -> None:
    part = part.removeprefix(b"\r").removeprefix(b"\n")
    end = _HEAD_END.search(part)
    if end is None:
        return
    head, content = part[: end.start()], part[end.end() :]
    name = _NAME.search(head)
    if name is None:
        return
    value: Any
    kind = _TYPE.search(head)
    if _FILENAME.search(head) or len(content) > FIELD_CHARS_MAX:
        value = media_stub(content, kind[1] if kind else b"").decode()
    else:
        text = content.decode(errors="replace")
        value = _WORDS.get(text, text)
    key = (name[1] if name[1] is not None else name[2]).decode(errors="replace")
    if key.endswith("[]"):
        key = key.removesuffix("[]")
        value = [*_listed(fields.get(key, [])), value]
    elif key in fields:
        value = [*_listed(fields[key]), value]
    fields[key] = value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
