from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing.book import PricesFileError, load_book
from pricing.cost import CostGrade, price_call
from pricing.overrides import Overrides, read_overrides
from pricing.usage import Usage, UsageGrade

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
MILLION_IN = Usage(input_text=1_000_000)


def nanousd(
    prices: Path,
    provider: str,
    model: str,
    usage: Usage = MILLION_IN,
    at: datetime = AT,
    tier: str | None = None,
) -> int | None:
    return price_call(
        load_book(prices),
        usage,
        UsageGrade.REPORTED,
        provider=provider,
        model=model,
        at=at,
        service_tier=tier,
    ).nanousd


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text(
        """
        [[rate]]
        provider = "openai"
        model = "GPT-5"
        since = 2026-11-01
        input = "1.00"
        output = 8

        [[rate]]
        provider = "openai"
        model = "gpt-5"
        tier = "flex"
        input = 0.5
        web_search = "9"

        [[rate]]
        provider = "ollama"
        model = "*"
        input = 0

        [[alias]]
        provider = "azure"
        name = "Our-Deployment"
        model = "gpt-5-mini"

        [[alias]]
        provider = "bedrock"
        name = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"
        model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

        [[discount]]
        provider = "anthropic"
        percent = 12.5
        since = 2026-11-01
        until = 2026-11-22
        """
    )
    return path


def test_an_own_rate_beats_the_book_from_its_day(prices: Path) -> None:
    assert nanousd(prices, "openai", "gpt-5") == 1_000_000_000
    assert nanousd(prices, "openai", "gpt-5", at=datetime(2026, 10, 31, tzinfo=UTC)) == 1_250_000_000


def test_an_own_rate_holds_for_a_snapshot_of_the_model_too(prices: Path) -> None:
    assert nanousd(prices, "openai", "gpt-5-2025-08-07") == 1_000_000_000


def test_an_own_rate_of_a_tier_is_of_that_tier_alone(prices: Path) -> None:
    assert nanousd(prices, "openai", "gpt-5", tier="flex") == 500_000_000
    assert nanousd(prices, "openai", "gpt-5", tier="priority") == 2_500_000_000
    searched = Usage(input_text=1_000_000, tool_units={"web_search": 2})
    assert nanousd(prices, "openai", "gpt-5", searched, tier="flex") == 518_000_000


def test_a_star_prices_what_nobody_else_does(prices: Path) -> None:
    assert nanousd(prices, "ollama", "qwen3:4b") == 0
    assert nanousd(prices, "other", "qwen3:4b") is None


def test_an_alias_says_what_is_behind_a_name(prices: Path) -> None:
    assert nanousd(prices, "azure", "our-deployment") == 250_000_000
    profile = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"
    assert nanousd(prices, "bedrock", profile, Usage(input_text=100_000)) == 330_000_000


def test_a_discount_is_a_line_of_the_sum_on_its_days(prices: Path) -> None:
    usage = Usage(output_text=1_000_000)
    cost = price_call(
        load_book(prices), usage, UsageGrade.REPORTED, provider="anthropic", model="claude-haiku-4-5", at=AT
    )
    assert [(line.bucket, line.picousd) for line in cost.lines] == [
        ("output_text", 5 * 10**12),
        ("discount", -625 * 10**9),
    ]
    assert cost.nanousd == 4_375_000_000
    later = datetime(2026, 11, 23, tzinfo=UTC)
    assert nanousd(prices, "anthropic", "claude-haiku-4-5", usage, at=later) == 5_000_000_000


