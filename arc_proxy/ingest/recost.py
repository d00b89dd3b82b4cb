"""
Pricing stored calls again, by the prices that are known now: `arc-proxy db recost`.

Tokens stay what they were; a call whose cost comes out as it is stays as it is, by whichever edition of the
book it was priced. Rollups follow, since every write of a call takes its old sums back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from arc_proxy.call import Call
from arc_proxy.ingest.lock import hold_ingest_lock
from arc_proxy.ingest.priced import price_again
from arc_proxy.ingest.worker import LOCK_WAIT_S
from arc_proxy.store.engine import Store
from arc_proxy.store.filters import CallFilter
from arc_proxy.store.read import whole_calls_after
from arc_proxy.store.views import Cursor
from arc_proxy.store.write import save
from pricing.book import PriceBook
from pricing.cost import Cost

Progress = Callable[[int], None]  # calls looked at so far


@dataclass(slots=True)
class ModelChange:
    """What changes of one model's calls. Nanodollars; calls without a known cost are not in the sums."""

    calls: int = 0
    nanousd_before: int = 0
    nanousd_after: int = 0
    unknown_before: int = 0
    unknown_after: int = 0


@dataclass(slots=True)
class Recosted:
    calls: int = 0  # looked at
    changed: int = 0
    models: dict[tuple[str, str], ModelChange] = field(default_factory=lambda: defaultdict(ModelChange))


def recost(
    data_dir: Path,
    store: Store,
    book: PriceBook,
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    apply: bool,
    progress: Progress | None = None,
    wait_s: float = LOCK_WAIT_S,
) -> Recosted:
    """
    What the calls that began in the period cost by this book; `apply`: store it.

    Raises IngestBusy if another process ingests, and StoreError: what was stored until then stays.
    """
    done = Recosted()
    wanted = CallFilter(since_ns=since_ns, until_ns=until_ns)
    with hold_ingest_lock(data_dir, purpose="db recost", wait_s=wait_s):
        after: Cursor | None = None
        while True:
            calls, after = whole_calls_after(store, after, wanted)
            changed = [
                replace(call, cost=cost)
                for call in calls
                if _differs(call.cost, cost := price_again(call, book))
            ]
            _count(done, calls, changed)
            if apply and changed:
                save(store, changed)
            if progress:
                progress(done.calls)
            if after is None:
                return done


def _differs(before: Cost, now: Cost) -> bool:
    was = (before.nanousd, before.grade, before.reason, before.disputed_nanousd)
    return was != (now.nanousd, now.grade, now.reason, now.disputed_nanousd)


def _count(done: Recosted, calls: list[Call], changed: list[Call]) -> None:
    before = {call.call_id: call.cost for call in calls}
    done.calls += len(calls)
    done.changed += len(changed)
    for call in changed:
        change = done.models[call.provider, call.reply.model or call.prompt.model or "-"]
        change.calls += 1
        old, new = before[call.call_id].nanousd, call.cost.nanousd
        change.nanousd_before += old or 0
        change.nanousd_after += new or 0
        change.unknown_before += old is None
        change.unknown_after += new is None
