"""
Every call of a batch gets its place among the runs, from its own clues and what earlier calls left behind.

What earlier calls left behind is remembered, bounded, and read back from the store where it was forgotten; so
a new Placer goes on where another one stopped. A call that is stored keeps the place that it has: reading the
journal again moves nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog
from sqlalchemy import Connection

from arc_proxy.call import Call, Grouping, Kind
from arc_proxy.ingest.mistake import describe_bug
from arc_proxy.runs.claim import Level
from arc_proxy.runs.clues import Clues
from arc_proxy.runs.explicit import NAMED
from arc_proxy.runs.grouper import Grouper, Move
from arc_proxy.runs.trail import Mark, Trail
from arc_proxy.store.clue_table import marks_for, stored_places
from arc_proxy.store.engine import Store, reading

_log = structlog.get_logger()


class Read(NamedTuple):
    """A call whose place is not known yet."""

    call: Call
    clues: Clues


@dataclass(frozen=True, slots=True)
class Placed:
    calls: Sequence[Call]
    moves: Sequence[Move]  # of runs that are stored, or that other calls of the batch are in


class Placer:
    """Knows the calls that it placed. What it placed is to be stored, or forgotten."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """What was placed last was not stored."""
        self._trail = Trail()
        self._grouper = Grouper(self._trail)

    def place(self, store: Store, batch: Iterable[Read]) -> Placed:
        """Raises StoreError. A mistake in grouping costs a call its place: it has what it says itself."""
        reads = sorted(batch, key=lambda read: (read.clues.started_ns, read.call.call_id))
        if not reads:
            return Placed((), ())
        with reading(store) as connection:
            known = stored_places(connection, [read.call.call_id for read in reads])
            self._recall(connection, [read.clues for read in reads if read.call.call_id not in known])
        placed: dict[str, Call] = {}
        moves: list[Move] = []
        for read in reads:
            try:
                call, moved = self._place_one(read, known.get(read.call.call_id))
            except Exception as error:  # noqa: BLE001  a bug in grouping costs a place, not the call
                _log.error("call.ungrouped", call_id=read.call.call_id, **describe_bug(error))
                call, moved = read.call, ()
            placed[call.call_id] = call
            for move in moved:
                moves.append(move)
                _follow(placed, move)
        return Placed(tuple(placed.values()), tuple(moves))

    def place_anew(self, store: Store, batch: Iterable[Read]) -> Placed:
        """
        The same for calls that are stored, wherever they are now. An attempt goes with what it repeats, and
        what a caller named stays where it is.

        Batches come in the order in which their calls began.
        """
        reads = sorted(batch, key=lambda read: (read.clues.started_ns, read.call.call_id))
        with reading(store) as connection:
            known = stored_places(connection, [read.call.call_id for read in reads if _is_told(read)])
            first = stored_places(connection, {read.call.attempt_of or "" for read in reads})
            self._recall(connection, [read.clues for read in reads])
        placed: dict[str, Call] = {}
        moves: list[Move] = []
        for call, clues in reads:
            repeated = placed.get(call.attempt_of or "")
            where = repeated.grouping if repeated is not None else first.get(call.attempt_of or "")
            if where is not None:
                placed[call.call_id] = _beside(call, where)
                continue
            if call.call_id in known:
                self._grouper.keep(clues, known[call.call_id])
                placed[call.call_id] = call
                continue
            placement = self._grouper.place(clues)
            placed[call.call_id] = dataclasses.replace(
                call, grouping=placement.grouping, clues=placement.keys
            )
            for move in placement.moves:
                moves.append(move)
                _follow(placed, move)
        return Placed(tuple(placed.values()), tuple(moves))

    def _recall(self, connection: Connection, batch: Sequence[Clues]) -> None:
        wanted = self._grouper.wanted(batch)
        self._trail.refill(marks_for(connection, wanted))

    def _place_one(self, read: Read, known: Mark | None) -> tuple[Call, Sequence[Move]]:
        call, clues = read
        if known is not None:
            keys = self._grouper.keep(clues, known)
            return _where_it_is(call, clues, known, keys), ()
        placement = self._grouper.place(clues)
        return dataclasses.replace(
            call,
            grouping=placement.grouping,
            attempt_of=placement.attempt_of,
            attempt=placement.attempt,
            clues=placement.keys,
        ), placement.moves


def _is_told(read: Read) -> bool:
    """A caller named the run, or a batch did, and what they said is not kept any more."""
    if read.call.kind is Kind.BATCH:
        return True
    claims = [claim for claim in read.clues.claims if claim.level is Level.RUN and claim.is_name]
    return not claims and read.call.grouping.rule in NAMED


def _beside(attempt: Call, where: Grouping | Mark) -> Call:
    """An attempt in the run of the call that it repeats."""
    own = dataclasses.replace(attempt.grouping, run_id=where.run_id, agent=where.agent)
    return dataclasses.replace(attempt, grouping=own)


def _where_it_is(call: Call, clues: Clues, known: Mark, keys: tuple[int, ...]) -> Call:
    """The call at the place that is stored of it."""
    grouping = dataclasses.replace(
        call.grouping,
        run_id=known.run_id,
        agent=known.agent,
        session_id=known.session_id,
        parent_run_id=known.parent_run_id,
        version=call.grouping.version or clues.version_hint,
        tags=clues.tags,
        rule=known.rule,
        confidence=known.confidence,
        separated_by=known.separated_by,
    )
    return dataclasses.replace(
        call, grouping=grouping, attempt_of=known.attempt_of, attempt=known.attempt, clues=keys
    )


def _follow(placed: dict[str, Call], move: Move) -> None:
    """Calls of this batch that were placed in a run which has moved."""
    for call_id, call in placed.items():
        grouping = call.grouping
        if (grouping.agent, grouping.run_id) == (move.old_agent, move.old_run_id):
            moved = dataclasses.replace(grouping, agent=move.agent, run_id=move.run_id)
            placed[call_id] = dataclasses.replace(call, grouping=moved)
