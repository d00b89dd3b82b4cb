"""Runs are looked at in the background, and what is found of them follows what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import case, func, select

from analysis.failure import HINTS
from analysis.run_growth import run_growth
from analysis.run_share import share_run
from analysis.spend import sum_run
from analysis.step_growth import Grown
from analysis.token_growth import BUDGET_RUNS_MIN
from arc_proxy.call import Call, Grouping
from arc_proxy.ingest import analysing
from arc_proxy.ingest.analysing import Analyst, analyse_due
from arc_proxy.runs.ending import SILENCE_NS, TIMEOUT_NS
from arc_proxy.runs.grouper import Move
from arc_proxy.store import due, tables
from arc_proxy.store.due import count_due
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.fact_table import Fact
from arc_proxy.store.prune import first_month_kept, prune
from arc_proxy.store.spending import read_spend
from arc_proxy.store.sums import DAY_NS
from arc_proxy.store.totals import Period
from arc_proxy.store.write import apply_moves, save
from pricing.book import load_book
from pricing.usage import Usage, UsageGrade
from tests.analysis.spending import FORMATS
from tests.analysis.spending import run_of as spending_run
from tests.analysis.talk import BASE_NS, result, run_of, says, user
from tests.analysis.test_step_growth import talk as loop

HOUR_NS = 3600 * 10**9
LATER_NS = BASE_NS + HOUR_NS
BOOK = load_book()
BROKEN = "Error: no such record 7"


def talk(
    *results: str, run: str = "run-1", agent: str = "finance", days: int = 0, name: str = "look_up"
) -> list[Call]:
    """A question, a tool asked once for each result, an answer."""
    steps = []
    for number, text in enumerate(results):
        tool_call_id = f"{run}-c{number}"
        steps += [
            says(None, (tool_call_id, name, f'{{"id":"{number}"}}')),
            result(tool_call_id, text),
        ]
    calls = run_of(user(f"What of {run}?"), *steps, says("It is 7."))
    return [
        replace(
            call,
            call_id=f"{run}.{call.call_id}",
            started_ns=call.started_ns + days * DAY_NS,
            grouping=Grouping(run_id=run, agent=agent, rule="header", confidence=1.0),
        )
        for call in calls
    ]


def rows(store: Store, table: Any) -> list[dict[str, Any]]:
    with reading(store) as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def sums(store: Store) -> dict[str, tuple[int, int]]:
    """By cause of the issue, failures and runs over all days; checked against the failures themselves."""
    day, issue, failure = tables.issue_day.c, tables.issue.c, tables.failure.c
    with reading(store) as connection:
        summed = select(issue.cause, func.sum(day.failures), func.sum(day.runs)).join(
            tables.issue, issue.id == day.issue_id
        )
        own = func.sum(case((failure.code == issue.code, 1), else_=0))
        counted = select(issue.cause, own, func.count(failure.run_key.distinct())).join(
            tables.issue, issue.id == failure.issue_id
        )
        found = {
            row[0]: (int(row[1]), int(row[2])) for row in connection.execute(summed.group_by(issue.cause))
        }
        raw = {row[0]: (row[1], row[2]) for row in connection.execute(counted.group_by(issue.cause))}
    assert found == raw
    return found


def test_what_is_found_is_stored_with_its_evidence(either: Store) -> None:
    save(either, talk(BROKEN, "seven"))
    analyse_due(either, BOOK, LATER_NS)
    [failure] = rows(either, tables.failure)
    assert (failure["code"], failure["severity"], failure["is_recovered"]) == ("tool.error", "warning", True)
    assert (failure["evidence"], failure["message_index"], failure["tool_call_id"]) == (BROKEN, 2, "run-1-c0")
    assert failure["call_id"] == "run-1.call-3"
    [health] = rows(either, tables.health)
    assert (health["failures"], health["code"], health["is_over"]) == (1, "tool.error", True)
    [issue] = rows(either, tables.issue)
    assert (issue["code"], issue["subject"]) == ("tool.error", "look_up")
    assert count_due(either, LATER_NS) == (0, None)


def test_where_the_money_went_is_kept_with_how_steps_grew_dearer(either: Store) -> None:
    calls = spending_run(loop(12, result=4000), FORMATS["OpenAI's chat"], caches=False)
    named = Grouping(run_id="run-1", agent="finance", rule="header", confidence=1.0)
    save(either, [replace(call, call_id=f"c{at}", grouping=named) for at, call in enumerate(calls)])
    analyse_due(either, BOOK, LATER_NS)
    spent = read_spend(either, "finance", Period(since_ns=0, until_ns=LATER_NS))
    spends = list(share_run(calls))
    assert spent.spend == sum_run(spends)
    assert spent.growths == (run_growth(calls, spends),)
    assert spent.growths[0].grown is Grown.TOOL_RESULTS


def test_all_runs_are_looked_at_however_few_are_read_at_a_time(
    either: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "CALLS_MAX", 5)
    for number in range(4):
        save(either, talk(BROKEN, "seven", run=f"run-{number}"))
    assert analyse_due(either, BOOK, LATER_NS)
    assert count_due(either, LATER_NS) == (0, None)
    assert len(rows(either, tables.health)) == 4


def test_a_run_is_looked_at_again_when_it_is_over(either: Store) -> None:
    save(either, talk("seven")[:1])  # it has asked for the tool, and goes on
    ended_ns = BASE_NS + 10**9 + 2
    analyse_due(either, BOOK, ended_ns + 1)
    assert rows(either, tables.failure) == []
    [waiting] = rows(either, tables.due)
    assert waiting["due_ns"] == ended_ns + TIMEOUT_NS
    analyse_due(either, BOOK, ended_ns + TIMEOUT_NS)
    assert [row["code"] for row in rows(either, tables.failure)] == ["run.no_final_answer"]
    assert rows(either, tables.due) == []


def test_an_answer_ends_a_run_sooner(either: Store) -> None:
    save(either, talk())
    analyse_due(either, BOOK, BASE_NS + 2 * 10**9)
    [waiting] = rows(either, tables.due)
    assert waiting["due_ns"] == BASE_NS + 10**9 + 2 + SILENCE_NS


def test_more_calls_replace_what_was_found(either: Store) -> None:
    calls = talk(BROKEN, "seven")
    save(either, calls[:2])
    analyse_due(either, BOOK, LATER_NS)
    assert [row["code"] for row in rows(either, tables.failure)] == [
        "tool.error",
        "tool.error_unrecovered",
        "run.no_final_answer",
    ]
    save(either, calls)
    analyse_due(either, BOOK, LATER_NS)
    assert [row["code"] for row in rows(either, tables.failure)] == ["tool.error"]
    assert sums(either) == {BROKEN.replace("7", "<n>"): (1, 1)}


def test_sums_count_runs_once_and_failures_each(either: Store) -> None:
    save(either, talk(BROKEN, BROKEN.replace("7", "8"), "seven"))
    save(either, talk(BROKEN, "seven", run="run-2"))
    save(either, talk(BROKEN, "seven", run="run-3", days=1))
    save(either, talk("six", run="run-4"))
    analyse_due(either, BOOK, LATER_NS + DAY_NS)
    # In the first run twice, repeated and in a row: one issue all the same, and two failures.
    assert sums(either) == {BROKEN.replace("7", "<n>"): (4, 3)}
    by_day = [(row["failures"], row["runs"]) for row in rows(either, tables.issue_day)]
    assert sorted(by_day) == [(1, 1), (3, 2)]


def test_agents_have_issues_of_their_own(either: Store) -> None:
    save(either, talk(BROKEN, "seven"))
    save(either, talk(BROKEN, "seven", run="run-2", agent="support"))
    analyse_due(either, BOOK, LATER_NS)
    assert len(rows(either, tables.issue)) == 2


def test_runs_that_become_one_are_one_in_the_sums(either: Store) -> None:
    save(either, talk(BROKEN, "seven"))
    save(either, talk(BROKEN, "seven", run="run-2"))
    analyse_due(either, BOOK, LATER_NS)
    move = Move(old_run_id="run-2", old_agent="finance", run_id="run-1", agent="finance")
    apply_moves(either, [move])
    analyse_due(either, BOOK, LATER_NS)
    assert sums(either) == {BROKEN.replace("7", "<n>"): (2, 1)}
    assert len(rows(either, tables.health)) == 1


def test_runs_that_are_pruned_leave_the_sums(either: Store) -> None:
    save(either, talk(BROKEN, "seven"))
    save(either, talk(BROKEN, "seven", run="run-2", days=40))
    analyse_due(either, BOOK, LATER_NS + 41 * DAY_NS)
    prune(either, first_month_kept(LATER_NS + 40 * DAY_NS, 1))
    analyse_due(either, BOOK, LATER_NS + 41 * DAY_NS)
    assert sums(either) == {BROKEN.replace("7", "<n>"): (1, 1)}


def test_an_exception_is_a_failure_of_its_run(either: Store) -> None:
    body = {
        "fact": "exception",
        "run_id": "run-1",
        "type": "KeyError",
        "message": "'x'",
        "file": "/home/me/agent.py",
        "line": 7,
        "function": "main",
    }
    fact = Fact(fact_id="f-1", writer="w", at_ns=BASE_NS, body=body | {"agent": "finance"})
    save(either, talk("seven"), [fact])
    analyse_due(either, BOOK, LATER_NS)
    [failure] = rows(either, tables.failure)
    assert (failure["code"], failure["evidence"]) == ("agent.exception", "KeyError: 'x' (agent.py:7)")
    [issue] = rows(either, tables.issue)
    assert (issue["subject"], issue["cause"]) == ("main (agent.py)", "KeyError")


def test_a_cap_shows_in_the_third_run_that_stops_there(either: Store) -> None:
    for number in range(3):
        save(either, talk(*["seven"] * 5, run=f"run-{number}", days=number)[:-1])
    analyse_due(either, BOOK, LATER_NS + 3 * DAY_NS)
    by_run = {row["id"]: row["run_id"] for row in rows(either, tables.run)}
    found = sorted((by_run[row["run_key"]], row["code"]) for row in rows(either, tables.failure))
    assert [each for each in found if each[1].startswith("run.")] == [
        ("run-0", "run.no_final_answer"),
        ("run-1", "run.no_final_answer"),
        ("run-2", "run.step_cap"),
    ]


@pytest.mark.parametrize(("framework", "count"), [("langgraph", 1), ("claude-code", 0)])
def test_growth_is_measured_by_the_window_in_the_price_book(
    either: Store, framework: str, count: int
) -> None:
    for number in range(BUDGET_RUNS_MIN):
        save(either, talk(*["seven"] * 8, run=f"run-{number}"))
    grown = [
        replace(
            call,
            framework=framework,
            reply=replace(call.reply, model="gpt-4o-mini"),
            usage=Usage(input_text=20_000 * (place + 1)),
            usage_grade=UsageGrade.REPORTED,
        )
        for place, call in enumerate(talk(*["seven"] * 4, run="grown", days=1))
    ]
    save(either, grown)
    analyse_due(either, BOOK, LATER_NS + DAY_NS)
    found = [row["evidence"] for row in rows(either, tables.failure) if row["code"] == "run.token_growth"]
    assert len(found) == count
    assert all("of 128,000: full after 1 more; this is call 5" in each for each in found)


def said(number: int, **body: Any) -> Fact:
    return Fact(fact_id=f"f-{number}", writer="w", at_ns=BASE_NS + number, body=body | {"agent": "finance"})


def test_issues_that_are_said_to_be_one_are_summed_as_one_until_they_are_split(either: Store) -> None:
    locked, busy = "Error: it is locked", "Error: it is busy"
    save(either, talk(locked, "seven"))
    save(either, talk(busy, locked, "seven", run="run-2", days=1))
    now_ns = LATER_NS + 2 * DAY_NS
    analyse_due(either, BOOK, now_ns)
    before = sums(either)
    assert before == {locked: (2, 2), busy: (1, 1)}
    by_cause = {row["cause"]: row for row in rows(either, tables.issue)}
    stays, goes = by_cause[locked]["fingerprint"], by_cause[busy]["fingerprint"]
    merge = {"fact": "issue_merge", "fingerprint": goes, "into": stays, "subject": "look_up", "cause": locked}
    save(either, [], [said(1, **merge)])
    analyse_due(either, BOOK, now_ns)
    assert sums(either) == {locked: (3, 2)}  # of the run that has both, one run
    save(either, talk(busy, "seven", run="run-3"))
    analyse_due(either, BOOK, now_ns)
    assert sums(either) == {locked: (4, 3)}
    save(either, [], [said(2, fact="issue_split", fingerprint=stays)])
    analyse_due(either, BOOK, now_ns)
    assert sums(either) == {locked: (2, 2), busy: (2, 2)}


@pytest.mark.parametrize(
    "body",
    [
        {"fact": "issue_merge"},
        {"fact": "issue_merge", "fingerprint": 7, "into": []},
        {"fact": "issue_merge", "fingerprint": "x", "into": "y"},
        {"fact": "issue_split", "fingerprint": "x"},
    ],
)
def test_rules_about_what_is_not_there_change_nothing(either: Store, body: dict[str, Any]) -> None:
    save(either, talk(BROKEN, "seven"), [said(1, **body)])
    analyse_due(either, BOOK, LATER_NS)
    assert len(sums(either)) == 1


def test_other_rules_look_at_every_run_again(either: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    save(either, talk(BROKEN, "seven"))
    analyse_due(either, BOOK, LATER_NS)
    before = rows(either, tables.failure)
    monkeypatch.setattr(analysing, "run_failures", lambda *_, **__: ())
    analyse_due(either, BOOK, LATER_NS)
    assert rows(either, tables.failure) == before
    monkeypatch.setattr(analysing, "ANALYSIS_VERSION", analysing.ANALYSIS_VERSION + 1)
    analyse_due(either, BOOK, LATER_NS)
    assert rows(either, tables.failure) == []
    assert sums(either) == {}


def test_a_bug_costs_one_run(either: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = analysing.run_failures

    def broken(calls: Any, **more: Any) -> Any:
        if calls[0].grouping.run_id == "run-2":
            raise ZeroDivisionError
        return whole(calls, **more)

    monkeypatch.setattr(analysing, "run_failures", broken)
    save(either, talk(BROKEN, "seven"))
    save(either, talk(BROKEN, "seven", run="run-2"))
    analyse_due(either, BOOK, LATER_NS)
    assert sums(either) == {BROKEN.replace("7", "<n>"): (1, 1)}
    assert count_due(either, LATER_NS) == (0, None)


def test_a_run_that_changed_meanwhile_stays_due(either: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = talk(BROKEN, "seven")
    save(either, calls[:1])
    whole = analysing.run_failures

    def slowly(*given: Any, **more: Any) -> Any:
        save(either, calls)
        return whole(*given, **more)

    monkeypatch.setattr(analysing, "run_failures", slowly)
    Analyst(either, BOOK).step(LATER_NS)
    assert count_due(either, LATER_NS)[0] == 1
    assert rows(either, tables.health) == []


def test_who_waits_waits_no_longer_than_the_time_given_and_the_newest_come_first(
    either: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysing, "BATCH", 1)
    for number in range(3):
        save(either, talk(BROKEN, "seven", run=f"run-{number}", days=number))
    ticks = iter(range(100))
    now_ns = LATER_NS + 3 * DAY_NS
    assert not analyse_due(either, BOOK, now_ns, within_s=1, clock=lambda: float(next(ticks)))
    every = sorted(row["started_ns"] for row in rows(either, tables.run))
    assert sorted(row["started_ns"] for row in rows(either, tables.health)) == every[1:]
    assert analyse_due(either, BOOK, now_ns)
    assert len(rows(either, tables.health)) == 3


def test_hints_are_found_in_old_runs_too_and_go_again(either: Store) -> None:
    save(either, talk("seven", name="transfer_to_human"))
    analyse_due(either, BOOK, LATER_NS)
    assert rows(either, tables.failure) == []
    analyse_due(either, BOOK, LATER_NS, hints=HINTS)
    assert [failure["code"] for failure in rows(either, tables.failure)] == ["run.handoff"]
    assert [(health["code"], health["severity"]) for health in rows(either, tables.health)] == [
        ("run.handoff", "info")
    ]
    analyse_due(either, BOOK, LATER_NS)
    assert rows(either, tables.failure) == []
