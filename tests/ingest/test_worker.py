"""From a real journal into a real store: exactly once, whatever happens on the way."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from arc_proxy.errors import StoreError
from arc_proxy.ingest import intake
from arc_proxy.ingest.assemble import AGE_NS
from arc_proxy.ingest.lock import IngestBusy, hold_ingest_lock
from arc_proxy.ingest.worker import Caught, catch_up, read_resume_points, rebuild, unread_bytes, wanted_from
from arc_proxy.journal.fact import FactType
from arc_proxy.journal.record import NO_EXCHANGE, Ended, RecordKind, id_text
from arc_proxy.store.engine import Store, open_store, writing
from pricing.book import PriceBook
from tests.ingest.dump import dump, tallies
from tests.ingest.tape import Tape, asked, told


def calls(store: Store) -> dict[str, dict[str, object]]:
    return {row["call_id"]: row for row in dump(store)["call"]}


def test_calls_facts_and_counts_reach_the_store(
    tmp_path: Path, either: Store, book: PriceBook, tape: Tape
) -> None:
    call_id = id_text(tape.call(headers=((b"x-arc-run-id", b"7"), (b"x-arc-tags", b"case=17"))))
    tape.fact(FactType.OUTCOME, run_id="7", outcome="success")
    tape.write(NO_EXCHANGE, RecordKind.COUNTS, b'{"is_secure":true,"lost_records":3}')
    caught = catch_up(tmp_path, either, book)
    assert (caught.calls, caught.facts, caught.refused, caught.open_calls) == (1, 1, 0, 0)
    row = calls(either)[call_id]
    assert (row["model"], row["input_text_tokens"], row["cost_nanousd"]) == (
        "gpt-4o-mini-2024-07-18",
        1000,
        210_000,
    )
    [run] = dump(either)["run"]
    assert (run["run_id"], run["outcome"], run["calls"]) == ("7", "success", 1)
    [(counts, _)] = tallies(either).values()
    assert json.loads(counts or "{}")["lost_records"] == 3


def test_what_was_caught_up_is_not_read_again(
    tmp_path: Path, store: Store, book: PriceBook, tape: Tape
) -> None:
    for n in range(5):
        tape.call(str(n))
    assert catch_up(tmp_path, store, book).calls == 5
    before = dump(store)
    assert catch_up(tmp_path, store, book) == Caught()
    assert dump(store) == before


def test_the_same_records_from_the_beginning_change_nothing(
    tmp_path: Path, either: Store, book: PriceBook, tape: Tape
) -> None:
    for n in range(7):
        tape.call(str(n), headers=((b"x-arc-run-id", b"%d" % (n % 2)),))
    tape.whole(b"not JSON")
    tape.begin(b"never ended")
    tape.fact(FactType.RUN_START, run_id="1", agent="fin")
    tape.writer.close()
    catch_up(tmp_path, either, book)
    before = dump(either)
    assert len(before["call"]) == 9
    rebuilt = rebuild(tmp_path, either, book)
    assert rebuilt.calls == 9
    assert dump(either) == before
    assert catch_up(tmp_path, either, book) == Caught()


def test_rebuild_leaves_rows_whose_records_are_gone(
    tmp_path: Path, store: Store, book: PriceBook, tape: Tape
) -> None:
    tape.call("old")
    tape.writer.close()
    catch_up(tmp_path, store, book)
    shutil.rmtree(tmp_path / "journal")
    newer = Tape(tmp_path / "journal")
    newer.call("new")
    newer.writer.close()
    catch_up(tmp_path, store, book)
    before = dump(store)
    assert len(before["call"]) == 2
    assert rebuild(tmp_path, store, book).calls == 1
    assert dump(store) == before


def test_a_call_cut_by_a_killed_gateway_is_a_row_marked_so(
    tmp_path: Path, store: Store, book: PriceBook, tape: Tape
) -> None:
    opened = tape.begin(asked())
    tape.answer(opened, told()[:30])
    assert catch_up(tmp_path, store, book).open_calls == 1
    assert calls(store) == {}
    tape.writer.close()
    assert catch_up(tmp_path, store, book).open_calls == 0
    row = calls(store)[id_text(opened)]
    assert (row["ended"], row["cost_grade"], row["duration_ns"] is None) == ("interrupted", "unknown", False)


def test_a_long_call_is_a_provisional_row_and_then_a_whole_one(
    tmp_path: Path, either: Store, book: PriceBook, tape: Tape
) -> None:
    opened = tape.begin(asked())
    tape.call("meanwhile")
    later = catch_up(tmp_path, either, book, clock=lambda: time.time_ns() + AGE_NS)
    assert (later.calls, later.open_calls) == (2, 1)
    row = calls(either)[id_text(opened)]
    assert (row["ended"], row["duration_ns"], row["model_requested"]) == ("interrupted", None, "gpt-4o-mini")
    tape.answer(opened, told())
    tape.end(opened)
    assert catch_up(tmp_path, either, book).calls == 1
    row = calls(either)[id_text(opened)]
    assert (row["ended"], row["duration_ns"] is None, row["cost_nanousd"]) == ("complete", False, 210_000)


def test_malformed_names_and_facts_are_counted_once(
    tmp_path: Path, either: Store, book: PriceBook, tape: Tape
) -> None:
    opened = tape.begin(asked())
    tape.call(headers=((b"x-arc-run-id", b"\x01"), (b"x-arc-tags", b"=")))
    tape.write(tape.writer.make_id(), RecordKind.FACT, b"no fact")
    catch_up(tmp_path, either, book)
    tape.end(opened)  # resuming reads the other call again
    catch_up(tmp_path, either, book)
    [(_, counted)] = tallies(either).values()
    assert json.loads(counted or "{}") == {"malformed_headers": 2, "malformed_facts": 1}


def test_a_damaged_segment_costs_its_rest_and_is_counted(
    tmp_path: Path, store: Store, book: PriceBook
) -> None:
    tape = Tape(tmp_path / "journal", segment_bytes_max=2000)
    for n in range(20):
        tape.call(str(n))
    tape.writer.close()
    damaged = sorted((tmp_path / "journal").rglob("*.seg"))[1]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    caught = catch_up(tmp_path, store, book)
    assert caught.damaged_segments == 1
    assert 15 < caught.calls < 20
    [(_, counted)] = tallies(store).values()
    assert json.loads(counted or "{}") == {"damaged_segments": 1}


def test_a_deadline_stops_between_batches_and_the_next_goes_on(
    tmp_path: Path, store: Store, book: PriceBook, tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "CALLS_MAX", 2)
    for n in range(5):
        tape.call(str(n))
    first = catch_up(tmp_path, store, book, deadline=0.0)
    assert (first.calls, first.is_done) == (2, False)
    second = catch_up(tmp_path, store, book)
    assert (second.calls, second.is_done) == (3, True)


def test_progress_says_how_much_there_is(
    tmp_path: Path, store: Store, book: PriceBook, tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "CALLS_MAX", 2)
    for n in range(5):
        tape.call(str(n))
    seen: list[tuple[int, int, int]] = []

    def note(so_far: Caught, to_read: int) -> None:
        seen.append((so_far.calls, so_far.read_bytes, to_read))

    catch_up(tmp_path, store, book, progress=note)
    assert [calls for calls, _, _ in seen] == [2, 4, 5]
    assert all(0 < read <= to_read for _, read, to_read in seen)
    points = read_resume_points(store)
    assert unread_bytes(tmp_path / "journal", points) == 0
    tape.call("more")
    assert unread_bytes(tmp_path / "journal", points) > 0


def test_retention_is_told_what_is_still_wanted(
    tmp_path: Path, store: Store, book: PriceBook, tape: Tape
) -> None:
    tape.call()
    opened = tape.begin()
    tape.call()
    catch_up(tmp_path, store, book)
    [pinned] = wanted_from(store).values()
    catch_up(tmp_path, store, book, clock=lambda: time.time_ns() + AGE_NS)
    [held] = wanted_from(store).values()
    assert held == pinned
    tape.end(opened)
    catch_up(tmp_path, store, book)
    [free] = wanted_from(store).values()
    assert free > pinned


def test_another_ingester_is_named(tmp_path: Path, store: Store, book: PriceBook) -> None:
    with (
        hold_ingest_lock(tmp_path, purpose="serve"),
        pytest.raises(IngestBusy, match=r"\(serve\) holds ingest\.lock"),
    ):
        catch_up(tmp_path, store, book, wait_s=0)


def test_a_database_that_refuses_leaves_everything_for_the_next_time(
    tmp_path: Path, book: PriceBook, tape: Tape
) -> None:
    tape.call()
    store = open_store(tmp_path / "arc.db", busy_s=0.1)
    other = open_store(tmp_path / "arc.db")
    with writing(other) as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(StoreError, match="locked"):
            catch_up(tmp_path, store, book)
    assert catch_up(tmp_path, store, book).calls == 1
    store.close()
    other.close()


# Imports once; then, for each line it is sent, a child that ingests until it is killed.
INGESTERS = """
import os, pathlib, sys
from arc_proxy.ingest import intake
from arc_proxy.ingest.worker import catch_up
from arc_proxy.store.engine import open_store
from pricing.book import load_book
intake.CALLS_MAX = 3
data_dir = pathlib.Path(sys.argv[1])
for _ in sys.stdin:
    pid = os.fork()
    if pid == 0:
        store, book = open_store(data_dir / "arc.db"), load_book()
        while True:
            catch_up(data_dir, store, book)
    print(pid, flush=True)
    os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("kills", [8, pytest.param(100, marks=pytest.mark.soak)])
