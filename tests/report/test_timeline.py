"""The timeline's lines: what they say, how they fold, and that no text of others breaks them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arc_proxy.call import Call, Kind, ToolCall
from arc_proxy.format import cells
from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.report.happening import Happening, happening_json, happenings_of
from arc_proxy.report.timeline import LINES_MAX, Part, Screen, heading, trace_lines
from arc_proxy.runs.ending import TIMEOUT_NS
from arc_proxy.store.engine import Store, open_store
from arc_proxy.store.read import list_runs
from arc_proxy.store.timeline import read_traces
from arc_proxy.store.write import save
from pricing.book import load_book
from pricing.cost import Cost, CostGrade
from pricing.usage import Usage, UsageGrade
from tests.store.conftest import BASE_NS, build_call

UNKNOWN = Cost(nanousd=None, grade=CostGrade.UNKNOWN)
OPEN: dict[str, Any] = {
    "duration_ns": None,
    "first_byte_ns": None,
    "status": None,
    "cost": UNKNOWN,
    "usage": Usage(),
    "usage_grade": UsageGrade.NONE,
}
NOW_NS = BASE_NS + 60 * 10**9
_CLOCK = re.compile(r"\b\d\d:\d\d:\d\d\b")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(tmp_path_factory.mktemp("timeline") / "arc.db")
    yield opened
    opened.close()


def happened(store: Store, calls: list[Call], *, is_analysed: bool = False) -> list[Happening]:
    """These calls in a store that has been emptied, oldest run first."""
    from tests.store.conftest import empty

    empty(store)
    save(store, calls)
    if is_analysed:
        analyse_due(store, load_book(), BASE_NS + 2 * TIMEOUT_NS)
    runs = list_runs(store, limit=500)[::-1]
    return [each for trace in read_traces(store, runs, calls_max=500) for each in happenings_of(trace)]


def texts(lines: Any) -> list[str]:
    return [_CLOCK.sub("hh:mm:ss", text) for _, text in lines]


def tool(name: str) -> ToolCall:
    return ToolCall(id=None, name=name, arguments="{}")


def test_a_run_step_by_step(store):
    def step(number: int, **fields: Any) -> Call:
        return build_call(number, reply_model="gpt-5", **({"grouping_run_id": "task"} | fields))

    refused = {"status": 429, "usage_grade": UsageGrade.NONE, "usage": Usage(), "reply_finish_reason": None}
    first = step(1, **refused)
    calls = [
        first,
        step(2, attempt_of=first.call_id, attempt=2, reply_tool_calls=(tool("find"),)),
        step(3, cost=UNKNOWN),
        step(4, kind=Kind.AUXILIARY, auxiliary="title"),
        step(5, grouping_run_id="part", grouping_parent_run_id="task", grouping_agent="helper"),
        step(6, grouping_run_id="part", grouping_agent="helper", **OPEN),
    ]
    assert texts([heading(98), *trace_lines(happened(store, calls), 98, NOW_NS)]) == [
        "  time      model                   in  cached     out       cost      took  tools, end",
        "finance  task",
        "  hh:mm:ss  gpt-5                    -       -       -  $0.0000045    900 ms  429",
        "  hh:mm:ss  gpt-5                   10       0       5  $0.0000045    900 ms  ↻ attempt 2, → find",
        "  hh:mm:ss  gpt-5                   10       0       5    unknown    900 ms  stop",
        "  and 1 auxiliary call: 1 title; $0.0000045",
        "└─ helper  part  of task",
        "  hh:mm:ss  gpt-5                   10       0       5  $0.0000045    900 ms  stop",
        "  hh:mm:ss  gpt-5                    -       -       -          -      54 s  in progress",
    ]


def test_what_failed_stands_below_its_call_and_the_end_below_all(store):
    calls = [
        build_call(1, grouping_run_id="task"),
        build_call(2, grouping_run_id="task", status=401, reply_finish_reason=None),
    ]
    parts = [part for part, _ in trace_lines(happened(store, calls, is_analysed=True), 100, NOW_NS)]
    assert parts == [Part.RUN, Part.STEP, Part.BAD_STEP, Part.FAILURE, Part.END]


def test_what_is_left_out_before_the_first_step_is_counted(store):
    happened(store, [build_call(number, grouping_run_id="task") for number in range(5)])
    [trace] = read_traces(store, list_runs(store), calls_max=2)
    assert texts(trace_lines(happenings_of(trace), 100, NOW_NS))[:2] == [
        "finance  task",
        "  +3 earlier calls",
    ]
    assert happening_json(happenings_of(trace)[0])["earlier_calls"] == 3


def test_the_line_of_a_run_that_stands_above_already_is_not_repeated(store):
    found, screen = happened(store, [build_call(1, grouping_run_id="task")]), Screen()
    assert [part for part, _ in screen.lines(found, 100, NOW_NS)] == [Part.RUN, Part.STEP]
    assert [part for part, _ in screen.lines(found, 100, NOW_NS)] == [Part.STEP]


def test_there_is_room_for_a_burst_but_not_for_one_after_the_other(store):
    calls = [build_call(number, grouping_run_id=f"run-{number % 2}") for number in range(20)]
    found, screen = happened(store, calls), Screen()
    assert [len(screen.lines(found, 100, NOW_NS)) for _ in range(5)] == [22, 2, 22, 2, 22]


FOLDED = {
    "few runs: a line each": (3, 2, 10, [r"^hh:mm:ss  agent-0 run-0  10 steps, \$0.000045, "]),
    "many runs: a line for each agent": (30, 2, 1, [r"^hh:mm:ss  agent-0 \(15 runs\)  15 steps, "]),
    "many agents: the rest together": (30, 30, 1, [r"^hh:mm:ss  21 more agents  \+21 more steps, "]),
}


@pytest.mark.parametrize(("runs", "agents", "steps", "patterns"), FOLDED.values(), ids=FOLDED)
def test_more_than_can_be_read_is_summed_up_and_nothing_is_left_out(store, runs, agents, steps, patterns):
    calls = [
        build_call(
            number,
            grouping_run_id=f"run-{number % runs}",
            grouping_agent=f"agent-{number % runs % agents}",
            reply_tool_calls=(tool("search"),),
        )
        for number in range(runs * steps)
    ]
    said = texts(Screen().lines(happened(store, calls), 100, NOW_NS))
    assert len(said) <= LINES_MAX
    assert sum(int(found) for found in re.findall(r"(\d+) (?:more )?steps?,", "\n".join(said))) == len(calls)
    for pattern in patterns:
        assert any(re.search(pattern, text) for text in said), said


def test_a_call_is_a_step_of_the_sums_once_it_has_ended(store):
    screen, said = Screen(), []
    for fields in (OPEN, {}):
        calls = [build_call(number, grouping_run_id="r", **fields) for number in range(3 * LINES_MAX)]
        said += screen.lines(happened(store, calls), 100, NOW_NS)
    assert texts(said) == [
        "hh:mm:ss  finance r  0 steps, 30 open",
        "hh:mm:ss  finance r  30 steps, $0.00014, 300 in, 150 out, up to 900 ms",
    ]


HOSTILE = "\x1b]0;owned\x07\x1b[31mred\u202e\u2028\ttool\r\n\x9b2J漢字"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(40, 120),
    word=st.one_of(st.just(HOSTILE), st.text(min_size=1, max_size=80)),
    runs=st.integers(1, 14),
    is_open=st.booleans(),
)
def test_no_line_is_wider_than_the_terminal_or_acts_on_it(store, width, word, runs, is_open):
    calls = [
        build_call(
            number,
            grouping_run_id=f"{word}-{number}",
            grouping_agent=word,
            grouping_parent_run_id=word,
            reply_model=word,
            reply_finish_reason=word,
            reply_tool_calls=(tool(word),) * (number % 2),
            **(OPEN if is_open else {"status": (200, 500)[number % 2]}),
        )
        for number in range(runs)
    ]
    found = happened(store, calls, is_analysed=True)
    lines = [line for screen in [Screen()] for _ in range(3) for line in screen.lines(found, width, NOW_NS)]
    for _, text in [heading(width), *trace_lines(found, width, NOW_NS, depth=3), *lines]:
        assert cells(text) <= width, text
        assert text.isprintable() or not set(text) & set("\x1b\x07\x9b\n\r\t\u202e\u2028"), text


FIELDS = {
    "run": {
        "type",
        "run_id",
        "agent",
        "parent_run_id",
        "session_id",
        "framework",
        "started_at",
        "tags",
        "earlier_calls",
    },
    "step": {
        *("type", "run_id", "agent", "call_id", "attempt_of", "attempt", "auxiliary", "provider", "model"),
        *("tools", "started_at", "in_progress", "status", "ended", "finish_reason", "first_byte_ms"),
        *("duration_ms", "input_tokens", "cached_input_tokens", "output_tokens", "cost_usd", "cost_grade"),
    },
    "failure": {
        *("type", "run_id", "agent", "call_id", "at", "code", "severity", "is_recovered", "times"),
        *("evidence", "issue_id"),
    },
    "end": {
        *("type", "run_id", "agent", "ended_at", "outcome", "outcome_source", "failed", "calls", "attempts"),
        *("errors", "input_tokens", "output_tokens", "cost_usd", "cost_grade"),
    },
}


def test_every_object_has_every_field_of_its_type(store):
    calls = [
        build_call(1, grouping_run_id="task", cost=UNKNOWN, usage_grade=UsageGrade.NONE, usage=Usage()),
        build_call(2, grouping_run_id="task", status=401),
    ]
    objects = [
        json.loads(json.dumps(happening_json(each))) for each in happened(store, calls, is_analysed=True)
    ]
    assert [each["type"] for each in objects] == ["run", "step", "step", "failure", "end"]
    for each in objects:
        assert set(each) == FIELDS[each["type"]]
    unknown = objects[1]
    assert (unknown["cost_usd"], unknown["input_tokens"], unknown["in_progress"]) == (None, None, False)
