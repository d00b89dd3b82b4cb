"""
JSON Lines: one object per line, UTF-8, written as the rows come.

A line is ASCII-safe against what breaks line readers: JSON escapes control characters, and U+2028 stands
inside a string like any other character.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import orjson


def write_jsonl(rows: Iterable[Mapping[str, Any]], out: BinaryIO) -> int:
    """Returns how many lines were written. Raises OSError where `out` does."""
    lines = 0
    for row in rows:
        out.write(to_json(row))
        out.write(b"\n")
        lines += 1
    return lines


def to_json(value: Any) -> bytes:
    """Compact JSON. Integers beyond 64 bits, which a provider may send, are kept as they are."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
