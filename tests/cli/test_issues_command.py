"""What goes wrong, as commands show it: lists, a run's failures, rows for other programs."""

from __future__ import annotations

import json

import jsonschema
import pytest

from arc_proxy.export.rows import fields_of, load_schema
from tests.report.traffic import NOW_NS, call, write_har


@pytest.fixture(autouse=True)
def a_fixed_clock(monkeypatch):
    """What is "today" must not hang on when the tests run."""
    monkeypatch.setattr("time.time_ns", lambda: NOW_NS)


def using_a_tool(agent, run, days_ago, result, tool="calculation"):
    """A call that carries the result of a tool."""
    entry = call(agent, run, days_ago=days_ago)
    asked = {"id": f"c-{run}", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    body = json.loads(entry["request"]["postData"]["text"])
    body["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": f"c-{run}", "content": result},
    ]
    entry["request"]["postData"]["text"] = json.dumps(body)
    return entry


def cut_short(agent, run, days_ago):
    """An answer that stops at its limit."""
    entry = call(agent, run, days_ago=days_ago)
    body = json.loads(entry["request"]["postData"]["text"])
    entry["request"]["postData"]["text"] = json.dumps(body | {"max_tokens": 256})
    reply = json.loads(entry["response"]["content"]["text"])
    reply["choices"][0]["finish_reason"] = "length"
    entry["response"]["content"]["text"] = json.dumps(reply)
    return entry


@pytest.fixture
def troubled(arc, tmp_path):
    """Sixty runs: three with an empty frame moments ago, seven of last week that were cut."""
    entries = [
        *(using_a_tool("finance", f"e{n}", 0.0001, "Empty DataFrame\nColumns: [a]") for n in range(3)),
        *(cut_short("finance", f"t{n}", 5) for n in range(7)),
        *(call("finance", f"r{n}", days_ago=6) for n in range(50)),
        call("support", "s1", days_ago=3, status=429),
    ]
    assert arc("import", write_har(tmp_path / "troubled.har", entries)).code == 0
    return arc


def test_the_report_counts_what_is_wrong_in_words(troubled):
    text = troubled("report").out
    assert "│ Issues       2 fixable problems found" in text
    lines = [" ".join(line.split()) for line in text[text.index("Issues · ") :].splitlines()]
    [frame] = [line for line in lines if "Empty DataFrame in calculation" in line]
    [cut] = [line for line in lines if "answer cut at max_tokens=256" in line]
    assert "3 times today" in frame
    assert "7 of 60 runs" in cut
    # A limit that cuts a tenth of all answers is worse than a result of nothing.
    assert lines.index(cut) < lines.index(frame)


def test_issues_are_listed_and_told_to_programs(troubled):
    shown = troubled("issues").out
    assert "openai limits the rate" in shown
    assert "support" in shown
    assert "support" not in troubled("issues", "--agent", "finance").out
    [first] = map(json.loads, troubled("issues", "--json", "-n", "1").out.splitlines())
    assert (first["title"], first["runs"], first["failures_today"]) == ("answer cut at max_tokens=256", 7, 0)
    assert first["last"]["evidence"] == "finish reason length at max_tokens=256"


def test_hints_are_issues_where_settings_ask_for_them(troubled, tmp_path):
    assert "turns the user down" not in troubled("issues").out
    refused = call("support", "s2", days_ago=0.001, answer="I'm sorry, but I can't assist with that.")
    assert troubled("import", write_har(tmp_path / "refused.har", [refused])).code == 0
    before = json.loads(troubled("report", "--json").out)
    (tmp_path / "data" / "settings.toml").write_text('hints = ["output.refusal_phrase"]\n')
    assert "turns the user down" in troubled("issues").out
    after = json.loads(troubled("report", "--json").out)
    assert [each["reliability"] for each in after["agents"]] == [
        each["reliability"] for each in before["agents"]
    ]


def test_a_run_shows_what_went_wrong_in_it(troubled):
    shown = troubled("show", "e1").out
    line = " ".join(next(line for line in shown.splitlines() if "tool.empty_result" in line).split())
    assert line.startswith("tool.empty_result info")
    assert "Empty DataFrame" in line
    [failure] = json.loads(troubled("show", "e1", "--json").out)["failures_list"]
    assert (failure["message_index"], failure["tool_call_id"]) == (2, "c-e1")
    assert "what failed" not in troubled("show", "r1").out