def test_kills_of_the_ingester_lose_nothing_and_double_nothing(
    tmp_path: Path, book: PriceBook, tape: Tape, kills: int
) -> None:
    dice = random.Random(7)
    open_store(tmp_path / "arc.db").close()
    written: set[str] = set()
    opened: list[bytes] = []
    command = [sys.executable, "-c", INGESTERS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ingesters:
        assert ingesters.stdin is not None
        assert ingesters.stdout is not None
        for _ in range(kills):
            ingesters.stdin.write(b"another\n")
            ingesters.stdin.flush()
            ingester = int(ingesters.stdout.readline())
            kill_at = time.monotonic() + dice.uniform(0.0, 0.4)
            while time.monotonic() < kill_at:
                headers = ((b"x-arc-run-id", b"%d" % dice.randrange(5)), (b"x-arc-user", b"\x02"))
                written.add(id_text(tape.call(str(len(written)), headers)))
                if dice.random() < 0.2:
                    opened.append(tape.begin(asked("long")))
                if opened and dice.random() < 0.2:
                    late = opened.pop(dice.randrange(len(opened)))
                    tape.answer(late, told("late"))
                    written.add(id_text(tape.end(late)))
                time.sleep(0.002)
            os.kill(ingester, signal.SIGKILL)
        ingesters.stdin.close()
    tape.writer.close()
    store, fresh = open_store(tmp_path / "arc.db"), open_store(tmp_path / "fresh.db")
    catch_up(tmp_path, store, book)
    catch_up(tmp_path, fresh, book)
    ended = {row["call_id"]: row["ended"] for row in dump(store)["call"]}
    assert {call_id for call_id, how in ended.items() if how == Ended.COMPLETE} == written
    assert {call_id for call_id, how in ended.items() if how == Ended.INTERRUPTED} == {*map(id_text, opened)}
    assert tallies(store) == tallies(fresh)
    assert sums(store) == sums(fresh)
    store.close()
    fresh.close()


def sums(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """The rollups without keys, which depend on the order in which agents and models were met."""
    return {
        name: sorted(tuple(value for column, value in row.items() if column != "series_id") for row in rows)
        for name, rows in dump(store).items()
        if name.startswith(("rollup", "run_rollup", "latency"))
    }
