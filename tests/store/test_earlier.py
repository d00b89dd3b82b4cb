"""Runs of an agent that ended before another one began, on either database."""

from __future__ import annotations

from collections.abc import Callable

from analysis.earlier import EarlierRun
from arc_proxy.call import Call, Kind, ToolCall
from arc_proxy.store.earlier import RUNS_MAX, read_earlier_runs
from arc_proxy.store.engine import Store
from arc_proxy.store.write import save
from pricing.cost import Cost, CostGrade

MakeCall = Callable[..., Call]


def test_the_latest_runs_with_what_they_asked_for_last(store: Store, make_call: MakeCall) -> None:
    asks = (ToolCall(id="a", name="look_up", arguments="{}"), ToolCall(id="b", name="buy", arguments="{}"))
    calls = [
        make_call(1, grouping_run_id="r1"),
        make_call(2, grouping_run_id="r2", reply_tool_calls=asks),
        make_call(3, grouping_run_id="r2"),
        make_call(
            4, grouping_run_id="r3", cost=Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="no price")
        ),
        make_call(5, grouping_run_id="r3", reply_tool_calls=asks),
        make_call(6, grouping_run_id="r3", kind=Kind.AUXILIARY),
        make_call(7, grouping_run_id="r4", grouping_agent="other"),
        make_call(8, grouping_run_id="r5", kind=Kind.EMBEDDING),
        make_call(9, grouping_run_id="r6"),
    ]
    save(store, calls)
    found = read_earlier_runs(store, "finance", calls[-1].started_ns)
    one = EarlierRun(steps=1, input_tokens=10, cost_nanousd=4500, asks=())
    assert found == (
        EarlierRun(steps=2, input_tokens=found[0].input_tokens, cost_nanousd=None, asks=("look_up", "buy")),
        EarlierRun(steps=2, input_tokens=20, cost_nanousd=9000, asks=()),
        one,
    )
    assert found[0].has_no_end


def test_a_run_that_was_still_going_on_is_not_earlier(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(1, grouping_run_id="long"), make_call(9, grouping_run_id="long")])
    later = make_call(5)
    assert read_earlier_runs(store, "finance", later.started_ns) == ()
    assert len(read_earlier_runs(store, "finance", later.started_ns + 60 * 10**9)) == 1


def test_only_so_many_are_read(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(number) for number in range(1, RUNS_MAX + 20)])
    found = read_earlier_runs(store, "finance", make_call(RUNS_MAX + 100).started_ns)
    assert len(found) == RUNS_MAX