def test_failures_are_exported_as_promised(troubled):
    rows = [json.loads(line) for line in troubled("export", "failures").out.splitlines()]
    # Each of the seven and three; of the refused run the error, and that the run broke off by it.
    assert len(rows) == 12
    assert rows == sorted(rows, key=lambda row: (row["at"], row["failure_id"]))
    validator = jsonschema.Draft202012Validator(load_schema("failure"))
    for row in rows:
        validator.validate(row)
        assert tuple(row) == fields_of("failure")
    assert len({row["issue_id"] for row in rows}) == 3
    header, *lines = troubled("export", "failures", "--format", "csv", "--agent", "support").out.splitlines()
    assert header == ",".join(fields_of("failure"))
    assert len(lines) == 2
    assert len(troubled("export", "failures", "--run", "e1").out.splitlines()) == 1
    assert troubled("export", "failures", "--format", "har").code == 2


def number_of(arc, words):
    rows = map(json.loads, arc("issues", "--json").out.splitlines())
    return next(row["issue_id"] for row in rows if words in row["title"])


def test_a_fix_names_what_was_seen_and_how_to_tell_that_it_helped(troubled):
    shown = troubled("fix", str(number_of(troubled, "answer cut"))).out
    words = " ".join(shown.split())
    assert "answer cut at max_tokens=256" in words
    assert "in 7 of 60 runs" in words
    assert "Whether it worked: no answer" in words
    assert "request['max_tokens'] = 390" in shown
    body = json.loads(troubled("fix", str(number_of(troubled, "answer cut")), "--json").out)
    assert (body["level"], body["issue"]["code"]) == ("guard", "output.truncated")


def test_code_of_a_fix_can_be_copied(troubled):
    shown = troubled("fix", str(number_of(troubled, "Empty DataFrame"))).out
    code = "\n".join(line[4:] for line in shown.splitlines() if line.startswith("    ") or not line)
    compile(code[code.index("import functools") :], "fix", "exec")
    assert "calculation" in code


def test_a_fix_of_what_is_none(troubled):
    done = troubled("fix", "99")
    assert (done.code, done.err) == (
        2,
        "Error: there is no issue 99; `arc-proxy issues --since all` lists them.\n",
    )
    assert troubled("fix", "x").code == 2


def later(arc, tmp_path, monkeypatch, entries, hours=24):
    """More runs, after what has been done so far."""
    monkeypatch.setattr("time.time_ns", lambda: NOW_NS + hours * 3600 * 10**9)
    assert arc("import", write_har(tmp_path / f"later-{hours}.har", entries)).code == 0


def test_a_fix_that_was_applied_says_whether_it_helped(troubled, tmp_path, monkeypatch):
    number = str(number_of(troubled, "answer cut"))
    assert f"Changed it? arc-proxy fix {number} --applied" in troubled("fix", number).out
    assert troubled("fix", number, "--applied").err.startswith("Noted. ")
    assert "too early to tell: 0 of 0 runs since, was 7 of 57" in troubled("fix", number).out
    later(troubled, tmp_path, monkeypatch, [call("finance", f"l{n}", days_ago=-0.5) for n in range(52)])
    shown = " ".join(troubled("fix", number).out.split())
    assert "it helped: 0 of 52 runs since, was 7 of 60, p = 0.011" in shown
    effect = json.loads(troubled("fix", number, "--json").out)["effect"]
    assert (effect["verdict"], effect["runs"], effect["runs_before"]) == ("helped", 52, 60)
    [line] = [line for line in troubled("issues").out.splitlines() if "answer cut" in line]
    assert "helped, 0 of 52 runs" in line
    later(troubled, tmp_path, monkeypatch, [cut_short("finance", "again", -1)], hours=48)
    assert "it is back: 1 of 53 runs since, was 7 of 60" in troubled("fix", number).out


def test_votes_are_a_fixs_record(troubled):
    number = str(number_of(troubled, "Empty DataFrame"))
    assert troubled("fix", number, "--useful").err == "Noted: useful.\n"
    assert troubled("fix", number, "--not-useful").err == "Noted: not useful.\n"
    assert "Fixes of tool.empty_result: useful 0 of 1 times." in troubled("fix", number).out, "the last holds"


