"""What pages are made of: where they read, and the words of the command line that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from arc_proxy.report.document import Document
from arc_proxy.store.engine import Store

Bounds = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    Everything may block and may raise ArcError. `period` reads times as people type them (UsageError),
    `document` is the report of a period that begins there, `costs` what it says of money; `mark` says what
    sort of data it is.
    """

    store: Callable[[], Store]
    period: Callable[[str, str | None, int], Bounds]
    document: Callable[[str], Document]
    costs: Callable[[str], Document]
    mark: str = ""
