"""Earlier calls, as far as grouping needs them, found by their keys. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from arc_proxy.runs.quotes import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """
    An earlier call as grouping needs it; all of it is in the store's row of the call.

    `continued`: a later call went on from this one. From the store it is enough to say that a later call of
    its run exists.
    """

    call_id: str
    run_id: str
    agent: str | None = None
    session_id: str | None = None
    parent_run_id: str | None = None
    model: str | None = None
    started_ns: int
    ended_ns: int | None = None
    attempt_of: str | None = None
    attempt: int = 1
    retryable: bool = False
    rule: str = "none"
    confidence: float = 0.0
    separated_by: Key | None = None  # key of the claim that keeps its run apart, if any
    continued: bool = False


class Trail:
    """A bounded memory of earlier calls; what it has forgotten is asked of the store."""

    def refill(self, found: Iterable[tuple[Mark, Collection[Key]]], asked: Collection[Key]) -> None:
        """What the store knows of the keys `asked`: marks, each with those of the keys that it was found by."""
        raise NotImplementedError

    def marks(self, key: Key) -> Sequence[Mark]:
        """Earlier calls with this key, in the order they began."""
        raise NotImplementedError
