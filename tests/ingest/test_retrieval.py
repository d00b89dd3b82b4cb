"""A response that is polled, fetched again or made elsewhere is billed once."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from arc_proxy.call import Kind
from arc_proxy.ingest.intake import Intake
from arc_proxy.ingest.placing import Placer
from arc_proxy.ingest.projection import project
from arc_proxy.ingest.recost import recost
from arc_proxy.ingest.worker import catch_up, rebuild
from arc_proxy.journal.head import RequestHead
from arc_proxy.journal.record import RecordKind
from arc_proxy.store.engine import Store
from arc_proxy.store.read import iter_calls
from arc_proxy.store.report import read_use
from arc_proxy.store.rollup import check
from arc_proxy.store.totals import Period
from pricing.book import PriceBook
from tests.ingest.dump import dump
from tests.ingest.tape import REQUEST, RESPONSE, Tape

USAGE = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
COST = 1000 * 150 + 100 * 600  # gpt-4o-mini's nanodollars
ASKED = b'{"model":"gpt-4o-mini","input":"hi","background":true}'


def response(status: str, response_id: str = "resp_1") -> bytes:
    is_done = status == "completed"
    text = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}
    body: dict[str, Any] = {"id": response_id, "object": "response", "status": status, "model": "gpt-4o-mini"}
    return json.dumps(
        body | {"output": [text] if is_done else [], "usage": USAGE if is_done else None}
    ).encode()


def head(method: bytes, path: str) -> RequestHead:
    return replace(
        REQUEST, method=method, target=f"/openai{path}".encode(), url=f"https://api.openai.com{path}"
    )


def exchange(tape: Tape, method: bytes, path: str, asked: bytes, answered: bytes) -> None:
    exchange_id = tape.writer.make_id()
    tape.write(exchange_id, RecordKind.REQUEST_HEAD, head(method, path).encode())
    tape.write(exchange_id, RecordKind.REQUEST_BODY, asked)
    tape.write(exchange_id, RecordKind.RESPONSE_HEAD, RESPONSE.encode())
    tape.write(exchange_id, RecordKind.RESPONSE_BODY, answered)
    tape.end(exchange_id)


def ask(tape: Tape, status: str = "queued", response_id: str = "resp_1") -> None:
    exchange(tape, b"POST", "/v1/responses", ASKED, response(status, response_id))


def poll(tape: Tape, status: str = "completed", response_id: str = "resp_1") -> None:
    exchange(tape, b"GET", f"/v1/responses/{response_id}", b"", response(status, response_id))


def billed(store: Store) -> list[tuple[str, int | None, int]]:
    return [
        (call.kind.value, call.cost_nanousd, call.usage.input_tokens)
        for call in iter_calls(store)
        if call.kind is Kind.GENERATION
    ]


def tokens_in_sums(store: Store) -> int:
    period = Period(since_ns=0, until_ns=2**62)
    return sum(
        series.totals.input_text_tokens for agent in read_use(store, period).agents for series in agent.series
    )


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path / "journal")


def test_a_poll_completes_the_call_that_asked(
    tape: Tape, tmp_path: Path, either: Store, book: PriceBook
) -> None:
    ask(tape)
    for status in ("queued", "in_progress", "completed", "completed"):
        poll(tape, status)
    tape.writer.close()
    catch_up(tmp_path, either, book)
    assert billed(either) == [("generation", COST, 1000)]
    calls = list(iter_calls(either))
    assert [call.cost_nanousd for call in calls] == [COST, 0, 0, 0, 0]
    assert (calls[0].output_text, calls[0].finish_reason) == ("hello", "completed")
    assert tokens_in_sums(either) == 1000
    assert check(either) == ()


def test_whatever_is_read_with_what_it_comes_to_the_same(
    tape: Tape, tmp_path: Path, either: Store, book: PriceBook
) -> None:
    """Batch by batch, one record of the journal more each time, and once more from the beginning."""
    placer = Placer()
    for step in (ask, lambda tape: poll(tape, "queued"), poll, poll):
        step(tape)
        intake = Intake(tmp_path / "journal", {})
        for batch in intake.batches(1 << 62):
            project(either, batch, book, intake.whole, placer)
    tape.writer.close()
    step_by_step = dump(either)
    rebuild(tmp_path, either, book)
    assert dump(either) == step_by_step
    assert billed(either) == [("generation", COST, 1000)]


def test_a_response_that_was_made_elsewhere_is_billed_by_its_first_retrieval(
    tape: Tape, tmp_path: Path, either: Store, book: PriceBook
) -> None:
    poll(tape)
    poll(tape)
    tape.writer.close()
    catch_up(tmp_path, either, book)
    assert billed(either) == [("generation", COST, 1000)]
    before = dump(either)
    rebuild(tmp_path, either, book)
    assert recost(tmp_path, either, book, apply=True).changed == 0
    assert dump(either) == before


def test_what_was_answered_at_once_is_not_billed_again(
    tape: Tape, tmp_path: Path, either: Store, book: PriceBook
) -> None:
    ask(tape, "completed")
    poll(tape)
    tape.writer.close()
    catch_up(tmp_path, either, book)
    assert [call.cost_nanousd for call in iter_calls(either)] == [COST, 0]
    assert tokens_in_sums(either) == 1000


@pytest.mark.parametrize("order", list(permutations(["resp_1", "resp_2", "resp_3"]))[:4])
def test_responses_are_kept_apart(
    tape: Tape, tmp_path: Path, either: Store, book: PriceBook, order: tuple[str, ...]
) -> None:
    for name in ("resp_1", "resp_2"):
        ask(tape, response_id=name)
    for name in order:
        poll(tape, response_id=name)
    tape.writer.close()
    catch_up(tmp_path, either, book)
    assert billed(either) == [("generation", COST, 1000)] * 3


@pytest.mark.parametrize("status", ["failed", "cancelled", "in_progress"])
def test_what_was_never_finished_bills_nothing_more(
    tape: Tape, tmp_path: Path, either: Store, book: PriceBook, status: str
) -> None:
    ask(tape)
    poll(tape, status)
    tape.writer.close()
    catch_up(tmp_path, either, book)
    assert billed(either) == [("generation", None, 0)]
