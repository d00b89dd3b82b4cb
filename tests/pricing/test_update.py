"""What a source adds to the book, what stays doubtful, and the book with it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.book import DATA, PriceBook, load_book
from pricing.layers import lay
from pricing.overrides import PricesFileError
from pricing.rate import Rate
from pricing.rows import read_rows
from pricing.shelf import read_shelf
from pricing.sources.read import read_source
from pricing.update import Addition, Kind, additions, is_older, layer

TODAY = date(2026, 11, 26)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TOMORROW = date(2026, 11, 27)

ACME = (
    {"provider": "acme", "url": "https://acme.example"},
    {"model": "large", "match": [["^", "large"]], "mode": "chat"},
    {
        "recorded": "2026-11-01",
        "source": "genai-prices 1.0",
        "rates": {
            "input_text": 1_000_000,
            "output_text": 4_000_000,
            "cache_read": 100_000,
            "tool:web_search": 5,
        },
        "filled": {"litellm 1": ["tool:web_search"]},
        "uplift": {"eu": 1100},
    },
    {"model": "dated", "match": [["=", "dated"], ["=", "old-name"]]},
    {
        "since": "2026-01-01",
        "recorded": "2026-11-01",
        "source": "genai-prices 1.0",
        "rates": {"input_text": 8},
    },
    {"model": "seconds", "match": [["=", "seconds"]]},
    {"recorded": "2026-11-01", "source": "litellm 1", "rates": {"input_text": 2_000_000}},
)


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A book of one provider."""
    folder = tmp_path / "data"
    (folder / "rates").mkdir(parents=True)
    (folder / "index.json").write_text(json.dumps({"version": "book", "providers": ["acme"]}))
    (folder / "rates" / "acme.jsonl").write_bytes(lines(*ACME))
    return folder


def models(*entries: dict[str, Any], provider: str = "acme") -> bytes:
    """genai-prices' JSON."""
    whole = [{"match": {"equals": entry["id"]}} | entry for entry in entries]
    return json.dumps([{"id": provider, "models": whole}]).encode()


LARGE = {"input_mtok": 1, "output_mtok": 4, "cache_read_mtok": 0.1}


def large(**prices: Any) -> bytes:
    said = {name: value for name, value in (LARGE | prices).items() if value is not None}
    return models({"id": "large", "match": {"starts_with": "large"}, "prices": said})


def second(name: str, **entry: float) -> bytes:
    """LiteLLM's table."""
    return json.dumps({name: {"litellm_provider": "acme"} | entry}).encode()


def added(folder: Path, content: bytes, *, today: date = TODAY, layers: Path | None = None) -> list[Addition]:
    book = load_book(folder=folder, layers=layers)
    return list(additions(book, read_source(content, recorded=today), recorded=today))


def updated(folder: Path, content: bytes, layers: Path, *, today: date = TODAY, number: int = 1) -> PriceBook:
    """The book after everything that is not impossible was taken."""
    book = load_book(folder=folder, layers=layers)
    source = read_source(content, recorded=today)
    taken = [each for each in additions(book, source, recorded=today) if not each.obstacle]
    written = layer(book, source, taken, recorded=today)
    if written:
        layers.mkdir(exist_ok=True)
        (layers / f"{today}.{number:02}.jsonl").write_bytes(written)
    return load_book(folder=folder, layers=layers)


def price(book: PriceBook, name: str, bucket: str = "input_text", at: datetime = NOW) -> int | None:
    found = book.find("acme", name)
    rate = found.rate(at) if found else None
    return rate.picousd.get(bucket) if rate else None


