"""Early warnings: what each kind claims, and when it claims nothing."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.budget_eta import BudgetOf, Pace, budget_eta
from analysis.context_eta import Turn, context_eta, reserved_tokens
from analysis.limit_eta import limit_eta
from analysis.retirement import retirement
from analysis.warning import DAY_NS, MINUTE_NS, EarlyWarning, Urgency, most_urgent_first
from arc_proxy.limit import Limit

S = 10**9
HOUR_NS = 60 * MINUTE_NS
NOW_NS = 1_790_000_000 * S


def turns(*tokens: int) -> list[Turn]:
    """One every ten seconds."""
    return [Turn(NOW_NS + at * 10 * S, each) for at, each in enumerate(tokens)]


CONTEXTS: dict[str, tuple[list[int], int | None, int, int | None]] = {
    "four more turns of 10 fit into 150": ([70, 80, 90, 100, 110], 150, 0, 4),
    "the next one does not fit": ([70, 80, 90, 100], 105, 0, 0),
    "it is over already": ([70, 80, 90, 100], 90, 0, 0),
    "twenty turns are left": ([70, 80, 90, 100], 300, 0, 20),
    "twenty-one are too far off": ([70, 80, 90, 100], 310, 0, None),
    "three growths make a pace, two do not": ([80, 90, 100], 110, 0, None),
    "one long result counts four times as much as others": ([10, 20, 30, 980, 990, 1000], 1050, 0, 3),
    "room for the answer is kept": ([70, 80, 90, 100], 200, 50, 5),
    "a window that is all for the answer says nothing": ([70, 80, 90, 100], 200, 200, None),
    "a compaction begins anew": ([80, 90, 100, 110, 20, 30, 40], 120, 0, None),
    "and has a pace of its own": ([100, 200, 300, 20, 30, 40, 50], 100, 0, 5),
    "a prompt that does not grow never fills it": ([100, 100, 100, 100, 100], 105, 0, None),
    "nobody says how long a prompt may be": ([70, 80, 90, 100], None, 0, None),
    "no turn": ([], 100, 0, None),
}


@pytest.mark.parametrize(("tokens", "window", "reserved", "left"), CONTEXTS.values(), ids=CONTEXTS)
def test_a_context_window_fills(
    tokens: list[int], window: int | None, reserved: int, left: int | None
) -> None:
    found = context_eta(turns(*tokens), run_id="r", model="m", window=window, reserved=reserved)
    assert (found and found.turns_left) == left
    if found is not None:
        assert found.in_ns == found.turns_left * 10 * S


@given(st.lists(st.integers(0, 10**7), max_size=60), st.none() | st.integers(1, 10**7), st.integers(0, 10**6))
def test_what_is_claimed_of_a_context_fits(tokens: list[int], window: int | None, reserved: int) -> None:
    found = context_eta(turns(*tokens), run_id="r", model="m", window=window, reserved=reserved)
    if found is not None:
        assert window is not None
        room = window - reserved - tokens[-1]
        # Growths are rounded where they are shown.
        assert found.turns_left * (found.growth - 1) <= max(room, 0)
        assert room <= (found.turns_left + 1) * (found.growth + 1)


def test_which_requests_keep_room_for_their_answer() -> None:
    assert reserved_tokens("anthropic.messages", {"max_tokens": 4096}) == 4096
    assert reserved_tokens("openai.chat", {"max_tokens": 100}) == 100
    assert reserved_tokens("openai.chat", {"max_completion_tokens": 100}) == 0
    assert reserved_tokens("gemini.generate", {"max_tokens": 100}) == 0
    assert reserved_tokens("openai.chat", {"max_tokens": "many"}) == 0


def reading(ago_s: float, left: float, *, of: float | None = 100, resets_s: float | None = 50) -> Limit:
    return Limit(
        name="tokens",
        as_of_ns=NOW_NS - round(ago_s * S),
        remaining=left,
        used=None if of is None else 1 - left / of,
        resets_ns=None if resets_s is None else NOW_NS + round(resets_s * S),
    )


LIMITS: dict[str, tuple[list[Limit], tuple[float | None, float | None] | None]] = {
    "it falls by 2 a second and is empty before it is full again": (
        [reading(30, 100), reading(20, 80), reading(0, 40)],
        (20, 0.6),
    ),
    "it is full again before it is empty": ([reading(30, 100), reading(20, 95), reading(0, 90)], None),
    "two readings are no pace": ([reading(30, 100), reading(0, 40)], None),
    "a rise begins anew": (
        [reading(50, 30), reading(40, 20), reading(30, 100), reading(10, 80), reading(0, 70)],
        None,
    ),
    "a pause of the agent slows the pace": (
        [reading(400, 100, resets_s=900), reading(395, 80, resets_s=900), reading(390, 60, resets_s=900)],
        (600, 0.4),
    ),
    "a pace is trusted for ten times as long as it was watched": (
        [reading(3, 100, resets_s=9000), reading(2, 99, resets_s=9000), reading(0, 95, resets_s=9000)],
        None,
    ),
    "it has been reset since": ([reading(90, 50, resets_s=-10), reading(60, 0, resets_s=-1)], None),
    "it is used up": ([reading(5, 0)], (0, 1.0)),
    "nobody says when it is full again, a minute ago": ([reading(59, 3, resets_s=None)], (None, 0.97)),
    "nobody says when it is full again, longer ago": ([reading(61, 0, resets_s=None)], None),
    "over 80 % of a long window": ([reading(0, 19, resets_s=3600)], (None, 0.81)),
    "over 80 % of a short one is no news": ([reading(0, 19)], None),
    "over 95 % of a short one": ([reading(0, 4)], (None, 0.96)),
    "nobody says of how much": ([reading(0, 4, of=None)], None),
    "nothing was said": ([], None),
}


@pytest.mark.parametrize(("readings", "expected"), LIMITS.values(), ids=LIMITS)
def test_a_limit_is_used_up(
    readings: list[Limit], expected: tuple[float | None, float | None] | None
) -> None:
    found = limit_eta(readings, provider="openai", model="gpt-5", now_ns=NOW_NS)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        seconds, used = expected
        assert found.empty_in_ns == (None if seconds is None else round(seconds * S))
        assert found.used == (None if used is None else pytest.approx(used))


def test_a_window_known_by_its_share_alone() -> None:
    def share(hours_ago: float, used: float) -> Limit:
        came_ns = NOW_NS - round(hours_ago * HOUR_NS)
        return Limit(name="5h window", as_of_ns=came_ns, used=used, resets_ns=NOW_NS + 2 * HOUR_NS)

    found = limit_eta(
        [share(2, 0.3), share(1, 0.5), share(0, 0.7)], provider="anthropic", model=None, now_ns=NOW_NS
    )
    assert found is not None
    assert found.in_ns == pytest.approx(1.5 * HOUR_NS)
    assert found.urgency is Urgency.SOON


BUDGETS: dict[str, tuple[int, Pace | None, int | None, tuple[float, int | None] | None]] = {
    "at this pace spent in two hours": (60, Pace(20, HOUR_NS), 9 * HOUR_NS, (0.6, 2 * HOUR_NS)),
    "not before the day is over": (60, Pace(20, HOUR_NS), HOUR_NS, None),
    "80 % are said without a pace": (80, None, 9 * HOUR_NS, (0.8, None)),
    "80 % are said where it lasts": (80, Pace(1, HOUR_NS), 9 * HOUR_NS, (0.8, None)),
    "below a half a busy hour says little": (40, Pace(40, HOUR_NS), 9 * HOUR_NS, None),
    "a pace of a minute is trusted for ten": (60, Pace(1, MINUTE_NS), 9 * HOUR_NS, None),
    "it is spent": (100, Pace(1, HOUR_NS), 9 * HOUR_NS, (1.0, 0)),
    "nothing was spent": (0, Pace(0, HOUR_NS), 9 * HOUR_NS, None),
}


@pytest.mark.parametrize(("spent", "pace", "ends_in_ns", "expected"), BUDGETS.values(), ids=BUDGETS)
def test_a_budget_is_spent(
    spent: int, pace: Pace | None, ends_in_ns: int | None, expected: tuple[float, int | None] | None
) -> None:
    found = budget_eta(100, spent, of=BudgetOf.DAY, pace=pace, ends_in_ns=ends_in_ns)
    assert (found and (found.used, found.spent_in_ns)) == expected


def test_without_a_budget_nothing_is_said() -> None:
    assert budget_eta(None, 10**12, of=BudgetOf.RUN) is None


@pytest.mark.parametrize(
    ("day", "urgency"),
    [
        (date(2026, 8, 1), None),
        (date(2026, 9, 2), Urgency.LATER),
        (date(2026, 11, 20), Urgency.SOON),
        (date(2026, 12, 1), Urgency.NOW),
        (date(2027, 1, 1), Urgency.NOW),
    ],
)
def test_a_model_retires(day: date, urgency: Urgency | None) -> None:
    found = retirement("m", date(2026, 12, 1), day)
    assert (found and found.urgency) == urgency


def test_the_most_urgent_comes_first() -> None:
    soon = budget_eta(100, 60, of=BudgetOf.DAY, pace=Pace(20, HOUR_NS), ends_in_ns=9 * HOUR_NS)
    spent = budget_eta(100, 100, of=BudgetOf.AGENT)
    context = context_eta(turns(70, 80, 90, 100), run_id="r", model="m", window=115)
    share = limit_eta([reading(0, 19, resets_s=3600)], provider="p", model=None, now_ns=NOW_NS)
    later = retirement("m", date(2026, 12, 1), date(2026, 10, 1))
    found: list[EarlyWarning] = [each for each in (share, later, soon, context, spent) if each is not None]
    assert list(most_urgent_first(found)) == [spent, context, soon, later, share]
    assert later is not None
    assert later.in_ns == 61 * DAY_NS
