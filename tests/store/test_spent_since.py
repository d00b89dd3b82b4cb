"""What agents have spent since midnight."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from arc_proxy.call import Call
from arc_proxy.store import names
from arc_proxy.store.engine import Store
from arc_proxy.store.spent_since import Billed, read_spent_since
from arc_proxy.store.sums import HOUR_NS
from arc_proxy.store.write import save
from pricing.cost import Cost, CostGrade

MakeCall = Callable[..., Call]

HOUR = 497_222  # since the epoch
SINCE = {
    "midnight is on the hour": HOUR * HOUR_NS,
    "midnight is on the half hour": HOUR * HOUR_NS + HOUR_NS // 2,
    "midnight is a quarter to": HOUR * HOUR_NS + HOUR_NS // 4 * 3,
}


@pytest.mark.parametrize("since_ns", SINCE.values(), ids=SINCE)
def test_a_budget_is_held_against_what_was_billed_since(
    store: Store, make_call: MakeCall, since_ns: int
) -> None:
    costs = {
        "computed": Cost(nanousd=100, grade=CostGrade.COMPUTED),
        "estimated": Cost(nanousd=10, grade=CostGrade.ESTIMATED, reason="no usage"),
        "in part": Cost(nanousd=1, grade=CostGrade.PARTIAL, reason="no price for audio"),
        "unknown": Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="no price"),
        "by subscription": Cost(nanousd=5000, grade=CostGrade.API_EQUIVALENT),
    }
    since_ms = since_ns // 1_000_000
    ahead_ms = since_ms + 400 * 86_400_000
    moments = [since_ms - 1, since_ms, since_ms + 20 * 60_000, since_ms + 5 * 3_600_000, ahead_ms]
    save(
        store,
        [
            make_call(100 * place + number, at_ms=at_ms, grouping_agent=agent, cost=cost)
            for place, (agent, at_ms) in enumerate(
                (agent, at_ms) for agent in ("finance", None) for at_ms in moments
            )
            for number, cost in enumerate(costs.values())
        ],
    )
    expected = Billed(nanousd=3 * 111, unpriced_calls=3 * 2)
    assert read_spent_since(store, since_ns, since_ns + 6 * HOUR_NS) == {"finance": expected, None: expected}


def test_nothing_was_spent_where_nothing_was_called(store: Store) -> None:
    assert read_spent_since(store, HOUR * HOUR_NS, (HOUR + 1) * HOUR_NS) == {}


@pytest.mark.parametrize("since_ns", SINCE.values(), ids=SINCE)
def test_what_is_dated_in_the_next_hour_is_not_spent_yet(
    store: Store, make_call: MakeCall, since_ns: int
) -> None:
    moments = [since_ns + 60 * 10**9, (HOUR + 1) * HOUR_NS]
    save(store, [make_call(number, at_ms=at_ns // 1_000_000) for number, at_ns in enumerate(moments)])
    until_ns = since_ns + 120 * 10**9
    assert read_spent_since(store, since_ns, until_ns) == {"finance": Billed(nanousd=4500)}


@pytest.mark.parametrize("since_ns", SINCE.values(), ids=SINCE)
def test_an_agent_that_has_no_sums_of_its_own_has_spent_its_own(
    store: Store, make_call: MakeCall, since_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "AGENTS_MAX", 2)
    since_ms = since_ns // 1_000_000
    moments = [since_ms - 1, since_ms, since_ms + 5 * 3_600_000, since_ms + 7 * 3_600_000]
    agents = ["finance", "support", "third", "other", None]
    for place, agent in enumerate(agents):
        cost = Cost(nanousd=10**place, grade=CostGrade.COMPUTED)
        calls = [
            make_call(10 * place + number, at_ms=at_ms, grouping_agent=agent, cost=cost)
            for number, at_ms in enumerate(moments)
        ]
        save(store, calls)
    spent = read_spent_since(store, since_ns, since_ns + 11 * HOUR_NS // 2)
    assert spent == {agent: Billed(nanousd=2 * 10**place) for place, agent in enumerate(agents)}
