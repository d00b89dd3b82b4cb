"""
What somebody has been shown who follows the timeline, and from the news, what he is to be shown next. Pure.

Bounded, however long he looks: what is beyond the bounds was long ago.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from arc_proxy.call import Kind
from arc_proxy.report.happening import Began, Called, Ended, Failed, Happening
from arc_proxy.store.timeline import Marks, News, RunTrace
from arc_proxy.store.views import FailureRow, RunRow, TracedCall
from pricing.usage import UsageGrade

OPEN_MAX = 5_000  # calls at once whose end is awaited
RUNNING_MAX = 2_000  # runs at once whose end is awaited
SHOWN_MAX = 20_000  # runs and failures that are remembered
COUNTING_LOOKS = 4  # that a call is held back while its tokens are being counted

K = TypeVar("K")
V = TypeVar("V")


class Watch:
    """
    `wanted` says whose calls are to be shown. `marks` and, with each look, `awaited` and `running` are what
    `timeline.read_news` wants to know.
    """

    def __init__(self, marks: Marks, wanted: Callable[[RunRow], bool]) -> None:
        self.marks = marks
        self._wanted = wanted
        self._open: _Latest[int, bool] = _Latest(OPEN_MAX)  # key: whether it was shown as open
        self._counting: _Latest[int, int] = _Latest(OPEN_MAX)  # key: looks that it was held back for
        self._running: _Latest[int, bool] = _Latest(RUNNING_MAX)
        self._runs: _Latest[int, bool] = _Latest(SHOWN_MAX)  # key: whether its name was shown, too
        self._failures: _Latest[tuple[object, ...], bool] = _Latest(SHOWN_MAX)
        self._ahead: set[int] = set()  # calls behind the marks that were shown

    @property
    def awaited(self) -> frozenset[int]:
        return frozenset(self._open) | frozenset(self._counting)

    @property
    def running(self) -> frozenset[int]:
        return frozenset(self._running)

    def shown(self, traces: Iterable[RunTrace]) -> None:
        """These have been shown already."""
        for trace in traces:
            self._runs.put(trace.run.key, True)
            if not trace.is_over:
                self._running.put(trace.run.key, True)
            for row in trace.failures:
                self._failures.put(_name(row), True)
            for call in trace.calls:
                if call.is_open:
                    self._open.put(call.line.key, True)
                elif call.line.key > self.marks.call:
                    self._ahead.add(call.line.key)

    def take(self, news: News) -> tuple[Happening, ...]:
        """What is new in these, in the order in which it is to be shown: run by run."""
        self.marks = news.marks
        found = [*self._calls(news), *self._failed(news), *self._ended(news)]
        by_run: dict[int, list[Happening]] = {}
        for happening in found:
            by_run.setdefault(happening.run.key, []).append(happening)
        return tuple(
            happening
            for key, of_run in by_run.items()
            for happening in (*self._began(key, of_run[0].run), *of_run)
        )

    def _began(self, key: int, run: RunRow) -> Iterator[Happening]:
        if not self._runs.get(key, False):
            yield Began(run)
        self._runs.put(key, True)

    def _calls(self, news: News) -> Iterator[Happening]:
        known = {call.line.key for call in news.again}
        for key in self.awaited - known:  # retention took it, or an erasure did
            self._forget(key)
        for call in (*news.again, *news.calls):
            run = news.runs.get(call.line.run_key)
            if run is None or not self._wanted(run):
                self._forget(call.line.key)
                continue
            self._runs.put(run.key, self._runs.get(run.key, False))
            if call.line.key in self._ahead:
                self._ahead.discard(call.line.key)
            elif self._is_to_be_shown(call):
                # A run that has ended goes on with any step.
                if call.line.kind is not Kind.AUXILIARY:
                    self._running.put(run.key, True)
                yield Called(run, call)

    def _is_to_be_shown(self, call: TracedCall) -> bool:
        key = call.line.key
        if call.is_open:
            was_shown = key in self._open
            self._open.put(key, True)
            return not was_shown
        if _is_being_counted(call) and (looks := self._counting.get(key, 0)) < COUNTING_LOOKS:
            self._open.drop(key)
            self._counting.put(key, looks + 1)
            return False
        self._forget(key)
        return True

    def _forget(self, key: int) -> None:
        self._open.drop(key)
        self._counting.drop(key)

    def _failed(self, news: News) -> Iterator[Happening]:
        """Of runs that had a call. What is found of others is of long ago, or found once more."""
        for row in news.failures:
            run, name = news.runs.get(row.run_key), _name(row)
            if run is not None and run.key in self._runs and name not in self._failures:
                yield Failed(run, row)
            self._failures.put(name, True)

    def _ended(self, news: News) -> Iterator[Happening]:
        for key in sorted(news.over):
            run = news.runs.get(key)
            if run is not None and key in self._running:
                self._running.drop(key)
                yield Ended(run)


def _is_being_counted(call: TracedCall) -> bool:
    """The response states no usage, and what follows from its text comes a moment after its row."""
    line = call.line
    return (
        line.usage_grade is UsageGrade.NONE
        and line.estimated_by is None
        and line.kind is Kind.GENERATION
        and line.status is not None
        and line.status < 400
    )


def _name(row: FailureRow) -> tuple[object, ...]:
    """By what a failure is known again that was found once more."""
    failure = row.failure
    return (
        row.run_key,
        failure.code,
        failure.call_id,
        failure.message_index,
        failure.tool_call_id,
        failure.field,
    )


class _Latest(Generic[K, V]):
    """A map of the keys that were put last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[K, V] = {}

    def put(self, key: K, value: V) -> None:
        self._values.pop(key, None)
        self._values[key] = value
        if len(self._values) > self._size:
            del self._values[next(iter(self._values))]

    def drop(self, key: K) -> None:
        self._values.pop(key, None)

    def get(self, key: K, default: V) -> V:
        return self._values.get(key, default)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)