def test_a_discount_is_never_taken_off_what_the_provider_reports(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('[[discount]]\nprovider = "openrouter"\npercent = 50\n')
    cost = price_call(
        load_book(path),
        MILLION_IN,
        UsageGrade.REPORTED,
        provider="openrouter",
        model="openai/gpt-5",
        at=AT,
        raw_usage={"cost": 0.5, "is_byok": False},
    )
    assert (cost.nanousd, cost.grade) == (500_000_000, CostGrade.PROVIDER_REPORTED)


def test_the_version_names_the_users_file_too(prices: Path) -> None:
    version = load_book(prices).version
    assert version.startswith(load_book().version + "+")
    prices.write_text(prices.read_text() + "\n")
    assert load_book(prices).version != version


def test_a_missing_file_says_nothing(tmp_path: Path) -> None:
    assert read_overrides(tmp_path / "none.toml") == Overrides()


def test_an_own_row_is_found_again_by_its_id(prices: Path) -> None:
    book = load_book(prices)
    cost = price_call(book, MILLION_IN, UsageGrade.REPORTED, provider="openai", model="gpt-5", at=AT)
    assert cost.rate_id == "openai/gpt-5@2026-11-01/prices.toml"
    row = book.row(cost.rate_id)
    assert row is not None
    assert (row.since, row.source) == (date(2026, 11, 1), "prices.toml")


WRONG = {
    "no TOML": ("[[rate\n", None, None, "line 1"),
    "an unknown table": ("[[price]]\n", None, None, "[[price]]"),
    "one bracket": ('[rate]\nprovider = "x"\n', None, None, "two brackets"),
    "an unknown field": (
        '[[rate]]\nprovider = "x"\nmodel = "m"\ninputs = 1\n',
        1,
        "inputs",
        "is not one of",
    ),
    "no provider": ('\n\n[[rate]]\nmodel = "m"\ninput = 1\n', 3, "provider", "is missing"),
    "no price": ('[[rate]]\nprovider = "x"\nmodel = "m"\n', 1, "input", "at least one price"),
    "a price in words": (
        '[[rate]]\nprovider = "x"\nmodel = "m"\ninput = 1\n[[rate]]\nmodel = "m"\ninput = "free"\n',
        5,
        "input",
        "'free'",
    ),
    "a negative price": ('[[rate]]\nprovider = "x"\nmodel = "m"\noutput = -1\n', 1, "output", "between 0"),
    "a price that is true": ('[[rate]]\nprovider = "x"\nmodel = "m"\noutput = true\n', 1, "output", "True"),
    "not a number": ('[[rate]]\nprovider = "x"\nmodel = "m"\noutput = nan\n', 1, "output", "nan"),
    "a day in quotes": (
        '[[rate]]\nprovider = "x"\nmodel = "m"\nsince = "2026-01-01"\ninput = 1\n',
        1,
        "since",
        "without quotes",
    ),
    "a moment for a day": (
        '[[rate]]\nprovider = "x"\nmodel = "m"\nsince = 2026-01-01T00:00:00Z\ninput = 1\n',
        1,
        "since",
        "must be a day",
    ),
    "an alias without its model": ('[[alias]]\nprovider = "x"\nname = "n"\n', 1, "model", "is missing"),
    "brackets without end": ("a = " + "[" * 5000, None, None, "is no TOML"),
    "a number of thousands of digits": (
        f'[[rate]]\nprovider = "x"\nmodel = "m"\ninput = {"9" * 5000}\n',
        None,
        None,
        "is no TOML",
    ),
    "a number that is too long for text": (
        f'[[rate]]\nprovider = "x"\nmodel = "m"\ninput = {"9" * 4000}\n',
        1,
        "input",
        "between 0",
    ),
    "a price that is finer than what counts": (
        '[[rate]]\nprovider = "x"\nmodel = "m"\ninput = "0.0000001"\n',
        1,
        "input",
        "0.000001 US dollars per million tokens",
    ),
    "a discount that is finer than what counts": (
        '[[discount]]\nprovider = "x"\npercent = 12.55\n',
        1,
        "percent",
        "0.1 percent",
    ),
    "a discount that never holds": (
        '[[discount]]\nprovider = "x"\npercent = 5\nsince = 2026-02-01\nuntil = 2026-01-01\n',
        1,
        "until",
        "is not after `since`",
    ),
    "two prices of one day": (
        '[[rate]]\nprovider = "x"\nmodel = "m"\ninput = 1\n' * 2,
        5,
        "since",
        "another [[rate]] of the same model and tier",
    ),
    "more than all off": ('[[discount]]\nprovider = "x"\npercent = 120\n', 1, "percent", "between 0 and 100"),
}


@pytest.mark.parametrize(("text", "line", "field", "said"), WRONG.values(), ids=WRONG)
def test_says_where_and_what(
    tmp_path: Path, text: str, line: int | None, field: str | None, said: str
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(PricesFileError) as caught:
        load_book(path)
    assert (caught.value.line, caught.value.field) == (line, field)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PricesFileError):
        load_book(tmp_path)
    (tmp_path / "prices.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PricesFileError, match="UTF-8"):
        load_book(tmp_path / "prices.toml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from('[]rateliscoundp ="\n.1-{}'), max_size=80))
def test_any_text_is_read_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.toml"
    path.write_text(text)
    with suppress(PricesFileError):
        read_overrides(path)