@pytest.fixture
def similar(arc, tmp_path):
    """Two errors of one tool that are one trouble; a run has both."""
    entries = [
        *(using_a_tool("finance", f"a{n}", 2, "Error: ledger is locked") for n in range(3)),
        *(using_a_tool("finance", f"b{n}", 3, "Error: ledger is busy") for n in range(2)),
        using_a_tool("finance", "both", 2, "Error: ledger is locked"),
        using_a_tool("finance", "both", 1.999, "Error: ledger is busy", tool="ledger"),
        using_a_tool("finance", "c", 3, "Empty DataFrame\nColumns: [a]"),
        using_a_tool("support", "d", 3, "Error: ledger is busy"),
    ]
    assert arc("import", write_har(tmp_path / "similar.har", entries)).code == 0
    return arc


def counts(arc):
    rows = map(json.loads, arc("issues", "--json", "--agent", "finance").out.splitlines())
    return {row["title"]: (row["failures"], row["runs"]) for row in rows if "ledger" in row["title"]}


LOCKED, BUSY = "Error: ledger is locked in calculation", "Error: ledger is busy in calculation"


def test_two_issues_are_one_and_two_again(similar):
    alone = counts(similar)
    locked, busy = (str(number_of(similar, words)) for words in (LOCKED, BUSY))
    done = similar("issues", "merge", locked, busy)
    assert done.err.startswith(f"Noted. Soon issue {busy} is shown as issue {locked}; ")
    assert done.err.endswith(f"`arc-proxy issues split {locked}` undoes it.\n")
    together = counts(similar)
    assert BUSY not in together
    assert together[LOCKED] == tuple(map(sum, zip(alone[LOCKED], alone[BUSY], strict=True)))
    assert "6 of 7 runs" in " ".join(similar("fix", locked).out.split())
    assert similar("fix", busy).code == 2
    assert (
        similar("issues", "split", locked).err
        == f"Noted. Soon what was merged into issue {locked} is its own again.\n"
    )
    assert counts(similar) == alone


def test_what_comes_later_is_of_the_merged_issue_too(similar, tmp_path, monkeypatch):
    locked, busy = (str(number_of(similar, words)) for words in (LOCKED, BUSY))
    similar("issues", "merge", locked, busy)
    failures = counts(similar)[LOCKED][0]
    later(similar, tmp_path, monkeypatch, [using_a_tool("finance", "new", -0.5, "Error: ledger is busy")])
    assert counts(similar)[LOCKED][0] == failures + 1


def test_what_cannot_be_one_is_said(similar):
    locked, empty = str(number_of(similar, LOCKED)), str(number_of(similar, "Empty DataFrame"))
    rows = [json.loads(line) for line in similar("issues", "--json", "--agent", "support").out.splitlines()]
    for other, words in {
        empty: "only issues of one agent and one code can be one",
        str(rows[0]["issue_id"]): "only issues of one agent and one code can be one",
        locked: "is one already",
        "99": "there is no issue 99",
    }.items():
        done = similar("issues", "merge", locked, other)
        assert done.code == 2
        assert words in " ".join(done.err.split())
    done = similar("issues", "--data-dir", "/nowhere", "merge", locked, empty)
    assert (done.code, "write options of merge behind it" in done.err) == (2, True)
    done = similar("issues", "split", locked)
    assert (done.code, done.err) == (2, f"Error: nothing was merged into issue {locked}.\n")


def a_run_of(run, results, *, tools=("calculation", "never_used")):
    """The calls of one run: a tool asked once for each result, and an answer."""
    said = [{"role": "system", "content": "You work with tables. " * 20}, {"role": "user", "content": run}]
    offered = [
        {"type": "function", "function": {"name": name, "description": name * 40, "parameters": {}}}
        for name in tools
    ]
    for number, result in enumerate([*results, None]):
        entry = call("analyst", run, days_ago=1 - number / 10_000, tokens=(2000 + 4000 * number, 50))
        body = json.loads(entry["request"]["postData"]["text"])
        entry["request"]["postData"]["text"] = json.dumps(body | {"messages": said, "tools": offered})
        reply = json.loads(entry["response"]["content"]["text"])
        if result is not None:
            function = {"name": "calculation", "arguments": "{}"}
            asked = [{"id": f"{run}-{number}", "type": "function", "function": function}]
            message = {"role": "assistant", "content": None, "tool_calls": asked}
            reply["choices"][0] |= {"message": message, "finish_reason": "tool_calls"}
            answer = {"role": "tool", "tool_call_id": f"{run}-{number}", "content": result}
            said = [*said, message, answer]
        entry["response"]["content"]["text"] = json.dumps(reply)
        yield entry


