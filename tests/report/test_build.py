from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from arc_proxy.call import Kind
from arc_proxy.errors import UsageError
from arc_proxy.export.har_import import import_har
from arc_proxy.format import Spend
from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.ingest.worker import catch_up
from arc_proxy.journal.fact import FactType, encode_fact
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.writer import SegmentWriter
from arc_proxy.report import build, summary
from arc_proxy.report.build import build_report
from arc_proxy.report.document import as_markdown, as_text
from arc_proxy.report.jsonable import report_json
from arc_proxy.report.layout import document_of, period_words
from arc_proxy.report.model import Report, empty_report
from arc_proxy.report.summary import cost_per_run, make_card
from arc_proxy.report.threshold import breaches, parse_threshold
from arc_proxy.runs.proposal import is_made_up
from arc_proxy.store import issues
from arc_proxy.store.engine import open_store
from arc_proxy.store.write import save
from pricing.book import load_book
from pricing.usage import Usage
from tests.report.traffic import NOW_NS, call, write_har
from tests.store.conftest import build_call

BOOK = load_book()
DAY_NS = 86_400 * 1_000_000_000


@pytest.fixture
def report_of(tmp_path) -> Callable[..., Report]:
    return partial(make_report, tmp_path)


def make_report(
    folder, entries, *, since_days=30.0, until_ns=None, agent=None, days=False, facts=(), **asked
) -> Report:
    """The report on recorded calls, by the way that they always go: journal, ingest, store."""
    journal = folder / "journal"
    journal.mkdir(exist_ok=True)
    import_har(write_har(folder / "calls.har", entries), folder)
    with SegmentWriter(journal) as writer:
        for fields in facts:
            content = encode_fact(FactType.OUTCOME, NOW_NS, **fields)
            writer.append([Record(RecordKind.FACT, writer.make_id(), 0, content)])
    with opened(folder) as store:
        catch_up(folder, store, BOOK)
        analyse_due(store, BOOK, NOW_NS)
        since_ns = None if since_days is None else NOW_NS - int(since_days * DAY_NS)
        return build_report(
            store, BOOK, since_ns=since_ns, until_ns=until_ns, now_ns=NOW_NS, agent=agent, days=days, **asked
        )


@contextmanager
def opened(folder) -> Iterator:
    store = open_store(folder / "arc.db")
    try:
        yield store
    finally:
        store.close()


def card_of(report: Report, agent: str | None = "finance") -> dict[str, tuple[str, str]]:
    found = next(each for each in report.agents if each.agent == agent)
    return {line.label: (line.value, line.note) for line in make_card(found).lines}


def test_two_weeks_of_one_agent(report_of):
    dice = random.Random(3)
    entries = [
        call("finance", f"before-{at}", days_ago=7.5 + at / 5, tokens=(dice.randint(9000, 11000), 1000))
        for at in range(30)
    ] + [
        call("finance", f"now-{at}", days_ago=0.1 + at / 7, tokens=(dice.randint(900, 1100), 100))
        for at in range(40)
    ]
    entries.append(call("finance", "bad", days_ago=1, status=429))
    report = report_of(entries)
    card = card_of(report)
    assert card["Runs"] == ("71", "▲ +11 this week")
    assert card["Errors"] == ("1.4%", "1 of 71 runs")
    value, note = card["Cost/run"]
    assert value.startswith("$0.0")
    assert note.startswith("▼ -9")
    assert "chance" not in note
    assert card["Same tokens"][0].startswith("gpt-5.4-mini: $0.00")
    assert card["Same tokens"][0].endswith("%), price only")


