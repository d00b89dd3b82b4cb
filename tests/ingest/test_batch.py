"""Results of batches become calls at batch rates, once, however often their file is fetched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import Kind
from arc_proxy.ingest.recost import recost
from arc_proxy.ingest.regroup import regroup
from arc_proxy.ingest.worker import catch_up, rebuild
from arc_proxy.journal.record import RecordKind
from arc_proxy.store.engine import Store
from arc_proxy.store.read import iter_calls
from arc_proxy.store.rollup import check
from arc_proxy.wire.batch_results import read_results
from pricing.book import PriceBook
from tests.ingest.dump import dump
from tests.ingest.tape import REQUEST, RESPONSE, Tape

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
# gpt-4o-mini at batch rates: 75 and 300 nanodollars a token. Claude Haiku 4.5: 500 and 2,500.
OPENAI_COST = 1000 * 75 + 100 * 300
ANTHROPIC_COST = 1000 * 500 + 100 * 2500


def openai_line(number: int, **body: Any) -> bytes:
    message = {"role": "assistant", "content": f"answer {number}"}
    reply = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    response = {"status_code": 200, "request_id": "r", "body": reply | body}
    row = {"id": f"batch_req_{number}", "custom_id": f"case-{number}", "response": response, "error": None}
    return json.dumps(row).encode()


def openai_error(number: int) -> bytes:
    response = {"status_code": 400, "body": {"error": {"type": "invalid_request_error", "message": "no"}}}
    return json.dumps({"custom_id": f"case-{number}", "response": response, "error": None}).encode()


def anthropic_line(number: int) -> bytes:
    message = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1000, "output_tokens": 100},
    }
    row = {"custom_id": f"case-{number}", "result": {"type": "succeeded", "message": message}}
    return json.dumps(row).encode()


EXPIRED = b'{"custom_id":"late","result":{"type":"expired"}}'


def fetch(tape: Tape, path: str, lines: list[bytes], *, host: str = "api.openai.com", cut: int = 0) -> None:
    exchange_id = tape.writer.make_id()
    head = replace(REQUEST, method=b"GET", target=f"/openai{path}".encode(), url=f"https://{host}{path}")
    body = b"\n".join(lines) + b"\n"
    tape.write(exchange_id, RecordKind.REQUEST_HEAD, head.encode())
    tape.write(exchange_id, RecordKind.RESPONSE_HEAD, RESPONSE.encode())
    tape.write(exchange_id, RecordKind.RESPONSE_BODY, body[: len(body) - cut])
    tape.end(exchange_id)


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path / "journal")


def batch_rows(store: Store) -> list[Any]:
    return [call for call in iter_calls(store) if call.kind is Kind.BATCH]


OPENAI_FILE = "/v1/files/file-1/content"


def test_each_result_is_a_call_at_batch_rates(
    tape: Tape, tmp_path: Path, either: Store, book: PriceBook
) -> None:
    fetch(tape, OPENAI_FILE, [openai_line(1), openai_line(2), openai_error(3)])
    tape.writer.close()
    catch_up(tmp_path, either, book)
    first, second, failed = batch_rows(either)
    assert (first.cost_nanousd, second.cost_nanousd, failed.cost_nanousd) == (OPENAI_COST, OPENAI_COST, 0)
    assert (first.output_text, first.tags, first.endpoint) == (
        "answer 1",
        {"custom_id": "case-1"},
        "chat.completions",
    )
    assert (failed.status, failed.error.message) == (400, "no")
    [whole] = [call for call in iter_calls(either) if call.kind is Kind.AUXILIARY]
    assert whole.cost_nanousd == 0
    assert [call.call_id for call in (first, second, failed)] == [f"{whole.call_id}.{n}" for n in (1, 2, 3)]
    assert len({call.run_id for call in (first, second, failed)}) == 1
    assert check(either) == ()


def test_anthropics_results(tape: Tape, tmp_path: Path, either: Store, book: PriceBook) -> None:
    path = "/v1/messages/batches/msgbatch_1/results"
    fetch(tape, path, [anthropic_line(1), EXPIRED, anthropic_line(2)], host="api.anthropic.com")
    tape.writer.close()
    catch_up(tmp_path, either, book)
    assert [(call.provider, call.cost_nanousd) for call in batch_rows(either)] == [
        ("anthropic", ANTHROPIC_COST)
    ] * 2


def gemini_reply(number: int) -> dict[str, Any]:
    part = {"parts": [{"text": f"answer {number}"}], "role": "model"}
    return {
        "candidates": [{"content": part, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100},
        "modelVersion": "gemini-2.5-flash",
        "responseId": f"gem-{number}",
    }


def gemini_batch(*rows: dict[str, Any]) -> bytes:
    operation = {
        "name": "batches/b1",
        "metadata": {"state": "BATCH_STATE_SUCCEEDED"},
        "done": True,
        "response": {"inlinedResponses": {"inlinedResponses": list(rows)}},
    }
    return json.dumps(operation, indent=1).encode()


# gemini-2.5-flash at batch rates: 150 and 1,250 nanodollars a token.
GEMINI_COST = 1000 * 150 + 100 * 1250
GEMINI = {
    "in the batch itself": (
        "/v1beta/batches/b1",
        gemini_batch(
            {"response": gemini_reply(1), "metadata": {"key": "case-1"}},
            {"error": {"code": 3, "message": "no"}},
            {"response": gemini_reply(2), "metadata": {"key": "case-2"}},
        ),
    ),
    "in a file": (
        "/download/v1beta/files/out:download",
        b"\n".join(
            json.dumps({"key": f"case-{number}", "response": gemini_reply(number)}).encode()
            for number in (1, 2)
        ),
    ),
}


@pytest.mark.parametrize(("path", "document"), GEMINI.values(), ids=GEMINI)
def test_geminis_results(
    tape: Tape, tmp_path: Path, either: Store, book: PriceBook, path: str, document: bytes
) -> None:
    for _ in range(2):  # a client polls
        fetch(tape, path, [document], host="generativelanguage.googleapis.com")
    tape.writer.close()
    catch_up(tmp_path, either, book)
    calls = batch_rows(either)
    assert [(call.provider, call.model, call.cost_nanousd) for call in calls] == [
        ("google", "gemini-2.5-flash", GEMINI_COST)
    ] * 2
    assert [(call.tags["custom_id"], call.output_text) for call in calls] == [
        ("case-1", "answer 1"),
        ("case-2", "answer 2"),
    ]


def test_a_file_that_is_fetched_again_counts_once(
    tape: Tape, tmp_path: Path, either: Store, book: PriceBook
) -> None:
    fetch(tape, OPENAI_FILE, [openai_line(1), openai_line(2)])
    catch_up(tmp_path, either, book)
    fetch(tape, OPENAI_FILE, [openai_line(1), openai_line(2), openai_line(3)])
    fetch(tape, OPENAI_FILE, [openai_line(1), openai_line(2), openai_line(3)])
    tape.writer.close()
    catch_up(tmp_path, either, book)
    assert [call.cost_nanousd for call in batch_rows(either)] == [OPENAI_COST] * 3
    before = dump(either)
    rebuild(tmp_path, either, book)
    assert recost(tmp_path, either, book, apply=True).changed == 0
    assert regroup(tmp_path, either).moved == 0
    assert dump(either) == before


def test_of_a_file_that_was_cut_the_whole_lines_count(
    tape: Tape, tmp_path: Path, either: Store, book: PriceBook
) -> None:
    fetch(tape, OPENAI_FILE, [openai_line(1), openai_line(2)], cut=20)
    tape.writer.close()
    catch_up(tmp_path, either, book)
    assert [call.tags["custom_id"] for call in batch_rows(either)] == ["case-1"]


def test_other_files_are_none(tape: Tape, tmp_path: Path, either: Store, book: PriceBook) -> None:
    fetch(tape, OPENAI_FILE, [b"a,b,c", b'{"custom_id":1}', b'{"prompt":"x"}'])
    fetch(tape, "/v1/files/file-1", [openai_line(1)])
    tape.writer.close()
    catch_up(tmp_path, either, book)
    assert batch_rows(either) == []


_FIELDS = ["custom_id", "response", "result", "body", "type", "message", "candidates", "inlinedResponses"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "custom_id",
                    "response",
                    "result",
                    "body",
                    "type",
                    "message",
                    "candidates",
                    "inlinedResponses",
                ]
            ),
            inner,
        )
    ),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(st.sampled_from(["custom_id", "response", "result"]), _JSON)), st.binary())
def test_any_file_is_read(rows: list[Any], rest: bytes) -> None:
    body = b"\n".join(json.dumps(row).encode() for row in rows) + b"\n" + rest
    assert all(isinstance(result.custom_id, str) for result in read_results(body))
