"""What providers said of limits to an agent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from arc_proxy.call import Call, Grouping
from arc_proxy.store.engine import Store
from arc_proxy.store.limits import FIRST_MAX, LATEST_MAX, LimitName, read_limit_readings
from arc_proxy.store.write import save
from tests.store.conftest import BASE_NS

MakeCall = Callable[..., Call]

TOKENS = LimitName("openai", "gpt-4o-mini", "tokens")
WINDOW = LimitName("openai", None, "5h window")


@pytest.fixture
def limited(make_call: MakeCall) -> Callable[..., Call]:
    def make(number: int, headers: dict[str, str], *, agent: str = "finance") -> Call:
        return make_call(
            number, grouping=Grouping(run_id="r", agent=agent), response_headers=tuple(headers.items())
        )

    return make


def tokens(left: int, reset: str = "60s") -> dict[str, str]:
    return {
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": str(left),
        "x-ratelimit-reset-tokens": reset,
    }


def window(used: float) -> dict[str, str]:
    return {
        "anthropic-ratelimit-unified-5h-utilization": str(used),
        "anthropic-ratelimit-unified-5h-reset": str(BASE_NS // 10**9 + 5 * 3600),
    }


def second_ns(number: float) -> int:
    return BASE_NS + round(number * 1e9)


def test_readings_come_in_order_by_model_and_name(store: Store, limited: Callable[..., Call]) -> None:
    save(store, [limited(at, tokens(1000 - 10 * at) | window(at / 100)) for at in range(1, 4)])
    save(store, [limited(9, tokens(5), agent="other")])
    found = read_limit_readings(store, "finance", second_ns(10))
    assert {name: [each.left for each in readings] for name, readings in found.items()} == {
        TOKENS: [990, 980, 970],
        WINDOW: [pytest.approx(0.99), pytest.approx(0.98), pytest.approx(0.97)],
    }
    # The head of the response comes with its first byte.
    assert found[TOKENS][0].as_of_ns == second_ns(1.3)


def test_limits_that_have_been_reset_since_are_none(store: Store, limited: Callable[..., Call]) -> None:
    save(store, [limited(1, tokens(5, "1s") | window(0.5))])
    assert set(read_limit_readings(store, "finance", second_ns(30))) == {WINDOW}
    assert read_limit_readings(store, "finance", second_ns(6 * 3600)) == {}
    assert read_limit_readings(store, "nobody", second_ns(1)) == {}


def test_as_many_calls_are_read_as_a_pace_needs(store: Store, limited: Callable[..., Call]) -> None:
    save(store, [limited(at, tokens(1000 - at)) for at in range(1, LATEST_MAX + 20)])
    found = read_limit_readings(store, "finance", second_ns(LATEST_MAX + 20))
    assert len(found[TOKENS]) == LATEST_MAX
    later = read_limit_readings(store, "finance", second_ns(LATEST_MAX + 9000))
    assert later == {}


def test_of_a_window_of_hours_older_calls_are_read_too(store: Store, limited: Callable[..., Call]) -> None:
    calls = LATEST_MAX + 20
    save(store, [limited(1, window(0.1)), limited(2, window(0.1))])
    save(store, [limited(4000 + at, window(0.5)) for at in range(calls)])
    readings = read_limit_readings(store, "finance", second_ns(4000 + calls))[WINDOW]
    assert [each.used for each in readings] == [0.1, 0.1] + [0.5] * LATEST_MAX


def test_calls_without_headers_of_limits_say_nothing(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(at) for at in range(1, FIRST_MAX + 2)])
    assert read_limit_readings(store, "finance", second_ns(20)) == {}
