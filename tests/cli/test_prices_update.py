"""`arc-proxy prices diff` and `update`, against a package index on this machine."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from arc_proxy.cli.folder import Folder
from arc_proxy.cli.live_book import LiveBook
from pricing.book import load_book
from tests.pricing.test_sources import wheel

MODULE = (
    "providers = [Provider(id='openai', models=["
    "ModelInfo(id='gpt-99', match=ClauseEquals(equals='gpt-99'), prices=ModelPrice("
    "input_mtok=Decimal('2'), output_mtok=Decimal('8'))),"
    "ModelInfo(id='gpt-98', match=ClauseEquals(equals='gpt-98'),"
    "prices=ModelPrice(input_mtok=Decimal('0')))])]"
)
TODAY = datetime.now(UTC).date().isoformat()


class Index:
    """A package index with one project of one release, and whatever else a path answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.wheel = wheel(MODULE)
        self.release: dict[str, Any] = {}
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {
            "/index.json": lambda handler: _send(handler, json.dumps({"urls": [self.release]}).encode()),
            "/files/w.whl": lambda handler: _send(handler, self.wheel),
        }
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append((self.path, dict(self.headers)))
                answer = index.answers.get(self.path.partition("?")[0])
                if answer is None:
                    self.send_error(404)
                else:
                    answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.release = {
            "packagetype": "bdist_wheel",
            "yanked": False,
            "url": "files/w.whl",
            "digests": {"sha256": hashlib.sha256(self.wheel).hexdigest()},
        }


def _send(handler: BaseHTTPRequestHandler, content: bytes, length: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content) if length is None else length))
    handler.end_headers()
    handler.wfile.write(content)


def _redirect(handler: BaseHTTPRequestHandler, target: str) -> None:
    handler.send_response(302)
    handler.send_header("Location", target)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.fixture
def index() -> Iterator[Index]:
    made = Index()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def updates(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "data" / "prices").glob("*"))


def test_the_newest_wheel_becomes_rows_of_the_data_folder(arc, index, tmp_path):
    assert arc("prices", "show", "gpt-99").code == 2
    done = arc("prices", "update", "--index", f"{index.url}/index.json")
    assert done.code == 0
    assert "new  openai/gpt-99" in done.out
    assert f"1 row added in {tmp_path}/data/prices/{TODAY}.01.jsonl" in done.out
    assert "not taken: openai/gpt-98: input_text becomes $0" in done.err
    assert "--yes takes them too" in done.err
    (written,) = updates(tmp_path)
    assert written.stat().st_mode & 0o777 == 0o600
    assert written.parent.stat().st_mode & 0o777 == 0o700
    shown = arc("prices", "show", "gpt-99").out
    assert "$8.00 per million tokens" in shown
    assert "genai-prices 9.1" in shown
    assert "+updated-" in json.loads(arc("prices", "list", "--json").out)["version"]
    assert "gpt-99" not in arc("prices", "list", "openai", "--match", "gpt-98").out


def test_a_second_update_adds_what_the_first_refused_and_no_more(arc, index, tmp_path):
    command = ("prices", "update", "--index", f"{index.url}/index.json")
    arc(*command)
    done = json.loads(arc(*command, "--yes", "--json").out)
    assert (done["added"], done["file"]) == (1, str(tmp_path / "data" / "prices" / f"{TODAY}.02.jsonl"))
    assert [(each["model"], each["taken"]) for each in done["changes"]] == [("gpt-98", True)]
    assert arc(*command, "--yes").out.endswith("no row differs.\nNothing was added.\n")
    assert len(updates(tmp_path)) == 2


def test_a_dry_run_writes_nothing(arc, index, tmp_path):
    done = arc("prices", "update", "--dry-run", "--yes", "--index", f"{index.url}/index.json")
    assert (done.code, updates(tmp_path)) == (0, [])
    assert "new  openai/gpt-99" in done.out
    assert not (tmp_path / "data").exists()


def test_diff_reads_a_file_and_writes_nothing(arc, tmp_path):
    (tmp_path / "p.whl").write_bytes(wheel(MODULE))
    said = json.loads(arc("prices", "diff", tmp_path / "p.whl", "--json").out)
    assert (said["source"], said["rows"]) == ("genai-prices 9.1", 2)
    assert said["changes"][0]["moves"][0] == {
        "bucket": "input_text",
        "over": 0,
        "old": None,
        "new": 2_000_000,
        "ratio": None,
    }
    assert not (tmp_path / "data").exists()


