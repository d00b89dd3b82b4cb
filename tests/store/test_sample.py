"""Some of an agent's calls, read in bounded pieces, on either database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arc_proxy.call import Call, Kind
from arc_proxy.store.engine import Store
from arc_proxy.store.sample import WHOLE_MAX, ModelSample, read_sample
from arc_proxy.store.sums import DAY_NS
from arc_proxy.store.write import save
from pricing.cost import Cost, CostGrade
from pricing.usage import Usage

MakeCall = Callable[..., Call]

FIRST_DAY = 20_700
QUARTER_MS = DAY_NS // 4 // 1_000_000


def at(day: int, quarter: int, number: int = 0) -> int:
    """Milliseconds of a moment in a quarter of a day."""
    return (FIRST_DAY + day) * DAY_NS // 1_000_000 + quarter * QUARTER_MS + 1_000 * (number + 1)


def sample(store: Store, call: Call, **more: Any) -> ModelSample:
    wanted = {"first_day": FIRST_DAY, "last_day": FIRST_DAY + 9, "per_quarter": 2} | more
    return read_sample(
        store,
        agent=call.grouping.agent,
        provider=call.provider,
        dialect=call.dialect,
        model=call.reply.model or "",
        **wanted,
    )


def test_a_few_calls_of_each_quarter_are_read_and_all_are_summed(store: Store, make_call: MakeCall) -> None:
    calls = [
        make_call(
            number,
            at_ms=at(day, quarter, number % 5),
            usage=Usage(input_text=100 + number, output_text=7),
        )
        for number, (day, quarter) in enumerate((d, q) for d in (0, 1, 4) for q in range(4) for _ in range(5))
    ]
    save(store, calls)
    found = sample(store, calls[0])
    assert [each.day - FIRST_DAY for each in found.days] == [0, 1, 4]
    assert [each.totals.attempts for each in found.days] == [20, 20, 20]
    assert [len(each.usages) for each in found.days] == [8, 8, 8]
    assert (found.input_tokens_max, found.output_tokens_max) == (159, 7)
    assert 0 < len(found.calls) <= WHOLE_MAX
    assert all(each.prompt.messages for each in found.calls)


def test_calls_that_say_nothing_of_a_price_are_no_sample(store: Store, make_call: MakeCall) -> None:
    unknown = Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="no price")
    calls = [
        make_call(1, at_ms=at(0, 0)),
        make_call(2, at_ms=at(0, 1), cost=unknown),
        make_call(3, at_ms=at(0, 2), status=500),
        make_call(4, at_ms=at(0, 3), kind=Kind.AUXILIARY),
        make_call(5, at_ms=at(30, 0)),
    ]
    save(store, calls)
    found = sample(store, calls[0])
    assert [len(each.usages) for each in found.days] == [1]
    assert [each.call_id for each in found.calls] == [calls[0].call_id]


def test_an_agent_that_nobody_knows_has_none(store: Store, make_call: MakeCall) -> None:
    call = make_call(1, at_ms=at(0, 0))
    save(store, [call])
    found = read_sample(
        store,
        agent="nobody",
        provider=call.provider,
        dialect=call.dialect,
        model="m",
        first_day=FIRST_DAY,
        last_day=FIRST_DAY,
        per_quarter=1,
    )
    assert found == ModelSample(days=(), calls=(), input_tokens_max=0, output_tokens_max=0)
