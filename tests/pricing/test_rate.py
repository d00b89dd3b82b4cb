from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.model import Model, matches, newest
from pricing.rate import EVERY_DAY, Hours, Rate, rate_from_json, rate_to_json
from pricing.shelf import Shelf, read_shelf, write_shelf

WEEKDAYS = (1, 2, 3, 4, 5)
MONDAY_NIGHT = datetime(2026, 11, 23, 2, tzinfo=UTC)
SATURDAY_NIGHT = datetime(2026, 11, 21, 2, tzinfo=UTC)


def row(
    picousd: int,
    *,
    since: date | None = None,
    recorded: date = date(2026, 1, 1),
    tier: str = "standard",
    hours: tuple[Hours, ...] = (),
) -> Rate:
    return Rate(
        provider="acme",
        model="acme-large",
        tier=tier,
        since=since,
        recorded=recorded,
        source="a test",
        picousd={"input_text": picousd},
        hours=hours,
    )


PEAK = (Hours(days=WEEKDAYS, start=60, end=240),)


@pytest.mark.parametrize(
    ("rates", "at", "picousd"),
    [
        pytest.param([row(5)], MONDAY_NIGHT, 5, id="a row without a date holds always"),
        pytest.param(
            [row(5), row(4, since=date(2026, 8, 21))],
            datetime(2026, 8, 20, 23, 59, tzinfo=UTC),
            5,
            id="a new price does not reach back",
        ),
        pytest.param(
            [row(5), row(4, since=date(2026, 8, 21))],
            datetime(2026, 8, 21, tzinfo=UTC),
            4,
            id="a new price holds from the first moment of its day",
        ),
        pytest.param(
            [row(5), row(4, since=date(2026, 8, 21))],
            datetime(2026, 8, 21, 1, tzinfo=timezone(timedelta(hours=8))),
            5,
            id="days are days of UTC",
        ),
        pytest.param(
            [row(5, since=date(2026, 8, 1)), row(6, since=date(2026, 8, 1), recorded=date(2026, 9, 9))],
            MONDAY_NIGHT,
            6,
            id="of two rows for one day the one recorded last wins",
        ),
        pytest.param(
            [row(6, recorded=date(2026, 9, 9)), row(5, since=date(2026, 8, 1))],
            MONDAY_NIGHT,
            5,
            id="a correction of the beginning leaves later prices alone",
        ),
        pytest.param([row(2), row(4, hours=PEAK)], MONDAY_NIGHT, 4, id="inside the peak hours"),
        pytest.param([row(2), row(4, hours=PEAK)], SATURDAY_NIGHT, 2, id="not at the weekend"),
        pytest.param(
            [row(2), row(4, hours=PEAK), row(3, since=date(2026, 9, 1))],
            MONDAY_NIGHT,
            3,
            id="a later price for all hours ends the peak",
        ),
        pytest.param(
            [
                row(2),
                row(4, hours=(Hours(start=60, end=240),)),
                row(4, hours=PEAK, recorded=date(2026, 2, 1)),
            ],
            SATURDAY_NIGHT,
            2,
            id="a later set of hours takes hours back",
        ),
        pytest.param([row(5, since=date(2027, 1, 1))], MONDAY_NIGHT, None, id="nothing holds yet"),
        pytest.param([row(5, tier="flex")], MONDAY_NIGHT, None, id="another tier is no answer"),
    ],
)
def test_the_row_that_holds(rates: list[Rate], at: datetime, picousd: int | None) -> None:
    found = newest(rates, at, "standard")
    assert (found.picousd["input_text"] if found else None) == picousd


def test_past_a_step_the_whole_request_costs_more() -> None:
    rate = Rate(
        provider="acme",
        model="m",
        recorded=date(2026, 1, 1),
        source="a test",
        picousd={"input_text": 1, "output_text": 5, "tool:web_search": 9},
        over=((100, {"input_text": 2, "output_text": 10}), (200, {"input_text": 3})),
    )
    assert rate.for_input(100)["input_text"] == 1
    assert dict(rate.for_input(101)) == {"input_text": 2, "output_text": 10, "tool:web_search": 9}
    assert dict(rate.for_input(201)) == {"input_text": 3, "output_text": 10, "tool:web_search": 9}


@pytest.mark.parametrize(
    ("clause", "name", "is_match"),
    [
        (["=", "gpt-5"], "gpt-5", True),
        (["=", "gpt-5"], "gpt-5-mini", False),
        (["^", "gpt-5"], "gpt-5-mini", True),
        (["$", "-mini"], "gpt-5-mini", True),
        (["*", "claude"], "us.anthropic.claude-x", True),
        (["~", r"^gpt-5-\d{4}$"], "gpt-5-2026", True),
        (["&", ["^", "gemini"], ["~", "^(?!.*tts)"]], "gemini-tts", False),
        (["|", ["=", "a"], ["=", "b"]], "b", True),
    ],
)
def test_clauses(clause: list[object], name: str, is_match: bool) -> None:
    assert matches(clause, name) is is_match


DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))
PICO = st.dictionaries(
    st.sampled_from(["input_text", "output_text", "tool:web_search"]), st.integers(0, 10**12)
)
RATES = st.builds(
    Rate,
    provider=st.just("acme"),
    model=st.just("acme-large"),
    tier=st.sampled_from(["standard", "flex", "batch"]),
    since=st.none() | DAYS,
    recorded=DAYS,
    source=st.sampled_from(["a 1.0", "b 2.0"]),
    url=st.sampled_from(["", "https://acme.example/pricing"]),
    picousd=PICO,
    over=st.lists(st.tuples(st.integers(1, 10**6), PICO), max_size=2, unique_by=lambda step: step[0]).map(
        lambda steps: tuple(sorted(steps, key=lambda step: step[0]))
    ),
    hours=st.lists(
        st.builds(
            Hours,
            days=st.sampled_from([EVERY_DAY, WEEKDAYS]),
            start=st.integers(0, 700),
            end=st.integers(701, 1440),
        ),
        max_size=2,
    ).map(tuple),
    uplift_permille=st.dictionaries(st.sampled_from(["us", "eu"]), st.integers(1001, 2000)),
    agrees=st.sampled_from(["", "b 2.0"]),
    filled=st.dictionaries(st.sampled_from(["cache_read", "days"]), st.sampled_from(["b 2.0", "by hand"])),
)


@given(RATES)
def test_a_row_survives_the_disk(rate: Rate) -> None:
    url = "https://acme.example/pricing"
    assert rate_from_json(rate_to_json(rate, url=url), provider="acme", model="acme-large", url=url) == rate


@given(st.lists(RATES, max_size=4), st.lists(RATES, max_size=2))
def test_a_shelf_survives_the_disk(rates: list[Rate], rivals: list[Rate]) -> None:
    model = Model(
        provider="acme",
        id="acme-large",
        clauses=(["=", "acme-large"], ["&", ["^", "acme"], ["~", "x$"]]),
        mode="chat",
        input_tokens_max=1000,
        retires=date(2027, 1, 1),
        supports=frozenset({"vision"}),
        lacks=frozenset({"reasoning"}),
        rates=tuple(rates),
        rivals=tuple(rivals),
    )
    shelf = Shelf(provider="acme", url="https://acme.example/pricing", models=(model, model))
    assert read_shelf(write_shelf(shelf)) == shelf
