from __future__ import annotations

import pytest

from analysis.burn_rate import DAY_NS, HOUR_NS, MINUTE_NS, RULES, EndedRun, burn_alerts

NOW_NS = 1_800_000_000 * 10**9
FAST, SLOW, TICKET = RULES


def ended(bad, good, *ages_ns):
    """So many bad and good runs at each age."""
    ages = [NOW_NS - age for age in ages_ns]
    return [EndedRun(at, is_bad) for at in ages for is_bad in [True] * bad + [False] * good]


CASES = {
    "no runs": ([], 0.99, []),
    "none bad": (ended(0, 100, MINUTE_NS), 0.99, []),
    "all fail since a minute": (ended(12, 0, MINUTE_NS), 0.99, [FAST, SLOW, TICKET]),
    "nine bad runs are too few": (ended(9, 0, MINUTE_NS), 0.99, []),
    "ten are enough": (ended(10, 0, MINUTE_NS), 0.99, [FAST, SLOW, TICKET]),
    "one in five fails, of a budget of one in a hundred": (
        ended(10, 40, MINUTE_NS),
        0.99,
        [FAST, SLOW, TICKET],
    ),
    "one in ten fails": (ended(10, 90, MINUTE_NS), 0.99, [SLOW, TICKET]),
    "one in fifty fails": (ended(10, 490, MINUTE_NS), 0.99, [TICKET]),
    "just as many fail as may": (ended(10, 990, MINUTE_NS), 0.99, []),
    "it ended ten minutes ago": (ended(20, 0, 10 * MINUTE_NS), 0.99, [SLOW, TICKET]),
    "it ended ten minutes ago, and all went well since": (
        ended(20, 0, 10 * MINUTE_NS) + ended(0, 20, MINUTE_NS),
        0.99,
        [SLOW, TICKET],
    ),
    "it ended an hour ago": (ended(20, 0, HOUR_NS), 0.99, [TICKET]),
    "it ended a day ago": (ended(20, 0, DAY_NS), 0.99, []),
    "slowly for two days": (ended(1, 40, *(h * HOUR_NS for h in range(48))), 0.99, [TICKET]),
    "it will fail": (ended(20, 0, -MINUTE_NS), 0.99, []),
    "nothing is above what a low target allows": (ended(20, 0, MINUTE_NS), 0.90, [SLOW, TICKET]),
    "nor above what a lower one allows": (ended(20, 0, MINUTE_NS), 0.80, [TICKET]),
}


@pytest.mark.parametrize(("runs", "target", "rules"), CASES.values(), ids=CASES)
def test_burn_alerts(runs, target, rules):
    assert [alert.rule for alert in burn_alerts(runs, NOW_NS, target=target)] == rules
    assert burn_alerts(reversed(runs), NOW_NS, target=target) == burn_alerts(runs, NOW_NS, target=target)


def test_an_alert_says_how_fast_and_how_many():
    runs = ended(10, 30, 40 * MINUTE_NS) + ended(5, 5, MINUTE_NS)
    fast = burn_alerts(runs, NOW_NS, target=0.99)[0]
    assert (fast.rule, fast.bad_runs, fast.runs) == (FAST, 15, 50)
    assert (fast.long_rate, fast.short_rate) == (pytest.approx(30), pytest.approx(50))


def test_older_runs_that_are_not_read_make_a_rate_a_lower_bound():
    runs = ended(1, 9, *range(MINUTE_NS, HOUR_NS, MINUTE_NS))
    [alert] = burn_alerts(runs, NOW_NS, target=0.95)
    assert (alert.rule, alert.long_rate, alert.is_at_least) == (TICKET, pytest.approx(2), False)
    [alert] = burn_alerts(runs, NOW_NS, target=0.95, unread={TICKET.long_ns: 500})
    assert (alert.bad_runs, alert.runs, alert.is_at_least) == (59, 1090, True)
    assert alert.long_rate == pytest.approx(59 / 1090 / 0.05)
    many = {TICKET.long_ns: 5000}
    assert burn_alerts(runs, NOW_NS, target=0.95, unread=many) == ()
    [alert] = burn_alerts(runs, NOW_NS, target=0.95, unread=many, is_unread_bad=True)
    assert alert.bad_runs == 5059
    well = ended(0, 10, MINUTE_NS)
    assert burn_alerts(well, NOW_NS, target=0.95, unread=many, is_unread_bad=True) == ()


@pytest.mark.parametrize("target", [0, 1, 95])
def test_a_target_is_a_share(target):
    with pytest.raises(ValueError, match="between 0 and 1"):
        burn_alerts([], NOW_NS, target=target)


def test_the_rules_use_up_two_five_and_ten_percent_of_a_month():
    assert [rule.rate * rule.long_ns / (30 * DAY_NS) for rule in RULES] == pytest.approx([0.02, 0.05, 0.1])
