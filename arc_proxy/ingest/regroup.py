"""
Placing every stored call anew, by the rules of this version: `arc-proxy db regroup`.

Calls are taken in the order they began, so each finds the calls before it where these rules put them. A slice
is stored before the next is read, with where to go on; one that is stopped goes on from there. Of a call the
store keeps what its clues are made of, but for the bytes of its body: so attempts stay what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from arc_proxy.call import Call
from arc_proxy.ingest.lock import hold_ingest_lock
from arc_proxy.ingest.normalise import sent_again
from arc_proxy.ingest.placing import Placer, Read
from arc_proxy.ingest.turn_call import with_talk
from arc_proxy.ingest.worker import LOCK_WAIT_S
from arc_proxy.runs import GROUPING_VERSION
from arc_proxy.runs.clues import Clues, read_clues
from arc_proxy.runs.grouper import Move
from arc_proxy.store.engine import Store
from arc_proxy.store.read import count_calls, whole_calls_after
from arc_proxy.store.regrouping import Regrouping, end_regrouping, read_regrouping, write_regrouping
from arc_proxy.store.write import apply_moves, save

Progress = Callable[[int, int], None]  # calls so far, and of how many


@dataclass(frozen=True, slots=True)
class Regrouped:
    calls: int
    moved: int  # calls that are in another run now


def regroup(
    data_dir: Path, store: Store, *, progress: Progress | None = None, wait_s: float = LOCK_WAIT_S
) -> Regrouped:
    """
    Raises IngestBusy if another process ingests, and StoreError: what was done until then stays done, and the
    next time goes on from there.
    """
    with hold_ingest_lock(data_dir, purpose="db regroup", wait_s=wait_s):
        begun = read_regrouping(store)
        at = begun.after if begun is not None and begun.version == GROUPING_VERSION else None
        total, done, moved = count_calls(store), count_calls(store, until=at) if at else 0, 0
        placer = Placer()
        while True:
            calls, following = whole_calls_after(store, at)
            if following is None:
                break
            moved += _regroup_slice(store, placer, calls)
            done += len(calls)
            at = following
            write_regrouping(store, Regrouping(GROUPING_VERSION, at))
            if progress:
                progress(done, total)
        end_regrouping(store, GROUPING_VERSION)
        return Regrouped(done, moved)


def _regroup_slice(store: Store, placer: Placer, calls: Sequence[Call]) -> int:
    """How many calls are in another run now."""
    before = {call.call_id: (call.grouping.agent, call.grouping.run_id) for call in calls}
    placed = placer.place_anew(store, [Read(call, _clues_of(call)) for call in calls])
    changed = [
        call for call in placed.calls if before[call.call_id] != (call.grouping.agent, call.grouping.run_id)
    ]
    # First the runs whose first call goes elsewhere, with all that hangs on them: their ids lead there.
    apply_moves(store, [move for call in changed if (move := _led_away(call, before[call.call_id]))])
    save(store, placed.calls, moves=placed.moves)
    return len(changed)


def _clues_of(call: Call) -> Clues:
    clues, _ = read_clues(sent_again(call))
    return with_talk(clues, call.dialect)


def _led_away(call: Call, old: tuple[str | None, str]) -> Move | None:
    agent, run_id = old
    if run_id != f"r-{call.call_id}":
        return None
    grouping = call.grouping
    return Move(old_agent=agent, old_run_id=run_id, agent=grouping.agent, run_id=grouping.run_id)
