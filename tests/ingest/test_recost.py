"""A correction of prices reaches the calls that it is about, their runs and sums, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from arc_proxy.ingest.recost import recost
from arc_proxy.ingest.worker import catch_up
from arc_proxy.store.engine import Store
from arc_proxy.store.read import iter_calls
from arc_proxy.store.rollup import check
from pricing.book import PriceBook, load_book
from tests.ingest.dump import dump
from tests.ingest.tape import Tape, told
from tests.ingest.test_placing import ask, record, say

CORRECTION = """
[[rate]]
provider = "openai"
model = "gpt-4o-mini-2024-07-18"
since = 2026-01-01
input = "1000"
output = "2000"
"""
OTHER_MODEL = "gpt-4.1-nano"


@pytest.fixture
def stored(tmp_path: Path, either: Store, book: PriceBook) -> Store:
    """Two calls of one model, one of another."""
    tape = Tape(tmp_path / "journal")
    for number in range(2):
        record(tape, ask(say("user", f"Question {number}?")), f"Answer {number}.")
    exchange_id = tape.begin(ask(say("user", "And you?")))
    tape.answer(exchange_id, told("Me too.", model=OTHER_MODEL))
    tape.end(exchange_id)
    tape.writer.close()
    catch_up(tmp_path, either, book)
    return either


@pytest.fixture
def corrected(tmp_path: Path) -> PriceBook:
    path = tmp_path / "prices.toml"
    path.write_text(CORRECTION)
    return load_book(path)


def costs(store: Store) -> dict[str, list[int | None]]:
    found: dict[str, list[int | None]] = {}
    for call in iter_calls(store):
        found.setdefault(call.model or "", []).append(call.cost_nanousd)
    return found


def test_prices_that_are_the_same_change_nothing(stored: Store, tmp_path: Path, book: PriceBook) -> None:
    before = dump(stored)
    found = recost(tmp_path, stored, book, apply=True)
    assert (found.calls, found.changed) == (3, 0)
    assert dump(stored) == before


def test_a_correction_changes_the_calls_of_its_model_and_their_sums(
    stored: Store, tmp_path: Path, corrected: PriceBook
) -> None:
    before = costs(stored)
    found = recost(tmp_path, stored, corrected, apply=True)
    [((_, model), change)] = found.models.items()
    assert (model, change.calls, change.nanousd_after) == ("gpt-4o-mini-2024-07-18", 2, 2 * 1_200_000_000)
    assert costs(stored) == before | {model: [1_200_000_000] * 2}
    assert check(stored) == ()
    assert recost(tmp_path, stored, corrected, apply=True).changed == 0


def test_looking_first_stores_nothing(stored: Store, tmp_path: Path, corrected: PriceBook) -> None:
    before = dump(stored)
    assert recost(tmp_path, stored, corrected, apply=False).changed == 2
    assert dump(stored) == before


def test_a_period_without_the_calls_changes_none(stored: Store, tmp_path: Path, corrected: PriceBook) -> None:
    assert recost(tmp_path, stored, corrected, until_ns=1, apply=True).calls == 0
