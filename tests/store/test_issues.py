"""Issues of a period, on either database."""

from __future__ import annotations

from collections.abc import Callable

from arc_proxy.call import Call, CallError
from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.store.engine import Store
from arc_proxy.store.issues import count_issues, read_issues
from arc_proxy.store.sums import DAY_NS
from arc_proxy.store.totals import Period
from arc_proxy.store.write import save
from pricing.book import load_book

MakeCall = Callable[..., Call]


def test_issues_are_counted_by_agent_and_period(store: Store, make_call: MakeCall) -> None:
    words = ["salt", "sugar", "salt", "flour"]
    calls = [
        make_call(
            number,
            at_ms=(20_700 + number) * DAY_NS // 1_000_000,
            grouping_agent=agent,
            reply_error=CallError(type="odd", message=f"no {word}"),
            status=400,
        )
        for number, (agent, word) in enumerate(
            [*(("finance", word) for word in words), ("support", "salt"), (None, "salt")]
        )
    ]
    save(store, calls)
    now_ns = 20_800 * DAY_NS
    analyse_due(store, load_book(), now_ns)
    whole = Period(since_ns=0, until_ns=now_ns)
    found = [count_issues(store, whole, agent) for agent in ("finance", "support", None, "nobody")]
    assert found == [3, 1, 1, 0]
    assert len(read_issues(store, whole, recent_ns=now_ns)) == 5
    # Of the third day on: salt again, and flour.
    late = Period(since_ns=20_702 * DAY_NS, until_ns=now_ns)
    assert count_issues(store, late, "finance") == 2
