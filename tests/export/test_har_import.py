"""HAR files into the journal and on into the store: whole or not at all, and only once."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arc_proxy.errors import ImportRefused
from arc_proxy.export.har_import import import_har
from arc_proxy.export.rows import export_call
from arc_proxy.ingest.worker import Caught, catch_up
from arc_proxy.journal.segment import list_writers
from arc_proxy.store.engine import Store, open_store
from arc_proxy.store.read import iter_calls
from pricing.book import PriceBook, load_book
from tests.ingest.dump import dump
from tests.ingest.tape import asked, told

KEY = "sk-canary-0123456789abcdef"


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return load_book()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "arc.db")
    yield store
    store.close()


def entry(**changes: Any) -> dict[str, Any]:
    """One call; `headers` and `response_headers` are dicts, the rest goes where it belongs."""
    request = {
        "method": "POST",
        "url": changes.get("url", "https://api.openai.com/v1/chat/completions"),
        "httpVersion": "h2",
        "headers": named(changes.get("headers", {})),
        "postData": changes.get("post_data", {"mimeType": "application/json", "text": asked().decode()}),
    }
    response = {
        "status": changes.get("status", 200),
        "statusText": "OK",
        "httpVersion": "h2",
        "headers": named(changes.get("response_headers", {"content-type": "application/json"})),
        "content": changes.get("content", {"mimeType": "application/json", "text": told().decode()}),
    }
    return {
        "startedDateTime": "2026-11-25T09:30:00.5Z",
        "time": 250.5,
        "timings": {"blocked": 1, "send": 2, "wait": 97, "receive": 150.5},
        "request": request,
        "response": response,
    }


def named(headers: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def write(path: Path, *entries: Any) -> Path:
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": list(entries)}}))
    return path


def take(tmp_path: Path, store: Store, book: PriceBook, *entries: Any) -> list[dict[str, Any]]:
    imported = import_har(write(tmp_path / "file.har", *entries), tmp_path)
    assert imported.entries == len(entries)
    assert catch_up(tmp_path, store, book).calls == len(entries)
    return [export_call(row) for row in iter_calls(store)]


def test_an_entry_becomes_a_call_of_its_own_time(tmp_path: Path, store: Store, book: PriceBook) -> None:
    headers = {"x-arc-run-id": "run 7", "x-arc-tags": "case=17", "X-Arc-Agent": "fin"}
    [call] = take(tmp_path, store, book, entry(headers=headers))
    expected = {
        "run_id": "run 7",
        "agent": "fin",
        "grouping_rule": "header",
        "tags": {"case": "17"},
        "provider": "openai",
        "endpoint": "chat.completions",
        "status": 200,
        "started_at": "2026-11-25T09:30:00.500000Z",
        "first_byte_ms": 100.0,
        "duration_ms": 250.5,
        "model": "gpt-4o-mini-2024-07-18",
        "output_text": "Hello",
        "input_tokens": 1000,
        "cost_usd": "0.000210000",
        "ended": "complete",
        "captured": "full",
    }
    assert {name: call[name] for name in expected} == expected


def test_an_unknown_host_is_recognised_by_the_path(tmp_path: Path, store: Store, book: PriceBook) -> None:
    [call] = take(tmp_path, store, book, entry(url="https://llm.<masked>.example/proxy/v1/chat/completions"))
    assert (call["provider"], call["endpoint"], call["output_text"]) == ("other", "chat.completions", "Hello")


def test_base64_bodies_of_both_sides(tmp_path: Path, store: Store, book: PriceBook) -> None:
    encoded = {
        "post_data": {"text": base64.b64encode(asked()).decode(), "encoding": "base64"},
        "content": {"text": base64.b64encode(told()).decode(), "encoding": "base64"},
    }
    [call] = take(tmp_path, store, book, entry(**encoded))
    assert (call["model_requested"], call["output_text"]) == ("gpt-4o-mini", "Hello")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "unheard-of"])
def test_bodies_are_decoded_whatever_the_header_says(
    tmp_path: Path, store: Store, book: PriceBook, coding: str
) -> None:
    headers = {"content-type": "application/json", "content-encoding": coding}
    [call] = take(tmp_path, store, book, entry(headers=headers, response_headers=headers))
    assert (call["model_requested"], call["output_text"]) == ("gpt-4o-mini", "Hello")


def test_a_recorder_that_kept_the_encoded_bytes(tmp_path: Path, store: Store, book: PriceBook) -> None:
    packed = base64.b64encode(gzip.compress(told())).decode()
    [call] = take(
        tmp_path,
        store,
        book,
        entry(
            response_headers={"content-type": "application/json", "content-encoding": "gzip"},
            content={"text": packed, "encoding": "base64"},
        ),
    )
    assert call["output_text"] == "Hello"


def test_a_call_without_an_answer_is_data(tmp_path: Path, store: Store, book: PriceBook) -> None:
    [call] = take(tmp_path, store, book, entry(status=0, content={}))
    assert (call["status"], call["ended"], call["cost_usd"]) == (None, "upstream_error", None)


def test_a_body_that_the_recorder_dropped_is_not_captured(
    tmp_path: Path, store: Store, book: PriceBook
) -> None:
    [call] = take(tmp_path, store, book, entry(content={"size": 500}))
    assert (call["captured"], call["cost_usd"], call["cost_grade"]) == ("head", None, "unknown")


def test_names_in_front_of_a_path_at_a_proxy_of_ours(tmp_path: Path, store: Store, book: PriceBook) -> None:
    calls = take(
        tmp_path,
        store,
        book,
        entry(url="http://127.0.0.1:8000/run/7/openai/v1/chat/completions"),
        entry(url="https://agents.example/agent/7/v1/chat/completions"),
    )
    assert [(call["grouping_rule"], call["agent"]) for call in calls] == [("prefix", None), ("none", None)]


def test_importing_twice_changes_nothing(tmp_path: Path, store: Store, book: PriceBook) -> None:
    path = write(tmp_path / "one.har", entry(), entry())
    first = import_har(path, tmp_path)
    catch_up(tmp_path, store, book)
    before = dump(store)
    second = import_har(path.rename(tmp_path / "renamed.har"), tmp_path)
    assert (first.is_new, second.is_new, second.writer) == (True, False, first.writer)
    assert catch_up(tmp_path, store, book) == Caught()
    assert dump(store) == before
    assert len(before["call"]) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    {
        "not JSON": ("<har>", "is not JSON"),
        "another JSON": ("[1]", "this is no HAR file"),
        "the second entry": (
            json.dumps({"log": {"entries": [entry(), entry() | {"request": {}}]}}),
            r"entry 2: log\.entries\[1\]\.request\.url is missing",
        ),
    }.values(),
)
def test_a_wrong_file_is_refused_whole(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "wrong.har"
    path.write_text(content)
    with pytest.raises(ImportRefused, match=reason):
        import_har(path, tmp_path)
    assert list_writers(tmp_path / "journal") == []
    with pytest.raises(ImportRefused, match="cannot read"):
        import_har(tmp_path / "missing.har", tmp_path)


def test_an_empty_file_is_no_mistake(tmp_path: Path) -> None:
    assert import_har(write(tmp_path / "empty.har"), tmp_path).entries == 0


@pytest.mark.parametrize(
    "text", ['{"log":{"entries":[]}}', '{"log":{"entries":[], "x": NaN, "y": "\\ud800"}}']
)
def test_byte_order_marks_and_odd_escapes_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.har"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert import_har(path, tmp_path).entries == 0


def test_no_credential_reaches_the_data_folder(tmp_path: Path, book: PriceBook) -> None:
    data_dir = tmp_path / "data"
    error = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}."}})
    path = write(
        tmp_path / "file.har",
        entry(headers={"Authorization": f"Bearer {KEY}"}, status=401, content={"text": error}),
        entry(headers={"x-api-key": KEY, "Cookie": f"session={KEY}"}),
        entry(url=f"https://generativelanguage.googleapis.com/v1beta/models/m:generateContent?key={KEY}"),
        entry(post_data={"text": json.dumps({"mcp_servers": [{"authorization_token": KEY}]})}),
        entry(response_headers={"set-cookie": f"a={KEY}", "content-type": "text/plain"}),
    )
    import_har(path, data_dir)
    store = open_store(data_dir / "arc.db")
    assert catch_up(data_dir, store, book).calls == 5
    exported = json.dumps([export_call(row) for row in iter_calls(store)])
    store.close()
    assert KEY not in exported
    assert "Incorrect API key provided: cut-" in exported
    for written in data_dir.rglob("*"):
        if written.is_file():
            assert KEY.encode() not in written.read_bytes(), written
