"""Calls find their runs on the way from the journal to the store, whatever is read when."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from arc_proxy.ingest.intake import Intake
from arc_proxy.ingest.placing import Placer
from arc_proxy.ingest.projection import project
from arc_proxy.ingest.worker import catch_up, rebuild
from arc_proxy.journal.fact import FactType
from arc_proxy.journal.head import ResponseHead
from arc_proxy.journal.record import RecordKind, id_text
from arc_proxy.runs.grouper import Grouper
from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.rollup import check
from pricing.book import PriceBook
from tests.ingest.dump import dump
from tests.ingest.tape import RESPONSE, Tape, told

Message = dict[str, Any]


def say(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def ask(*messages: Message) -> bytes:
    return json.dumps({"model": "gpt-4o-mini", "messages": messages}).encode()


def record(tape: Tape, body: bytes, answer: str | ResponseHead, *headers: tuple[bytes, bytes]) -> str:
    """One call, answered by a text or by a head alone."""
    exchange_id = tape.begin(body, headers)
    head = RESPONSE if isinstance(answer, str) else answer
    tape.write(exchange_id, RecordKind.RESPONSE_HEAD, head.encode())
    if isinstance(answer, str):
        tape.write(exchange_id, RecordKind.RESPONSE_BODY, told(answer))
    tape.end(exchange_id)
    return id_text(exchange_id)


def places(store: Store) -> dict[str, dict[str, Any]]:
    """By call id: its run, rule and attempt."""
    call, run = tables.call, tables.run
    statement = select(
        call.c.call_id, run.c.run_id, call.c.grouping_rule, call.c.attempt, call.c.attempt_of
    ).join(run, run.c.id == call.c.run_key)
    with reading(store) as connection:
        return {row.call_id: row._asdict() for row in connection.execute(statement)}


SYSTEM = say("system", "You are the travel desk of a small museum.")
FIRST = say("user", "Where can the curator stay in Lisbon?")
ANSWER = "The Hotel Mundial is near the castle and has a room for the curator."
SECOND = say("user", "Book it for two nights.")


def test_a_call_that_goes_on_from_another_is_in_its_run(
    tmp_path: Path, either: Store, book: PriceBook, tape: Tape
) -> None:
    first = record(tape, ask(SYSTEM, FIRST), ANSWER)
    other = record(tape, ask(SYSTEM, FIRST | {"content": "Is the bridge open?"}), "It opens at nine today.")
    second = record(tape, ask(SYSTEM, FIRST, say("assistant", ANSWER), SECOND), "It is booked.")
    catch_up(tmp_path, either, book)
    found = places(either)
    assert found[first]["run_id"] == found[second]["run_id"] == f"r-{first}"
    assert found[other]["run_id"] == f"r-{other}"
    assert found[second]["grouping_rule"] == "lineage"
    assert [run["steps"] for run in dump(either)["run"]] == [2, 1]


def test_the_run_is_found_again_after_a_restart(
    tmp_path: Path, either: Store, book: PriceBook, tape: Tape
) -> None:
    first = record(tape, ask(SYSTEM, FIRST), ANSWER)
    catch_up(tmp_path, either, book)
    second = record(tape, ask(SYSTEM, FIRST, say("assistant", ANSWER), SECOND), "It is booked.")
    catch_up(tmp_path, either, book)
    assert places(either)[second]["run_id"] == f"r-{first}"


def test_reading_the_journal_again_moves_nothing(
    tmp_path: Path, either: Store, book: PriceBook, tape: Tape
) -> None:
    history = [SYSTEM, FIRST]
    for number in range(4):
        answer = f"{number}. {ANSWER}"
        record(tape, ask(*history), answer, (b"x-session-id", b"museum-desk-1"))
        history += [say("assistant", answer), say("user", f"And day {number}?")]
    catch_up(tmp_path, either, book)
    before = dump(either)
    rebuild(tmp_path, either, book)
    assert dump(either) == before


def test_retries_are_attempts_of_one_call(tmp_path: Path, either: Store, book: PriceBook, tape: Tape) -> None:
    refused = replace(RESPONSE, status=503, reason=b"Service Unavailable")
    body = ask(SYSTEM, FIRST)
    ids = [
        record(tape, body, refused, (b"x-stainless-retry-count", b"0")),
        record(tape, body, refused, (b"x-stainless-retry-count", b"1")),
        record(tape, body, ANSWER, (b"x-stainless-retry-count", b"2")),
    ]
    catch_up(tmp_path, either, book)
    found = places(either)
    assert [(found[each]["attempt"], found[each]["attempt_of"]) for each in ids] == [
        (1, None),
        (2, ids[0]),
        (3, ids[0]),
    ]
    [run] = dump(either)["run"]
    assert (run["calls"], run["attempts"], run["steps"], run["errors"], run["failed"]) == (1, 3, 1, 2, False)


def test_a_call_that_was_read_late_takes_in_the_run_that_goes_on_from_it(
    tmp_path: Path, either: Store, book: PriceBook, tape: Tape
) -> None:
    """Two gateways write journals of their own, and the second call's may be read first."""
    other = Tape(tmp_path / "elsewhere")
    first = record(other, ask(SYSTEM, FIRST), ANSWER)
    second = record(tape, ask(SYSTEM, FIRST, say("assistant", ANSWER), SECOND), "It is booked.")
    old_id = f"r-{second}"
    tape.fact(FactType.OUTCOME, run_id=old_id, outcome="success")
    reader = Reader(tmp_path, either, book)
    reader.read()
    assert places(either)[second]["run_id"] == old_id
    other.writer.close()
    [folder] = (tmp_path / "elsewhere").iterdir()
    folder.rename(tmp_path / "journal" / folder.name)
    reader.read()
    found = places(either)
    assert found[first]["run_id"] == found[second]["run_id"] == f"r-{first}"
    [run] = dump(either)["run"]
    assert (run["outcome"], run["steps"]) == ("success", 2)
    assert [(row["alias"], row["run_key"]) for row in dump(either)["run_alias"]] == [(old_id, run["id"])]
    tape.fact(FactType.OUTCOME, run_id=old_id, outcome="failure")
    reader.read()
    assert dump(either)["run"][0]["outcome"] == "failure"


class Reader:
    """Reads the journal on as the console does: what it remembers lives from one pass to the next."""

    def __init__(self, data_dir: Path, store: Store, book: PriceBook) -> None:
        self._intake = Intake(data_dir / "journal", {})
        self._placer = Placer()
        self._store, self._book = store, book

    def read(self) -> None:
        for batch in self._intake.batches(time.time_ns()):
            project(self._store, batch, self._book, self._intake.whole, self._placer)


def test_a_mistake_in_grouping_costs_a_place_and_no_call(
    tmp_path: Path, either: Store, book: PriceBook, tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place(self: Grouper, clues: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(Grouper, "place", place)
    call_id = record(tape, ask(SYSTEM, FIRST), ANSWER, (b"x-arc-run-id", b"task"))
    catch_up(tmp_path, either, book)
    assert places(either)[call_id]["run_id"] == "task"


def test_sums_follow_runs_that_became_one(tmp_path: Path, either: Store, book: PriceBook, tape: Tape) -> None:
    test_a_call_that_was_read_late_takes_in_the_run_that_goes_on_from_it(tmp_path, either, book, tape)
    assert check(either) == ()
