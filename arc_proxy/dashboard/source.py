"""What pages are made of: where they read, and the words of the command line that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from arc_proxy.errors import UsageError
from arc_proxy.report.document import Document
from arc_proxy.store.engine import Store

Bounds = tuple[int | None, int | None]


class NotFound(UsageError):
    """There is nothing of this name."""


class FixWord(StrEnum):
    """What a person says of an issue's fix."""

    APPLIED = "applied"
    USEFUL = "useful"
    NOT_USEFUL = "not-useful"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    Everything may block and may raise ArcError. `period` reads times as people type them (UsageError),
    `document` is the report of a period that begins there, `costs` what it says of money.

    `tell_fix` keeps what is said of the fix of an issue by its number (NotFound); its last argument is the
    name of the saying, and one that comes again under its name is kept once.
    """

    store: Callable[[], Store]
    period: Callable[[str, str | None, int], Bounds]
    document: Callable[[str], Document]
    costs: Callable[[str], Document]
    tell_fix: Callable[[int, FixWord, str], None]
