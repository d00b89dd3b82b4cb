"""`arc-proxy reconcile`: bills in their vendors' forms against recorded traffic."""

from __future__ import annotations

import json

import pytest

from tests.report.traffic import call, write_har

USAGE_HEAD = "start_time,project_id,num_model_requests,model,input_tokens,output_tokens,input_cached_tokens"
COST_HEAD = "start_time,amount_value,amount_currency,line_item,project_id"
DAY = "1795478400"  # 2026-11-24T00:00:00Z


@pytest.fixture
def log(arc, tmp_path):
    """On 2026-11-24 (UTC) two calls of gpt-5 at $0.00225, one of a model without a price, one next day."""
    entries = [
        call("finance", "f-1", days_ago=1),
        call("finance", "f-2", days_ago=0.9),
        call("finance", "f-3", days_ago=0.8, model="acme-7b"),
        call("finance", "f-4", days_ago=0.1),
    ]
    arc("import", write_har(tmp_path / "log.har", entries))
    return arc


@pytest.fixture
def bill(tmp_path):
    """Writes a file of a bill."""

    def write(name, *lines):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def usage_rows(*rows):
    return [USAGE_HEAD, *(f"{DAY},{project},{n},{model},{i},{o},0" for project, n, model, i, o in rows)]


def cost_rows(*rows):
    return [COST_HEAD, *(f'{DAY},{amount},usd,"{item}",{project}' for project, amount, item in rows)]


def test_a_bill_that_is_right_leaves_no_gap(log, bill):
    usage = bill("usage.csv", *usage_rows(("p", 2, "gpt-5-2025-08-07", 2000, 200)))
    cost = bill("cost.csv", *cost_rows(("p", "0.0025", "gpt-5, input"), ("p", "0.002", "gpt-5, output")))
    [line] = [
        line
        for line in json.loads(log("reconcile", usage, cost, "--json").out)["lines"]
        if line["model"] == "gpt-5"
    ]
    assert (line["billed_usd"], line["ours_usd"], line["gap_usd"]) == ("0.004500000",) * 2 + ("0.000000000",)
    assert line["parts"] == []
    shown = log("reconcile", usage, cost).out
    assert "2026-11-24" in shown
    assert "2026-11-25" not in shown  # the bill says nothing of that day
    [acme] = [each for each in shown.splitlines() if "acme-7b" in each]
    assert "unknown" in acme
    assert "$0" not in acme
    assert "1 call not in the bill" in acme


def test_what_never_passed_here_is_counted_and_put_into_money(log, bill):
    usage = bill("usage.csv", *usage_rows(("p", 5, "gpt-5", 5000, 500)))
    cost = bill("cost.csv", *cost_rows(("p", "0.01125", "gpt-5, all")))
    found = json.loads(log("reconcile", usage, cost, "--json").out)
    [line] = [line for line in found["lines"] if line["model"] == "gpt-5"]
    assert line["gap_usd"] == "0.006750000"
    assert line["parts"] == [{"cause": "missing_calls", "calls": 3, "usd": "0.006750000"}]
    assert "3 calls that never passed here" in " ".join(log("reconcile", usage, cost).out.split())


def test_other_keys_of_the_same_bill_are_set_apart(log, bill):
    usage = bill("usage.csv", *usage_rows(("mine", 2, "gpt-5", 2000, 200), ("theirs", 7, "gpt-5", 70, 7)))
    cost = bill("cost.csv", *cost_rows(("mine", "0.0045", "gpt-5, all"), ("theirs", "0.5", "gpt-5, all")))
    shown = log("reconcile", usage, cost).out
    assert "--key says which are yours" in shown
    found = json.loads(log("reconcile", usage, cost, "--key", "mine", "--json").out)
    [line] = [line for line in found["lines"] if line["model"] == "gpt-5"]
    assert line["parts"] == [{"cause": "other_keys", "calls": 7, "usd": "0.500000000"}]
    wrong = log("reconcile", usage, "--key", "nobody")
    assert (wrong.code, wrong.err) == (2, "Error: the bill names no key 'nobody'; it has mine, theirs.\n")


