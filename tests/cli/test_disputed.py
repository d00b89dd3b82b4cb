"""Where price lists disagree, and where a provider's own amount and the price book do, on every surface."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.cli.test_rows_commands import recent
from tests.report.traffic import write_har

# $0.10 and $0.40 a million by genai-prices, $0.15 and $0.60 by LiteLLM.
DISPUTED = "gemini-2.0-flash"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"


def with_usage(entry, **usage):
    """The call with more in its usage."""
    content = entry["response"]["content"]
    body = json.loads(content["text"])
    body["usage"] |= usage
    content["text"] = json.dumps(body)
    return entry


@pytest.fixture
def traffic(arc, tmp_path):
    disputed = recent("finance", "f-1", model=DISPUTED, tokens=(2_000_000, 250_000))
    disputed["request"]["url"] = GOOGLE
    entries = [
        disputed,
        # By the book 1,000 x $1.25 + 100 x $10 a million: $0.00225.
        with_usage(recent("finance", "f-2"), cost=0.005, is_byok=False),
        with_usage(recent("finance", "f-3"), cost=0.00226, is_byok=False),
        recent("finance", "f-4"),
    ]
    assert arc("import", write_har(tmp_path / "calls.har", entries)).code == 0
    return arc


def rows(traffic):
    return {row["run_id"]: row for row in map(json.loads, traffic("export", "calls").out.splitlines())}


def test_the_export_has_the_other_cost(traffic):
    found = {run: (row["cost_usd"], row["cost_disputed_usd"]) for run, row in rows(traffic).items()}
    assert found == {
        "f-1": ("0.300000000", "0.450000000"),
        "f-2": ("0.005000000", "0.002250000"),
        "f-3": ("0.002260000", None),  # rounded by less than a hundredth
        "f-4": ("0.002250000", None),
    }
    table = csv.DictReader(io.StringIO(traffic("export", "calls", "--format", "csv").out))
    assert [row["cost_disputed_usd"] for row in table] == ["0.450000000", "0.002250000", "", ""]


def test_a_call_shows_the_range(traffic):
    ids = {run: row["call_id"] for run, row in rows(traffic).items()}
    shown = traffic("show", ids["f-1"]).out
    assert "cost        $0.30 (0.30-0.45, sources disagree), computed\n" in shown
    assert "genai-prices 0.2.3 and litellm 1.106.2 disagree about gemini-2.0-flash" in shown
    reported = traffic("show", ids["f-2"]).out
    assert "$0.005 (0.0022-0.005, its provider and the price book disagree), provider_reported" in reported
    assert "by the price book it would be $0.00225" in reported
    assert "disagree" not in traffic("show", ids["f-3"]).out
    body = json.loads(traffic("show", ids["f-1"], "--json").out)
    assert body["cost_disputed_usd"] == "0.450000000"
    assert "disagree" in body["cost_notes"][0]


def test_the_report_shows_the_range_of_a_model_and_says_why(traffic):
    text = traffic("report").out
    (row,) = [line for line in text.splitlines() if line.startswith(DISPUTED)]
    assert "$0.30 (0.30-0.45)" in row
    assert "(low-high): price lists disagree about 1 call" in text
    assert "1 call as their provider says, and something else by the price book" in text
    body = json.loads(traffic("report", "--json").out)
    (model,) = [each for each in body["models"] if each["model"] == DISPUTED]
    assert (model["cost_usd_low"], model["cost_usd_high"]) == ("0.300000000", "0.450000000")
    assert (model["disputed_calls"], model["misreported_calls"]) == (1, 0)
    assert (body["total"]["disputed_calls"], body["total"]["misreported_calls"]) == (1, 1)
    assert body["total"]["cost_usd_high"] == "0.459510000"
    assert traffic("db", "rollup", "--check").out == "The sums agree with the rows.\n"


def test_doctor_counts_what_is_reported_otherwise(traffic):
    assert "1 call as their provider says, and something else by the price book" in traffic("doctor").out


def test_no_range_where_nobody_disagrees(arc, tmp_path):
    arc("import", write_har(tmp_path / "calls.har", [recent("finance", "f-4")]))
    text = arc("report").out + arc("doctor").out
    assert "disagree" not in text
    assert "something else" not in text


def test_the_book_shows_the_range_of_a_price(arc, monkeypatch):
    shown = arc("prices", "show", DISPUTED).out
    assert "input_text         $0.10 per million tokens (0.10-0.15, sources disagree)" in shown
    assert "litellm 1.106.2 differs" in shown
    body = json.loads(arc("prices", "show", DISPUTED, "--json").out)
    assert body[0]["rival"]["picousd"]["input_text"] == 150_000
    question = {
        "provider": "google",
        "model": DISPUTED,
        "response": {"usageMetadata": {"promptTokenCount": 2_000_000, "totalTokenCount": 2_000_000}},
    }
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(question)))
    assert "$0.20 (0.20-0.30, sources disagree)  computed" in arc("prices", "cost").out
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(question)))
    said = json.loads(arc("prices", "cost", "--json").out)
    assert (said["cost_nanousd"], said["disputed_nanousd"]) == (200_000_000, 300_000_000)
