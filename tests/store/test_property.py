"""Whatever is saved, in whatever order and however often: runs and sums are what their rows say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arc_proxy.call import Call, Captured, Kind
from arc_proxy.journal.record import Ended
from arc_proxy.store import rollup
from arc_proxy.store.engine import Store
from arc_proxy.store.fact_table import Fact
from arc_proxy.store.read import iter_calls, iter_runs, iter_whole_calls
from arc_proxy.store.write import save
from pricing.cost import Cost, CostGrade
from pricing.usage import Usage

MakeCall = Callable[..., Call]

HOUR_MS = 3_600_000
BASE_MS = 1_790_000_000_000

words = st.sampled_from([None, "a", "b"])
costs = st.one_of(
    st.just(Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="why")),
    st.builds(
        Cost,
        nanousd=st.integers(0, 1000),
        grade=st.sampled_from([grade for grade in CostGrade if grade is not CostGrade.UNKNOWN]),
        reason=st.just("why"),
        disputed_nanousd=st.none() | st.integers(0, 1000),
    ),
)
fields = st.fixed_dictionaries(
    {
        "grouping_run_id": st.sampled_from(["r1", "r2", "r3"]),
        "grouping_agent": st.sampled_from([None, "a", "b"]),
        "grouping_session_id": words,
        "grouping_parent_run_id": words,
        "grouping_user": words,
        "grouping_tags": st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=2),
        "grouping_confidence": st.sampled_from([0.0, 0.5, 1.0]),
        "prompt_messages": st.lists(st.sampled_from([b'{"a":1}', b'{"b":2}', b'{"c":3}']), max_size=4).map(
            tuple
        ),
        "reply_model": st.sampled_from([None, "m1", "m2"]),
        "kind": st.sampled_from([Kind.GENERATION, Kind.EMBEDDING, Kind.AUXILIARY]),
        "framework": st.sampled_from([None, "curl", "langchain", "langgraph"]),
        "status": st.sampled_from([None, 200, 429, 500]),
        "ended": st.sampled_from(list(Ended)),
        "captured": st.sampled_from(list(Captured)),
        "unsecured": st.booleans(),
        "attempt_of": words,
        "first_byte_ns": st.one_of(st.none(), st.integers(0, 10**11)),
        "duration_ns": st.one_of(st.none(), st.integers(0, 10**12)),
        "usage": st.builds(Usage, input_text=st.integers(0, 99), cache_read=st.integers(0, 9)),
        "cost": costs,
        "at_ms": st.integers(0, 60).map(lambda hours: BASE_MS + hours * HOUR_MS),
    }
)
numbered = st.tuples(st.integers(1, 12), fields)
facts = st.builds(
    Fact,
    fact_id=st.integers(1, 8).map(str),
    writer=st.just("fac7"),
    at_ns=st.integers(BASE_MS, BASE_MS + 60 * HOUR_MS).map(lambda ms: ms * 1_000_000),
    body=st.fixed_dictionaries(
        {
            "fact": st.sampled_from(["run_start", "run_end", "exception", "outcome", "launch"]),
            "run_id": st.sampled_from(["r1", "r2", "r9"]),
            "agent": words,
            "session_id": words,
            "outcome": st.sampled_from(["success", "failure"]),
            "framework": st.sampled_from([None, "langchain", "their-own"]),
            "tags": st.just({"x": "0"}),
        }
    ),
)
batches = st.lists(
    st.tuples(st.lists(numbered, max_size=6), st.lists(facts, max_size=3), st.booleans()), max_size=6
)

SLOW = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def view(store: Store) -> tuple[list[Any], list[Any], list[Call]]:
    """All that can be read, without this database's own numbers."""
    runs = sorted((dataclasses.replace(run, key=0) for run in iter_runs(store)), key=repr)
    calls = sorted((dataclasses.replace(row, key=0, run_key=0) for row in iter_calls(store)), key=repr)
    return runs, calls, sorted(iter_whole_calls(store), key=repr)


@SLOW
@given(batches=batches)
def test_runs_and_sums_are_what_their_rows_say(
    store: Store, make_call: MakeCall, clear: Callable[[Store], None], batches: Any
) -> None:
    clear(store)
    latest: dict[int, Call] = {}
    for numbered_fields, some_facts, forgets in batches:
        calls = [
            make_call(number, call_id=f"{number:026d}", **some_fields)
            for number, some_fields in numbered_fields
        ]
        latest.update({number: call for (number, _), call in zip(numbered_fields, calls, strict=True)})
        if forgets:
            store.memory.forget()
        save(store, calls, some_facts)
        assert rollup.check(store) == ()
    read = view(store)
    assert {call.call_id: call for call in read[2]} == {call.call_id: call for call in latest.values()}
    assert save(store, latest.values()).same == len(latest)
    assert view(store) == read


@SLOW
@given(numbered_fields=st.lists(numbered, unique_by=lambda pair: pair[0], max_size=8), data=st.data())
def test_the_order_of_arrival_does_not_matter(
    store: Store, make_call: MakeCall, clear: Callable[[Store], None], numbered_fields: Any, data: Any
) -> None:
    # Of several sessions a run keeps the one that the store saw first, so here there is one.
    calls = [
        make_call(number, call_id=f"{number:026d}", **(some | {"grouping_session_id": "s"}))
        for number, some in numbered_fields
    ]
    clear(store)
    save(store, calls)
    together = view(store)
    clear(store)
    for call in data.draw(st.permutations(calls)):
        save(store, [call])
    assert view(store) == together