CASES: dict[str, tuple[bytes, list[tuple[str, str, int | None, int | None]], str]] = {
    "the same price is no news": (large(), [], ""),
    "a price that changed": (
        large(input_mtok=1.5),
        [("changed", "input_text", 1_000_000, 1_500_000)],
        "",
    ),
    "twice as much is believed": (large(input_mtok=2), [("changed", "input_text", 1_000_000, 2_000_000)], ""),
    "half as much is believed": (
        large(output_mtok=2),
        [("changed", "output_text", 4_000_000, 2_000_000)],
        "",
    ),
    "more than twice is doubtful": (
        large(input_mtok=2.000001),
        [("changed", "input_text", 1_000_000, 2_000_001)],
        "input_text moves by more than 2x",
    ),
    "less than half is doubtful": (
        large(output_mtok=1.999999),
        [("changed", "output_text", 4_000_000, 1_999_999)],
        "output_text moves by more than 2x",
    ),
    "a price that becomes 0 is doubtful": (
        large(input_mtok=0),
        [("changed", "input_text", 1_000_000, 0)],
        "input_text becomes $0",
    ),
    "a bucket that loses its price is doubtful": (
        large(cache_read_mtok=None),
        [("changed", "cache_read", 100_000, None)],
        "cache_read would have no price any more",
    ),
    "a step that was not there": (
        large(input_mtok={"base": 1, "tiers": [{"start": 200_000, "price": 2}]}),
        [("changed", "input_text", 1_000_000, 2_000_000)],
        "",
    ),
    "a step far above the price below it is doubtful": (
        large(input_mtok={"base": 1, "tiers": [{"start": 200_000, "price": 5}]}),
        [("changed", "input_text", 1_000_000, 5_000_000)],
        "input_text moves by more than 2x",
    ),
    "a new model": (
        models({"id": "tiny", "prices": {"input_mtok": 3}}),
        [("new", "input_text", None, 3_000_000)],
        "",
    ),
    "a new model for nothing is doubtful": (
        models({"id": "tiny", "prices": {"input_mtok": 0}}),
        [("new", "input_text", None, 0)],
        "input_text becomes $0",
    ),
    "a new provider": (
        models({"id": "x", "prices": {"input_mtok": 3}}, provider="other"),
        [("new", "input_text", None, 3_000_000)],
        "",
    ),
    "a new row for what a pattern priced until now moves its price": (
        models({"id": "large-2", "prices": {"input_mtok": 9, "output_mtok": 4, "cache_read_mtok": 0.1}}),
        [("new", "input_text", 1_000_000, 9_000_000), ("new", "tool:web_search", 5, None)],
        "input_text moves by more than 2x, as calls of it were priced by large",
    ),
    "a new model that takes a known one's name is doubtful": (
        models(
            {"id": "thief", "match": {"equals": "old-name"}, "prices": {"input_mtok": 1}},
            {"id": "dated", "prices": {"input_mtok": 0.000008}},
        ),
        [("new", "input_text", 8, 1_000_000)],
        "input_text moves by more than 2x, as calls of it were priced by dated",
    ),
    "a second source that differs disputes": (
        second("large", input_cost_per_token=9e-06, output_cost_per_token=4e-06),
        [("disputed", "input_text", 1_000_000, 9_000_000)],
        "",
    ),
    "a second source fills what was missing": (
        second("large", input_cost_per_token=1e-06, cache_creation_input_token_cost=1.25e-06),
        [("changed", "cache_write_5m", None, 1_250_000)],
        "",
    ),
    "a second source moves its own rows": (
        second("seconds", input_cost_per_token=3e-06),
        [("changed", "input_text", 2_000_000, 3_000_000)],
        "",
    ),
}


@pytest.mark.parametrize(("content", "expected", "doubt"), CASES.values(), ids=CASES)
def test_what_a_source_adds(
    shipped: Path, content: bytes, expected: list[tuple[str, str, int | None, int | None]], doubt: str
) -> None:
    found = added(shipped, content)
    said = [
        (str(each.kind), move.bucket, move.old, move.new)
        for each in found
        for move in each.moves
        if not move.bucket.startswith("uplift:")
    ]
    assert said == expected
    assert [each.doubt for each in found if each.doubt] == ([doubt] if doubt else [])


def test_a_change_without_a_date_holds_from_the_day_it_was_seen(shipped: Path, tmp_path: Path) -> None:
    book = updated(shipped, large(input_mtok=1.5), tmp_path / "prices")
    assert price(book, "large-2026") == 1_500_000
    assert price(book, "large", at=datetime(2026, 11, 25, tzinfo=UTC)) == 1_000_000
    # What another source had filled in, and what a region adds, do not depend on the price of a token.
    assert price(book, "large", "tool:web_search") == 5
    found = book.find("acme", "large")
    assert found is not None
    rate = found.rate(NOW)
    assert rate is not None
    assert (rate.uplift_permille, rate.filled) == ({"eu": 1100}, {"tool:web_search": "litellm 1"})
    assert book.row(rate.id) == rate
    assert book.version.startswith("book+updated-2026-11-26.01.")


def test_the_same_source_twice_adds_nothing(shipped: Path, tmp_path: Path) -> None:
    layers = tmp_path / "prices"
    content = large(input_mtok=1.5)
    updated(shipped, content, layers)
    assert added(shipped, content, layers=layers) == []
    assert added(shipped, content, layers=layers, today=TOMORROW) == []


def test_a_second_change_of_a_day_waits_for_the_next(shipped: Path, tmp_path: Path) -> None:
    layers = tmp_path / "prices"
    updated(shipped, large(input_mtok=1.5), layers)
    (again,) = added(shipped, large(input_mtok=1.8), layers=layers)
    assert "run it again tomorrow" in again.obstacle
    book = updated(shipped, large(input_mtok=1.8), layers, today=TOMORROW)
    assert price(book, "large", at=datetime(2026, 11, 27, tzinfo=UTC)) == 1_800_000
    assert price(book, "large") == 1_500_000


def test_a_new_model_is_looked_for_before_the_pattern_that_follows_it(shipped: Path, tmp_path: Path) -> None:
    content = models(
        {"id": "large-2", "prices": {"input_mtok": 2}},
        {"id": "large", "match": {"starts_with": "large"}, "prices": LARGE},
        {"id": "last", "match": {"contains": "a"}, "prices": {"input_mtok": 7}},
    )
    book = updated(shipped, content, tmp_path / "prices")
    assert price(book, "large-2") == 2_000_000
    assert price(book, "large-3") == 1_000_000
    assert price(book, "dated") == 8
    assert price(book, "what-nobody-knew") == 7_000_000


