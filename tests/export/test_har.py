"""HAR out of the journal, and back in."""

from __future__ import annotations

import functools
import io
import json
from pathlib import Path
from typing import Any

import pytest

from arc_proxy.cut import Fingerprints
from arc_proxy.export import har
from arc_proxy.export.har import HarWritten, write_har
from arc_proxy.export.har_import import import_har
from arc_proxy.export.rows import export_call
from arc_proxy.ingest.assemble import Assembler
from arc_proxy.ingest.worker import catch_up
from arc_proxy.journal.head import Gap
from arc_proxy.journal.record import Ended, RecordKind, id_text, make_exchange_id
from arc_proxy.store.engine import open_store
from arc_proxy.store.read import iter_calls
from pricing.book import PriceBook, load_book
from tests.ingest.socket_tape import Socket
from tests.ingest.tape import Tape, asked, told
from tests.wire.test_openai_responses_socket import answers, asks

FINGERPRINTS = Fingerprints(bytes(32))


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return load_book()


def export(call_ids: list[str], data_dir: Path) -> tuple[bytes, HarWritten]:
    out = io.BytesIO()
    written = write_har(call_ids, data_dir / "journal", out, version="1.2.3", fingerprints=FINGERPRINTS)
    return out.getvalue(), written


def rows(data_dir: Path, book: PriceBook) -> list[dict[str, Any]]:
    store = open_store(data_dir / "arc.db")
    catch_up(data_dir, store, book)
    exported = [export_call(row) for row in iter_calls(store)]
    store.close()
    return exported


def test_the_chosen_calls_are_written_and_no_others(tmp_path: Path) -> None:
    tapes = [Tape(tmp_path / "journal", segment_bytes_max=1500) for _ in range(2)]
    ids = [id_text(tape.call(f"{n}")) for n in range(6) for tape in tapes]
    chosen = [ids[3], ids[8]]
    content, written = export([*chosen, id_text(make_exchange_id(1, 2, 3))], tmp_path)
    assert (written.entries, written.missing) == (2, 1)
    log = json.loads(content)["log"]
    assert log["creator"] == {"name": "arc-proxy", "version": "1.2.3"}
    assert {entry["_arc"]["call_id"] for entry in log["entries"]} == set(chosen)
    for tape in tapes:
        tape.writer.close()


def test_nothing_chosen_is_a_file_all_the_same(tmp_path: Path) -> None:
    content, written = export([], tmp_path)
    assert (json.loads(content)["log"]["entries"], written) == ([], HarWritten(0, 0))


def test_an_export_imported_elsewhere_gives_the_same_calls(tmp_path: Path, book: PriceBook) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    tape = Tape(here / "journal")
    headers = ((b"x-arc-run-id", b"7"), (b"x-arc-tags", b"a=1"), (b"authorization", b"Bearer cut-01234567"))
    tape.call("one", headers)
    tape.call("Zoë 😀", odd="\ud83d")
    cut = tape.begin(asked("cut"))
    tape.answer(cut, told()[:50])
    tape.end(cut, Ended.CLIENT_CLOSED)
    lost = tape.begin(asked("lost"))
    tape.end(lost, Ended.UPSTREAM_ERROR)
    dropped = tape.begin(b"")
    tape.answer(dropped, b"")
    tape.write(dropped, RecordKind.GAP, Gap(side="request", bytes_dropped=10).encode())
    tape.write(dropped, RecordKind.GAP, Gap(side="response", bytes_dropped=20).encode())
    tape.end(dropped)
    tape.begin(asked("the gateway died"))
    tape.writer.close()
    before = rows(here, book)
    content, written = export([row["call_id"] for row in before], here)
    assert (len(before), written) == (6, HarWritten(6, 0))

    path = tmp_path / "exported.har"
    path.write_bytes(content)
    import_har(path, there)
    after = rows(there, book)
    assert [same(row) for row in after] == [same(row) for row in before]


def same(row: dict[str, Any]) -> dict[str, Any]:
    """What a trip through a file keeps: all but the id, and what is named after it."""
    kept = {name: value for name, value in row.items() if name not in ("call_id", "run_id")}
    return kept | {"run_id": None if row["grouping_rule"] == "none" else row["run_id"]}


def test_an_import_of_several_segments_tells_no_times_to_search_by(tmp_path: Path) -> None:
    no_clock = {"wall_clock": lambda: 0, "mono_clock": lambda: 0}
    tape = Tape(tmp_path / "journal", writer_id=7, segment_bytes_max=1500, **no_clock)
    first, *_ = [
        id_text(tape.call(str(n), exchange_id=tape.writer.make_id(1_790_000_000_000))) for n in range(8)
    ]
    tape.writer.close()
    assert len(list((tmp_path / "journal").rglob("*.seg"))) > 2
    assert export([first], tmp_path)[1] == HarWritten(1, 0)


def test_a_large_call_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(har, "Assembler", functools.partial(Assembler, spill_bytes=100))
    tape = Tape(tmp_path / "journal")
    call_id = id_text(tape.call("x" * 5000))
    tape.writer.close()
    [entry] = json.loads(export([call_id], tmp_path)[0])["log"]["entries"]
    assert "x" * 5000 in entry["request"]["postData"]["text"]


def test_a_websocket_is_one_entry_with_what_was_said(tmp_path: Path, book: PriceBook) -> None:
    """Out of one folder and into another it gives the same calls."""
    tape = Tape(tmp_path / "journal")
    secret = "token-of-an-mcp-server-0123456789"
    tool = {"type": "mcp", "server_url": "https://x.example", "authorization": secret}
    socket = Socket(tape, deflates=True)
    socket.say([asks("one", tools=[tool]), *answers(1, "Eins"), asks("two"), *answers(2, "Zwei")])
    socket.end()
    tape.writer.close()
    before = rows(tmp_path, book)
    assert len(before) == 2
    content, written = export([call["call_id"] for call in before], tmp_path)
    assert (written.entries, written.missing) == (1, 0)
    [entry] = json.loads(content)["log"]["entries"]
    said = entry["_webSocketMessages"]
    assert [each["type"] for each in said] == ["send", *["receive"] * 3] * 2
    assert json.loads(said[3]["data"])["type"] == "response.completed"
    assert secret not in content.decode()

    other = tmp_path / "other"
    (tmp_path / "sockets.har").write_bytes(content)
    import_har(tmp_path / "sockets.har", other)
    after = rows(other, book)
    told = ("output_text", "usage", "cost_usd", "cost_grade", "model", "endpoint", "captured")
    assert [[call[name] for name in told] for call in after] == [
        [call[name] for name in told] for call in before
    ]


def test_a_websocket_of_which_the_recorder_kept_nothing_is_not_free(tmp_path: Path, book: PriceBook) -> None:
    tape = Tape(tmp_path / "journal")
    socket = Socket(tape)
    socket.end()
    tape.writer.close()
    [call] = rows(tmp_path, book)
    content, _ = export([call["call_id"]], tmp_path)
    document = json.loads(content)
    del document["log"]["entries"][0]["_webSocketMessages"]
    (tmp_path / "sockets.har").write_text(json.dumps(document))
    import_har(tmp_path / "sockets.har", tmp_path / "other")
    [imported] = rows(tmp_path / "other", book)
    assert (call["cost_grade"], imported["cost_grade"]) == ("computed", "unknown")
