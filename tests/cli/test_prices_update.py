"""`prices diff` and `prices update`, with wheels on disk and from a real server."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from datetime import date

import pytest

from pricing.book import DATA
from pricing.edition import read_edition
from pricing.shelf import write_shelf
from tests.pricing.test_edition import wheel, with_row


@pytest.fixture
def edition(tmp_path):
    def make(name: str, **picousd: int):
        later = with_row(read_edition(DATA), "openai", "gpt-4o-mini", date(2026, 11, 26), **picousd)
        return wheel(
            tmp_path / name,
            {f"pricing/data/rates/{each}.jsonl": write_shelf(shelf) for each, shelf in later.items()},
        )

    return make


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def served(tmp_path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def price_of(arc):
    rows = json.loads(arc("prices", "show", "gpt-4o-mini", "--provider", "openai", "--json").out)
    return max(rows, key=lambda row: (row["tier"] == "standard", row["recorded"]))["picousd"]["input_text"]


def test_a_new_price_is_shown_stored_and_used(arc, edition):
    source = edition("new.whl", input_text=160_000)
    shown = arc("prices", "diff", source)
    assert "+7%" in shown.out
    assert "0.16" in shown.out
    before = price_of(arc)
    done = arc("prices", "update", source, "--dry-run")
    assert "Nothing was stored." in done.out
    assert price_of(arc) == before
    done = arc("prices", "update", source)
    assert done.code == 0
    assert "Price book 2026-11-26." in done.out
    assert price_of(arc) == 160_000
    assert "Every row of it is here already." in arc("prices", "update", source).out
    assert arc("prices", "diff", source).out == "No price of today changes.\n"


def test_a_price_that_more_than_doubles_wants_a_word(arc, edition):
    source = edition("dear.whl", input_text=400_000)
    done = arc("prices", "update", source)
    assert done.code == 1
    assert "input_text of openai gpt-4o-mini from $0.15 to $0.4" in done.err
    assert "Nothing was stored" in done.err
    body = json.loads(arc("prices", "update", source, "--yes", "--json").out)
    assert body["version"].startswith("2026-11-26.")
    assert [move["is_drastic"] for move in body["moves"]] == [True]


def test_from_a_url_and_what_goes_wrong_there(arc, edition, served):
    edition("new.whl", input_text=160_000)
    assert "Price book 2026-11-26." in arc("prices", "update", f"{served}/new.whl?token=secret").out
    gone = arc("prices", "diff", f"{served}/gone.whl?token=secret")
    assert (gone.code, gone.err) == (2, f"Error: {served}/gone.whl answers 404.\n")
    refused = arc("prices", "diff", "http://127.0.0.1:9/x.whl")
    assert refused.code == 2
    assert "cannot be reached" in refused.err


def test_what_is_no_edition(arc, tmp_path):
    (tmp_path / "text.whl").write_text("hello")
    (tmp_path / "empty").mkdir()
    for name in ("text.whl", "empty"):
        done = arc("prices", "update", tmp_path / name)
        assert done.code == 2
        assert "holds no prices" in done.err
    assert "there is no file or folder" in arc("prices", "diff", tmp_path / "nothing").err