def test_costs_go_by_the_updated_book(arc, index, monkeypatch):
    import io

    arc("prices", "update", "--index", f"{index.url}/index.json")
    question = {
        "provider": "openai",
        "model": "gpt-99",
        "response": {"usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    }
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(question)))
    assert json.loads(arc("prices", "cost", "--json").out)["cost_nanousd"] == 22_000


def test_a_url_is_a_source_and_its_key_stays_unsaid(arc, index):
    key = "s3cret-key"
    at = index.url.replace("http://", f"http://me:{key}@")
    done = arc("prices", "diff", f"{at}/files/w.whl?token={key}")
    assert "new  openai/gpt-99" in done.out
    path, headers = index.asked[0]
    assert path == f"/files/w.whl?token={key}"
    assert headers["Authorization"].startswith("Basic ")
    failed = arc("prices", "diff", f"{at}/nothing?token={key}")
    assert (failed.code, failed.out) == (1, "")
    assert f"{index.url}/nothing answered 404." in failed.err
    assert key not in done.out + done.err + failed.err


def test_the_password_does_not_go_along_to_another_host(arc, index):
    other = Index()
    thread = threading.Thread(target=other.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        index.answers["/moved"] = lambda handler: _redirect(handler, f"{other.url}/files/w.whl")
        at = index.url.replace("http://", "http://me:s3cret@")
        assert arc("prices", "diff", f"{at}/moved").code == 0
    finally:
        other.server.shutdown()
        other.server.server_close()
        thread.join()
    assert "Authorization" in index.asked[0][1]
    assert "Authorization" not in other.asked[0][1]


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with pytest.raises(OSError):  # noqa: PT012  until the other side has had enough
        while True:
            handler.wfile.write(b" " * 1_000_000)


def _corrupt(index: Index) -> None:
    index.wheel = index.wheel[:-1] + b"\1"


def _answer(path: str, content: bytes, length: int | None = None) -> Callable[[Index], None]:
    return lambda index: index.answers.update({path: lambda handler: _send(handler, content, length)})


BAD: dict[str, tuple[Callable[[Index], None], tuple[str, ...], int, str]] = {
    "a wheel with another checksum": (_corrupt, ("update",), 1, "its sha256 differs"),
    "an index that is none": (_answer("/index.json", b"<html>"), ("update",), 1, "names no wheel"),
    "an index without a wheel": (_answer("/index.json", b'{"urls": []}'), ("update",), 1, "names no wheel"),
    "a release that was withdrawn": (
        lambda index: index.release.update(yanked=True),
        ("update",),
        1,
        "names no wheel",
    ),
    "an index that is not there": (lambda index: index.answers.clear(), ("update",), 1, "answered 404"),
    "an answer that breaks off": (
        _answer("/x", b"[]", 100),
        ("diff", "{url}/x"),
        1,
        "could not be fetched|broke off",
    ),
    "an answer without end": (
        lambda index: index.answers.update({"/x": _endless}),
        ("diff", "{url}/x"),
        1,
        "is larger than 16 MiB",
    ),
    "a way round to what is no URL": (
        lambda index: index.answers.update({"/x": lambda handler: _redirect(handler, "http://[::1/x")}),
        ("diff", "{url}/x"),
        1,
        "leads to what is no URL",
    ),
    "what is no URL": (lambda _: None, ("diff", "http://[::1"), 2, "http:// or https:// URL"),
    "a checksum that is no text": (
        lambda index: index.release["digests"].update(sha256="\ud800"),
        ("update",),
        1,
        "its sha256 differs",
    ),
    "a way round to a file": (
        lambda index: index.answers.update({"/x": lambda handler: _redirect(handler, "file:///etc/passwd")}),
        ("diff", "{url}/x"),
        1,
        "answered 302",
    ),
    "a way round without end": (
        lambda index: index.answers.update({"/x": lambda handler: _redirect(handler, f"{index.url}/x")}),
        ("diff", "{url}/x"),
        1,
        "answered 302",
    ),
    "a file by its URL": (lambda _: None, ("diff", "file:///etc/passwd"), 2, "http:// or https:// URL"),
    "a URL with a line in it": (lambda _: None, ("diff", "http://x/\r\nX: y"), 2, "http:// or https:// URL"),
    "nobody there": (lambda _: None, ("diff", "http://127.0.0.1:1/x"), 1, "could not be fetched"),
    "no such file": (lambda _: None, ("diff", "/no/such.whl"), 1, "cannot read /no/such.whl"),
    "a folder": (lambda _: None, ("diff", "/"), 1, "cannot read /"),
    "no price list": (_answer("/x", b'{"a": 1}'), ("diff", "{url}/x"), 2, "is no source of prices"),
}


@pytest.mark.parametrize(("prepare", "arguments", "code", "says"), BAD.values(), ids=BAD)
def test_what_cannot_be_used_is_refused_and_changes_nothing(
    arc, index, tmp_path, prepare, arguments, code, says
):
    import re

    prepare(index)
    more = ("--index", f"{index.url}/index.json") if arguments[0] == "update" else ()
    done = arc("prices", *(each.format(url=index.url) for each in arguments), *more)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("Error: ")
    assert re.search(says, done.err)
    assert updates(tmp_path) == []


def test_a_damaged_update_is_named_by_commands(arc, tmp_path):
    (tmp_path / "data" / "prices").mkdir(parents=True)
    (tmp_path / "data" / "prices" / "2026-11-26.01.jsonl").write_text("{}\n")
    done = arc("prices", "show", "gpt-5")
    assert done.code == 2
    assert "2026-11-26.01.jsonl: line 1" in done.err


def test_a_book_in_use_follows_its_files(arc, index, tmp_path):
    book = LiveBook(Folder(tmp_path / "data", "--data-dir"))
    first = book()
    assert first.version == load_book().version
    assert book() is first
    arc("prices", "update", "--index", f"{index.url}/index.json")
    second = book()
    assert second.find("openai", "gpt-99") is not None
    assert book() is second
    (tmp_path / "data" / "prices" / "2099-01-01.01.jsonl").write_text("broken\n")
    assert book().version == second.version
    for path in updates(tmp_path):
        path.unlink()
    assert book().version == first.version


PLAIN = {
    "id": "openai",
    "models": [{"id": "gpt-zz", "match": {"equals": "gpt-zz"}, "prices": {"input_mtok": 1}}],
}


@pytest.mark.parametrize("url", ["https://x/" + "a" * 3000, "a\n\x1b", "\ud800", 7])
def test_an_address_that_is_none_leaves_a_book_that_can_be_read(arc, tmp_path, url):
    source = tmp_path / "odd.json"
    source.write_text(json.dumps([PLAIN | {"pricing_urls": [url]}]))
    assert "1 row added" in arc("prices", "update", source).out
    assert "gpt-zz" in arc("prices", "list", "openai", "--match", "gpt-zz").out


def test_a_file_where_the_folder_should_be_is_said(arc, tmp_path):
    source = tmp_path / "plain.json"
    source.write_text(json.dumps([PLAIN]))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prices").touch()
    done = arc("prices", "update", source)
    assert done.code == 1
    assert "cannot write to" in done.err


def test_the_users_own_prices_are_listed_and_shown(arc, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prices.toml").write_text(
        '[[rate]]\nprovider = "acme"\nmodel = "own"\ninput = 1\n'
        '[[rate]]\nprovider = "openai"\nmodel = "gpt-5"\ninput = 3\noutput = 4\n'
    )
    assert "own" in arc("prices", "list", "acme").out
    assert "acme" in arc("prices", "list").out.splitlines()
    [line] = [
        line
        for line in arc("prices", "list", "openai", "--match", "gpt-5").out.splitlines()
        if line.split()[0] == "gpt-5"
    ]
    assert line.split()[1] == "3.00"
    assert arc("prices", "show", "own").out.startswith("acme own")


@pytest.mark.parametrize(
    ("question", "said"),
    [("[" * 100_000, "is no JSON"), ('{"provider": "openai", "at": "0001-01-01T00:00:00+23:00"}', "unknown")],
)
def test_odd_questions_are_answered_or_refused(arc, monkeypatch, question, said):
    monkeypatch.setattr("sys.stdin", io.StringIO(question))
    done = arc("prices", "cost")
    assert said in done.out + done.err
