from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.book import DATA, load_book
from pricing.compile import GENAI_VERSION, RECORDED, compile_book
from pricing.join import join_sources
from pricing.merge import ChangedTwice, merge
from pricing.model import Model, in_force
from pricing.rate import Hours, Rate
from pricing.shelf import Shelf, read_shelf
from pricing.sources import genai, litellm

DAY = date(2026, 11, 25)
SAID = date(2026, 10, 21)  # the day that the second source speaks of
LATER = date(2027, 2, 1)
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
LONG_AFTER = datetime(2027, 3, 1, tzinfo=UTC)


def table(**entries: Mapping[str, Any]) -> dict[str, Any]:
    """LiteLLM's table as it is read: fractions are decimals."""
    return json.loads(json.dumps(entries), parse_float=Decimal)  # type: ignore[no-any-return]


ACME = {
    "litellm_provider": "acme",
    "mode": "chat",
    "input_cost_per_token": 2e-06,
    "output_cost_per_token": 8e-06,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "extra.toml").write_bytes((DATA / "extra.toml").read_bytes())
    return tmp_path


def base_shelves() -> list[Shelf]:
    """What the installed package says, read as `make prices` reads it."""
    module = Path(str(distribution("genai-prices").locate_file(genai.MODULE))).read_text()
    source = f"genai-prices {GENAI_VERSION}"
    return list(genai.shelves(genai.read_module(module), source=source, recorded=RECORDED))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.json*")}


def test_compiling_twice_changes_nothing(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    sources = table(**{"acme/large": ACME, "gpt-5": {**ACME, "litellm_provider": "openai"}})
    assert compile_book(folder, sources) > 40
    first = files(folder)
    assert compile_book(folder, sources) == 0
    assert compile_book(folder, sources, recorded=LATER) == 0
    assert files(folder) == first
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "extra.toml").write_bytes((folder / "extra.toml").read_bytes())
    compile_book(elsewhere, sources)
    assert files(elsewhere) == first


