"""Commands that read or care for rows, on recorded traffic and without a proxy."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from arc_proxy.export.rows import load_schema
from tests.report.traffic import NOW, call, write_har

SHIFT_DAYS = (datetime.now(UTC) - NOW).total_seconds() / 86_400


def recent(agent, run, *, days_ago=1.0, **more):
    """A call of some days before now, not before the tests' own day."""
    return call(agent, run, days_ago=days_ago - SHIFT_DAYS, **more)


@pytest.fixture
def traffic(arc, tmp_path):
    entries = [
        recent("finance", "f-1", days_ago=2, answer="first"),
        recent("finance", "f-2", days_ago=1.5, x_arc_session_id="s-1", x_arc_tags="team=a,beta"),
        recent("finance", "f-2", days_ago=1.4, x_arc_session_id="s-1", status=429),
        recent("support", "s-run", days_ago=1, model="acme-7b", answer="\x1b[31mred [bold]x[/]"),
        recent(None, "nobodys", days_ago=0.5, answer="=HYPERLINK(1)"),
    ]
    har = write_har(tmp_path / "calls.har", entries)
    done = arc("import", har)
    assert done.out == "5 calls from calls.har. Look: arc-proxy report --since all\n"
    return arc


def test_importing_twice_changes_nothing(traffic, tmp_path):
    before = traffic("export", "calls").out
    assert "was imported before: 5 calls, nothing changed" in traffic("import", tmp_path / "calls.har").out
    assert traffic("export", "calls").out == before
    assert json.loads(traffic("import", tmp_path / "calls.har", "--json").out)["new"] is False


def test_a_file_of_another_kind_is_refused_whole(arc, tmp_path):
    (tmp_path / "x.har").write_text('{"log": {"entries": [{}]}}')
    done = arc("import", tmp_path / "x.har")
    assert done.code == 1
    assert done.err.startswith("Error: entry 1")
    assert arc("report", "--since", "all").out.startswith("No call has been seen yet")


def test_report(traffic):
    text = traffic("report").out
    assert "━━━ finance ━" in text
    assert "│ Runs         2 " in text
    assert "unknown (1 unpriced call)" in text
    only = traffic("report", "--agent", "support").out
    assert "support" in only
    assert "finance" not in only
    body = json.loads(traffic("report", "--json").out)
    assert {agent["agent"] for agent in body["agents"]} == {"finance", "support", None}
    assert body["total"]["unpriced_calls"] == 1


def test_report_in_every_form(traffic):
    assert traffic("report", "--format", "md").out.startswith("# arc-proxy\n")
    html = traffic("report", "--format", "html").out
    assert html.startswith("<!doctype html>")
    assert "finance" in html
    assert "day (UTC)" in traffic("report", "--by", "day").out
    assert json.loads(traffic("report", "--format", "json").out)["days"] == []


def test_a_threshold_ends_with_3_and_the_report_is_printed_all_the_same(traffic):
    done = traffic("report", "--fail-on", "errors>10%")
    assert done.code == 3
    assert done.err == "finance: errors is 50%, errors>10%\n"
    assert "━━━ finance" in done.out
    assert traffic("report", "--fail-on", "errors>90%").code == 0


def test_runs(traffic):
    lines = traffic("runs").out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["nobodys", "s-run", "f-2", "f-1"]
    only = traffic("runs", "--session", "s-1", "--json").out.splitlines()
    assert [json.loads(line)["run_id"] for line in only] == ["f-2"]
    Draft202012Validator(load_schema("run")).validate(json.loads(only[0]))
    assert len(traffic("runs", "-n", "1").out.splitlines()) == 3
    assert "No run in this period (last minute)" in traffic("runs", "--since", "1m").err
    assert "No run of nope in this period" in traffic("runs", "--agent", "nope").err


def test_show_finds_runs_and_calls_by_the_beginning_of_their_id(traffic):
    run = traffic("show", "f-2")
    assert "run         f-2" in run.out
    assert "2, 1 error" in run.out
    assert "state       ended without an answer" in run.out
    assert "rate_limit_error: slow down" in run.out
    call_id = json.loads(traffic("export", "calls", "--run", "f-1").out)["call_id"]
    one = traffic("show", call_id[:20] if traffic("show", call_id[:20]).code == 0 else call_id)
    assert "question of f-1" in one.out
    assert "-> reply    first" in one.out
    assert "$0.0022, computed" in one.out
    session = traffic("show", "s-1").out
    assert "session     s-1" in session
    assert traffic("show", "nobod…").out == traffic("show", "nobodys").out
    assert "f-2" in session


