"""Other editions of the book: read as data, compared, added, and refused where they are none."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pricing.book import DATA, edition_folder, load_book
from pricing.edition import EditionError, Move, added, moves, read_edition, write_edition
from pricing.rate import Rate
from pricing.shelf import write_shelf

AT = datetime(2026, 12, 1, tzinfo=UTC)
HEAD = b'{"provider":"acme","url":"https://acme.example"}\n{"model":"a-1","match":["=","a-1"]}\n'


@pytest.fixture(scope="module")
def book():
    return read_edition(DATA)


def wheel(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def with_row(book, provider, name, recorded=date(2026, 11, 30), **picousd):
    """The book with one row more, as a later edition has it."""
    shelf = book[provider]
    models = []
    for model in shelf.models:
        if model.id == name:
            last = model.rate(AT)
            row = replace(last, recorded=recorded, since=recorded, picousd={**last.picousd, **picousd})
            model = replace(model, rates=(*model.rates, row))
        models.append(model)
    return dict(book) | {provider: replace(shelf, models=tuple(models))}


def test_the_book_that_ships_is_an_edition(book, tmp_path):
    packed = wheel(
        tmp_path / "a.whl",
        {f"pricing/data/rates/{path.name}": path.read_bytes() for path in (DATA / "rates").glob("*.jsonl")}
        | {"pricing/book.py": b"raise SystemExit('run')", "pricing/data/rates/x/y.jsonl": b"nothing"},
    )
    assert read_edition(packed) == book
    assert list(moves(book, book, AT)) == []
    assert added(book, book) == dict(book)
    assert write_edition(tmp_path / "prices", book) == load_book().version


def test_a_later_row_is_a_move_and_wins(book, tmp_path):
    later = with_row(book, "openai", "gpt-4o-mini", input_text=200_000)
    assert list(moves(book, later, AT)) == [
        Move(
            provider="openai",
            model="gpt-4o-mini",
            tier="standard",
            bucket="input_text",
            before=150_000,
            after=200_000,
        )
    ]
    write_edition(tmp_path / "prices", added(book, later))
    rate = load_book(folder=tmp_path / "prices").find("openai", "gpt-4o-mini").rate(AT)
    assert rate.picousd["input_text"] == 200_000
    assert load_book(folder=tmp_path / "prices").row(rate.id) == rate


def test_an_older_edition_takes_nothing_away(book):
    later = with_row(book, "openai", "gpt-4o-mini", input_text=200_000)
    assert added(later, book) == later
    smaller = {"openai": replace(book["openai"], models=book["openai"].models[:3])}
    rows = sum(len(model.rates) for model in added(book, smaller)["openai"].models)
    assert rows == sum(len(model.rates) for model in book["openai"].models)


@pytest.mark.parametrize(
    ("before", "after", "is_drastic"),
    [
        (100, 200, False),
        (100, 201, True),
        (100, 50, False),
        (100, 49, True),
        (100, 0, True),
        (None, 9, False),
    ],
)
def test_what_is_a_drastic_move(before, after, is_drastic):
    move = Move(provider="p", model="m", tier="standard", bucket="input_text", before=before, after=after)
    assert move.is_drastic is is_drastic


def row(picousd) -> bytes:
    rate = Rate(
        provider="acme", model="a-1", recorded=date(2026, 1, 1), source="x", picousd={"input_text": 1}
    )
    line = json.dumps({"recorded": "2026-01-01", "source": rate.source, "rates": {"input_text": picousd}})
    return HEAD + line.encode() + b"\n"


BROKEN = {
    "no price": {"pricing/data/rates/acme.jsonl": row("free")},
    "a negative price": {"pricing/data/rates/acme.jsonl": row(-1)},
    "a price beyond all": {"pricing/data/rates/acme.jsonl": row(10**15)},
    "no JSON": {"pricing/data/rates/acme.jsonl": b"nonsense"},
    "nothing": {"pricing/data/rates/acme.jsonl": b""},
    "a number": {"pricing/data/rates/acme.jsonl": b"1\n2\n"},
    "another's name": {"pricing/data/rates/openai.jsonl": HEAD},
    "a bomb": {"pricing/data/rates/acme.jsonl": b" " * (17 * 1024 * 1024)},
    "no prices at all": {"README": b""},
}


@pytest.mark.parametrize("files", BROKEN.values(), ids=BROKEN)
def test_what_is_no_edition_is_refused(tmp_path, files):
    with pytest.raises(EditionError):
        read_edition(wheel(tmp_path / "a.whl", files))


def test_a_damaged_wheel_and_an_empty_folder_are_refused(tmp_path):
    packed = wheel(tmp_path / "a.whl", {"pricing/data/rates/acme.jsonl": row(1) * 50})
    content = bytearray(packed.read_bytes())
    content[60:90] = b"\0" * 30
    packed.write_bytes(content)
    with pytest.raises(EditionError):
        read_edition(packed)
    with pytest.raises(EditionError, match="holds no prices"):
        read_edition(tmp_path)


def test_the_later_of_the_two_editions_is_used(book, tmp_path):
    assert edition_folder(tmp_path) == DATA
    later = with_row(book, "openai", "gpt-4o-mini", recorded=date(2030, 1, 1), input_text=1)
    write_edition(tmp_path / "prices", later)
    assert edition_folder(tmp_path) == tmp_path / "prices"
    (tmp_path / "prices" / "index.json").write_text('{"version": "2020-01-01.0"}')
    assert edition_folder(tmp_path) == DATA
    (tmp_path / "prices" / "index.json").write_text("nonsense")
    assert edition_folder(tmp_path) == DATA


def test_shelves_are_written_as_they_were_read(book):
    for provider, shelf in book.items():
        assert write_shelf(shelf) == (DATA / "rates" / f"{provider}.jsonl").read_bytes()