def test_a_new_price_is_a_new_row_from_the_day_it_was_seen(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_book(folder, table(**{"acme/large": ACME}))
    before = (folder / "rates" / "acme.jsonl").read_bytes()
    monkeypatch.setattr(litellm, "VERSION", "1.200.0")
    cheaper = table(**{"acme/large": {**ACME, "input_cost_per_token": 1e-06}})
    assert compile_book(folder, cheaper, recorded=LATER) == 2  # the provider's file and the index
    after = (folder / "rates" / "acme.jsonl").read_bytes()
    assert after.startswith(before)
    assert compile_book(folder, cheaper, recorded=LATER) == 0
    book = load_book(folder=folder)
    found = book.find("acme", "large")
    assert found is not None
    old, new = found.rate(AT), found.rate(LONG_AFTER)
    assert old is not None
    assert new is not None
    assert (old.picousd["input_text"], new.picousd["input_text"]) == (2_000_000, 1_000_000)
    assert (new.since, new.recorded) == (LATER, LATER)
    assert book.version.startswith("2027-02-01.")


def test_an_edition_that_was_read_wrongly_is_corrected_from_its_beginning(folder: Path) -> None:
    compile_book(folder, table(**{"acme/large": ACME}))
    cheaper = table(**{"acme/large": {**ACME, "input_cost_per_token": 1e-06}})
    compile_book(folder, cheaper, recorded=LATER)
    assert compile_book(folder, cheaper, recorded=LATER) == 0
    found = load_book(folder=folder).find("acme", "large")
    assert found is not None
    rate = found.rate(AT)
    assert rate is not None
    assert (rate.picousd["input_text"], rate.since, rate.recorded) == (1_000_000, None, LATER)


def test_a_model_that_the_sources_drop_keeps_its_rows(folder: Path) -> None:
    compile_book(
        folder,
        table(**{"acme/large": ACME, "acme/small": ACME, "other/x": {**ACME, "litellm_provider": "other"}}),
    )
    compile_book(folder, table(**{"acme/small": ACME}), recorded=LATER)
    book = load_book(folder=folder)
    assert book.find("acme", "large") is not None
    assert book.find("other", "x") is not None


def test_the_book_that_ships_was_compiled_from_these_sources() -> None:
    shipped = {shelf.provider: shelf for shelf in map(read_shelf, _shipped())}
    for shelf in base_shelves():
        ids = {model.id for model in shipped[shelf.provider].models}
        assert ids >= {model.id for model in shelf.models}


def _shipped() -> list[bytes]:
    return [path.read_bytes() for path in sorted((DATA / "rates").glob("*.jsonl"))]


def test_a_wheel_with_another_table_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "litellm.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(litellm.TABLE, b"{}")
    with pytest.raises(ValueError, match="sha256"):
        litellm.read_table(wheel)


# --- the second source's table


def second(**entry: Any) -> list[Model]:
    key = entry.pop("key", "acme/large")
    return list(litellm.models(table(**{key: ACME | entry}), source="litellm 1", recorded=DAY))


def test_reads_buckets_tiers_and_steps() -> None:
    (model,) = second(
        cache_read_input_token_cost=2e-07,
        cache_creation_input_token_cost=2.5e-06,
        cache_creation_input_token_cost_above_1hr=4e-06,
        input_cost_per_token_above_200k_tokens=4e-06,
        cache_creation_input_token_cost_above_1hr_above_200k_tokens=8e-06,
        input_cost_per_token_batches=1e-06,
        input_cost_per_token_flex=0.0,
        search_context_cost_per_query={"search_context_size_low": 0.01, "search_context_size_high": 0.01},
        regional_processing_uplift_multiplier_eu=1.1,
        deprecation_date="2027-05-01",
        supports_vision=True,
        supports_reasoning=False,
        max_input_tokens=1000,
    )
    standard, batch = model.rates
    assert dict(standard.picousd) == {
        "input_text": 2_000_000,
        "output_text": 8_000_000,
        "cache_read": 200_000,
        "cache_write_5m": 2_500_000,
        "cache_write_1h": 4_000_000,
        "tool:web_search": 10**10,
    }
    assert standard.over == ((200_000, {"input_text": 4_000_000, "cache_write_1h": 8_000_000}),)
    assert standard.uplift_permille == {"eu": 1100}
    assert (batch.tier, dict(batch.picousd)) == ("batch", {"input_text": 1_000_000})
    assert (model.id, model.provider, model.mode) == ("large", "acme", "chat")
    assert (model.retires, model.input_tokens_max) == (date(2027, 5, 1), 1000)
    assert (model.supports, model.lacks) == ({"vision"}, {"reasoning"})


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"input_cost_per_token": 0.0, "output_cost_per_token": 0.0}, id="all zeros"),
        pytest.param({"litellm_provider": "github_copilot"}, id="a plan and not a price"),
        pytest.param({"key": "sample_spec"}, id="the table's own example"),
        pytest.param({"key": "bedrock/us-west-2/1-month-commitment/claude"}, id="a commitment"),
        pytest.param({"input_cost_per_token": "2e-06"}, id="a price in words"),
        pytest.param({"input_cost_per_token": True}, id="true is no price"),
    ],
)
def test_what_is_no_price_per_token_is_left_out(entry: dict[str, Any]) -> None:
    assert second(**entry) == []


def test_a_fee_that_depends_on_the_size_of_context_is_left_out() -> None:
    fees = {"search_context_size_low": 0.01, "search_context_size_high": 0.03}
    (model,) = second(search_context_cost_per_query=fees)
    assert "tool:web_search" not in model.rates[0].picousd


def test_the_hours_that_are_not_off_peak() -> None:
    (model,) = second(
        off_peak_pricing={
            "input_cost_per_token": 1e-06,
            "windows": [
                {"hours_utc": ["00:00-01:00", "04:00-06:00", "10:00-00:00"], "weekdays": [1, 2, 3, 4, 5]},
                {"hours_utc": "00:00-00:00", "weekdays": [6, 7]},
            ],
        }
    )
    always, peak = model.rates
    assert (always.picousd["input_text"], peak.picousd["input_text"]) == (1_000_000, 2_000_000)
    workdays = (1, 2, 3, 4, 5)
    assert peak.hours == (
        Hours(days=workdays, start=60, end=240),
        Hours(days=workdays, start=360, end=600),
    )


def test_xais_long_price_begins_at_the_threshold() -> None:
    (model,) = second(litellm_provider="xai", key="xai/grok", input_cost_per_token_above_200k_tokens=4e-06)
    assert model.rates[0].over[0][0] == 199_999


# --- the gate between the sources


def shelf(*rates: Rate, clauses: tuple[list[str], ...] = (["=", "large"],)) -> Shelf:
    model = Model(provider="acme", id="large", clauses=clauses, rates=rates)
    return Shelf(provider="acme", url="https://acme.example", models=(model,))


def rate(picousd: dict[str, int], **more: Any) -> Rate:
    return Rate(
        **{"provider": "acme", "model": "large", "recorded": DAY, "source": "genai 1", "picousd": picousd}
        | more
    )


def joined(base: Shelf, others: list[Model]) -> Model:
    (only,) = join_sources([base], others, spoken_of=SAID, today=DAY)
    return only.models[0]


