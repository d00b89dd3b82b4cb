"""What a guard looks at: a named run, what it and its sub-agents' runs cost, its latest calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from arc_proxy.call import Call, Kind
from arc_proxy.store.engine import Store
from arc_proxy.store.guarded import read_run_so_far
from arc_proxy.store.spent_since import Billed
from arc_proxy.store.write import save
from pricing.cost import Cost, CostGrade

MakeCall = Callable[..., Call]


def cost(nanousd: int) -> Cost:
    return Cost(nanousd=nanousd, grade=CostGrade.COMPUTED)


def test_a_run_that_nobody_has_seen_is_none(store: Store) -> None:
    assert read_run_so_far(store, None, "r", calls_max=5) is None


NAMES: dict[str, tuple[str | None, str, str | None, int]] = {
    "agent and run": ("a", "1", "a", 10),
    "another agent's run of that name": ("b", "1", "b", 20),
    "no agent: the latest of that name": (None, "1", "b", 20),
    "a run of nobody": (None, "2", None, 5),
}


@pytest.mark.parametrize(("agent", "run_id", "whose", "nanousd"), NAMES.values(), ids=NAMES)
def test_finds_the_run_by(
    store: Store, make_call: MakeCall, agent: str | None, run_id: str, whose: str | None, nanousd: int
) -> None:
    calls = [("a", "1", 10), ("b", "1", 20), (None, "2", 5)]
    save(
        store,
        [
            make_call(number, grouping_agent=who, grouping_run_id=run, cost=cost(amount))
            for number, (who, run, amount) in enumerate(calls)
        ],
    )
    found = read_run_so_far(store, agent, run_id, calls_max=5)
    assert found is not None
    assert (found.agent, found.billed.nanousd) == (whose, nanousd)
    assert read_run_so_far(store, "c", "1", calls_max=5) is None


def test_sub_agents_cost_their_parent_and_subscriptions_cost_nothing(
    store: Store, make_call: MakeCall
) -> None:
    by_subscription = Cost(nanousd=900, grade=CostGrade.API_EQUIVALENT)
    unknown = Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="no price")
    runs: list[tuple[str, str | None, Cost]] = [
        ("top", None, cost(1)),
        ("part", "top", cost(10)),
        ("part of part", "part", cost(100)),
        ("by subscription", "top", by_subscription),
        ("without a price", "top", unknown),
        ("elsewhere", None, cost(1000)),
    ]
    save(
        store,
        [
            make_call(number, grouping_run_id=run, grouping_parent_run_id=parent, cost=amount)
            for number, (run, parent, amount) in enumerate(runs)
        ],
    )
    found = read_run_so_far(store, None, "top", calls_max=5)
    assert found is not None
    assert found.billed.nanousd == 111


def test_a_sub_agent_shares_the_budget_of_its_whole_task(store: Store, make_call: MakeCall) -> None:
    runs = [("top", None, 5), ("part", "top", 3), ("deep", "part", 2), ("late", "top", 1)]
    save(
        store,
        [
            make_call(number, grouping_run_id=run, grouping_parent_run_id=parent, cost=cost(amount))
            for number, (run, parent, amount) in enumerate(runs)
        ],
    )
    for run, _, _ in runs:
        found = read_run_so_far(store, None, run, calls_max=1)
        assert found is not None
        assert found.billed == Billed(11, 0), run
        assert len(found.calls) == 1


def test_another_agents_sub_agents_cost_nothing_here(store: Store, make_call: MakeCall) -> None:
    runs: list[tuple[str, str, str | None, str, int]] = [
        ("a", "1", None, "s-a", 10),
        ("b", "1", None, "s-b", 20),
        ("b", "b-part", "1", "s-other", 500),
        ("helper", "h-part", "1", "s-a", 3000),
        ("stranger", "s-part", "1", "s-none", 70000),
    ]
    save(
        store,
        [
            make_call(
                number,
                grouping_agent=agent,
                grouping_run_id=run,
                grouping_parent_run_id=parent,
                grouping_session_id=session,
                cost=cost(amount),
            )
            for number, (agent, run, parent, session, amount) in enumerate(runs)
        ],
    )
    billed = {}
    for agent in "ab":
        found = read_run_so_far(store, agent, "1", calls_max=1)
        assert found is not None
        billed[agent] = found.billed.nanousd
    assert billed == {"a": 3010, "b": 520}


def test_runs_that_name_each_other_as_parents_end(store: Store, make_call: MakeCall) -> None:
    runs = [("x", "y"), ("y", "x"), ("self", "self")]
    save(
        store,
        [
            make_call(number, grouping_run_id=run, grouping_parent_run_id=parent, cost=cost(1))
            for number, (run, parent) in enumerate(runs)
        ],
    )
    assert [
        found.billed.nanousd
        for run, _ in runs
        if (found := read_run_so_far(store, None, run, calls_max=1)) is not None
    ] == [2, 2, 1]


def test_more_sub_agents_than_a_tree_shows_are_counted(store: Store, make_call: MakeCall) -> None:
    unknown = Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="no price")
    parts = [
        make_call(
            number,
            grouping_run_id=f"part-{number}",
            grouping_parent_run_id="top",
            cost=cost(1) if number % 100 else unknown,
        )
        for number in range(1, 1501)
    ]
    save(store, [make_call(0, grouping_run_id="top", cost=cost(0)), *parts])
    found = read_run_so_far(store, None, "top", calls_max=1)
    assert found is not None
    assert found.billed == Billed(nanousd=1485, unpriced_calls=15)


def test_the_latest_steps_are_given_whole_in_their_order(store: Store, make_call: MakeCall) -> None:
    more: dict[str, Any] = {"grouping_run_id": "r"}
    calls = [make_call(number, **more) for number in range(6)]
    save(store, [*calls, make_call(7, kind=Kind.AUXILIARY, **more)])
    found = read_run_so_far(store, None, "r", calls_max=3)
    assert found is not None
    assert [call.call_id for call in found.calls] == [call.call_id for call in calls[-3:]]
    assert found.calls[-1].prompt.messages == calls[-1].prompt.messages
