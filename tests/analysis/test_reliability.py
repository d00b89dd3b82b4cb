from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.failure import SEVERITY, Failure, FailureCode, Severity
from analysis.reliability import (
    DAY_NS,
    LETTER_RUNS_MIN,
    OUTAGES,
    Apart,
    Arrow,
    Comparison,
    Letter,
    RunResult,
    arrows,
    carried_letter,
    compare_weeks,
    is_bad,
    kept_apart,
    letter_of,
    reliability,
    run_loss,
)

Code = FailureCode
NOW_NS = 1_800_000_000 * 10**9
MIDNIGHT_NS = NOW_NS // DAY_NS * DAY_NS


def failure(code, **more):
    return Failure(code, "seen", "field", **more)


def run(number=0, *failures, age_days=0.0, outcome=None, ended_by=None):
    started_ns = NOW_NS - round(age_days * DAY_NS)
    return RunResult(
        run_id=f"run-{number}",
        started_ns=started_ns,
        failures=failures,
        outcome=outcome,
        ended_by=ended_by,
    )


def runs_of(good, total, age_days=0.0):
    """So many runs at one time, of which those that are not good lost everything."""
    return [run(number, age_days=age_days, outcome=number < good) for number in range(total)]


LOSSES = {
    "nothing went wrong": (run(), 0.0),
    "fatal": (run(0, failure(Code.AUTH)), 1.0),
    "fatal, but the run recovered from it": (run(0, failure(Code.AUTH, is_recovered=True)), 0.15),
    "an outage that did not end the run": (run(0, failure(Code.CONNECTION)), 0.15),
    "an outage that is a warning": (run(0, failure(Code.OVERLOADED)), 0.1),
    "an error": (run(0, failure(Code.TOOL_ERROR_REPEATED)), 0.5),
    "an error that it recovered from": (run(0, failure(Code.TIMEOUT, is_recovered=True)), 0.15),
    "a warning": (run(0, failure(Code.TOOL_ERROR)), 0.1),
    "a warning that it recovered from": (run(0, failure(Code.TOOL_ERROR, is_recovered=True)), 0.1),
    "an information": (run(0, failure(Code.TOOL_EMPTY_RESULT)), 0.0),
    "a warning that was raised to an error": (
        run(0, failure(Code.REPEATED_CALL, raised=Severity.ERROR)),
        0.5,
    ),
    "the same error five times is one code": (run(0, failure(Code.OUTPUT_TRUNCATED, times=5)), 0.5),
    "the worst of three": (
        run(0, failure(Code.TOOL_ERROR), failure(Code.STEP_CAP), failure(Code.TOOL_EMPTY_RESULT)),
        0.5,
    ),
    "a reported success, with errors": (run(0, failure(Code.STEP_CAP), outcome=True), 0.0),
    "a reported failure, with no error": (run(0, outcome=False), 1.0),
}


@pytest.mark.parametrize(("result", "loss"), LOSSES.values(), ids=LOSSES)
def test_losses(result, loss):
    assert run_loss(result) == loss
    assert is_bad(result) == (loss >= 0.5)


APART = {
    "a run that ended well": (run(), None),
    "a cancel": (run(0, failure(Code.CLIENT_CLOSED), ended_by=Code.CLIENT_CLOSED), Apart.CANCEL),
    "a client that left one call and went on": (run(0, failure(Code.CLIENT_CLOSED)), None),
    "an outage that the run survived": (run(0, failure(Code.OVERLOADED, is_recovered=True)), None),
    "an outage after an error of the agent": (
        run(0, failure(Code.REPEATED_TEXT), failure(Code.OVERLOADED), ended_by=Code.OVERLOADED),
        Apart.OUTAGE,
    ),
    "an outage that the application died of": (
        run(0, failure(Code.EXCEPTION), outcome=False, ended_by=Code.SERVER_ERROR),
        Apart.OUTAGE,
    ),
    "an outage at the end of what was reported a success": (
        run(0, outcome=True, ended_by=Code.TIMEOUT),
        None,
    ),
    "a wrong key is no outage": (run(0, failure(Code.AUTH), ended_by=Code.AUTH), None),
    "an empty purse is no outage": (
        run(0, failure(Code.QUOTA_EXHAUSTED), ended_by=Code.QUOTA_EXHAUSTED),
        None,
    ),
} | {f"ended by {code}": (run(0, failure(code), ended_by=code), Apart.OUTAGE) for code in sorted(OUTAGES)}


