"""Runs of one call each, some of which fail, at times before a moment; and that moment's analysis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.store.engine import Store
from arc_proxy.store.sums import DAY_NS, HOUR_NS
from arc_proxy.store.write import save
from pricing.book import load_book
from tests.store.conftest import BASE_NS, build_call

BOOK = load_book()
# In the afternoon (UTC), and just after midnight in no zone of the world.
NOW_NS = BASE_NS // DAY_NS * DAY_NS + 15 * HOUR_NS + 20 * 60 * 10**9


class Traffic:
    """A bad run's answer is cut at its limit. `fields` are of its calls: see `build_call`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._runs = 0

    def runs(
        self,
        count: int,
        *,
        ago_ns: int,
        bad: int = 0,
        agent: str = "finance",
        version: str = "",
        **fields: Any,
    ) -> None:
        calls = []
        for number in range(count):
            self._runs += 1
            call = build_call(self._runs, at_ms=(NOW_NS - ago_ns) // 10**6 + number, **fields)
            grouping = replace(
                call.grouping, run_id=f"r{self._runs}", agent=agent, version=version or None, rule="header"
            )
            call = replace(call, grouping=grouping)
            if number < bad:
                call = replace(call, reply=replace(call.reply, finish_reason="length", output_text="cut"))
            calls.append(call)
        save(self.store, calls)

    def analyse(self, now_ns: int = NOW_NS) -> None:
        analyse_due(self.store, BOOK, now_ns)