def test_show_says_how_a_run_was_found_and_what_sub_agents_did_in_it(arc, tmp_path):
    entries = [
        recent("lead", "task", days_ago=1),
        recent("helper", "part", days_ago=0.9, x_arc_parent_run_id="task"),
    ]
    arc("import", write_har(tmp_path / "parts.har", entries))
    shown = arc("show", "task").out
    assert "grouped by  the caller's own x-arc headers, 100% sure" in shown
    assert "state       ended with an answer" in shown
    assert "sub-agent's run" in shown
    assert "part" in shown.splitlines()[-1]
    assert "parent run  task" in arc("show", "part").out
    [part] = json.loads(arc("show", "task", "--json").out)["parts"]
    assert (part["run_id"], part["agent"], part["parent_run_id"]) == ("part", "helper", "task")


@pytest.fixture
def family(arc, tmp_path):
    """A task with a sub-agent that has one of its own, in one session, and a task in another."""
    entries = [
        recent("lead", "task", days_ago=1, x_arc_session_id="talk"),
        recent("helper", "part", days_ago=0.9, x_arc_parent_run_id="task", x_arc_session_id="talk"),
        recent("helper", "piece", days_ago=0.8, x_arc_parent_run_id="part"),
        recent("lead", "alone", days_ago=0.7, x_arc_session_id="chat"),
        recent("lead", "left", days_ago=0.6, x_arc_parent_run_id="right"),
        recent("lead", "right", days_ago=0.5, x_arc_parent_run_id="left"),
        recent("lead", "orphan", days_ago=0.4, x_arc_parent_run_id="elsewhere"),
    ]
    arc("import", write_har(tmp_path / "family.har", entries))
    return arc


def test_runs_of_sub_agents_hang_below_their_parents(family):
    lines = [line.split()[:2] for line in family("runs").out.splitlines()[2:]]
    assert lines == [
        ["orphan", "lead"],
        ["right", "lead"],
        ["left", "lead"],
        ["alone", "lead"],
        ["task", "lead"],
        ["└─", "part"],
        ["└───", "piece"],
    ]
    assert [line.split()[0] for line in family("runs", "-n", "1").out.splitlines()[2:]] == ["orphan"]
    every = family("runs", "--json").out.splitlines()
    assert {json.loads(line)["run_id"] for line in every} >= {"task", "part", "piece"}
    assert "└" not in family("runs", "--ok").out


def test_show_counts_a_run_with_its_sub_agents(family):
    shown = family("show", "task")
    assert "in all      3 calls with 2 sub-agents, $0.0068" in shown.out
    assert [line.split()[:2] for line in shown.out.splitlines()[-2:]] == [
        ["part", "helper"],
        ["└─", "piece"],
    ]
    body = json.loads(family("show", "task", "--json").out)
    assert body["parts"][0]["parts"][0]["run_id"] == "piece"


def test_show_sums_a_session_up(family):
    lines = family("show", "talk").out.splitlines()
    assert lines[:2] == ["session     talk", "agents      helper, lead"]
    assert "runs        1 + 2 sub-agents" in lines
    assert "calls       3" in lines
    assert "cost        $0.0068" in lines


def test_show_folds_retries_and_auxiliary_calls_of_a_run(arc, tmp_path):
    retried = {"x_stainless_retry_count": "0"}
    entries = [
        recent("bot", "r", days_ago=1.0, status=503, ms=100, **retried),
        recent("bot", "r", days_ago=0.99999, **retried | {"x_stainless_retry_count": "1"}),
    ]
    models = recent("bot", "r", days_ago=0.98)
    models["request"] |= {"method": "GET", "url": "https://api.openai.com/v1/models", "postData": {}}
    arc("import", write_har(tmp_path / "retries.har", [*entries, models]))
    shown = arc("show", "r").out
    [row] = [line for line in shown.splitlines() if "gpt-5" in line]
    assert row.split()[1:4] == ["gpt-5", "200", "2"]
    assert "and 1 auxiliary call: 1 models; $0 (--full lists them)" in shown
    full = arc("show", "r", "--full").out
    assert full.count("gpt-5") == 2
    assert "↳" in full
    assert "auxiliary calls:" not in full