@pytest.mark.parametrize(("result", "reason"), APART.values(), ids=APART)
def test_kept_apart(result, reason):
    assert kept_apart(result) is reason
    known = reliability([result], NOW_NS)
    assert (known.runs, known.outages, known.cancels) == (
        reason is None,
        reason is Apart.OUTAGE,
        reason is Apart.CANCEL,
    )


def test_runs_kept_apart_change_nothing_else():
    counted = runs_of(45, 50)
    apart = [run(100, ended_by=Code.OVERLOADED), run(101, ended_by=Code.CLIENT_CLOSED)]
    assert reliability(counted + apart, NOW_NS) == replace(reliability(counted, NOW_NS), outages=1, cancels=1)
    assert not is_bad(run(0, failure(Code.CONNECTION), ended_by=Code.CONNECTION))


# Good runs, all runs, and the 10th percentile of Beta(1 + good, 1 + bad).
SCORES = {
    "all of 20": (20, 20, 0.896, Letter.B_PLUS),
    "45 of 50": (45, 50, 0.826, Letter.B),
    "90 of 100": (90, 100, 0.852, Letter.B_PLUS),
    "190 of 200": (190, 200, 0.924, Letter.A),
    "980 of 1000": (980, 1000, 0.973, Letter.A_PLUS),
    "none of 20": (0, 20, 0.005, Letter.F),
    "all of 12": (12, 12, 0.838, None),
    "all of 19": (19, 19, 0.891, None),
}


@pytest.mark.parametrize(("good", "total", "score", "letter"), SCORES.values(), ids=SCORES)
def test_scores(good, total, score, letter):
    known = reliability(runs_of(good, total), NOW_NS)
    assert known.score == pytest.approx(score, abs=5e-4)
    assert known.score < known.high
    assert known.letter is letter
    assert known.observed_share == pytest.approx(good / total)
    assert (known.runs, known.effective_runs) == (total, pytest.approx(total))


def test_without_runs_nothing_is_observed():
    known = reliability([], NOW_NS)
    assert (known.runs, known.effective_runs, known.observed_share, known.letter) == (0, 0, None, None)
    assert (known.score, known.high) == (pytest.approx(0.1), pytest.approx(0.9))


def test_a_run_counts_for_half_after_seven_days():
    daily = [run(number) for number in range(200)]
    known = reliability([*daily, run(200, age_days=7), run(201, age_days=14)], NOW_NS)
    weights = {result.run.run_id: result.weight for result in known.explained}
    assert [weights[name] for name in ("run-0", "run-200", "run-201")] == pytest.approx([1, 0.5, 0.25])
    assert known.effective_runs == pytest.approx(200.75**2 / (200 + 0.25 + 0.0625))


def test_with_little_traffic_a_run_counts_for_half_after_two_hundred_runs():
    weekly = [run(number, age_days=7 * number) for number in range(400)]
    weights = {result.run.run_id: result.weight for result in reliability(weekly, NOW_NS).explained}
    assert weights["run-199"] == pytest.approx(0.5)
    assert weights["run-398"] == pytest.approx(0.25)


def test_fewer_than_two_hundred_runs_count_for_half_at_least():
    known = reliability([run(0), run(1, age_days=50), run(2, age_days=100)], NOW_NS)
    assert [result.weight for result in known.explained] == pytest.approx([1, 0.5**0.5, 0.5])


def test_an_agent_at_rest_keeps_its_score():
    results = runs_of(45, 50) + runs_of(3, 9, age_days=5)
    assert reliability(results, NOW_NS + 20_000 * DAY_NS) == reliability(results, NOW_NS)


def test_runs_that_have_not_begun_are_not_counted():
    later = [run(100, failure(Code.AUTH), age_days=-1), run(101, ended_by=Code.OVERLOADED, age_days=-1)]
    assert reliability([*runs_of(20, 20), *later], NOW_NS) == reliability(runs_of(20, 20), NOW_NS)


def test_twenty_runs_of_one_hour_are_enough_for_a_letter():
    known = reliability([run(number, age_days=number / 480) for number in range(LETTER_RUNS_MIN)], NOW_NS)
    assert known.effective_runs < LETTER_RUNS_MIN
    assert known.letter is Letter.B_PLUS


