"""
How a tool was seen to say that it found nothing, as a test that finds it again. Pure.

Tools say it by no value at all, and that is easy; by words ("Empty DataFrame", "0 rows") or by an object
around an empty list, and then a wrapper has to look for what this tool says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from analysis.complaints import EMPTY, NOTHING
from analysis.fixes.quote import json_literal, literal, plain

_SIGN_CHARACTERS_MAX = 80
_DEPTH_MAX = 4


class EmptyTest(NamedTuple):
    """Conditions on `text`, a result as text."""

    python: str
    typescript: str


NO_TEST = EmptyTest("False", "false")  # where one for no value is enough


def empty_test(result: str) -> EmptyTest:
    """`result`: one that was empty, as the model read it."""
    text = result.strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _equals(text) if text.lower() in NOTHING else _begins(_words(text))
    sign = next(_pairs(value), "")
    if sign:
        # Without the spaces, which JSON may have or not.
        return EmptyTest(
            f'{literal(sign)} in text.replace(" ", "")',
            f'text.replaceAll(" ", "").includes({json_literal(sign)})',
        )
    words = _words(value) if isinstance(value, str) else ""
    return _begins(f'"{words}') if words else _equals(text)


def _equals(text: str) -> EmptyTest:
    if len(text) > _SIGN_CHARACTERS_MAX or text in ("", "[]", "null"):
        return NO_TEST
    return EmptyTest(f"text.strip() == {literal(text)}", f"text.trim() === {json_literal(text)}")


def _begins(words: str) -> EmptyTest:
    if not words:
        return NO_TEST
    return EmptyTest(
        f"text.strip().startswith({literal(words)})", f"text.trim().startsWith({json_literal(words)})"
    )


def _words(text: str) -> str:
    """How it begins, up to the words for nothing: "Output: 0 rows" of "Output: 0 rows for travel"."""
    first = text[:_SIGN_CHARACTERS_MAX].splitlines()[0] if text else ""
    starts = (0, *(place + 1 for place, character in enumerate(first) if character in " :>)]"))
    for start in starts:
        found = EMPTY.match(text, start)
        if found is not None:
            return plain(text[: found.end()], _SIGN_CHARACTERS_MAX)
    return ""


def _pairs(value: Any, depth: int = 0) -> Iterator[str]:
    """What of JSON says it: a key with an empty list, or with words for nothing."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(value, list):
        for each in value[:10]:
            yield from _pairs(each, depth + 1)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if inner == []:
                yield f"{json.dumps(key)}:[]".replace(" ", "")
            elif isinstance(inner, str) and (words := _words(inner)):
                yield f"{json.dumps(key)}:{json.dumps(words)[:-1]}".replace(" ", "")
            else:
                yield from _pairs(inner, depth + 1)