PRICES = {"input_text": 2_000_000, "output_text": 8_000_000}


def test_sources_that_agree_confirm_and_fill() -> None:
    others = second(
        cache_read_input_token_cost=2e-07,
        output_cost_per_token_flex=4e-06,
        input_cost_per_token_above_200k_tokens=4e-06,
        mode="chat",
    )
    model = joined(shelf(rate(PRICES, since=date(2026, 3, 1))), others)
    standard, flex = model.rates
    assert standard.agrees == "litellm 1"
    assert standard.picousd["cache_read"] == 200_000
    assert standard.over == ((200_000, {"input_text": 4_000_000}),)
    assert standard.filled == {"cache_read": "litellm 1", "over 200000": "litellm 1"}
    assert (flex.tier, flex.since, flex.source) == ("flex", date(2026, 3, 1), "litellm 1")
    # What the tier does not say costs what the standard row says.
    assert dict(flex.picousd) == {**standard.picousd, "output_text": 4_000_000}
    assert model.mode == "chat"
    assert not model.rivals


@pytest.mark.parametrize(
    ("window", "prompt", "most"), [(400, 272, 272), (128, 131, 128), (400, None, 400), (None, 272, 272)]
)
def test_the_longest_prompt_is_the_shorter_of_what_the_sources_say(
    window: int | None, prompt: int | None, most: int
) -> None:
    base = shelf(rate(PRICES))
    base = replace(base, models=(replace(base.models[0], input_tokens_max=window),))
    assert joined(base, second(**({"max_input_tokens": prompt} if prompt else {}))).input_tokens_max == most


def test_what_follows_another_price_is_not_taken_from_the_standard_row() -> None:
    others = second(
        output_cost_per_reasoning_token=8e-06,
        cache_creation_input_token_cost=2.5e-06,
        cache_creation_input_token_cost_above_1hr=4e-06,
        output_cost_per_token_flex=4e-06,
        cache_creation_input_token_cost_flex=1.25e-06,
    )
    flex = joined(shelf(rate(PRICES)), others).rates[1]
    assert dict(flex.picousd) == {
        "input_text": 2_000_000,
        "output_text": 4_000_000,
        "cache_write_5m": 1_250_000,
    }


def test_what_a_region_adds_is_known_under_any_of_the_other_names() -> None:
    plain = second(key="gemini/large", litellm_provider="gemini")
    vertex = second(
        key="vertex_ai/large", litellm_provider="vertex_ai", regional_endpoint_uplift_multiplier=1.1
    )
    base = Shelf(
        provider="google", url="", models=(replace(shelf(rate(PRICES)).models[0], provider="google"),)
    )
    (only,) = join_sources([base], [*plain, *vertex], spoken_of=SAID, today=DAY)
    assert only.models[0].rates[0].uplift_permille == {"regional": 1100}


def test_sources_that_differ_are_both_kept_and_nothing_is_filled() -> None:
    others = second(input_cost_per_token=3e-06, cache_read_input_token_cost=2e-07)
    model = joined(shelf(rate(PRICES, since=date(2026, 3, 1))), others)
    (kept,) = model.rates
    assert (dict(kept.picousd), kept.agrees) == (PRICES, "")
    (rival,) = model.rivals
    assert (rival.picousd["input_text"], rival.since, rival.source) == (
        3_000_000,
        date(2026, 3, 1),
        "litellm 1",
    )


def test_a_rounding_is_no_disagreement() -> None:
    model = joined(shelf(rate({**PRICES, "input_text": 2_000_010})), second())
    assert model.rates[0].agrees == "litellm 1"
    assert model.rates[0].picousd["input_text"] == 2_000_010


def test_a_price_that_changed_since_the_other_source_looked_is_no_disagreement() -> None:
    dated = (rate(PRICES), rate({**PRICES, "input_text": 1_000_000}, since=date(2026, 11, 1)))
    model = joined(shelf(*dated), second())
    assert not model.rivals
    assert model.rates[1].agrees == ""


def test_the_name_that_agrees_speaks_for_a_model_of_many_names() -> None:
    base = shelf(rate(PRICES), clauses=(["^", "large"],))
    others = second(key="acme/large-old", input_cost_per_token=3e-06) + second(key="acme/large-2026")
    model = joined(base, others)
    assert not model.rivals
    assert model.rates[0].agrees == "litellm 1"


def test_a_model_that_only_the_second_source_has_is_taken_from_it() -> None:
    (only,) = join_sources([shelf(rate(PRICES))], second(key="acme/tiny"), spoken_of=SAID, today=DAY)
    assert [model.id for model in only.models] == ["large", "tiny"]
    assert only.models[1].rates[0].source == "litellm 1"


