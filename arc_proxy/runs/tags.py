"""
Tags: what callers write on a call to find it by. A key and a value of printable text each. No I/O.

Readers take what is good and say whether all of it was. The first value of a key counts.
"""

from __future__ import annotations

from typing import Any

import orjson

from arc_proxy.prefix import is_name

TAGS_MAX = 64

_BARE_TAG = "true"

Tags = dict[str, str]


def add_tag(tags: Tags, key: str, text: str) -> bool:
    """Whether the tag is good, and there was room for it. An empty value is one."""
    if not is_name(key) or (text and not is_name(text)):
        return False
    if key not in tags and len(tags) >= TAGS_MAX:
        return False
    tags.setdefault(key, text)
    return True


def read_list(value: bytes, tags: Tags) -> bool:
    """`a=1, b`, where a bare word means `b=true`."""
    try:
        parts = value.decode().split(",")
    except UnicodeDecodeError:
        return False
    all_good = True
    for part in filter(None, map(str.strip, parts)):
        key, equals, text = (piece.strip() for piece in part.partition("="))
        all_good &= add_tag(tags, key, text if equals else _BARE_TAG)
    return all_good


def read_object(value: Any, tags: Tags) -> bool:
    """A JSON object of scalars, in bytes or read already. `null` is no tag, and no mistake either."""
    if isinstance(value, bytes | str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return False
    if not isinstance(value, dict):
        return False
    all_good = True
    for key, member in value.items():
        if isinstance(member, bool):
            member = str(member).lower()
        elif isinstance(member, int | float):
            member = str(member)
        if isinstance(member, str) and isinstance(key, str):
            all_good &= add_tag(tags, key, member)
        else:
            all_good &= member is None
    return all_good
