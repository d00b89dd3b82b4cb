"""
Earlier calls, as far as grouping needs them, found by their keys. No I/O.

Bounded: CALLS_MAX calls with some 8 keys each (1.5 KB a call, 15 MB in all), PASSAGES_MAX passages (250
bytes each, 10 MB) of the last PASSAGE_NS, WAITING_MAX keys that calls quoted and nobody has issued yet (200
bytes each, 2 MB). What is oldest is forgotten first. Of a key that many calls share only the last MARKS_MAX
are known. A forgotten call that is asked for again comes back from the store, see `refill`; passages and
waiting keys do not, they are worth something for minutes only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from arc_proxy.runs.gist import Key

CALLS_MAX = 10_000
MARKS_MAX = 32
PASSAGES_MAX = 40_000
WAITING_MAX = 10_000

_MINUTE_NS = 60 * 1_000_000_000
PASSAGE_NS = 30 * _MINUTE_NS


@dataclass(slots=True, kw_only=True)
class Mark:
    """
    An earlier call as grouping needs it; all of it is in the store's row of the call. Only a `Trail` changes
    one.

    `continued`: a later call went on from this one. From the store it is enough to say that a later call of
    its run exists.
    """

    call_id: str
    run_id: str
    agent: str | None = None
    session_id: str | None = None
    parent_run_id: str | None = None
    model: str | None = None
    stream: bool = False
    manner: Key | None = None  # not stored
    started_ns: int
    ended_ns: int | None = None
    attempt_of: str | None = None
    attempt: int = 1
    retryable: bool = False
    rule: str = "none"
    confidence: float = 0.0
    separated_by: Key | None = None  # key of the claim that keeps its run apart, if any
    continued: bool = False


RunName = tuple[str | None, str]  # agent and run id


class Passage:
    """Who wrote a passage first, and in which runs' briefs it stood."""

    __slots__ = ("at_ns", "call_ids", "heard_in")

    def __init__(self, at_ns: int) -> None:
        self.at_ns = at_ns
        self.call_ids: list[str] = []
        self.heard_in: set[str] = set()  # ids of calls


class Trail:
    """A bounded memory of earlier calls; what it has forgotten is asked of the store."""

    def __init__(self, calls_max: int = CALLS_MAX) -> None:
        self._calls_max = calls_max
        self._marks: OrderedDict[str, Mark] = OrderedDict()
        self._keys: dict[str, list[Key]] = {}
        self._by_key: dict[Key, list[str]] = {}
        self._by_run: dict[RunName, set[str]] = {}
        self._passages: OrderedDict[Key, Passage] = OrderedDict()
        self._waiting: OrderedDict[Key, list[str]] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._by_key

    def refill(self, found: Iterable[tuple[Mark, Collection[Key]]]) -> None:
        """What the store knows of keys that it was asked for: marks, each with those that led to it."""
        for mark, keys in sorted(found, key=lambda each: each[0].started_ns):
            if mark.call_id in self._marks:
                self._index(mark.call_id, keys)
            else:
                self.add(mark, keys)

    def add(self, mark: Mark, keys: Iterable[Key]) -> None:
        """An earlier call from now on."""
        call_id = mark.call_id
        if call_id in self._marks:
            self._forget(call_id)
        self._marks[call_id] = mark
        self._keys[call_id] = []
        self._by_run.setdefault((mark.agent, mark.run_id), set()).add(call_id)
        self._index(call_id, keys)
        while len(self._marks) > self._calls_max:
            self._forget(next(iter(self._marks)))

    def _index(self, call_id: str, keys: Iterable[Key]) -> None:
        own = self._keys[call_id]
        for key in keys:
            calls = self._by_key.setdefault(key, [])
            if call_id not in calls:
                calls.append(call_id)
                own.append(key)
                if len(calls) > MARKS_MAX:
                    del calls[0]

    def _forget(self, call_id: str) -> None:
        mark = self._marks.pop(call_id)
        for key in self._keys.pop(call_id):
            calls = self._by_key.get(key, [])
            if call_id in calls:
                calls.remove(call_id)
                if not calls:
                    del self._by_key[key]
        run = self._by_run[mark.agent, mark.run_id]
        run.discard(call_id)
        if not run:
            del self._by_run[mark.agent, mark.run_id]

    def mark(self, call_id: str) -> Mark | None:
        return self._marks.get(call_id)

    def marks(self, key: Key) -> Sequence[Mark]:
        """Earlier calls with this key, in the order they began."""
        calls = self._by_key.get(key)
        if not calls:
            return ()
        if len(calls) == 1:
            return (self._marks[calls[0]],)
        return sorted((self._marks[call] for call in calls), key=lambda mark: (mark.started_ns, mark.call_id))

    def run(self, agent: str | None, run_id: str) -> list[Mark]:
        """The calls of a run that are remembered, in no order."""
        return [self._marks[call] for call in self._by_run.get((agent, run_id), ())]

    def go_on(self, mark: Mark) -> None:
        """A later call went on from this one."""
        known = self._marks.get(mark.call_id)
        if known is not None:
            known.continued = True

    def move(self, old: RunName, new: RunName) -> None:
        """All calls of one run belong to another."""
        moved = self._by_run.pop(old, set())
        agent, run_id = new
        for call_id in moved:
            mark = self._marks[call_id]
            mark.agent, mark.run_id = agent, run_id
        if moved:
            self._by_run.setdefault(new, set()).update(moved)

    def wait(self, call_id: str, keys: Iterable[Key]) -> None:
        """This call quotes what nobody issued: whoever did may be read later."""
        for key in keys:
            self._waiting.setdefault(key, []).append(call_id)
        while len(self._waiting) > WAITING_MAX:
            self._waiting.popitem(last=False)

    def waiting(self, key: Key) -> list[Mark]:
        """Calls that quoted this key before it was issued; they wait no more."""
        calls = self._waiting.pop(key, ())
        return [self._marks[call] for call in calls if call in self._marks]

    def hear(self, call_id: str, keys: Iterable[Key], at_ns: int) -> None:
        """These passages stand in the brief of a call."""
        for key in keys:
            passage = self._passage(key, at_ns)
            if len(passage.heard_in) < MARKS_MAX:
                passage.heard_in.add(call_id)

    def write(self, call_id: str, keys: Iterable[Key], at_ns: int) -> None:
        """These passages stand in the reply of a call."""
        for key in keys:
            passage = self._passage(key, at_ns)
            # What was in somebody's brief before is only said again.
            if not passage.heard_in and len(passage.call_ids) < MARKS_MAX:
                passage.call_ids.append(call_id)

    def writers(self, key: Key, at_ns: int) -> list[Mark]:
        """Calls whose replies brought a passage, some minutes ago at most."""
        passage = self._passages.get(key)
        if passage is None or at_ns - passage.at_ns > PASSAGE_NS:
            return []
        return [self._marks[call] for call in passage.call_ids if call in self._marks]

    def hearers(self, key: Key) -> list[Mark]:
        """Calls in whose briefs a passage stood."""
        passage = self._passages.get(key)
        return [] if passage is None else [self._marks[c] for c in passage.heard_in if c in self._marks]

    def _passage(self, key: Key, at_ns: int) -> Passage:
        passage = self._passages.get(key)
        if passage is None or at_ns - passage.at_ns > PASSAGE_NS:
            passage = self._passages[key] = Passage(at_ns)
            self._passages.move_to_end(key)
            while len(self._passages) > PASSAGES_MAX:
                self._passages.popitem(last=False)
        return passage