def test_one_reported_outcome_is_more_than_traffic():
    assert reliability([run(0), run(1)], NOW_NS).is_from_traffic_only
    assert not reliability([run(0), run(1, outcome=True)], NOW_NS).is_from_traffic_only


def test_the_run_that_costs_most_is_explained_first():
    worst = failure(Code.STEP_CAP)
    results = [
        run(0),
        run(1, failure(Code.TOOL_ERROR)),
        run(2, failure(Code.OUTPUT_EMPTY), age_days=7),
        run(3, failure(Code.TOOL_ERROR), worst),
        run(4, outcome=False),
    ]
    known = reliability(results, NOW_NS)
    assert [result.run.run_id for result in known.explained] == ["run-4", "run-3", "run-2", "run-1", "run-0"]
    assert [result.cause for result in known.explained][:2] == [None, worst]
    assert known.explained[-1].cause is None
    lost = sum(result.lost_share for result in known.explained)
    assert lost == pytest.approx(1 - known.observed_share)
    assert known.explained[2].lost_share == pytest.approx(0.25 / 4.5)


LETTERS = {
    "A+ from 95": (0.95, None, Letter.A_PLUS),
    "A below": (0.9499, None, Letter.A),
    "B+": (0.85, None, Letter.B_PLUS),
    "B": (0.80, None, Letter.B),
    "C": (0.70, None, Letter.C),
    "D": (0.60, None, Letter.D),
    "F below 60": (0.5999, None, Letter.F),
    "F at nothing": (0.0, None, Letter.F),
    "a fall of half a point below its bound changes nothing": (0.895, Letter.A, Letter.A),
    "a fall of more than a point does": (0.889, Letter.A, Letter.B_PLUS),
    "a rise of half a point above the next bound changes nothing": (0.905, Letter.B_PLUS, Letter.B_PLUS),
    "a rise of more than a point does": (0.911, Letter.B_PLUS, Letter.A),
    "a long fall ends where the score is": (0.705, Letter.A, Letter.C),
    "a long rise ends where the score is": (0.955, Letter.D, Letter.A_PLUS),
    "nothing is above A+": (1.0, Letter.A_PLUS, Letter.A_PLUS),
    "nothing is below F": (0.0, Letter.F, Letter.F),
}


@pytest.mark.parametrize(("score", "previous", "letter"), LETTERS.values(), ids=LETTERS)
def test_letters(score, previous, letter):
    assert letter_of(score, previous) is letter


def days_of(*good: int, total: int = 100) -> list[RunResult]:
    """So many runs a day, of which so many went well: the last of the days is the one before today."""
    return [
        run(f"{age}-{number}", age_days=age - 0.5 + (NOW_NS - MIDNIGHT_NS) / DAY_NS, outcome=number < each)
        for age, each in zip(range(len(good), 0, -1), good, strict=True)
        for number in range(total)
    ]


def carried(results, *, runs_max=10_000, is_all=True):
    return carried_letter(results, MIDNIGHT_NS, runs_max=runs_max, is_all=is_all)


def test_a_letter_is_carried_from_day_to_day():
    """The score of the last day alone is a B+, and within a point of the A of the days before."""
    falling = days_of(97, 92, 90, 88)
    alone = reliability(falling, MIDNIGHT_NS)
    assert (alone.letter, 0.89 < alone.score < 0.90) == (Letter.B_PLUS, True)
    assert carried(falling) is Letter.A
    assert reliability(falling, MIDNIGHT_NS, carried(falling)).letter is Letter.A


def test_a_letter_falls_where_the_score_falls_by_more():
    assert carried(days_of(100, 99, 70, 60)) is letter_of(
        reliability(days_of(100, 99, 70, 60), MIDNIGHT_NS).score
    )


def test_the_same_runs_carry_the_same_letter_in_any_order():
    results = days_of(97, 92, 90, 88)
    assert carried(reversed(results)) is carried(results)


NO_LETTER = {
    "no run at all": ([], True),
    "too few runs": (days_of(9, 9, total=9), True),
    "runs of today alone": ([run(n) for n in range(50)], True),
    "days whose runs were not all read": (days_of(100, 99), False),
}


@pytest.mark.parametrize(("results", "is_all"), NO_LETTER.values(), ids=NO_LETTER)
def test_no_letter_is_carried_without_a_day_that_had_one(results, is_all):
    assert carried(results, runs_max=500, is_all=is_all) is None