def test_where_the_money_went_is_on_the_card_and_by_tool(arc, tmp_path):
    entries = [
        entry
        for number in range(4)
        for entry in a_run_of(f"m{number}", ["a large table " * 800, *("small" for _ in range(6))])
    ]
    arc("import", write_har(tmp_path / "money.har", entries))
    text = arc("report", "--by", "tool", "--by", "prompt").out
    [line] = [line for line in text.splitlines() if "Money went" in line]
    assert "calculation result re-sent 6x" in line
    rows = {line.split()[0]: " ".join(line.split()) for line in text.splitlines() if line}
    assert "re-sent 6x" in rows["calculation"]
    assert rows["never_used"].endswith("tool never_used called 0 times")
    [agent] = json.loads(arc("report", "--json").out)["agents"]
    went = agent["money_went"]
    # Shares sum to the cost to the nanodollar.
    parts = sum(round(float(part["cost_usd"]) * 1e9) for part in went["parts"])
    assert parts == round(float(agent["cost_usd"]) * 1e9) == round(float(went["cost_usd"]) * 1e9)
    assert went["called"] == {"calculation": 28}


def test_nothing_wrong_is_said_so(arc, tmp_path):
    [line] = arc("issues").err.splitlines()
    assert line.startswith("no call has been seen yet")
    arc("import", write_har(tmp_path / "fine.har", [call("finance", "r", days_ago=1)]))
    done = arc("issues", "--agent", "finance")
    assert (done.out, done.err) == (
        "",
        "Nothing went wrong of finance that shows on the wire (last 30 days).\n",
    )
    none = arc("issues", "--agent", "support")
    assert none.err == "There is no run of support in this period (last 30 days).\n"
    assert arc("issues", "--json").out == ""
    assert "Issues" not in arc("report").out


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_lines_fit_the_terminal(troubled, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert max(map(len, troubled("issues").out.splitlines())) <= int(columns)


def test_words_of_traffic_are_no_commands_for_a_terminal(arc, tmp_path):
    evil = "Error: \x1b[31mred\x07 [bold]x[/]"
    arc(
        "import", write_har(tmp_path / "evil.har", [using_a_tool("finance", "x", 0.1, evil, tool="a\x1b[2J")])
    )
    fix = arc("fix", str(number_of(arc, ""))).out
    shown_by = (arc("issues").out, arc("show", "x").out, arc("report").out, arc("issues", "--json").out, fix)
    for shown in shown_by:
        assert "\x1b" not in shown
        assert "\x07" not in shown


def test_an_issue_that_began_with_a_version_says_so(arc, tmp_path):
    entries = [call("finance", f"r{n}", days_ago=3, x_arc_version="2.0") for n in range(20)]
    for number in range(3):
        entry = cut_short("finance", f"c{number}", 0.1)
        entry["request"]["headers"].append({"name": "x-arc-version", "value": "2.1"})
        entries.append(entry)
    arc("import", write_har(tmp_path / "new.har", entries))
    assert "new in 2.1" in arc("issues").out
    assert "new in 2.1" in arc("report").out
    [row] = map(json.loads, arc("issues", "--json").out.splitlines())
    assert row["standing"] == {
        "change": "new",
        "began_at": row["first_at"],
        "began_with_version": "2.1",
        "absent_days": 0,
        "last_day": {"having": 3, "runs": 3},
        "week_before": {"having": 0, "runs": 20},
        "chance": 0.002219,
    }
    assert json.loads(arc("report", "--json").out)["issues"][0]["standing"] == row["standing"]
    fix = arc("fix", str(row["issue_id"])).out
    assert "New: first seen 2 h ago, and the agent had run before. It began with version 2.1" in fix


def test_an_issue_of_old_says_nothing_of_it(arc, tmp_path):
    entries = [cut_short("finance", f"c{n}", days) for n, days in enumerate((6, 5, 4, 3, 2, 1))]
    arc("import", write_har(tmp_path / "old.har", entries))
    assert "lately" not in arc("issues").out
    [row] = map(json.loads, arc("issues", "--json").out.splitlines())
    assert row["standing"]["change"] is None
