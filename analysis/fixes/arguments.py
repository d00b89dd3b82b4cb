"""
How the arguments of a call that failed differ from those of one that went well. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from analysis.fixes.observed import Observed
from analysis.fixes.quote import name, plain

_SHAPE_CHARACTERS_MAX = 60
_VALUE_CHARACTERS_MAX = 60


def failing_arguments(observed: Observed) -> Mapping[str, object]:
    return _read(observed.facts.get("arguments", ""))


def difference(observed: Observed) -> str:
    """Such as `id is "W1"; calls that worked had "#W1"`; "" where none is seen."""
    failing, working = failing_arguments(observed), _read(observed.facts.get("working_arguments", ""))
    if not failing or not working:
        return ""
    missing = [key for key in working if key not in failing]
    if missing:
        return f"{name(missing[0])} is missing; calls that worked had {_shown(working[missing[0]])}"
    for key, value in failing.items():
        if key not in working:
            return f"{name(key)} is {_shown(value)}; calls that worked did not have it"
        if _shape(value) != _shape(working[key]):
            return f"{name(key)} is {_shown(value)}; calls that worked had {_shown(working[key])}"
    return ""


def pattern_of(observed: Observed) -> tuple[str, str]:
    """
    A parameter whose failing values look unlike the working ones, and a regular expression for those that
    work; ("", "") where there is none.
    """
    failing, working = failing_arguments(observed), _read(observed.facts.get("working_arguments", ""))
    for key, value in failing.items():
        good = working.get(key)
        if isinstance(value, str) and isinstance(good, str) and _shape(value) != _shape(good):
            pattern = _pattern(good)
            if pattern and not re.match(pattern, value):
                return key, pattern
    return "", ""


def _read(text: str) -> Mapping[str, object]:
    if len(text) > 20_000:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _shape(value: object) -> str:
    """A type; of a short text without spaces its kinds of characters too: "#W12" is "#A0"."""
    if not isinstance(value, str) or len(value) > _SHAPE_CHARACTERS_MAX or " " in value:
        return type(value).__name__
    return re.sub(r"[A-Z]+", "A", re.sub(r"[a-z]+", "a", re.sub(r"\d+", "0", value)))


def _pattern(value: str) -> str:
    """For ids: punctuation and short prefixes as they are, digits and words by kind; "" for other texts."""
    if not re.fullmatch(r"[\w#@:.\-/]{1,60}", value, re.ASCII) or not re.search(r"\d", value):
        return ""
    return "^" + "".join(map(_kind, re.findall(r"\d+|[A-Za-z]{3,}|.", value))) + "$"


def _kind(part: str) -> str:
    if part.isdigit():
        return r"\d+"
    return "[A-Za-z]+" if len(part) > 2 else part.replace(".", r"\.")


def _shown(value: object) -> str:
    return plain(json.dumps(value, ensure_ascii=False), _VALUE_CHARACTERS_MAX)
