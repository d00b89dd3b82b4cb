from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import pytest

from pricing import book as book_module
from pricing.book import DATA, NAMES_KEPT_MAX, PriceBook, load_book
from pricing.rate import STANDARD
from pricing.shelf import Shelf, read_shelf

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)

FOUND = {
    "a snapshot": ("openai", "gpt-5-2025-08-07", "gpt-5"),
    "a compact date": ("openai", "gpt-5-20250807", "gpt-5"),
    "upper case": ("openai", "GPT-5", "gpt-5"),
    "a snapshot of Anthropic's": ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
    "Gemini's resource name": ("google", "models/gemini-2.5-flash", "gemini-2.5-flash"),
    "Claude on Vertex": (
        "google",
        "publishers/anthropic/models/claude-sonnet-4-6",
        "claude-sonnet-4-6",
    ),
    "an inference profile in America": (
        "bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    "the book's own name": (
        "bedrock",
        "regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    "a profile for the world": (
        "bedrock",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    "Azure sells OpenAI's models": ("azure", "gpt-5-2025-08-07", "gpt-5"),
    "Azure's name of an old model": ("azure", "gpt-35-turbo", "gpt-3.5-turbo"),
    "a maker's name inside another's": ("groq", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
    "a fine-tuned model": (
        "openai",
        "ft:gpt-4.1-2025-04-14:acme::AbC1",
        "ft:gpt-4.1-2025-04-14",
    ),
    "xAI": ("xai", "grok-4.20-0309-reasoning", "grok-4.20"),
}


@pytest.mark.parametrize(("provider", "name", "model"), FOUND.values(), ids=FOUND)
def test_finds(book: PriceBook, provider: str, name: str, model: str) -> None:
    found = book.find(provider, name)
    assert found is not None
    assert [each.id for each in found.models] == [model]
    assert found.remark == ""
    assert found.rate(AT) is not None


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-99"),
        ("openai", ""),
        ("nobody", "gpt-5"),
        ("bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"),
        ("openai", "ft:gpt-99:acme::x"),
        ("../../etc", "passwd"),
    ],
)
def test_knows_what_it_does_not_know(book: PriceBook, provider: str, name: str) -> None:
    assert book.find(provider, name) is None


def test_the_memory_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "NAMES_KEPT_MAX", 8)
    assert NAMES_KEPT_MAX > 8
    book = load_book()
    for number in range(30):
        assert book.find("openai", f"gpt-none-{number}") is None
    assert len(book._found) <= 8


def test_candidates_can_take_the_same_calls(book: PriceBook) -> None:
    names = {model.id for model in book.candidates("anthropic", "anthropic.messages", AT)}
    assert {"claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-8"} <= names
    chat = {model.id for model in book.candidates("openai", "openai.chat", AT)}
    responses = {model.id for model in book.candidates("openai", "openai.responses", AT)}
    assert "gpt-5-mini" in chat <= responses
    assert "gpt-5-pro" in responses - chat
    assert not {name for name in responses if "embedding" in name or "audio" in name}
    embeddings = {model.id for model in book.candidates("openai", "openai.embeddings", AT)}
    assert "text-embedding-3-small" in embeddings
    assert not embeddings & chat
    assert {model.provider for model in book.candidates("bedrock", "anthropic.messages", AT)} == {"aws"}
    assert book.candidates("nobody", "openai.chat", AT) == ()
    assert book.candidates("openai", "unknown", AT) == ()


def test_a_window_that_keeps_room_for_the_answer_counts_without_it(book: PriceBook) -> None:
    found = {name: book.find("openai", name) for name in ("gpt-5", "gpt-4o", "o3")}
    longest = {name: each and each.models[0].input_tokens_max for name, each in found.items()}
    assert longest == {"gpt-5": 272_000, "gpt-4o": 128_000, "o3": 200_000}


def test_a_retired_model_is_no_candidate(book: PriceBook) -> None:
    later = datetime(2026, 12, 1, tzinfo=UTC)
    now = {model.id for model in book.candidates("anthropic", "anthropic.messages", AT)}
    then = {model.id for model in book.candidates("anthropic", "anthropic.messages", later)}
    assert now - then == {"claude-sonnet-4-5"}


def test_a_candidate_is_found_by_its_own_name(book: PriceBook) -> None:
    for provider, dialect in (("openai", "openai.responses"), ("bedrock", "anthropic.messages")):
        for model in book.candidates(provider, dialect, AT):
            found = book.find(provider, model.id)
            assert found is not None
            assert found.rate(AT) is not None


def test_nothing_of_the_compiler_is_loaded_at_run_time() -> None:
    code = (
        "import sys, pricing.cost, pricing.book, pricing.explain, pricing.quote;"
        "pricing.book.load_book().find('openai', 'gpt-5');"
        "heavy = ('genai_prices', 'pydantic', 'pricing.sources', 'arc_proxy');"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


# --- what ships


@pytest.fixture(scope="module")
def shelves() -> list[Shelf]:
    return [read_shelf(path.read_bytes()) for path in sorted((DATA / "rates").glob("*.jsonl"))]


def test_the_index_names_every_file(book: PriceBook, shelves: list[Shelf]) -> None:
    assert list(book.providers) == sorted(shelf.provider for shelf in shelves)
    assert book.version == json.loads(Path(DATA / "index.json").read_text())["version"]


def test_every_row_has_its_own_id_a_source_and_a_price(shelves: list[Shelf]) -> None:
    seen = set()
    for shelf in shelves:
        for model in shelf.models:
            assert model.rates, model.id
            for rate in chain(model.rates, model.rivals):
                assert rate.id not in seen, rate.id
                seen.add(rate.id)
                assert rate.source
                assert (rate.provider, rate.model) == (shelf.provider, model.id)
                assert all(isinstance(picousd, int) and picousd >= 0 for picousd in rate.picousd.values())
    assert len(seen) > 4_000


def test_no_model_costs_nothing(shelves: list[Shelf]) -> None:
    for shelf in shelves:
        for model in shelf.models:
            for rate in model.rates:
                tokens = {name: each for name, each in rate.picousd.items() if not name.startswith("tool:")}
                assert any(tokens.values()), rate.id


def test_every_tier_has_a_standard_price_beside_it(shelves: list[Shelf]) -> None:
    for shelf in shelves:
        for model in shelf.models:
            assert STANDARD in model.tiers, model.id


def test_model_names_are_unique_on_a_shelf(shelves: list[Shelf]) -> None:
    for shelf in shelves:
        names = [model.id for model in shelf.models]
        assert len(names) == len(set(names))
