"""Issues that pages show: rows of some weeks, as the store has them after analysis."""

from __future__ import annotations

from dataclasses import replace

from arc_proxy.store.engine import Store
from arc_proxy.store.sums import DAY_NS, HOUR_NS
from arc_proxy.store.write import save
from tests.store.conftest import build_call
from tests.store.runs import NOW_NS, Traffic

CUT, OVERLOADED = 1, 2


def fill(store: Store) -> None:
    """Of `finance` answers that are cut, seven in 40 runs; of `support` two server errors."""
    traffic = Traffic(store)
    traffic.runs(20, ago_ns=6 * DAY_NS, version="1")
    traffic.runs(12, ago_ns=3 * DAY_NS, bad=2, version="2")
    traffic.runs(8, ago_ns=2 * HOUR_NS, bad=5, version="2")
    traffic.analyse()
    failed = [
        build_call(
            number,
            status=500,
            grouping_run_id=f"s{number}",
            grouping_agent="support",
            grouping_rule="header",
            at_ms=(NOW_NS - DAY_NS) // 10**6,
        )
        for number in (901, 902)
    ]
    save(store, [replace(each, reply=replace(each.reply, message=None, output_text=None)) for each in failed])
    traffic.analyse()
