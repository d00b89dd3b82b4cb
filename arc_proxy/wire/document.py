"""
JSON documents: read leniently, written canonically. No I/O.

orjson reads nearly all of them. The standard library's parser takes what orjson refuses and some clients
and servers send all the same: NaN, and escapes that are half of a surrogate pair (a string cut in the
middle of an emoji).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import orjson

from arc_proxy.errors import WireError

JsonObject = dict[str, Any]

_BOM = b"\xef\xbb\xbf"


def read_value(document: bytes | str) -> Any:
    """Raises ValueError for what is no JSON document, or one nested too deep to read."""
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError:
        pass
    text = document if isinstance(document, str) else document.removeprefix(_BOM).decode(errors="replace")
    try:
        return _without_lone_surrogates(json.loads(text))
    except RecursionError:
        raise ValueError("nested too deep") from None


def read_object(document: bytes | str) -> JsonObject | None:
    """The object that this document is; None if it is something else, or no JSON at all."""
    try:
        value = read_value(document)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def canonical(value: Any) -> bytes:
    """
    The one way to write a value: sorted keys, no spaces, UTF-8. Equal values give equal bytes.

    Raises WireError for a value that JSON can hold and we cannot write: nested over 254 levels.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise WireError(f"cannot be written as JSON: {error}") from error


def canonical_or_none(value: Any) -> bytes | None:
    """A value as `canonical` writes it; None for one that we cannot write."""
    try:
        return canonical(value)
    except WireError:
        return None


def compact(value: Any) -> str:
    """A value as JSON text with its keys in the order they came in. Raises WireError like `canonical`."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise WireError(f"cannot be written as JSON: {error}") from error


def as_object(value: Any) -> JsonObject:
    """The value if it is an object, else an empty one: what a provider promises is not what it sends."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str | None:
    """The value if it is a string with something in it, else None."""
    return value if isinstance(value, str) and value else None


def joined_texts(parts: Iterable[Any], kind: str) -> str | None:
    """The texts of the parts of this type, one after another; None if there is none."""
    texts = [
        part["text"]
        for part in parts
        if isinstance(part, dict) and part.get("type") == kind and isinstance(part.get("text"), str)
    ]
    return "".join(texts) if texts else None


def arguments_text(arguments: Any) -> str:
    """A tool call's arguments: text as on the wire, an object as compact JSON."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else compact(arguments)


def overlay(counts: JsonObject | None, later: Any) -> JsonObject | None:
    """Per field the last value that is not null; a nested object is one value."""
    if not isinstance(later, dict):
        return counts
    if counts is None:
        return dict(later)
    counts.update({field: value for field, value in later.items() if value is not None})
    return counts


def to_text(content: bytes | bytearray) -> str:
    """Any bytes as a JSON string that `to_bytes` reads."""
    return base64.b85encode(content).decode()


def to_bytes(text: str) -> bytes:
    return base64.b85decode(text)


def _without_lone_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_lone_surrogates(key): _without_lone_surrogates(item) for key, item in value.items()}
    return value
