"""Months that go, runs that stay, space that comes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from arc_proxy.call import Call
from arc_proxy.store import prune as prune_module
from arc_proxy.store import rollup, tables
from arc_proxy.store.engine import Store, open_store, reading, writing
from arc_proxy.store.fact_table import Fact
from arc_proxy.store.prune import first_month_kept, give_space_back, prune, remove_calls, size_bytes
from arc_proxy.store.read import iter_whole_calls, list_calls, list_runs, read_run
from arc_proxy.store.write import Saved, read_positions, save

MakeCall = Callable[..., Call]


def ms(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 1000


MONTHS = {
    "the running month alone": (ms(2026, 11, 25), 0, 202611),
    "and two before": (ms(2026, 11, 25), 2, 202609),
    "over the year": (ms(2026, 1, 31, 23), 1, 202512),
    "a whole year": (ms(2026, 12, 1), 12, 202512),
}


@pytest.mark.parametrize(("now_ms", "months", "expected"), MONTHS.values(), ids=MONTHS)
def test_the_first_month_that_is_kept(now_ms: int, months: int, expected: int) -> None:
    assert first_month_kept(now_ms * 1_000_000, months) == expected


def count(store: Store, name: str) -> int:
    with reading(store) as connection:
        statement = select(func.count()).select_from(tables.metadata.tables[name])
        return int(connection.execute(statement).scalar_one())


def test_old_months_go_with_all_that_hangs_on_them(store: Store, make_call: MakeCall) -> None:
    old = [
        make_call(n, at_ms=ms(2026, 8, 1 + n), grouping_tags={"a": "b"}, grouping_session_id=f"s{n}")
        for n in range(5)
    ]
    new = [make_call(10 + n, at_ms=ms(2026, 9, 1 + n), grouping_session_id="s") for n in range(5)]
    save(store, [*old, *new], positions={"abcdef01": [1, 1]})
    pruned = prune(store, 202609)
    assert (pruned.calls, pruned.runs, pruned.messages) == (5, 5, 3)
    assert list(iter_whole_calls(store)) == new
    assert rollup.check(store) == ()
    assert {name: count(store, name) for name in ("run", "payload", "tag", "message", "node", "session")} == {
        "run": 5,
        "payload": 5,
        "tag": 0,
        "message": 3,
        "node": 2,
        "session": 1,
    }
    assert read_positions(store) == {"abcdef01": [1, 1]}
    assert prune(store, 202609).calls == 0


def test_a_run_over_the_turn_of_the_month_keeps_what_is_left(store: Store, make_call: MakeCall) -> None:
    calls = [
        make_call(n, at_ms=ms(2026, 8, 31, 20) + n * 3_600_000, grouping_run_id="task", reply_model=f"m{n}")
        for n in range(8)
    ]
    start = Fact(
        fact_id="1",
        writer="w",
        at_ns=ms(2026, 8, 31, 19) * 1_000_000,
        body={"fact": "run_start", "run_id": "task", "agent": "finance", "user": "ada"},
    )
    save(store, calls, [start])
    prune(store, 202609)
    [run] = list_runs(store)
    assert (run.calls, run.models, run.user) == (4, ("m4", "m5", "m6", "m7"), "ada")
    assert run.started_ns == start.at_ns
    detail = read_run(store, run.key)
    assert detail is not None
    assert len(detail.calls) == 4
    assert rollup.check(store) == ()


def test_facts_go_with_their_run_and_waiting_ones_with_their_month(store: Store, make_call: MakeCall) -> None:
    def fact(number: int, run_id: str, month: int) -> Fact:
        body = {"fact": "outcome", "run_id": run_id, "outcome": "success"}
        return Fact(fact_id=str(number), writer="w", at_ns=ms(2026, month, 5) * 1_000_000, body=body)

    facts = [fact(1, "old", 8), fact(2, "judged later", 9), fact(3, "never seen", 8), fact(4, "not yet", 9)]
    calls = [
        make_call(1, at_ms=ms(2026, 8, 5), grouping_run_id="old"),
        make_call(2, at_ms=ms(2026, 8, 5), grouping_run_id="judged later"),
    ]
    save(store, calls, facts)
    prune(store, 202609)
    assert list_calls(store) == ()
    assert count(store, "fact") == 1
    assert rollup.check(store) == ()
    assert save(store, [], facts[3:]) == Saved()


def test_a_prune_that_was_stopped_goes_on(
    store: Store, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_module, "CALLS_AT_A_TIME", 2)
    calls = [
        make_call(n, at_ms=ms(2026, 8, 28 + n % 3) + n, grouping_run_id=f"r{n % 2}") for n in range(7)
    ] + [make_call(20, at_ms=ms(2026, 9, 1), grouping_run_id="r0")]
    save(store, calls)
    with writing(store) as connection:
        first = select(tables.call).order_by(tables.call.c.started_ns).limit(2)
        rows = [dict(row) for row in connection.execute(first).mappings()]
        remove_calls(connection, rows, derive_runs=False)
    assert prune(store, 202609).calls == 5
    [run] = list_runs(store)
    assert (run.run_id, run.calls, run.started_ns) == ("r0", 1, calls[-1].started_ns)
    assert rollup.check(store) == ()


def test_whoever_remembers_keys_forgets_them_after_a_prune(store: Store, make_call: MakeCall) -> None:
    other = Store(engine=store.engine, path=store.path, opened_as=store.opened_as)
    save(other, [make_call(1, at_ms=ms(2026, 8, 1))])
    prune(store, 202609)
    again = make_call(2, at_ms=ms(2026, 8, 1))
    save(other, [again])
    assert list(iter_whole_calls(store)) == [again]


def test_removed_calls_leave_their_run_as_if_they_had_never_been(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(n, grouping_run_id="task", reply_model=f"m{n}") for n in range(3)])
    with writing(store) as connection:
        rows = [dict(row) for row in connection.execute(select(tables.call).limit(1)).mappings()]
        remove_calls(connection, rows)
    [run] = list_runs(store)
    assert (run.calls, run.models) == (2, ("m1", "m2"))
    assert rollup.check(store) == ()


def test_space_comes_back(tmp_path_factory: pytest.TempPathFactory, make_call: MakeCall) -> None:
    store = open_store(tmp_path_factory.mktemp("space") / "arc.db")
    noise = [str([n * k * 7919 for k in range(1500)]).encode() for n in range(200)]
    save(
        store,
        [
            make_call(n, at_ms=ms(2026, 8, 1) + n, prompt_messages=(b'{"content":"%s"}' % text,))
            for n, text in enumerate(noise)
        ],
    )
    give_space_back(store)  # so that the file and not the log beside it has the rows
    pruned = prune(store, 202609)
    assert pruned.bytes_before > 1_000_000
    assert pruned.bytes_after < pruned.bytes_before / 3
    assert pruned.bytes_after == size_bytes(store)
    store.close()
