"""
Bringing the store up to the journal: once (`catch_up`) or from the beginning (`rebuild`).

All of it happens under `ingest.lock`. The journal is the truth and the store holds where to resume, written
in the same transaction as the rows; so whatever goes wrong, the way back is to drop what is in memory and
go on from what the store says. Nothing is lost by that, and nothing is stored twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from analysis.failure import FailureCode
from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.ingest.assemble import Position
from arc_proxy.ingest.counter import CannotCount
from arc_proxy.ingest.estimate import estimate_waiting
from arc_proxy.ingest.intake import Intake, Resume, read_resume
from arc_proxy.ingest.lock import hold_ingest_lock
from arc_proxy.ingest.placing import Placer
from arc_proxy.ingest.projection import project
from arc_proxy.journal.segment import list_segments, list_writers
from arc_proxy.store.engine import Store
from arc_proxy.store.write import forget_positions, read_positions
from pricing.book import PriceBook

JOURNAL = "journal"

LOCK_WAIT_S = 5.0
ANALYSIS_S_MAX = 10.0  # that whoever waits for the rows waits for it

_log = structlog.get_logger()

Clock = Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """What was done so far. `is_done` False: the deadline came first, and the next one goes on from here."""

    calls: int = 0  # written or found unchanged, provisional ones included
    facts: int = 0
    refused: int = 0  # rows that the database took for wrong
    open_calls: int = 0  # their end is not in the journal yet
    damaged_segments: int = 0
    read_bytes: int = 0  # of records
    is_done: bool = True
    is_analysed: bool = True  # False: some runs are still to be looked at


Progress = Callable[[Caught, int], None]  # so far, and how many bytes there were to read at the start


def catch_up(
    data_dir: Path,
    store: Store,
    book: PriceBook,
    *,
    purpose: str = "catch-up",
    progress: Progress | None = None,
    deadline: float | None = None,
    wait_s: float = LOCK_WAIT_S,
    clock: Clock = time.time_ns,
    derive: bool = False,
    hints: Collection[FailureCode] = (),
) -> Caught:
    """
    Store all that the journal holds now. `derive`: and what follows from it, tokens that no response states
    and what went wrong in runs, with these `hints` as of `analysis.run_failure`.

    `purpose` is what another process is told that wants the lock; `deadline` is a `time.monotonic`. Raises
    IngestBusy if another process has it for longer than `wait_s`, and StoreError: then what was not stored
    stays in the journal.
    """
    with hold_ingest_lock(data_dir, purpose=purpose, wait_s=wait_s):
        caught = _ingest_once(data_dir / JOURNAL, store, book, progress, deadline, clock)
        if derive and caught.is_done:
            caught = replace(caught, is_analysed=_derive(store, book, hints, clock))
        return caught


def rebuild(
    data_dir: Path,
    store: Store,
    book: PriceBook,
    *,
    progress: Progress | None = None,
    wait_s: float = LOCK_WAIT_S,
    clock: Clock = time.time_ns,
    derive: bool = False,
    hints: Collection[FailureCode] = (),
) -> Caught:
    """
    Derive again every call whose records are still in the journal; rows of older ones stay as they are.

    One that is stopped in the middle has lost nothing: the next catch-up goes on where it was. Raises as
    `catch_up` does.
    """
    with hold_ingest_lock(data_dir, purpose="db rebuild", wait_s=wait_s):
        forget_positions(store)
        caught = _ingest_once(data_dir / JOURNAL, store, book, progress, None, clock)
        if derive:
            caught = replace(caught, is_analysed=_derive(store, book, hints, clock))
        return caught


def read_resume_points(store: Store) -> dict[str, Resume]:
    """Per writer where to go on. A writer whose point cannot be read is read from the beginning."""
    points = {}
    for writer, body in read_positions(store).items():
        try:
            points[writer] = read_resume(body)
        except ValueError:
            _log.warning("position.unreadable", writer=writer)
    return points


def wanted_from(store: Store) -> dict[str, Position]:
    """Per writer, the oldest place that ingest may still read from: what `journal.retention` must know."""
    return {writer: point.oldest for writer, point in read_resume_points(store).items()}


def unread_bytes(journal_dir: Path, points: Mapping[str, Resume]) -> int:
    """How many bytes of segments lie behind what was seen."""
    unread = 0
    for writer in list_writers(journal_dir):
        seq_seen, offset_seen = points[writer].seen if writer in points else (0, 0)
        for seq, path in list_segments(journal_dir / writer):
            if seq >= seq_seen:
                try:
                    size = path.stat().st_size
                except FileNotFoundError:
                    continue
                unread += max(0, size - (offset_seen if seq == seq_seen else 0))
    return unread


def _derive(store: Store, book: PriceBook, hints: Collection[FailureCode], clock: Clock) -> bool:
    """Whether every run was looked at: of a large store that no rules have seen, that takes minutes."""
    try:
        estimate_waiting(store, book)
    except CannotCount as error:
        _log.warning("estimate.failed", error=str(error))
    return analyse_due(store, book, clock(), hints=hints, within_s=ANALYSIS_S_MAX)


def _ingest_once(
    journal_dir: Path,
    store: Store,
    book: PriceBook,
    progress: Progress | None,
    deadline: float | None,
    clock: Clock,
) -> Caught:
    points = read_resume_points(store)
    to_read = unread_bytes(journal_dir, points) if progress else 0
    intake = Intake(journal_dir, points)
    placer = Placer()
    caught = Caught()
    for batch in intake.batches(clock()):
        projected = project(store, batch, book, intake.whole, placer)
        caught = replace(
            caught,
            calls=caught.calls + projected.calls,
            facts=caught.facts + projected.saved.facts,
            refused=caught.refused + len(projected.saved.refused),
            read_bytes=caught.read_bytes + batch.read_bytes,
        )
        if progress:
            progress(caught, to_read)
        if deadline is not None and time.monotonic() >= deadline:
            caught = replace(caught, is_done=False)
            break
    return replace(caught, open_calls=intake.open_count, damaged_segments=len(intake.problems))
