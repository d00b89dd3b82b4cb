"""
The console's ingest: follows the journal for good.

What goes wrong is waited out. A database that is locked, full or unreachable is tried again with growing
pauses; one whose file was deleted or replaced is opened again and filled from the journal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from analysis.failure import FailureCode
from arc_proxy.errors import ArcError, StoreError
from arc_proxy.ingest.analysing import Analyst
from arc_proxy.ingest.counter import CannotCount, TokenCounter
from arc_proxy.ingest.estimate import Estimator
from arc_proxy.ingest.intake import Intake
from arc_proxy.ingest.lock import IngestBusy, hold_ingest_lock
from arc_proxy.ingest.mistake import describe_bug
from arc_proxy.ingest.placing import Placer
from arc_proxy.ingest.projection import project
from arc_proxy.ingest.worker import JOURNAL, Clock, read_resume_points
from arc_proxy.store.engine import Store, is_replaced
from pricing.book import PriceBook

POLL_S = 0.2
RETRY_S_MAX = 5.0
RECOUNT_S = 60.0  # after the tokenizer's process died
COUNTER_IDLE_S = 30.0
WORKING_S_MAX = 5.0  # longer than this nobody waits for estimates, or for analysis

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerState:
    """What a page or a health check shows."""

    calls: int = 0  # stored since the start
    open_calls: int = 0
    trouble: str | None = None  # what is in the way now, in words; None if all is well
    trouble_since: float | None = None  # `time.monotonic`
    stored_at: float | None = None  # `time.monotonic`: when the store last had all of the journal


@dataclass(slots=True)
class _Questions:
    """Who waits for the store to have what the journal had when he asked."""

    asked: int = 0
    stored: int = 0  # of them those whose calls have their rows
    answered: int = 0  # and those whose runs were looked at, too
    changed: threading.Condition = field(default_factory=threading.Condition)


class Follower:
    """
    Polls the journal: one thread runs `run_forever`, any thread may ask for `state` and `catch_up`.

    `book` is asked for each batch, so that newer prices need no restart.
    """

    def __init__(
        self,
        data_dir: Path,
        open_store: Callable[[], Store],
        book: Callable[[], PriceBook],
        *,
        hints: Collection[FailureCode] = (),
        poll_s: float = POLL_S,
        clock: Clock = time.time_ns,
    ) -> None:
        self._data_dir = data_dir
        self._open_store = open_store
        self._book = book
        self._hints = hints
        self._poll_s = poll_s
        self._clock = clock
        self._store: Store | None = None
        self._intake: Intake | None = None
        self._placer = Placer()
        self._counter = TokenCounter()
        self._estimator: Estimator | None = None
        self._counts_from = 0.0  # not before: `time.monotonic`
        self._counting_since: float | None = None
        self._counted_at = 0.0
        self._analyst: Analyst | None = None
        self._analysing_since: float | None = None
        self._state = FollowerState()
        self._questions = _Questions()
        self._wake = threading.Event()
        self._stop = threading.Event()

    @property
    def state(self) -> FollowerState:
        return self._state

    def stop(self) -> None:
        """Have `run_forever` return after the batch in hand."""
        self._stop.set()
        self._wake.set()

    def catch_up(self, timeout_s: float, *, rows_only: bool = False) -> bool:
        """
        Wait until the store has all that the journal holds now. False if it did not get there in time.

        `rows_only`: not for what is made of the rows afterwards, estimates and analysis.
        """
        questions = self._questions
        with questions.changed:
            questions.asked += 1
            mine = questions.asked
            self._wake.set()
            return questions.changed.wait_for(
                lambda: (questions.stored if rows_only else questions.answered) >= mine, timeout_s
            )

    def run_forever(self) -> None:
        """Returns after `stop`. Raises nothing that a later attempt could mend."""
        pause_s = self._poll_s
        try:
            while not self._stop.is_set():
                try:
                    with hold_ingest_lock(self._data_dir, purpose="serve"):
                        self._follow()
                except (IngestBusy, OSError) as error:
                    pause_s = self._note_trouble(error, pause_s)
                    self._pause(pause_s)
        finally:
            self._counter.close()
            self._drop(close=True)

    def _follow(self) -> None:
        """Poll as long as we have the lock, which is until `stop`."""
        pause_s = self._poll_s
        while not self._stop.is_set():
            try:
                self._pass()
            except (ArcError, OSError) as error:
                self._drop(close=isinstance(error, StoreError))
                pause_s = self._note_trouble(error, pause_s)
            except Exception as error:  # noqa: BLE001  the thread's top: to die of a bug would end ingest
                _log.error("ingest.failed", **describe_bug(error))
                self._drop(close=True)
                pause_s = self._note_trouble(error, pause_s)
            else:
                pause_s = self._poll_s
            self._pause(pause_s)

    def _pass(self) -> None:
        """Store all that the journal holds now."""
        with self._questions.changed:
            asked = self._questions.asked
        store = self._current_store()
        if self._intake is None:
            self._intake = Intake(self._data_dir / JOURNAL, read_resume_points(store))
        intake = self._intake
        for batch in intake.batches(self._clock()):
            if is_replaced(store):
                raise StoreError(f"{store.name} was deleted or replaced while it was open")
            projected = project(store, batch, self._book(), intake.whole, self._placer)
            self._state = replace(self._state, calls=self._state.calls + projected.calls)
            if self._stop.is_set():
                self._intake = None
                return
        with self._questions.changed:
            self._questions.stored = asked
            self._questions.changed.notify_all()
        has_more = self._count_tokens(store) or self._analyse(store)
        self._note_success(intake.open_count)
        if has_more:
            self._wake.set()  # go on at once, after what the journal has by then
            return
        with self._questions.changed:
            self._questions.answered = asked
            self._questions.changed.notify_all()

    def _count_tokens(self, store: Store) -> bool:
        """
        Estimate the usage of some calls that state none. True: there are more, and whoever waits for the
        rows may wait for these too, but not for ever.
        """
        now = time.monotonic()
        if now < self._counts_from:
            return False
        book = self._book()
        self._estimator = self._estimator or Estimator(store, book, self._counter)
        self._estimator.book = book
        try:
            if not self._estimator.step():
                self._counting_since = None
                self._rest_counter(now)
                return False
        except CannotCount as error:
            _log.warning("estimate.failed", error=str(error))
            self._counts_from = now + RECOUNT_S
            return False
        self._counted_at = now
        self._counting_since = self._counting_since or now
        return self._is_awaited(self._counting_since)

    def _analyse(self, store: Store) -> bool:
        """Look at some runs that have changed. What it says is as of `_count_tokens`."""
        book = self._book()
        self._analyst = self._analyst or Analyst(store, book, self._hints)
        self._analyst.book = book
        if not self._analyst.step(self._clock()):
            self._analysing_since = None
            return False
        self._analysing_since = self._analysing_since or time.monotonic()
        return self._is_awaited(self._analysing_since)

    def _is_awaited(self, since: float) -> bool:
        """Whether anybody waits for work that goes on since then. It goes on at once, waited for or not."""
        if time.monotonic() - since <= WORKING_S_MAX:
            return True
        self._wake.set()
        return False

    def _rest_counter(self, now: float) -> None:
        """End the counting process once it has had nothing to do for a while."""
        if self._counter.is_running and now - self._counted_at > COUNTER_IDLE_S:
            self._counter.close()

    def _current_store(self) -> Store:
        if self._store is not None and is_replaced(self._store):
            _log.warning("store.replaced", store=self._store.name)
            self._drop(close=True)
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _drop(self, *, close: bool) -> None:
        """Forget all that the journal and the store know better."""
        self._intake = None
        self._estimator = None
        self._analyst = None
        self._placer.forget()
        if close and self._store is not None:
            self._store.close()
            self._store = None

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()
        if self._stop.is_set():
            self._wake.set()

    def _note_trouble(self, error: Exception, pause_s: float) -> float:
        """Returns how long to wait before the next attempt."""
        words = str(error) if isinstance(error, ArcError | OSError) else type(error).__name__
        if self._state.trouble != words:
            _log.warning("ingest.waits", error=words)
        since = self._state.trouble_since or time.monotonic()
        self._state = replace(self._state, trouble=words, trouble_since=since)
        return min(pause_s * 2, RETRY_S_MAX)

    def _note_success(self, open_calls: int) -> None:
        if self._state.trouble_since is not None:
            seconds = round(time.monotonic() - self._state.trouble_since, 1)
            _log.info("ingest.recovered", after_s=seconds, error=self._state.trouble)
        self._state = replace(
            self._state,
            open_calls=open_calls,
            trouble=None,
            trouble_since=None,
            stored_at=time.monotonic(),
        )