def test_a_day_is_judged_by_the_runs_that_were_read_then():
    """Of two days with 100 runs each, the latest 100 of the last day are all that counts."""
    assert carried(days_of(0, 100), runs_max=100) is letter_of(reliability(days_of(100), MIDNIGHT_NS).score)


def test_runs_that_ended_long_ago_keep_the_letter_that_they_have():
    results = [run(n, age_days=20 + n / 50, outcome=n > 1) for n in range(100)]
    assert carried(results) is reliability(results, MIDNIGHT_NS).letter


def test_the_letter_that_was_shown_last_stays_for_a_point():
    results = runs_of(20, 20)  # 0.896
    assert reliability(results, NOW_NS, Letter.A).letter is Letter.A


failures = st.builds(
    failure,
    st.sampled_from(Code),
    is_recovered=st.booleans(),
    times=st.integers(1, 9),
    raised=st.sampled_from([None, Severity.ERROR]),
)
results = st.builds(
    RunResult,
    run_id=st.uuids().map(str),
    started_ns=st.integers(NOW_NS - 90 * DAY_NS, NOW_NS + DAY_NS),
    failures=st.lists(failures, max_size=4).map(tuple),
    outcome=st.sampled_from([None, None, True, False]),
    ended_by=st.sampled_from([None, None, Code.OVERLOADED, Code.CLIENT_CLOSED, Code.AUTH]),
)


@given(st.lists(results, max_size=60), st.data())
def test_more_failures_never_raise_the_score(before, data):
    more = data.draw(st.lists(st.lists(failures, max_size=2).map(tuple), min_size=len(before), max_size=60))
    after = [
        replace(result, failures=result.failures + extra) for result, extra in zip(before, more, strict=False)
    ]
    assert reliability(after, NOW_NS).score <= reliability(before, NOW_NS).score + 1e-9


@given(st.lists(results, max_size=60), st.randoms(use_true_random=False))
def test_the_order_of_runs_does_not_matter(ordered, dice):
    shuffled = dice.sample(ordered, len(ordered))
    assert reliability(shuffled, NOW_NS) == reliability(ordered, NOW_NS)
    assert compare_weeks(shuffled, NOW_NS) == compare_weeks(ordered, NOW_NS)


@given(st.lists(results, max_size=60))
def test_every_figure_is_a_share(some):
    known = reliability(some, NOW_NS)
    assert 0 < known.score < known.high < 1
    assert known.effective_runs <= known.runs + 1e-6
    assert known.observed_share is None or -1e-9 <= known.observed_share <= 1 + 1e-9
    assert known.runs + known.outages + known.cancels == sum(r.started_ns <= NOW_NS for r in some)


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_loss_that_recovery_never_raises(code):
    lost, recovered = (run_loss(run(0, failure(code, is_recovered=it))) for it in (False, True))
    assert 0 <= recovered <= lost <= 1
    assert (lost == 1) == (SEVERITY[code] is Severity.FATAL and code not in OUTAGES)


def weeks(before, now):
    return compare_weeks(runs_of(*before, age_days=10) + runs_of(*now, age_days=3), NOW_NS)


def test_a_week_without_runs_compares_with_none():
    assert weeks((0, 0), (5, 5)) is None
    assert weeks((5, 5), (0, 0)) is None
    outage = run(0, age_days=10, ended_by=Code.OVERLOADED)
    assert compare_weeks([outage, *runs_of(5, 5)], NOW_NS) is None


def test_only_two_weeks_are_compared():
    later, older = runs_of(0, 99, age_days=-0.1), runs_of(0, 99, age_days=14)
    this, last = runs_of(9, 10, age_days=6.99), runs_of(8, 10, age_days=7)
    comparison = compare_weeks([*later, *this, *last, *older], NOW_NS)
    assert (comparison.runs_before, comparison.runs_now) == (10, 10)
    assert comparison.difference == pytest.approx(1 / 12)


CHANGES = {
    "the same": ((90, 100), (90, 100), None),
    "far worse": ((95, 100), (60, 100), Arrow.WORSE),
    "far better": ((60, 100), (95, 100), Arrow.BETTER),
    "worse, of few runs": ((10, 10), (8, 10), None),
    "worse, and surely, but by one point": ((9_900, 10_000), (9_800, 10_000), None),
    "worse, and surely, by three": ((9_900, 10_000), (9_600, 10_000), Arrow.WORSE),
}


