"""A journal, a store of either kind, and the price book."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arc_proxy.store.engine import Store, open_store
from pricing.book import PriceBook, load_book
from tests.ingest.tape import Tape


@pytest.fixture(scope="session")
def book() -> PriceBook:
    return load_book()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "arc.db")
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of either database."""
    target: str | Path = tmp_path / "either.db"
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("new_postgres_url")
        target = make()
    store = open_store(target)
    yield store
    store.close()


@pytest.fixture
def tape(tmp_path: Path) -> Iterator[Tape]:
    tape = Tape(tmp_path / "journal")
    yield tape
    tape.writer.close()