def test_any_csv_is_read_by_its_columns(log, bill):
    path = bill("own.csv", "date,what,usd", "2026-11-24,gpt-5,0.0050")
    done = log(
        "reconcile", path, "--columns", "day=date,model=what,cost=usd", "--provider", "openai", "--json"
    )
    [line] = [line for line in json.loads(done.out)["lines"] if line["model"] == "gpt-5"]
    assert line["gap_usd"] == "0.000500000"
    assert line["parts"] == [{"cause": "unexplained", "calls": None, "usd": "0.000500000"}]


def test_a_period_is_whole_days(log, bill):
    path = bill("own.csv", "date,what,usd", "2026-11-24,gpt-5,1", "2026-11-25,gpt-5,2")
    columns = ("--columns", "day=date,model=what,cost=usd", "--provider", "openai", "--json")
    found = json.loads(log("reconcile", path, *columns, "--since", "2026-11-25T09:00Z").out)
    assert {line["day"] for line in found["lines"]} == {"2026-11-25"}
    found = json.loads(log("reconcile", path, *columns, "--until", "2026-11-24T09:00Z").out)
    assert {line["day"] for line in found["lines"]} == {"2026-11-24"}


# Lines of a file, flags -> what the error says.
MISTAKES = {
    "an empty file": ([], (), "the file is empty"),
    "columns of nobody's": (["a,b", "1,2"], (), "its columns are no vendor's: --columns"),
    "a broken amount": (cost_rows(("p", "lots", "gpt-5")), (), "line 2: amount_value is 'lots'"),
    "another currency": ([COST_HEAD, f"{DAY},1,eur,gpt-5,p"], (), "only US dollars are compared"),
    "a line that is short": ([COST_HEAD, f"{DAY},1"], (), "line 2: 2 cells under 5 columns"),
    "JSON of something else": (['{"a": 1}'], (), "no page of usage or costs"),
    "a map without a day": (["a,b", "1,2"], ("--columns", "cost=a"), "--columns: a bill needs `day`"),
    "a bill of nobody's": (["a,b", "1,2"], ("--columns", "day=a,cost=b"), "--provider NAME"),
}


@pytest.mark.parametrize(("lines", "flags", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_file_that_is_no_bill_is_refused_with_its_place(log, bill, lines, flags, said):
    path = bill("bill.csv", *lines)
    done = log("reconcile", path, *flags)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_a_file_that_is_not_there(log, tmp_path):
    done = log("reconcile", tmp_path / "none.csv")
    assert (done.code, done.out) == (1, "")
    assert "No such file" in done.err


def test_nothing_seen_yet(arc, bill):
    done = arc("reconcile", bill("cost.csv", *cost_rows(("p", "0.5", "gpt-5, all"))))
    assert done.code == 0
    assert done.err.startswith("warning: no call has been seen yet in ")
    assert "$0.50" in done.out


@pytest.mark.parametrize("columns", ["70", "80", "120"])
def test_lines_fit_the_terminal(log, bill, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    usage = bill("usage.csv", *usage_rows(("mine", 5, "gpt-5", 5000, 500), ("theirs", 7, "gpt-4o", 70, 7)))
    cost = bill("cost.csv", *cost_rows(("mine", "0.01125", "gpt-5, all")))
    assert max(map(len, log("reconcile", usage, cost).out.splitlines())) <= int(columns)


def test_a_line_without_end_is_refused(log, bill, monkeypatch):
    monkeypatch.setattr("arc_proxy.cli.reconcile.LINE_CHARACTERS_MAX", 1000)
    done = log("reconcile", bill("long.csv", "a" * 2000))
    assert (done.code, done.out) == (2, "")
    assert "a line is longer than" in done.err


def test_the_sums_of_all_rows_add_up(log, bill):
    """Usage of two models, and an amount of one: the other was not billed."""
    usage = bill("usage.csv", *usage_rows(("p", 2, "gpt-5", 2000, 200), ("p", 1, "gpt-4o", 10, 1)))
    cost = bill("cost.csv", *cost_rows(("p", "0.0045", "gpt-5, all")))
    total = json.loads(log("reconcile", usage, cost, "--json").out)["total"]
    gap = float(total["billed_usd"]) - float(total["ours_usd"])
    assert float(total["gap_usd"]) == pytest.approx(gap)
    assert sum(float(part["usd"] or 0) for part in total["parts"]) == pytest.approx(gap)