def test_report_says_what_agents_are_made_with(arc, tmp_path):
    entries = [recent("bot", "r", user_agent="langchain-openai/1.0"), recent("other", "o")]
    arc("import", write_har(tmp_path / "framework.har", entries))
    body = json.loads(arc("report", "--json").out)
    assert {each["agent"]: each["framework"] for each in body["agents"]}["other"] is None


def test_show_explains_what_it_cannot_tell_apart(traffic):
    done = traffic("show", "f-")
    assert done.code == 2
    assert "may mean any of these" in done.err
    assert "run     f-1   of finance" in done.err
    assert traffic("show", "zzz").err.startswith("Error: no run, call or session begins with 'zzz'")


def test_show_as_json(traffic):
    run = json.loads(traffic("show", "f-2", "--json").out)
    assert [each["status"] for each in run["calls_list"]] == [200, 429]
    call_id = run["calls_list"][0]["call_id"]
    body = json.loads(traffic("show", call_id, "--json").out)
    Draft202012Validator(load_schema("call")).validate(body)
    assert body["messages"] == [{"content": "question of f-2", "role": "user"}]
    assert body["tags"] == {"team": "a", "beta": "true"}


def test_captured_text_cannot_reach_the_terminal(traffic):
    text = traffic("show", "s-run").out + traffic("show", "s-run", "--full").out
    call_id = json.loads(traffic("export", "calls", "--run", "s-run").out)["call_id"]
    text += traffic("show", call_id, "--full").out
    assert "red [bold]x[/]" in text
    assert "\x1b" not in text


def test_export_as_json_lines(traffic):
    rows = [json.loads(line) for line in traffic("export", "calls").out.splitlines()]
    assert [row["run_id"] for row in rows] == ["f-1", "f-2", "f-2", "s-run", "nobodys"]
    for row in rows:
        Draft202012Validator(load_schema("call")).validate(row)
    assert [row["cost_usd"] for row in rows] == [
        "0.002250000",
        "0.002250000",
        "0.000000000",
        None,
        "0.002250000",
    ]


def test_export_as_csv_is_safe_to_open(traffic):
    rows = list(csv.DictReader(io.StringIO(traffic("export", "calls", "--format", "csv").out)))
    assert len(rows) == 5
    assert rows[4]["output_text"] == "'=HYPERLINK(1)"
    assert len(list(csv.DictReader(io.StringIO(traffic("export", "runs", "--format", "csv").out)))) == 4


def test_export_to_a_file_is_whole_and_private(traffic, tmp_path):
    done = traffic("export", "calls", "--format", "har", "--output", tmp_path / "out.har")
    assert done.err == f"5 calls in {tmp_path / 'out.har'}\n"
    assert (tmp_path / "out.har").stat().st_mode & 0o777 == 0o600
    assert len(json.loads((tmp_path / "out.har").read_text())["log"]["entries"]) == 5
    assert not list(tmp_path.glob(".out.har*"))
    assert traffic("export", "calls", "--output", tmp_path / "no" / "x").code == 1


def test_outcome(traffic):
    assert traffic("outcome", "f-1", "failure", "--agent", "finance", "--reason", "wrong sum").err == (
        "Noted: f-1 was a failure.\n"
    )
    shown = traffic("show", "f-1").out
    assert "outcome     failure (cli)" in shown
    assert "wrong sum" in shown
    assert "2 of 2 runs" in traffic("report").out


def test_an_outcome_for_the_beginning_of_an_id_says_so(traffic):
    traffic("runs")
    assert "repeat it with nobodys" in traffic("outcome", "nobod", "success").err
    for unambiguous in ("nobodys", "f-", "not-yet"):
        assert "repeat it" not in traffic("outcome", unambiguous, "success").err


def test_db_rebuild_changes_nothing(traffic):
    before = traffic("export", "calls").out
    assert traffic("db", "rebuild").out == "5 calls and 0 facts derived from the journal.\n"
    assert traffic("export", "calls").out == before
    assert traffic("db", "rollup", "--check").out == "The sums agree with the rows.\n"
    assert json.loads(traffic("db", "rollup", "--json").out) == {"differing_sums": 0}