def test_a_sub_agent_that_goes_by_its_parents_name_is_no_run_more(report_of):
    entries = [
        *(call("coder", f"task-{at}", days_ago=1 + at) for at in range(4)),
        *(
            call("coder", f"part-{at}", days_ago=0.9 + at % 4, x_arc_parent_run_id=f"task-{at % 4}")
            for at in range(12)
        ),
        call("coder", "bad", days_ago=0.5, status=429, x_arc_parent_run_id="task-0"),
        call("helper", "help", days_ago=0.5, x_arc_parent_run_id="task-0"),
    ]
    report = report_of(entries)
    card = card_of(report, "coder")
    assert card["Runs"] == ("4", "▲ +4 this week, with 13 runs of sub-agents")
    assert card["Errors"] == ("0%", "0 of 4 runs")
    [coder, helper] = report.agents
    assert cost_per_run(coder.runs) == coder.runs.spend.nanousd / 4
    assert card["Reliability"] == ("-", "4 of 20 runs for a grade (100% seen, 4 runs, from traffic only)")
    assert card_of(report, "helper")["Runs"] == ("1", "▲ +1 this week")
    assert helper.runs.tasks == 1
    total = report_json(report)["total"]
    assert (total["runs"], total["failed_runs"]) == (18, 1)
    assert (total["sub_agent_runs"], total["failed_sub_agent_runs"]) == (13, 1)
    assert list(breaches(report, (parse_threshold("runs>4"), parse_threshold("errors>0%")))) == []


def test_a_change_that_may_be_chance_says_so(report_of):
    entries = [call("finance", f"b{at}", days_ago=8 + at, tokens=(1000 * (at + 1), 100)) for at in range(4)]
    entries += [call("finance", f"n{at}", days_ago=1 + at, tokens=(1100 * (at + 1), 100)) for at in range(4)]
    assert card_of(report_of(entries))["Cost/run"][1].endswith("this week, may be chance")


def test_an_unknown_model_is_never_for_nothing(report_of):
    report = report_of([call("finance", f"r{at}", model="acme-7b") for at in range(3)])
    card = card_of(report)
    assert card["Cost/run"] == ("unknown", "+ 3 unpriced calls")
    assert "Same tokens" not in card
    assert cost_per_run(report.agents[0].runs) is None
    text = "\n".join(as_text(document_of(report, "30d"), 120))
    assert "$0" not in text
    assert "unknown (3 unpriced calls)" in text
    assert "unknown for 3 calls: no price for acme-7b of openai" in text
    body = report_json(report)
    assert (
        body["agents"][0]["cost_usd"]
        is body["agents"][0]["cost_per_run_usd"]
        is body["total"]["cost_usd"]
        is None
    )


def test_a_sum_names_the_calls_that_it_leaves_out(report_of):
    report = report_of([call("finance", "r1"), call("finance", "r2", model="acme-7b")])
    card = card_of(report)
    assert card["Cost/run"][0].startswith("≥$0.00")
    assert card["Cost/run"][1] == "no week before yet, + 1 unpriced call"
    assert report.total.spend == Spend(2_250_000, priced_calls=1, unpriced_calls=1)
    text = "\n".join(as_text(document_of(report, "30d"), 120))
    assert "$0.0023, + 1 unpriced call" in text or "$0.0022, + 1 unpriced call" in text


def test_a_reply_without_usage_has_no_known_cost(report_of):
    report = report_of([call("finance", "r1", tokens=None)])
    assert card_of(report)["Cost/run"][0] == "unknown"


def test_failed_calls_are_not_billed(report_of):
    report = report_of([call("finance", "r1", status=429), call("finance", "r1", days_ago=0.9)])
    assert card_of(report)["Cost/run"][0] == "$0.0022"
    assert (report.total.attempts, report.total.errors) == (2, 1)


def test_an_outcome_from_outside_counts(report_of):
    report = report_of(
        [call("finance", "r1"), call("finance", "r2")],
        facts=[{"run_id": "r1", "agent": "finance", "outcome": "failure"}],
    )
    assert card_of(report)["Errors"] == ("50%", "1 of 2 runs")
    assert report.runs.with_outcome == 1


def test_agents_are_told_apart_and_sorted_by_what_they_cost(report_of):
    report = report_of(
        [call("small", "r1"), call("big", "r2", tokens=(90_000, 9000)), call(None, "r3", tokens=(1, 1))]
    )
    assert [agent.agent for agent in report.agents] == ["big", "small", None]
    assert [card.agent for card in document_of(report, "30d").cards] == ["big", "small", "(no agent named)"]
    assert [each.agent for each in report_of([], agent="small").agents] == ["small"]
    assert [each.agent for each in report_of([], agent="").agents] == [None]


