"""Keys of stored calls, and the marks that they lead to: one contract on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from arc_proxy.call import Call
from arc_proxy.journal.record import Ended
from arc_proxy.runs.trail import Mark
from arc_proxy.store import clue_table, tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.clue_table import MARKS_MAX, marks_for
from arc_proxy.store.engine import Store, reading, writing
from arc_proxy.store.prune import prune, remove_calls
from arc_proxy.store.write import save

MakeCall = Callable[..., Call]

FAR = 2**63 - 1  # the highest key that there can be
AUGUST_MS = 1_786_000_000_000
FIRST_KEPT = 202609


def marks(store: Store, *keys: int) -> list[tuple[Mark, set[int]]]:
    with reading(store) as connection:
        return marks_for(connection, keys)


def count(store: Store) -> int:
    with reading(store) as connection:
        return int(connection.execute(select(func.count()).select_from(tables.clue)).scalar_one())


def test_a_key_leads_to_the_calls_that_have_it(store: Store, make_call: MakeCall) -> None:
    calls = [make_call(1, clues=(0, 7)), make_call(2, clues=(7, FAR)), make_call(3)]
    save(store, calls)
    first, second = calls[0].call_id, calls[1].call_id
    assert [(mark.call_id, keys) for mark, keys in marks(store, 7, 0, FAR, 8)] == [
        (second, {7, FAR}),
        (first, {0, 7}),
    ]
    assert marks(store, 8) == []
    assert marks(store) == []


def test_a_mark_is_what_the_call_and_its_run_say(store: Store, make_call: MakeCall) -> None:
    first = make_call(
        1,
        clues=(7,),
        grouping_run_id="task",
        grouping_session_id="s",
        grouping_parent_run_id="parent",
        grouping_rule="header",
        grouping_confidence=0.5,
        grouping_separated_by=FAR,
    )
    later = make_call(
        2, clues=(8,), grouping_run_id="task", attempt_of=first.call_id, attempt=2, grouping_agent="finance"
    )
    save(store, [first, later])
    [(mark, _)] = marks(store, 7)
    assert mark == Mark(
        call_id=first.call_id,
        run_id="task",
        agent="finance",
        session_id="s",
        parent_run_id="parent",
        model="gpt-4o-mini",
        started_ns=first.started_ns,
        ended_ns=first.started_ns + 900_000_000,
        rule="header",
        confidence=0.5,
        separated_by=FAR,
        continued=True,
    )
    [(mark, _)] = marks(store, 8)
    assert (mark.attempt_of, mark.attempt, mark.continued) == (first.call_id, 2, False)
    assert (mark.session_id, mark.parent_run_id) == ("s", "parent")


RETRYABLE: dict[str, tuple[dict[str, Any], bool]] = {
    "a good answer": ({}, False),
    "no such model": ({"status": 404}, False),
    "too many requests": ({"status": 429}, True),
    "overloaded": ({"status": 529}, True),
    "no response": ({"status": None, "ended": Ended.UPSTREAM_ERROR}, True),
    "a stream that was cut": ({"ended": Ended.TRUNCATED}, True),
    "not ended yet": ({"status": None, "ended": Ended.INTERRUPTED, "duration_ns": None}, False),
}


@pytest.mark.parametrize(("fields", "retryable"), RETRYABLE.values(), ids=RETRYABLE)
def test_what_a_client_tries_again(
    store: Store, make_call: MakeCall, fields: dict[str, Any], retryable: bool
) -> None:
    save(store, [make_call(1, clues=(7,), **fields)])
    [(mark, _)] = marks(store, 7)
    assert mark.retryable is retryable


def test_a_call_that_names_no_agent_has_none(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(1, clues=(7,), grouping_agent=None)])
    [(mark, _)] = marks(store, 7)
    assert mark.agent is None


def test_keys_of_a_call_are_added_to(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(1, clues=(7, 7), duration_ns=None, ended=Ended.INTERRUPTED)])
    save(store, [make_call(1, clues=(7, 8))])
    save(store, [make_call(1, clues=(9,))])  # nothing else has changed, so nothing is written
    assert [keys for _, keys in marks(store, 7, 8, 9)] == [{7, 8}]


def test_of_a_key_that_all_calls_share_the_latest_few_are_loaded(store: Store, make_call: MakeCall) -> None:
    calls = [make_call(number, clues=(7, 100 + number)) for number in range(1, 3 * MARKS_MAX)]
    save(store, calls)
    found = [mark.call_id for mark, _ in marks(store, 7)]
    assert found == [call.call_id for call in reversed(calls[-MARKS_MAX:])]
    assert {mark.call_id for mark, _ in marks(store, 7, 101)} == {*found, calls[0].call_id}


def test_thousands_of_keys_are_one_question(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(number, clues=(number * 3, number * 3 + 1)) for number in range(1, 700)])
    assert len(marks(store, *range(3, 2100))) == 699


def test_clues_go_with_their_calls(
    store: Store, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clue_table, "SWEPT_AT_A_TIME", 3)
    old = [make_call(n, at_ms=AUGUST_MS + n, clues=(7, FAR - n, n)) for n in range(8)]
    new = [make_call(10 + n, clues=(7, 100 + n)) for n in range(3)]
    save(store, [*old, *new])
    prune(store, FIRST_KEPT)
    assert count(store) == 6
    assert len(marks(store, 7)) == 3


def test_a_new_call_does_not_inherit_the_clues_of_one_that_is_gone(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(1, clues=(7,))])
    with writing(store) as connection:
        remove_calls(connection, dicts(connection, select(tables.call)))
    assert count(store) == 1  # until they are swept
    save(store, [make_call(2)])
    assert marks(store, 7) == []
    save(store, [make_call(3, clues=(7,))])
    assert len(marks(store, 7)) == 1
