"""`arc-proxy savings` and the report's section, on recorded traffic that the real ingest has read."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.report.traffic import NOW, call, messages, write_har

# Whole days that do not move with the clock: what they make of a month and which models retire hangs on them.
PERIOD = ("--since", "2026-10-26T00:00Z", "--until", "2026-11-25T00:00Z")
SHIFT_DAYS = (datetime(2026, 11, 25, tzinfo=UTC) - NOW).total_seconds() / 86_400


def recorded(agent, run, *, days_ago, **more):
    """A claude-opus-4-5's: $0.005 and $0.01 a call, with pictures as LiteLLM's table says it takes them."""
    return messages(agent, run, days_ago=days_ago - SHIFT_DAYS, **more)


def spread(make, calls, days):
    """Calls evenly over the last whole days of the period."""
    return [make(number, (number + 0.5) * days / calls) for number in range(calls)]


@pytest.fixture
def month(arc, tmp_path):
    entries = [
        *spread(lambda n, ago: recorded("finance", f"f-{n}", days_ago=ago), 120, 6),
        *spread(lambda n, ago: recorded("coder", f"c-{n}", days_ago=ago, cached=60_000), 120, 6),
        *spread(lambda n, ago: recorded("cold", f"k-{n}", days_ago=ago, temperature=0.3), 120, 6),
        *spread(lambda n, ago: recorded("new", f"n-{n}", days_ago=ago, model="claude-sonnet-4-5"), 12, 2),
        call("odd", "o-1", days_ago=1 - SHIFT_DAYS, model="acme-7b"),
    ]
    arc("import", write_har(tmp_path / "month.har", entries))
    return arc


def savings(arc, *arguments):
    return arc("savings", *PERIOD, *arguments)


def options(arc, agent):
    [found] = json.loads(savings(arc, agent, "--json").out)["agents"]
    [model] = found["models"]
    return model, {option["model"]: option for option in model["options"]}


def test_advice_with_a_range_and_a_month(month):
    lines = savings(month, "finance", "--all").out.splitlines()
    assert lines[0].startswith("━━━ finance ━")
    assert lines[2] == "claude-opus-4-5: $1.80 for 120 calls"
    assert lines[3] == "  a month made of only 6 days"
    assert lines[4].startswith("  prompts to 1.0k tokens, answers to 400; ")
    assert lines[4].endswith(" requests looked at: nothing special")
    assert lines[5] == "  Advice"
    [haiku] = [line for line in lines if "haiku-4-5" in line and "Switch" in line]
    assert haiku.startswith("    Switch to claude-haiku-4-5: -80% (-80..-80), $")
    assert "/month, fits your calls, not" in haiku
    assert "  Needs a code change" in lines
    assert "and nothing was replayed" in "\n".join(lines)


def test_the_sums_are_those_of_the_calls(month):
    model, found = options(month, "finance")
    # $0.005 of input and $0.01 of output each, at $5 and $25 a million; Haiku 4.5 costs a fifth.
    assert model["cost_usd"] == "1.800000000"
    month_of = found["claude-haiku-4-5"]["projection"]
    assert month_of["ratio"] == pytest.approx(-0.8)
    assert float(month_of["month_after_usd"]) == pytest.approx(0.2 * float(month_of["month_before_usd"]))
    # Of 20 calls a day.
    assert float(month_of["month_before_usd"]) == pytest.approx(30 * 20 * 0.015, rel=0.01)
    assert model["envelope"]["input_tokens_max"] == 1_000
    assert model["envelope"]["output_limit_max"] == 900
    assert 0 < model["envelope"]["sampled_requests"] <= 40


def test_nothing_fits_where_no_request_was_kept(arc, tmp_path):
    """As where `--capture metadata` keeps no bodies: replies still say what was used."""
    entries = spread(lambda n, ago: recorded("bare", f"b-{n}", days_ago=ago), 120, 6)
    for entry in entries:
        entry["request"]["postData"]["text"] = json.dumps({"model": "claude-opus-4-5"})
    arc("import", write_har(tmp_path / "bare.har", entries))
    shown = " ".join(savings(arc, "bare").out.split())
    assert "Switch to claude-sonnet-4-6: -40%" in shown
    assert "fits as far as known (no request was kept to look at)" in shown
    assert "fits your calls" not in shown


def test_a_cold_cache_is_said_where_the_cache_matters(month):
    assert "if its cache is never hit" in savings(month, "coder").out
    assert "if its cache is never hit" not in savings(month, "finance").out
    _, found = options(month, "coder")
    haiku = found["claude-haiku-4-5"]["projection"]
    assert haiku["ratio"] == pytest.approx(-0.8)
    assert haiku["ratio_cold_cache"] > 0.2


def test_what_a_request_sends_rules_models_out(month):
    shown = savings(month, "cold").out
    assert "  Ruled out" in shown
    assert "claude-sonnet-5-5: takes no temperature or top_p" in shown
    assert "fits as far as known (temperature or top_p not known)" in " ".join(shown.split())
    _, found = options(month, "cold")
    assert not found["claude-sonnet-5-5"]["is_advice"]
    assert found["claude-haiku-4-5"]["not_known"] == ["temperature or top_p not known"]


def test_too_few_calls_have_prices_alone_and_say_what_is_missing(month):
    shown = " ".join(savings(month, "new").out.split())
    assert "advice needs 100 calls on 3 days: 88 more calls" in shown
    assert "claude-haiku-4-5: -67%, price only" in shown
    assert "/month" not in shown


def test_a_model_without_a_price_is_compared_with_nothing(month):
    shown = savings(month, "odd").out
    assert "acme-7b: not in the price book, so nothing can be compared with it" in shown
    assert "$0" not in shown
    model, found = options(month, "odd")
    assert (model["cost_usd"], found) == (None, {})


def test_all_lists_every_candidate(month):
    short, long = savings(month, "finance").out, savings(month, "finance", "--all").out
    assert "more; --all lists them" in short
    assert "more; --all lists them" not in long
    assert len(long.splitlines()) > len(short.splitlines())


@pytest.mark.parametrize("columns", ["60", "80"])
def test_lines_fit_the_terminal(month, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert max(map(len, savings(month, "--all").out.splitlines())) <= int(columns)


def rows_of_report(month, *arguments):
    text = month("report", *PERIOD, *arguments).out
    shown = text[text.index("Savings · ") :].splitlines() if "Savings · " in text else []
    return {line.split()[0]: line for line in shown if "claude-" in line and "%" in line}


def test_the_report_has_a_row_for_the_costliest_agents_and_the_one_that_is_asked_for(month):
    finance = rows_of_report(month, "--agent", "finance")["finance"]
    assert "claude-sonnet-4-6" in finance
    assert "-40% (-40..-40)" in finance
    assert "price only" in rows_of_report(month, "--agent", "new")["new"]
    assert rows_of_report(month, "--agent", "odd") == {}
    assert {name.rstrip(":") for name in rows_of_report(month)} == {"coder", "cold"}
    [body] = json.loads(month("report", *PERIOD, "--agent", "finance", "--json").out)["agents"]
    assert body["savings"]["models"][0]["model"] == "claude-opus-4-5"
    assert "## Savings" in month("report", *PERIOD, "--format", "md").out


def test_a_model_that_retires_is_pointed_out(month):
    shown = savings(month, "new").out
    assert "! claude-sonnet-4-5 retire" in shown
    assert "2026-11-30" in shown
    report = month("report", *PERIOD).out
    assert "Warning      claude-sonnet-4-5 retire" in report
    assert report.count("claude-sonnet-4-5 retire") == 1  # the card has said it, so no note does
    [found] = json.loads(savings(month, "new", "--json").out)["agents"]
    assert found["retiring"] == [{"model": "claude-sonnet-4-5", "retires": "2026-11-30"}]


def test_nothing_yet(arc):
    done = arc("savings")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("No call has been seen yet.")
    assert json.loads(arc("savings", "--json").out)["agents"] == []


def test_nothing_in_the_period(month):
    assert month("savings", "nobody").err == (
        "No call of nobody in this period (last 30 days); `--since all` looks further back.\n"
    )
    assert "No call in this period" in month("savings", "--since", "1m").err
    assert month("savings", "--since", "soon").code == 2
