"""Exported rows: exactly the promised fields, in their order, as the schemas say, on both databases."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.export.csv import write_csv
from arc_proxy.export.jsonl import write_jsonl
from arc_proxy.export.rows import export_call, export_run, fields_of, load_schema, usd
from arc_proxy.ingest.assemble import AGE_NS
from arc_proxy.ingest.worker import catch_up
from arc_proxy.journal.fact import FactType
from arc_proxy.journal.record import Ended
from arc_proxy.store.engine import Store, open_store
from arc_proxy.store.read import iter_calls, iter_runs
from pricing.book import load_book
from tests.ingest.tape import Tape, asked, told

CALL_FIELDS = (
    "call_id attempt_of attempt session_id run_id parent_run_id agent grouping_rule grouping_confidence "
    "provider dialect endpoint kind stream status started_at first_byte_ms duration_ms model_requested model "
    "finish_reason tool_calls server_tools output_text usage usage_grade input_tokens cached_input_tokens "
    "cache_write_tokens output_tokens reasoning_tokens cost_usd cost_grade ended captured error tags "
    "cost_disputed_usd"
)
RUN_FIELDS = (
    "run_id session_id parent_run_id agent agent_version framework started_at ended_at calls attempts steps "
    "failures input_tokens output_tokens cost_usd cost_grade unpriced_calls outcome outcome_source models "
    "tags"
)
NAMES = ("run-id", "agent", "user", "version")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store with calls of every sort."""
    target: str | Path = tmp_path / "arc.db"
    if request.param == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("new_postgres_url")
        target = make()
    tape = Tape(tmp_path / "journal")
    named = tuple(
        (f"x-arc-{name}".encode(), name.encode()) for name in ("run-id", "agent", "user", "version")
    )
    tape.call("plain")
    tape.call("named", (*named, (b"x-arc-tags", b"case=17,beta"), (b"x-arc-session-id", b"s")))
    unpriced = tape.begin(asked(model="acme-1"), named)
    tape.answer(unpriced, told(model="acme-1"))
    tape.end(unpriced)
    tape.call("hostile \0 \ud83d", named, odd="\ud83d", huge=2**80, error={"type": 7, "message": ["\0"]})
    tape.whole(b"\xff\x00 no JSON")
    refused = tape.begin(asked())
    tape.answer(refused, b'{"error":{"type":"rate_limit_error","message":"slow down"}}', status=429)
    tape.end(refused)
    tape.end(tape.begin(asked()), Ended.UPSTREAM_ERROR)
    cut = tape.begin(asked())
    tape.answer(cut, told()[:20])
    tape.end(cut, Ended.CLIENT_CLOSED)
    tape.begin(asked("still open"))
    tape.fact(FactType.OUTCOME, run_id="run-id", agent="agent", outcome="success", source="test")
    tape.fact(FactType.RUN_START, run_id="without calls", agent="agent", tags={"a": "b"})
    opened = open_store(target)
    caught = catch_up(tmp_path, opened, load_book(), clock=lambda: time.time_ns() + AGE_NS)
    assert (caught.calls, caught.facts, caught.refused) == (9, 2, 0)
    yield opened
    opened.close()
    tape.writer.close()


def calls(store: Store) -> list[dict[str, Any]]:
    return [export_call(row) for row in iter_calls(store)]


def runs(store: Store) -> list[dict[str, Any]]:
    return [export_run(row) for row in iter_runs(store)]


def test_rows_are_what_the_schemas_say(store: Store) -> None:
    for noun, fields, rows in (("call", CALL_FIELDS, calls(store)), ("run", RUN_FIELDS, runs(store))):
        schema = load_schema(noun)
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(
            schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
        assert list(fields_of(noun)) == list(schema["properties"]) == fields.split()
        assert rows
        for row in rows:
            assert list(row) == fields.split()
            validator.validate(row)


def test_nothing_is_a_zero_that_nobody_counted(store: Store) -> None:
    by_model = {call["model"]: call for call in calls(store)}
    unpriced = by_model["acme-1"]
    assert (unpriced["input_tokens"], unpriced["cost_usd"], unpriced["cost_grade"]) == (1000, None, "unknown")
    [unread] = [call for call in calls(store) if call["ended"] == "client_closed"]
    assert (unread["usage_grade"], unread["input_tokens"], unread["cost_usd"]) == ("none", None, None)
    [refused] = [call for call in calls(store) if call["status"] == 429]
    assert (refused["cost_usd"], refused["cost_grade"]) == ("0.000000000", "computed")
    assert refused["error"] == {"type": "rate_limit_error", "message": "slow down"}


def test_a_run_sums_its_calls_and_says_what_is_missing(store: Store) -> None:
    [run] = [run for run in runs(store) if run["run_id"] == "run-id"]
    expected = {
        "agent": "agent",
        "session_id": "s",
        "agent_version": "version",
        "calls": 3,
        "outcome": "success",
        "outcome_source": "test",
        "unpriced_calls": 1,
        "cost_grade": "partial",
        "cost_usd": "0.000420000",
        "input_tokens": 3000,
    }
    assert {name: run[name] for name in expected} == expected


def test_an_open_call_has_no_duration(store: Store) -> None:
    [still_open] = [call for call in calls(store) if call["duration_ms"] is None]
    assert (still_open["ended"], still_open["model_requested"]) == ("interrupted", "gpt-4o-mini")


def test_lines_and_cells_hold_whatever_was_captured(store: Store) -> None:
    lines, cells = io.BytesIO(), io.StringIO(newline="")
    assert write_jsonl(iter(calls(store)), lines) == 9
    assert [json.loads(line)["call_id"] for line in lines.getvalue().splitlines()] == [
        call["call_id"] for call in calls(store)
    ]
    assert write_csv(calls(store), fields_of("call"), cells) == 9
    assert "\0" not in cells.getvalue()


@given(st.integers(0, 2**62))
def test_a_cost_has_nine_places_and_is_exact(nanousd: int) -> None:
    text = usd(nanousd)
    assert text is not None
    whole, _, places = text.partition(".")
    assert len(places) == 9
    assert int(whole) * 10**9 + int(places) == nanousd
