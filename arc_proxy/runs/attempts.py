"""
Which calls repeat an earlier one after a failure. No I/O.

SDKs repeat a request that failed (some say so in `x-stainless-retry-count` or repeat an `Idempotency-Key`),
and frameworks repeat what the SDK gave up on: LlamaIndex makes twelve of one. The same body sent again with
no failure before it is a sample, and a call of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from arc_proxy.runs.clues import Clues
from arc_proxy.runs.trail import Mark, Trail

# Between a failure and its repetition: SDKs wait for a minute at most, agents with long backoff for more.
ATTEMPT_NS = 15 * 60 * 1_000_000_000


def earlier_attempt(clues: Clues, trail: Trail) -> Mark | None:
    """The call that this one repeats, which may be an attempt itself."""
    if clues.idempotency_key is not None:
        same = _latest(clues, trail.marks(clues.idempotency_key))
        if same is not None:
            return same
    if clues.body_key is None:
        return None
    alike = trail.marks(clues.body_key)
    failed = [mark for mark in alike if mark.retryable]
    if clues.retry_count:
        # The client says that it repeats: what it did not get may have reached us all the same.
        told = [mark for mark in alike if mark.attempt == clues.retry_count]
        return _first(clues, [mark for mark in told if mark.retryable]) or _first(clues, failed or told)
    return _first(clues, failed)


def _open(clues: Clues, marks: Iterable[Mark]) -> list[Mark]:
    """Those that had ended, not long ago, and that nobody has repeated yet."""
    return [
        mark
        for mark in marks
        if mark.started_ns < clues.started_ns
        and (mark.ended_ns or mark.started_ns) <= clues.started_ns
        and clues.started_ns - (mark.ended_ns or mark.started_ns) <= ATTEMPT_NS
        and not mark.continued
    ]


def _first(clues: Clues, marks: Iterable[Mark]) -> Mark | None:
    """Of parallel calls that failed alike, the one that has waited longest."""
    return next(iter(_open(clues, marks)), None)


def _latest(clues: Clues, marks: Iterable[Mark]) -> Mark | None:
    earlier = [mark for mark in marks if mark.started_ns < clues.started_ns]
    return earlier[-1] if earlier else None
