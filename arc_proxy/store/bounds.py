"""
What a database takes. The wire brings any text and any number; one odd value must not hold up the rest.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

WORD_MAX = 200  # characters of ids, names and other indexed words
TEXT_MAX = 8_000  # characters of an error message
INT_MAX = 2**62
TOKENS_MAX = 2**40  # a million years of reading; sums of billions of them stay within 64 bits only below
NANOUSD_MAX = 2**50  # a million dollars for one call


def word(text: str | None, length: int = WORD_MAX) -> str | None:
    """Text as both databases take it: no NUL, no half of a surrogate pair, at most `length` characters."""
    if text is None:
        return None
    if len(text) > length:
        text = text[: length - 1] + "…"
    if text.isascii():
        return text.replace("\0", "�") if "\0" in text else text
    return text.replace("\0", "�").encode("utf-8", "replace").decode()


def some_word(text: str) -> str:
    """`word` for a text that is never None."""
    return word(text) or ""


def whole(number: int, most: int = INT_MAX) -> int:
    """A count that is neither negative nor more than `most`."""
    return 0 if number < 0 else min(number, most)


def share(number: float) -> float:
    """A number from 0 to 1; what is none, as NaN, is 0."""
    return min(max(float(number), 0.0), 1.0) if number == number else 0.0


def dump_json(value: Any) -> bytes:
    """
    Compact JSON with sorted keys of anything that a JSON parser can have returned.

    orjson refuses halves of surrogate pairs and integers of more than 64 bits; those are written in ASCII.
    Raises ValueError where `value` is nested too deep.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        pass
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()
    except RecursionError:
        raise ValueError("nested too deep") from None


def load_json(content: bytes | str) -> Any:
    try:
        return orjson.loads(content)
    except ValueError:
        return json.loads(content)


def json_text(value: Any) -> str | None:
    """`dump_json` as text; None for an empty value."""
    return dump_json(value).decode() if value else None