# --- the base


def test_a_tier_holds_as_long_as_the_standard_price_beside_it() -> None:
    openai = next(each for each in base_shelves() if each.provider == "openai")
    sol = next(model for model in openai.models if model.id == "gpt-5.6-sol")
    flex = [rate for rate in sol.rates if rate.tier == "flex"]
    assert [(rate.since, rate.picousd["input_text"]) for rate in flex] == [(date(2026, 8, 21), 2_000_000)]
    # Fees of tools are the standard ones: a tier says nothing about them.
    assert flex[0].picousd["tool:web_search"] == 10**10


def test_prices_by_the_hour_belong_to_the_dated_price_before_them() -> None:
    deepseek = next(each for each in base_shelves() if each.provider == "deepseek")
    flash = next(model for model in deepseek.models if model.id == "deepseek-v4-flash")
    peak = [rate for rate in flash.rates if rate.hours]
    assert [(rate.since, len(rate.hours)) for rate in peak] == [(date(2026, 9, 10), 2)]


# --- rows are only ever added

ROWS = st.builds(
    rate,
    st.dictionaries(st.sampled_from(["input_text", "output_text"]), st.integers(1, 3), min_size=1),
    since=st.sampled_from([None, date(2026, 3, 1), date(2026, 8, 1)]),
    tier=st.sampled_from(["standard", "flex"]),
    hours=st.sampled_from([(), (Hours(start=60, end=240),)]),
)
EARLIEST = [rate({"input_text": 7}), rate({"input_text": 7}, tier="flex")]  # some hours never stand alone
TIMELINES = st.lists(
    ROWS, min_size=1, max_size=5, unique_by=lambda row: (row.since, row.tier, row.hours)
).map(
    lambda rows: (
        [
            each
            for each in EARLIEST
            if not any(row.tier == each.tier and row.since is None and not row.hours for row in rows)
        ]
        + rows
    )
)


@settings(max_examples=60)
@given(st.lists(TIMELINES, min_size=1, max_size=4))
def test_merging_keeps_every_row_and_ends_where_the_source_is(versions: list[list[Rate]]) -> None:
    shelved: Shelf | None = None
    for number, rows in enumerate(versions):
        recorded = date(2026, 12, 1 + number)
        fresh = shelf(*(replace(row, recorded=recorded) for row in rows))
        before = shelved.models[0].rates if shelved else ()
        shelved = merge(shelved, fresh, recorded=recorded)
        after = shelved.models[0].rates
        assert after[: len(before)] == before
        assert merge(shelved, fresh, recorded=date(2027, 1, 1)) == shelved
        for tier in {row.tier for row in rows}:
            said = in_force([row for row in rows if row.tier == tier], recorded)
            kept = in_force([row for row in after if row.tier == tier], recorded)
            assert [(row.picousd, row.hours) for row in kept] == [(row.picousd, row.hours) for row in said]


def test_a_second_change_on_the_day_of_the_first_is_refused() -> None:
    first = merge(None, shelf(rate(PRICES)), recorded=DAY)
    changed = shelf(rate({**PRICES, "input_text": 1}))
    with pytest.raises(ChangedTwice, match="no earlier"):
        merge(first, changed, recorded=DAY)
    assert len(merge(first, changed, recorded=LATER).models[0].rates) == 2


def test_what_was_filled_in_is_not_lost_when_the_row_is_history() -> None:
    filled = rate({**PRICES, "cache_read": 5}, since=date(2026, 3, 1), filled={"cache_read": "litellm 1"})
    read_again = rate(PRICES, since=date(2026, 3, 1))
    dearer = rate({**PRICES, "input_text": 9}, since=date(2027, 1, 1))
    merged = merge(shelf(filled), shelf(read_again, dearer), recorded=LATER).models[0].rates
    assert merged == (filled, replace(dearer, recorded=LATER))


def test_a_source_that_moves_a_date_back_corrects_the_rows_behind_it() -> None:
    shelved = shelf(rate(PRICES), rate({**PRICES, "input_text": 9}, since=date(2026, 8, 1)))
    fresh = shelf(rate(PRICES), rate({**PRICES, "input_text": 8}, since=date(2026, 3, 1)))
    merged = merge(shelved, fresh, recorded=LATER).models[0]
    for day, picousd in ((date(2026, 2, 1), 2_000_000), (date(2026, 5, 1), 8), (date(2026, 9, 1), 8)):
        (row,) = in_force(merged.rates, day)
        assert row.picousd["input_text"] == picousd
