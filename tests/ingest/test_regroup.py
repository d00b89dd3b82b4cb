"""Placing stored calls anew: what was grouped by other rules comes out as these rules have it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from arc_proxy.call import Grouping
from arc_proxy.errors import StoreError
from arc_proxy.ingest import regroup as regrouping
from arc_proxy.ingest.regroup import regroup
from arc_proxy.ingest.worker import catch_up
from arc_proxy.journal.fact import FactType
from arc_proxy.store.engine import Store
from arc_proxy.store.read import find, iter_whole_calls
from arc_proxy.store.rollup import check
from arc_proxy.store.write import save
from pricing.book import PriceBook
from tests.ingest.dump import dump
from tests.ingest.tape import RESPONSE, Tape
from tests.ingest.test_placing import ANSWER, FIRST, SECOND, SYSTEM, ask, places, record, say

RUNS = 6


@pytest.fixture
def stored(tmp_path: Path, either: Store, book: PriceBook) -> Store:
    """Runs of two calls and a retry, one of which has an outcome."""
    tape = Tape(tmp_path / "journal")
    refused = dataclasses.replace(RESPONSE, status=503, reason=b"Service Unavailable")
    for number in range(RUNS):
        first = say("user", f"{FIRST['content']} Trip {number}.")
        answer = f"{ANSWER} Trip {number}."
        call_id = record(tape, ask(SYSTEM, first), answer)
        body = ask(SYSTEM, first, say("assistant", answer), SECOND)
        record(tape, body, refused, (b"x-stainless-retry-count", b"0"))
        record(tape, body, "It is booked.", (b"x-stainless-retry-count", b"1"))
        tape.fact(FactType.OUTCOME, run_id=f"r-{call_id}", outcome="success" if number else "failure")
    tape.writer.close()
    catch_up(tmp_path, either, book)
    return either


def scatter(store: Store) -> None:
    """As a version would have left them that knew no lineage: each call a run of its own."""
    calls = list(iter_whole_calls(store))
    save(
        store,
        [
            dataclasses.replace(
                call, grouping=Grouping(run_id=f"r-{call.call_id}", agent=call.grouping.agent)
            )
            for call in calls
        ],
    )


def lump(store: Store) -> None:
    """As a version would have left them that took all for one run: the first."""
    calls = list(iter_whole_calls(store))
    one = calls[0].grouping
    save(store, [dataclasses.replace(call, grouping=one) for call in calls])


def test_what_these_rules_grouped_stays(tmp_path: Path, stored: Store) -> None:
    before = dump(stored)
    done = regroup(tmp_path, stored)
    assert (done.calls, done.moved) == (3 * RUNS, 0)
    assert dump(stored) == before


@pytest.mark.parametrize("confuse", [scatter, lump])
def test_what_other_rules_grouped_comes_out_as_these_have_it(
    tmp_path: Path, stored: Store, confuse: Callable[[Store], None]
) -> None:
    wanted = {call_id: place["run_id"] for call_id, place in places(stored).items()}
    confuse(stored)
    confused = {call_id: place["run_id"] for call_id, place in places(stored).items()}
    assert confused != wanted
    done = regroup(tmp_path, stored)
    assert {call_id: place["run_id"] for call_id, place in places(stored).items()} == wanted
    assert done.moved == sum(confused[call_id] != wanted[call_id] for call_id in wanted)
    assert check(stored) == ()
    runs = dump(stored)["run"]
    assert [(run["calls"], run["attempts"]) for run in runs] == [(2, 3)] * RUNS
    for old in set(confused.values()):
        [match] = [match for match in find(stored, old) if match.noun == "run"]
        assert match.id in wanted.values()
    assert regroup(tmp_path, stored).moved == 0


def test_what_a_caller_named_stays_though_the_name_is_not_kept(tmp_path: Path, stored: Store) -> None:
    calls = list(iter_whole_calls(stored))
    named = Grouping(run_id="theirs", agent="finance", rule="header", confidence=1.0)
    save(stored, [dataclasses.replace(call, grouping=named) for call in calls[:2]])
    before = {call.call_id: "theirs" for call in calls[:2]}
    regroup(tmp_path, stored)
    found = places(stored)
    assert {call_id: found[call_id]["run_id"] for call_id in before} == before


def test_outcomes_go_with_the_run_that_they_were_said_of(tmp_path: Path, stored: Store) -> None:
    scatter(stored)
    regroup(tmp_path, stored)
    outcomes = [run["outcome"] for run in sorted(dump(stored)["run"], key=lambda run: run["run_id"])]
    assert outcomes == ["failure"] + ["success"] * (RUNS - 1)


def test_one_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arc_proxy.store.read.PAGE", 4)
    wanted = {call_id: place["run_id"] for call_id, place in places(stored).items()}
    scatter(stored)
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        assert total == 3 * RUNS
        if len(seen) == 2:
            raise StoreError("stopped")

    with pytest.raises(StoreError, match="stopped"):
        regroup(tmp_path, stored, progress=stop)
    assert regroup(tmp_path, stored, progress=stop).calls == 3 * RUNS
    assert seen == [4, 8, 12, 16, 18]
    assert {call_id: place["run_id"] for call_id, place in places(stored).items()} == wanted


def test_other_rules_begin_anew(tmp_path: Path, stored: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arc_proxy.store.read.PAGE", 4)
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == 2:
            raise StoreError("stopped")

    with pytest.raises(StoreError):
        regroup(tmp_path, stored, progress=stop)
    monkeypatch.setattr(regrouping, "GROUPING_VERSION", 99)
    regroup(tmp_path, stored, progress=stop)
    assert seen[2] == 4