def test_a_period_bounds_what_is_counted(report_of):
    entries = [call("finance", f"r{days}", days_ago=days) for days in (0.5, 3, 20, 100)]
    assert [report_of(entries, since_days=days).runs.runs for days in (1, 7, 30, None)] == [1, 2, 3, 4]
    assert report_of([], since_days=30, until_ns=NOW_NS - 7 * DAY_NS).runs.runs == 1


def test_days_sum_to_the_total(report_of):
    report = report_of([call("finance", f"r{at}", days_ago=at + 0.2) for at in range(5)], days=True)
    assert [day.day for day in report.days] == [f"2026-11-{day}" for day in (21, 22, 23, 24, 25)]
    assert sum(day.figures.calls for day in report.days) == report.total.calls == 5
    text = "\n".join(as_text(document_of(report, "30d", by=("day",)), 100))
    assert "2026-11-23" in text
    assert "Agents" not in text


def test_money_of_auxiliary_calls_counts_everywhere_and_nothing_else_of_them(tmp_path):
    step = build_call(1, at_ms=NOW_NS // 1_000_000 - 1000)
    title = build_call(
        2,
        at_ms=NOW_NS // 1_000_000 - 500,
        kind=Kind.AUXILIARY,
        auxiliary="title",
        reply_model="gpt-5-nano",
        grouping_run_id=step.grouping.run_id,
    )
    models = build_call(
        3,
        at_ms=NOW_NS // 1_000_000 - 400,
        kind=Kind.AUXILIARY,
        auxiliary="models",
        reply_model=None,
        prompt_model=None,
        usage=Usage(),
        cost_nanousd=0,
    )
    with opened(tmp_path) as store:
        save(store, [step, title, models])
        report = build_report(store, BOOK, since_ns=0, until_ns=None, now_ns=NOW_NS, days=True)
    costs = [step.cost.nanousd, title.cost.nanousd]
    assert [(each.model, each.figures.spend.nanousd) for each in report.models] == [
        ("gpt-4o-mini-2024-07-18", costs[0]),
        ("gpt-5-nano", costs[1]),
    ]
    [day], [agent] = report.days, report.agents
    for figures in (report.total, day.figures, agent.figures):
        assert (figures.calls, figures.attempts) == (1, 1)
        assert figures.spend.nanousd == sum(costs)
        assert figures.usage.input_tokens == 20


THRESHOLDS = {
    "errors>20%": ["finance: errors is 50%, errors>20%"],
    "errors>0.2": ["finance: errors is 50%, errors>0.2"],
    "errors>50%": [],
    "errors >= 50 %": ["finance: errors is 50%, errors >= 50 %"],
    "cost-per-run>$0.001": ["finance: cost-per-run is $0.0011, cost-per-run>$0.001"],
    "cost-per-run>1": ["other: cost-per-run is unknown, so cost-per-run>1 cannot be ruled out"],
    "latency-p95>20s": [],
    "latency-p95>100ms": ["finance: latency-p95 is", "other: latency-p95 is"],
    "unpriced>0": ["other: unpriced is 1, unpriced>0"],
    "runs<2": ["other: runs is 1, runs<2"],
    "calls<1": [],
    "cost_per_run>1": ["other: cost-per-run is unknown, so cost_per_run>1 cannot be ruled out"],
    "reliability<B": [
        "finance: reliability is unknown, so reliability<B cannot be ruled out",
        "other: reliability is unknown",
    ],
}


@pytest.fixture(scope="module")
def two_agents(tmp_path_factory) -> Report:
    entries = [call("finance", "r1"), call("finance", "r2", status=429), call("other", "r3", model="acme-7b")]
    return make_report(tmp_path_factory.mktemp("two"), entries)


@pytest.mark.parametrize(("text", "sentences"), THRESHOLDS.items())
def test_a_threshold_fails_the_agents_that_pass_it(two_agents, text, sentences):
    found = list(breaches(two_agents, (parse_threshold(text),)))
    if text == "cost-per-run>$0.001":
        found = [sentence for sentence in found if "unknown" not in sentence]
    assert len(found) == len(sentences)
    for sentence, start in zip(found, sentences, strict=True):
        assert sentence.startswith(start)


def test_an_empty_report_says_what_to_type():
    text = "\n".join(as_text(document_of(empty_report(NOW_NS), "30d"), 100))
    assert text.startswith("No call has been seen yet.")
    assert "arc-proxy run -- python my_agent.py" in text
    assert "arc-proxy demo" in "\n".join(as_markdown(document_of(empty_report(NOW_NS), "30d")))


def test_a_quiet_period_points_further_back(report_of):
    report = report_of([call("finance", "r1", days_ago=20)], since_days=1)
    text = "\n".join(as_text(document_of(report, "24h"), 100))
    assert text.startswith("No call in this period (last 24 hours).")
    assert "--since all" in text


def test_an_agent_without_calls_is_named(report_of):
    report = report_of([call("finance", "r1", days_ago=20)], since_days=1)
    text = "\n".join(as_text(document_of(report, "1d", agent="finanec"), 100))
    assert text.startswith("No call of finanec in this period (last day).")


@pytest.mark.parametrize(
    ("since", "words"),
    [
        ("30d", "last 30 days"),
        ("24h", "last 24 hours"),
        ("1w", "last week"),
        ("all", "all time"),
        ("2026-11-25", "since 2026-11-25"),
        ("2d to 1d", "2d to 1d"),
    ],
)
def test_a_period_is_named_in_words(since, words):
    assert period_words(since) == words


def test_hostile_names_do_nothing(report_of):
    report = report_of([call("x\x1b[31m[bold]|<b>", "r1", model="\u202egpt|<img>")])
    document = document_of(report, "30d")
    for text in ("\n".join(as_text(document, 120)), "\n".join(as_markdown(document))):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<img>" not in "\n".join(as_markdown(document))


def test_the_json_is_json_and_its_fields_stay(report_of):
    body = json.loads(json.dumps(report_json(report_of([call("finance", "r1")], days=True))))
    assert list(body) == [
        "since", "until", "made_at", "price_book", "total", "agents", "models", "days", "projects",
        "cost_doubts", "issues", "warnings", "capture_losses",
    ]  # fmt: skip
    assert list(body["agents"][0]) == [
        "agent", "framework", "version", "runs", "failed_runs", "sub_agent_runs", "failed_sub_agent_runs",
        "reported_outcomes", "cost_per_run_usd",
        "calls", "attempts", "errors", "client_closed", "interrupted", "cut_captures", "unsecured",
        "input_tokens", "output_tokens", "tokens", "first_byte_ms_p50", "latency_ms_p50", "latency_ms_p95",
        "cost_usd", "priced_calls", "unpriced_calls",
        "estimated_calls", "partial_calls", "api_equivalent_usd", "disputed_calls", "cost_usd_low",
        "cost_usd_high", "misreported_calls", "models", "week", "reliability", "money_went", "warnings",
        "versions", "savings", "same_tokens",
    ]  # fmt: skip
    assert body["agents"][0]["cost_usd"] == "0.002250000"
    assert body["made_at"] == "2026-11-25T12:00:00.000000Z"
    assert body["days"][0]["day"] == "2026-11-24"


def test_an_agent_is_compared_version_by_version(report_of):
    entries = [
        *(call("finance", f"old{n}", days_ago=3, x_arc_version="2.0") for n in range(25)),
        *(call("finance", f"new{n}", days_ago=1, tokens=(2000, 100), x_arc_version="2.1") for n in range(25)),
        call("finance", "unnamed", days_ago=2),
        call("other", "r", days_ago=1),
    ]
    facts = [{"run_id": f"old{n}", "agent": "finance", "outcome": "failure"} for n in range(5)]
    report = report_of(entries, versions=True, facts=facts)
    finance = next(agent for agent in report.agents if agent.agent == "finance")
    assert make_card(finance).agent == "finance v2.1"
    newest, unnamed, oldest = finance.versions
    assert [newest.version, oldest.version] == ["2.1", "2.0"]
    assert is_made_up(unnamed.version)
    assert [(each.runs.runs, each.runs.failed) for each in finance.versions] == [(25, 0), (1, 0), (25, 5)]
    assert newest.reliability.observed_share == 1
    assert oldest.reliability.observed_share == pytest.approx(0.8)
    assert unnamed.reliability.letter is None
    assert sum(each.runs.spend.nanousd for each in finance.versions) == finance.runs.spend.nanousd
    text = "\n".join(as_text(document_of(report, "30d", by=("version",)), 100))
    assert "Versions of finance" in text
    assert "1 of 20 runs" in text
    assert "Versions of other" in text
    shown = report_json(report)["agents"][0]["versions"][0]
    assert (shown["version"], shown["runs"], shown["reliability"]["observed_share"]) == ("2.1", 25, 1.0)


TITLES = {
    "no version that anybody named": (None, "finance"),
    "a number": ("2.1", "finance v2.1"),
    "a number with its letter": ("v3", "finance v3"),
    "a name": ("blue", "finance blue"),
}


@pytest.mark.parametrize(("version", "title"), TITLES.values(), ids=TITLES)
def test_a_card_says_the_version(report_of, version, title):
    names = {} if version is None else {"x_arc_version": version}
    assert make_card(report_of([call("finance", "r", **names)]).agents[0]).agent == title


def test_data_that_are_not_ones_own_are_marked_on_every_surface(report_of):
    document = document_of(report_of([call("finance", "r")]), "30d", mark="demo data")
    assert next(line for line in as_text(document, 80) if "finance" in line).endswith("━ demo data ━━")
    assert "## finance (demo data)" in list(as_markdown(document))


def test_issues_are_listed_the_worst_first(report_of):
    report = report_of(
        [
            call("finance", "r1", days_ago=2, status=429),
            call("finance", "r1", days_ago=1.9),
            call("finance", "r2", days_ago=1, status=429),
            call("support", "s1", days_ago=0.1, status=400),
            call("support", "s2", days_ago=40, status=400),
        ]
    )
    assert [(each.agent, each.code, each.runs) for each in report.issues] == [
        ("finance", "provider.rate_limited", 2),
        ("support", "provider.rate_limited", 1),
    ]
    first = report.issues[0]
    # An error of each run; that one of them broke off by it is told, and not counted again.
    assert (first.failures, first.recently) == (2, 0)
    [said, *_] = report_json(report)["issues"]
    assert (said["title"], said["last"]["evidence"]) == (
        "openai limits the rate",
        "rate_limit_error: slow down",
    )
    text = "\n".join(as_text(document_of(report, "30d"), 120))
    assert "openai limits the rate" in text
    assert "2 of 2 runs" in text
    assert "1 time today" in text


def refused(agent: str, word: str, **more: Any) -> dict[str, Any]:
    """A call that the provider refuses for a reason of its own: an issue of its own."""
    entry = call(agent, f"{agent}-{word}", status=400, **more)
    entry["response"]["content"]["text"] = json.dumps({"error": {"type": "odd", "message": f"no {word}"}})
    return entry


def test_a_card_counts_all_issues_of_its_agent_and_not_those_that_are_read(report_of, monkeypatch):
    monkeypatch.setattr(build, "ISSUES_READ_MAX", 3)
    words = ["salt", "sugar", "flour", "milk"]
    entries = [refused("finance", word) for word in words] + [refused("support", word) for word in words[:2]]
    report = report_of([*entries, refused("finance", "old", days_ago=40)])
    assert len(report.issues) == 3
    assert card_of(report)["Issues"] == ("4 fixable problems found", "")
    assert card_of(report, "support")["Issues"] == ("2 fixable problems found", "")


def test_a_card_says_where_it_stopped_counting_issues(report_of, monkeypatch):
    monkeypatch.setattr(issues, "COUNTED_MAX", 2)
    monkeypatch.setattr(summary, "COUNTED_MAX", 2)
    report = report_of([refused("finance", word) for word in ("salt", "sugar", "flour")])
    assert card_of(report)["Issues"] == ("at least 2 fixable problems found", "")


def test_a_report_without_failures_has_no_issues(report_of):
    report = report_of([call("finance", "r1")])
    assert report.issues == ()
    assert "Issues" not in "\n".join(as_text(document_of(report, "30d"), 100))


def test_issues_of_one_agent_alone(report_of):
    entries = [
        call("finance", "r1", status=400),
        call("support", "s1", status=400),
        call(None, "n", status=400),
    ]
    assert {each.agent for each in report_of(entries, agent="support").issues} == {"support"}
    assert {each.agent for each in report_of(entries, agent="").issues} == {None}


def test_a_card_grades_an_agent_from_twenty_runs_on(report_of):
    few = report_of([call("finance", f"r{n}", days_ago=1) for n in range(12)])
    assert card_of(few)["Reliability"] == (
        "-",
        "12 of 20 runs for a grade (100% seen, 12 runs, from traffic only)",
    )


@pytest.fixture
def graded(report_of) -> Report:
    """64 runs, of which four were reported to have failed."""
    entries = [call("finance", f"r{n}", days_ago=1) for n in range(60)]
    entries += [call("finance", f"b{n}", days_ago=1) for n in range(4)]
    facts = [{"run_id": f"b{n}", "agent": "finance", "outcome": "failure"} for n in range(4)]
    return report_of(entries, facts=facts)


def test_a_card_shows_the_score_its_bar_and_its_letter(graded):
    value, note = card_of(graded)["Reliability"]
    assert value == "88% ████████▊ B+"
    assert note == "(94% seen, 64 runs)"


@pytest.mark.parametrize(
    ("text", "fails"),
    {
        "reliability<B+": False,
        "reliability<A": True,
        "reliability >= B+": True,
        "reliability<90%": True,
        "reliability<0.8": False,
    }.items(),
)
def test_a_grade_is_a_threshold(graded, text, fails):
    assert bool(list(breaches(graded, (parse_threshold(text),)))) is fails


@pytest.fixture
def slipping(report_of) -> Report:
    """Yesterday a B+, and since then a little less than that."""
    entries = [call("finance", f"r{n}", days_ago=1.5) for n in range(60)]
    entries += [call("finance", f"b{n}", days_ago=1.5) for n in range(4)]
    entries += [call("finance", f"t{n}", days_ago=0.2) for n in range(24)]
    failed = [*(f"b{n}" for n in range(4)), *(f"t{n}" for n in range(5))]
    facts = [{"run_id": run, "agent": "finance", "outcome": "failure"} for run in failed]
    return report_of(entries, facts=facts)


def test_a_letter_that_is_kept_is_the_same_everywhere(slipping):
    assert card_of(slipping)["Reliability"][0] == "84% ████████▍ B+"
    [agent] = report_json(slipping)["agents"]
    assert agent["reliability"]["letter"] == "B+"
    assert list(breaches(slipping, (parse_threshold("reliability<B+"),))) == []
    assert list(breaches(slipping, (parse_threshold("reliability<A"),))) == [
        "finance: reliability is B+, reliability<A"
    ]
    assert len(list(breaches(slipping, (parse_threshold("reliability<85%"),)))) == 1
    shown = "\n".join(as_text(document_of(slipping, "30d", explain=True), 120))
    assert "88 runs: B+, kept at 84.1%, within a point of it" in shown


def test_what_is_behind_a_score_can_be_read(graded):
    shown = "\n".join(as_text(document_of(graded, "30d", explain=True), 120))
    table = shown[shown.index("Reliability of finance, 64 runs") :]
    rows = [" ".join(line.split()) for line in table.splitlines()[4:9]]
    assert sum(" 1.00 1.00 2% reported as failed" in row for row in rows) == 4
    assert rows[4] == "60 runs 0 0% nothing went wrong on the wire"
    assert "Reliability of" not in "\n".join(as_text(document_of(graded, "30d"), 120))


def test_what_was_reported_stands_beside_what_was_seen(report_of):
    entries = [call("finance", f"b{n}", days_ago=1, status=401 if n < 2 else 200) for n in range(5)]
    facts = [{"run_id": f"b{n}", "agent": "finance", "outcome": "failure"} for n in range(4)]
    report = report_of(entries, facts=facts)
    assert "finance: 4 runs reported failed; we had evidence in 2" in document_of(report, "30d").notes
    assert report_json(report)["agents"][0]["reliability"]["with_evidence"] == 2


def test_a_share_above_one_is_a_percentage_that_lacks_its_sign():
    with pytest.raises(UsageError, match=r"Did you mean 5%\?"):
        parse_threshold("errors>5")
    assert parse_threshold("errors>0.05").value == parse_threshold("errors>5%").value