def test_db_recost_says_first_what_would_change(traffic, tmp_path):
    assert "0 calls of 5" in traffic("db", "recost").out
    folder = Path(json.loads(traffic("doctor", "--json").out)["data_dir"])
    rate = '[[rate]]\nprovider = "openai"\nmodel = "acme-7b"\ninput = "1"\noutput = "2"\n'
    (folder / "prices.toml").write_text(rate)
    looked = traffic("db", "recost").out
    assert "1 call of 5 cost something else by the prices of now." in looked
    assert ["acme-7b", "openai", "1", "unknown", "1", "$0.0012", "0"] in [
        line.split() for line in looked.splitlines()
    ]
    assert looked.endswith("Nothing was stored; --yes stores it.\n")
    done = json.loads(traffic("db", "recost", "--yes", "--json").out)
    assert (done["changed"], done["stored"]) == (1, True)
    assert json.loads(traffic("db", "recost", "--json").out)["changed"] == 0
    assert "unpriced" not in traffic("report").out


def test_db_prune_keeps_what_is_recent(traffic):
    assert traffic("db", "prune").out.startswith("Removed 0 calls and 0 runs")
    old = json.loads(traffic("db", "prune", "--months", "0", "--days", "0", "--json").out)
    assert old["segments"] >= 1
    assert traffic("db", "upgrade").out.endswith(".\n")


def test_prices_cost_prints_the_sum_with_its_rows(arc, monkeypatch):
    question = {
        "id": "a",
        "provider": "openai",
        "api": "chat",
        "model": "gpt-5",
        "at": "2026-11-22T12:00:00Z",
    }
    question |= {"response": {"usage": {"prompt_tokens": 1000, "completion_tokens": 100}}}
    unknown = {"id": "b", "provider": "openai", "model": "acme", "response": {}}
    for lines in ([question, unknown], None):
        text = "\n".join(map(json.dumps, lines)) if lines else json.dumps([question, unknown], indent=1)
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        rows = [json.loads(line) for line in arc("prices", "cost", "--json").out.splitlines()]
        assert rows[0] == {"id": "a", "cost_nanousd": 2_250_000, "grade": "computed"}
        assert rows[1]["cost_nanousd"] is None
        assert rows[1]["grade"] == "unknown"
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(question)))
    text = arc("prices", "cost").out
    assert "a  $0.00225  computed" in text
    assert "1,000 input_text x $1.25 per million tokens" in text
    assert "openai/gpt-5@" in text


