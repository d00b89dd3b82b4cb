"""
How the arguments of a call that failed differ from those of one that went well. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from analysis.fixes.observed import Observed
from analysis.fixes.quote import name, plain

_VALUE_CHARACTERS_MAX = 60
_NUMBERED = re.compile(r"(?=.*\d)[\w#@:.\-/]{2,60}", re.ASCII)
_LEAD = re.compile(r"(?P<lead>[^\w\s]*)(?P<prefix>(?:[A-Z]{1,4}|[a-z])(?=[-_]?\d))?", re.ASCII)
_ID = re.compile(r"(?P<lead>[#@:\-/]?)(?P<prefix>(?:[A-Z]{1,4}|[a-z])?[-_]?)\d{2,20}", re.ASCII)
_DIGITS = r"\d+"


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
        if _is_other_form(value, working[key]):
            return f"{name(key)} is {_shown(value)}; calls that worked had {_shown(working[key])}"
    return ""


def pattern_of(observed: Observed) -> tuple[str, str]:
    """
    A parameter whose failing value looks unlike the working one, and a regular expression for those that
    work; ("", "") where there is none.
    """
    failing, working = failing_arguments(observed), _read(observed.facts.get("working_arguments", ""))
    for key, value in failing.items():
        good = working.get(key)
        if isinstance(value, str) and isinstance(good, str) and _is_other_form(value, good):
            parts = _ID.fullmatch(good)
            if parts is not None:
                return key, f"^{parts['lead']}{parts['prefix']}{_DIGITS}$"
    return "", ""


def _read(text: str) -> Mapping[str, object]:
    if len(text) > 20_000:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_other_form(value: object, good: object) -> bool:
    """
    Whether a value is of another type than one that worked, or is no id where that one is. Two names, two
    addresses or two sentences differ in what they say, not in form.
    """
    if type(value) is not type(good):
        return True
    if not isinstance(value, str) or not isinstance(good, str) or not _NUMBERED.fullmatch(good):
        return False
    return _form(value) != _form(good)


def _form(value: str) -> tuple[str, str, bool, bool]:
    """What comes before the first digit if that is short, whether there are digits, and spaces."""
    lead = _LEAD.match(value)
    lead_mark, prefix = (lead["lead"], lead["prefix"] or "") if lead else ("", "")
    return lead_mark, prefix, bool(re.search(r"\d", value)), " " in value.strip()


def _shown(value: object) -> str:
    return plain(json.dumps(value, ensure_ascii=False), _VALUE_CHARACTERS_MAX)
