"""`arc-proxy trace` over what is stored, without a proxy."""

from __future__ import annotations

import json
import os

import pytest

from arc_proxy.format import cells
from tests.cli.test_rows_commands import recent
from tests.report.traffic import write_har

HOSTILE = "\x1b[2J\x1b]0;owned\x07 evil\u202e"


@pytest.fixture
def traffic(arc, tmp_path):
    entries = [
        recent("finance", "f-1", days_ago=2),
        recent("finance", "f-2", days_ago=1.5, status=429),
        recent("finance", "f-2", days_ago=1.4999),
        recent("lead", "task", days_ago=1),
        recent("helper", "part", days_ago=0.9, x_arc_parent_run_id="task"),
        recent("helper", "piece", days_ago=0.8, x_arc_parent_run_id="part"),
        recent(None, "nobodys", days_ago=0.5, model=f"acme{HOSTILE}"),
    ]
    assert arc("import", write_har(tmp_path / "calls.har", entries)).code == 0
    return arc


def run_lines(out: str) -> list[str]:
    return [line for line in out.splitlines()[1:] if not line.startswith("  ")]


def test_the_latest_runs_the_oldest_first_with_sub_agents_below(traffic):
    done = traffic("trace")
    assert done.code == 0
    assert run_lines(done.out) == [
        "finance  f-1",
        "finance  f-2",
        "lead  task",
        "└─ helper  part  of task",
        "└─── helper  piece  of part",
        "-  nobodys",
    ]
    assert "✗ provider.rate_limited" in done.out
    assert "unknown" in done.out
    assert "$0 " not in done.out.splitlines()[-2]


FILTERS = {
    "an agent": (("--agent", "helper"), ["└─ helper  part  of task", "└─ helper  piece  of part"]),
    "no agent": (("--agent", ""), ["-  nobodys"]),
    "a run with its sub-agents'": (
        ("--run", "part"),
        ["└─ helper  part  of task", "└─── helper  piece  of part"],
    ),
    "a time": (("--since", "20h"), ["-  nobodys"]),
    "all": (("--since", "all", "--agent", "lead"), ["lead  task"]),
}


@pytest.mark.parametrize(("options", "expected"), FILTERS.values(), ids=FILTERS)
def test_only_what_was_asked_for(traffic, options, expected):
    done = traffic("trace", *options)
    assert (done.code, run_lines(done.out)) == (0, expected)


MISTAKES = {
    "no such run": (("--run", "nowhere"), "no run is called nowhere"),
    "no time": (("--since", "soon"), "'soon' is no time"),
}


@pytest.mark.parametrize(("options", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(traffic, options, words):
    done = traffic("trace", *options)
    assert (done.code, done.out) == (2, "")
    assert words in done.err.lower()


def test_nothing_yet_is_no_failure(arc):
    done = arc("trace")
    assert (done.code, done.out) == (0, "")
    assert "no call has been seen yet" in done.err


def test_an_agent_without_runs_is_no_failure(traffic):
    done = traffic("trace", "--agent", "nobody")
    assert (done.code, done.out) == (0, "")
    assert "No run of nobody has been seen yet." in done.err


@pytest.mark.parametrize("columns", ["40", "80", "100"])
def test_hostile_text_does_nothing_and_no_line_is_too_long(traffic, monkeypatch, columns):
    monkeypatch.setitem(os.environ, "COLUMNS", columns)
    for options in ((), ("--json",)):
        out = traffic("trace", *options).out
        assert not set(out) & set("\x1b\x07\u202e")
    assert max(map(cells, traffic("trace").out.splitlines())) <= int(columns)


def test_json_is_one_object_a_line_in_the_order_of_the_runs(traffic):
    objects = [json.loads(line) for line in traffic("trace", "--json").out.splitlines()]
    assert [each["run_id"] for each in objects if each["type"] == "run"] == [
        *("f-1", "f-2", "task", "part", "piece", "nobodys")
    ]
    of_second = [each["type"] for each in objects if each["run_id"] == "f-2"]
    assert of_second == ["run", "step", "failure", "step", "end"]
    last = [each for each in objects if each["type"] == "step"][-1]
    assert (last["cost_usd"], last["cost_grade"]) == (None, "unknown")