@pytest.mark.parametrize("text", ["{", '{"provider": 3}', '["x"]', "[1", '{"provider":"openai","at":"noon"}'])
def test_a_question_that_is_none_is_named_by_its_number(arc, monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    done = arc("prices", "cost")
    assert (done.code, done.out) == (2, "")
    assert "question 1" in done.err or "the array" in done.err


def test_prices_list_and_show(arc):
    assert "openai" in arc("prices", "list").out.splitlines()
    assert "gpt-5 " in arc("prices", "list", "openai", "--match", "gpt-5").out
    assert json.loads(arc("prices", "list", "--json").out)["version"]
    shown = arc("prices", "show", "claude-sonnet-4-5")
    assert "input_text         $3.00 per million tokens" in shown.out
    assert "above 200,000 input tokens" in shown.out
    assert json.loads(arc("prices", "show", "gpt-5", "--json").out)[0]["picousd"]["input_text"] == 1_250_000


def test_everything_works_on_an_empty_folder(arc, tmp_path):
    for command in (
        ["report"],
        ["runs"],
        ["export", "calls"],
        ["export", "runs", "--format", "csv"],
        ["doctor"],
    ):
        done = arc(*command)
        assert done.code == 0, command
    assert json.loads(arc("report", "--json").out)["total"]["runs"] == 0
    assert arc("status").code == 1
    assert json.loads(arc("status", "--json").out)["running"] is False
    assert arc("stop").code == 0
    assert not (tmp_path / "data").exists()


def test_doctor_names_each_setting_and_its_origin(arc, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "data").chmod(0o755)
    (tmp_path / "data" / "settings.toml").write_text("workers = 2")
    monkeypatch.setitem(__import__("os").environ, "ARC_PORT", "8005")
    monkeypatch.setitem(__import__("os").environ, "ARC_PROT", "1")
    monkeypatch.setitem(__import__("os").environ, "OPENAI_BASE_URL", "http://127.0.0.1:9/openai/v1")
    monkeypatch.setitem(__import__("os").environ, "HTTPS_PROXY", "http://me:canary-pw@proxy:1")
    done = arc("doctor")
    assert done.code == 1
    assert "canary" not in done.out + done.err
    for words in (
        "✗ OPENAI_BASE_URL  leads to port 9, where nobody listens",
        "! ARC_PROT         is no setting",
        "did you mean ARC_PORT?",
        f"chmod 700 {tmp_path / 'data'}",
        "settings.toml",
        "http://me:***@proxy:1",
    ):
        assert words in done.out
    body = json.loads(arc("doctor", "--json").out)
    assert body["settings"]["port"] == {"value": "8005", "origin": "ARC_PORT"}
    assert body["settings"]["workers"]["origin"].endswith("settings.toml")
    assert body["settings"]["host"]["origin"] == "default"


def test_doctor_and_report_say_what_capture_lost(traffic):
    from arc_proxy.cli.folder import find_folder
    from arc_proxy.journal.record import NO_EXCHANGE, Record, RecordKind
    from arc_proxy.journal.writer import SegmentWriter

    folder = find_folder(None, __import__("os").environ)
    counts = json.dumps({"lost_bytes": 5_000_000, "unsecured_calls": 3, "is_secure": False}).encode()
    with SegmentWriter(folder.journal) as writer:
        writer.append([Record(RecordKind.COUNTS, NO_EXCHANGE, time.monotonic_ns(), counts)])
    assert "! 5.0 MB of bodies were not kept" in traffic("report").out
    doctor = traffic("doctor")
    assert "5.0 MB of bodies were not kept" in doctor.out
    assert "3 calls recorded only after they were answered" in doctor.out
    assert json.loads(traffic("report", "--json").out)["capture_losses"] == {
        "lost_bytes": 5_000_000,
        "unsecured_calls": 3,
    }


def test_show_says_how_a_runs_tools_fared(arc, tmp_path):
    def asks(number, arguments):
        function = {"name": "get_order", "arguments": arguments}
        return {
            "role": "assistant",
            "tool_calls": [{"id": f"c{number}", "type": "function", "function": function}],
        }

    results = ["Error: Order not found", "Error: Order not found", "[]", '{"id": 7}']
    talk = [{"role": "user", "content": "Where is it?"}]
    for number, result in enumerate(results):
        talk += [asks(number, "{}"), {"role": "tool", "tool_call_id": f"c{number}", "content": result}]
    entry = recent("shop", "r")
    entry["request"]["postData"]["text"] = json.dumps({"model": "gpt-5", "messages": talk})
    arc("import", write_har(tmp_path / "tools.har", [entry]))
    lines = arc("show", "r").out.splitlines()
    [at] = [number for number, line in enumerate(lines) if line.startswith("tool ")]
    assert " ".join(lines[at + 2].split()) == "get_order 4 2 1 0 Error: Order not found"
    assert json.loads(arc("show", "r", "--json").out)["tools"] == [
        {
            "name": "get_order",
            "calls": 4,
            "errors": 2,
            "empty": 1,
            "unanswered": 0,
            "error": "Error: Order not found",
        }
    ]


def test_show_names_what_went_wrong_with_a_call(arc, tmp_path):
    cut = recent("bot", "r", days_ago=0.9)
    body = json.loads(cut["response"]["content"]["text"])
    body["choices"][0]["finish_reason"] = "length"
    cut["response"]["content"]["text"] = json.dumps(body)
    entries = [recent("bot", "r", status=429), cut, recent("bot", "r", days_ago=0.8)]
    arc("import", write_har(tmp_path / "failures.har", entries))
    limited, truncated = (
        line.split()
        for line in arc("show", "r").out.splitlines()
        if "rate_lim" in line or "truncated" in line
    )
    assert limited[:2] == ["provider.rate_limited", "warning"]
    assert " ".join(truncated).startswith("output.truncated error")
    limited_call, truncated_call = (
        each["call_id"] for each in json.loads(arc("show", "r", "--json").out)["failures_list"]
    )
    assert "failure     provider.rate_limited, warning" in arc("show", limited_call).out
    failures = [each["failure"] for each in json.loads(arc("show", "r", "--json").out)["calls_list"]]
    assert [failure and failure["code"] for failure in failures] == [
        "provider.rate_limited",
        "output.truncated",
        None,
    ]
    assert failures[1] == {
        "code": "output.truncated",
        "severity": "error",
        "evidence": "finish reason length",
        "field": "finish_reason",
    }
    assert json.loads(arc("show", truncated_call, "--json").out)["failure"] == failures[1]
