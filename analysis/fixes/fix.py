"""
The noun Fix: what to change, why, and how it will show whether that helped. Pure.

A change is gated as Sentry's are: a few occurrences say too little for a patch of somebody's code.
Source: https://docs.sentry.io/product/ai-in-sentry/seer/issue-fix/
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from analysis.failure import SEVERITY, Severity
from analysis.fixes.observed import Observed
from analysis.fixes.quote import plain

GUARD_EVENTS_MIN = 3
PATCH_EVENTS_MIN = 10
TITLE_CHARACTERS_MAX = 160
TEXT_CHARACTERS_MAX = 1500
CHANGE_CHARACTERS_MAX = 5000
_WATCHED_RUNS_MIN = 20
_WATCHED_RUNS_MAX = 500
_CHANCE = 0.05  # of seeing nothing of it although nothing has changed


class Level(StrEnum):
    EXPLANATION = "explanation"  # in words
    GUARD = "guard"  # a few lines at one place
    PATCH = "patch"


class Snippet(NamedTuple):
    """`language`: "python", "typescript", "json", "sh", "diff" or "text"."""

    text: str
    language: str = "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """
    What a family of codes knows: `advice` says in words what to do, and stands beside the code of `guard` or
    `patch` too, which may do a part of it. Without a patch the guard is all there is.
    """

    title: str
    what: str
    why: str
    advice: str
    guard: Snippet
    patch: Snippet | None = None
    check: str = ""  # "": the same message does not come again


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """`change` is a snippet in `language`; of an explanation it is a sentence, in "text"."""

    title: str
    what_happened: str
    why: str
    change: str
    language: str
    check: str
    level: Level


def level_of(observed: Observed) -> Level:
    is_fatal = SEVERITY[observed.code] is Severity.FATAL or any(
        each.severity is Severity.FATAL for each in observed.examples
    )
    if observed.events >= PATCH_EVENTS_MIN or is_fatal:
        return Level.PATCH
    return Level.GUARD if observed.events >= GUARD_EVENTS_MIN else Level.EXPLANATION


def fix_of(remedy: Remedy, observed: Observed) -> Fix:
    level = level_of(observed)
    change = {
        Level.EXPLANATION: Snippet(plain(remedy.advice, TEXT_CHARACTERS_MAX), "text"),
        Level.GUARD: remedy.guard,
        Level.PATCH: remedy.patch or remedy.guard,
    }[level]
    return Fix(
        title=plain(remedy.title, TITLE_CHARACTERS_MAX),
        what_happened=plain(remedy.what, TEXT_CHARACTERS_MAX),
        why=plain(
            remedy.why if level is Level.EXPLANATION else f"{remedy.why} {remedy.advice}", TEXT_CHARACTERS_MAX
        ),
        change=change.text,
        language=change.language,
        check=plain(remedy.check or _silence(observed), TEXT_CHARACTERS_MAX),
        level=level,
    )


def watched_runs(observed: Observed) -> int:
    """Runs after which silence is no chance: it would have come again with 95 %, as often as it did."""
    if SEVERITY[observed.code] is Severity.FATAL:
        return _WATCHED_RUNS_MIN  # what stops a run stops the next one too
    rate = observed.runs / observed.total_runs if 0 < observed.runs < observed.total_runs else 0.0
    needed = math.log(_CHANCE) / math.log1p(-rate) if rate > 0 else 0.0
    return min(max(math.ceil(needed), _WATCHED_RUNS_MIN), _WATCHED_RUNS_MAX)


def _silence(observed: Observed) -> str:
    about = f" of {observed.called('')}" if observed.subject.strip() else ""
    message = " with this message" if observed.message.strip() else ""
    return f"no {observed.code}{about}{message} in the next {watched_runs(observed)} runs"