def test_the_names_of_a_known_model_stay_its_own(shipped: Path, tmp_path: Path) -> None:
    content = models({"id": "large", "match": {"contains": "d"}, "prices": LARGE | {"input_mtok": 1.5}})
    book = updated(shipped, content, tmp_path / "prices")
    assert price(book, "dated") == 8
    assert price(book, "large-x") == 1_500_000


def test_deleting_the_file_takes_the_update_back(shipped: Path, tmp_path: Path) -> None:
    layers = tmp_path / "prices"
    assert price(updated(shipped, large(input_mtok=1.5), layers), "large") == 1_500_000
    next(layers.iterdir()).unlink()
    book = load_book(folder=shipped, layers=layers)
    assert (price(book, "large"), book.version) == (1_000_000, "book")


def test_a_damaged_file_is_named_with_its_line(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "2026-11-26.01.jsonl").write_bytes(lines(*ACME[:2]) + b"{\n")
    with pytest.raises(PricesFileError, match=r"2026-11-26.01.jsonl: line 3: no JSON; without this file"):
        load_book(folder=shipped, layers=tmp_path)


@pytest.mark.parametrize(
    ("title", "later"),
    [
        ("genai-prices 0.9", "1.0"),
        ("genai-prices 1.0", ""),
        ("genai-prices 1.0.1", ""),
        ("genai-prices ab12cd34", ""),
        ("litellm 0.1", "1"),
        ("rows", ""),
    ],
)
def test_an_older_edition_is_known_by_its_number(shipped: Path, title: str, later: str) -> None:
    source = read_source(large(), recorded=TODAY)
    renamed = type(source)(title=title, shelves=source.shelves)
    assert is_older(load_book(folder=shipped), renamed) == later


def test_of_another_edition_the_days_decide(shipped: Path, tmp_path: Path) -> None:
    def edition(recorded: str) -> bytes:
        row = {**ACME[2], "recorded": recorded, "rates": {**ACME[2]["rates"], "input_text": 1_500_000}}
        return lines(*ACME[:3], row, *ACME[3:])

    later, older = tmp_path / "later", tmp_path / "older"
    assert [each.kind for each in added(shipped, edition("2026-11-20"))] == [Kind.CHANGED]
    book = updated(shipped, edition("2026-11-20"), later)
    assert price(book, "large") == 1_500_000
    assert added(shipped, edition("2026-11-20"), layers=later) == []
    assert price(updated(shipped, edition("2026-10-01"), older), "large") == 1_000_000


AMOUNTS = st.decimals("0.01", "100", places=2).map(float)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["large", "dated", "new-a", "large-b"]), AMOUNTS, min_size=1),
        min_size=1,
        max_size=4,
    )
)
def test_updates_only_add_and_end_where_the_source_is(
    tmp_path_factory: pytest.TempPathFactory, versions: list[dict[str, float]]
) -> None:
    folder, layers = tmp_path_factory.mktemp("book"), tmp_path_factory.mktemp("layers")
    (folder / "rates").mkdir()
    (folder / "index.json").write_text(json.dumps({"version": "book", "providers": ["acme"]}))
    (folder / "rates" / "acme.jsonl").write_bytes(lines(*ACME))
    before: set[str] = set()
    for number, version in enumerate(versions):
        today = date(2026, 12, 1 + number)
        content = models(*({"id": name, "prices": {"input_mtok": usd}} for name, usd in version.items()))
        book = updated(folder, content, layers, today=today)
        after = {rate.id for rate in _rates(book)}
        assert before <= after
        assert len(after) == len(_rates(book))
        before = after
        at = datetime(2026, 12, 1 + number, tzinfo=UTC)
        assert {name: price(book, name, at=at) for name in version} == {
            name: round(usd * 10**6) for name, usd in version.items()
        }
        assert added(folder, content, layers=layers, today=date(2027, 1, 1)) == []


def _rates(book: PriceBook) -> list[Rate]:
    shelf = book.shelf("acme")
    assert shelf is not None
    return [rate for model in shelf.models for rate in model.rates]


def test_a_shelf_over_nothing_is_itself() -> None:
    (shelf,) = read_rows(lines(*ACME))
    assert lay(None, [shelf]) == shelf
    assert lay(None, []) is None


def test_the_shipped_rows_add_nothing_to_the_shipped_book() -> None:
    book = load_book()
    whole = b"".join((DATA / "rates" / f"{name}.jsonl").read_bytes() for name in ("openai", "aws", "google"))
    assert additions(book, read_source(whole, recorded=TODAY), recorded=TODAY) == ()
    assert read_shelf((DATA / "rates" / "openai.jsonl").read_bytes()).models
