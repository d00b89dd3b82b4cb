"""Where a call belongs: the rules in their order of precedence, over the trail of earlier calls. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from arc_proxy.call import Grouping
from arc_proxy.runs.clues import Clues
from arc_proxy.runs.quotes import Key
from arc_proxy.runs.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A run that turns out to be part of another: a call was read later than one that continues it."""

    old_agent: str | None
    old_run_id: str
    agent: str | None
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    grouping: Grouping
    attempt_of: str | None = None
    attempt: int = 1
    keys: tuple[Key, ...] = ()  # to keep with the call, so that later calls find it
    separated_by: Key | None = None  # to keep with the call, see `Mark`
    moves: tuple[Move, ...] = ()  # of calls placed before this one, in order


class Grouper:
    """Places calls one by one, in the order they began where that is known."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    def wanted(self, batch: Iterable[Clues]) -> set[Key]:
        """The keys to ask the store for before a batch is placed; what it finds goes to `Trail.refill`."""
        raise NotImplementedError

    def place(self, clues: Clues) -> Placement:
        """Where this call belongs; from now on it is an earlier call."""
        raise NotImplementedError