@pytest.mark.parametrize(("before", "now", "arrow"), CHANGES.values(), ids=CHANGES)
def test_arrows(before, now, arrow):
    assert arrows({"travel": weeks(before, now)}).get("travel") is arrow


def comparison(probability, difference=-0.1):
    return Comparison(runs_before=100, runs_now=100, difference=difference, probability=probability)


def test_an_arrow_of_one_agent_may_be_chance_among_twenty():
    alone = {"travel": comparison(0.96)}
    assert arrows(alone) == {"travel": Arrow.WORSE}
    assert not alone["travel"].may_be_chance
    assert arrows(alone | {f"agent-{number}": comparison(0.5) for number in range(19)}) == {}


def test_arrows_as_the_paper_of_benjamini_and_hochberg_has_them():
    # https://doi.org/10.1111/j.2517-6161.1995.tb02031.x section 3.1: the four smallest of 15 pass
    chances = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    chances += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert list(arrows({str(p): comparison(1 - p) for p in chances})) == [
        "0.0001",
        "0.0004",
        "0.0019",
        "0.0095",
    ]


def test_no_agents_have_no_arrows():
    assert arrows({}) == {}


# Simulations: agents whose true rate is known, because we made them. Seeds are fixed, the draws are the same
# each time, and each bound is three standard errors from the stated level.


def tossed(dice, rate, total, age_days):
    return [
        run(number, age_days=dice.uniform(*age_days), outcome=dice.random() < rate) for number in range(total)
    ]


@pytest.mark.parametrize("days", [1, 60], ids=["of one day", "of two months, old runs fading"])
def test_four_of_five_intervals_cover_the_truth(days):
    dice = random.Random(11)
    agents = 600
    covered = above = 0
    for _ in range(agents):
        rate = dice.random()
        known = reliability(tossed(dice, rate, dice.randint(10, 120), (0, days)), NOW_NS)
        covered += known.score <= rate <= known.high
        above += rate < known.score
    assert covered / agents == pytest.approx(0.8, abs=0.049)
    assert above / agents == pytest.approx(0.1, abs=0.037)


def test_intervals_of_runs_that_lose_a_part_cover_the_truth_more_often():
    # A loss of one half spreads less than the coin that a Beta distribution is made for.
    dice = random.Random(14)
    kinds = [(), (failure(Code.STEP_CAP),), (failure(Code.TOOL_ERROR),)]
    agents = 400
    covered = 0
    for _ in range(agents):
        chances = (dice.random(), *(dice.random() / 2 for _ in kinds[1:]))
        truth = 1 - (0.5 * chances[1] + 0.1 * chances[2]) / sum(chances)
        drawn = dice.choices(kinds, chances, k=dice.randint(20, 120))
        known = reliability([run(number, *kind) for number, kind in enumerate(drawn)], NOW_NS)
        covered += known.score <= truth <= known.high
    assert covered / agents >= 0.8


def test_a_stable_agent_has_an_arrow_in_one_of_twenty_weeks_at_most():
    dice = random.Random(12)
    alone = together = agents = 0
    for _ in range(100):
        comparisons = {}
        for agent in map(str, range(10)):
            rate, total = dice.uniform(0.5, 0.99), dice.randint(30, 300)
            weeks = [tossed(dice, rate, total, ages) for ages in ((0, 6.9), (7.1, 13.9))]
            comparisons[agent] = compare_weeks(weeks[0] + weeks[1], NOW_NS)
        alone += sum(len(arrows({agent: it})) for agent, it in comparisons.items())
        together += len(arrows(comparisons))
        agents += len(comparisons)
    assert together / agents <= 0.05
    assert together <= alone
    assert alone / agents <= 0.05 + 0.021


def test_a_fall_from_90_to_80_percent_is_seen_with_200_runs_a_week_in_four_of_five_cases():
    dice = random.Random(13)
    agents = 400
    seen = 0
    for _ in range(agents):
        results = tossed(dice, 0.9, 200, (7.1, 13.9)) + tossed(dice, 0.8, 200, (0, 6.9))
        seen += arrows({"travel": compare_weeks(results, NOW_NS)}).get("travel") is Arrow.WORSE
    assert seen / agents == pytest.approx(0.806, abs=0.06)
