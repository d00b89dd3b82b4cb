"""
A cost that is not known is nowhere shown as nothing: every surface, for runs of unknown costs.

Each surface is also shown a run that does cost nothing (refused requests, a list of models), where it has to
say zero. So the search for zeros is one that finds them, and "unknown" is no mask over all that is small.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arc_proxy.cli.console import read_config
from arc_proxy.cli.console_work import ConsoleWork
from arc_proxy.cli.folder import Folder
from arc_proxy.cli.launch import prepare_launch
from arc_proxy.dashboard.page import make_page, render_page
from arc_proxy.settings import Settings
from tests.cli.command import arc_proxy
from tests.cli.test_rows_commands import recent
from tests.report.traffic import write_har

RUN = "the-run"
SESSION = "the-session"
UNKNOWN_CALLS = 4

# "$0", "$0.00", "≥$0", but not "$0.013".
_ZERO_TEXT = re.compile(r"\$0(?:\.0+)?(?![\d.,]*[1-9])")
_MONEY = re.compile("cost|usd|nano|pico")
# Sums that are about other calls: what a subscription would have paid, of which there is none here.
_OF_OTHERS = {"api_equivalent_usd"}


def unknown_calls() -> list[dict[str, Any]]:
    """No price, no usage, neither, and a tier without a price."""
    of_no_price = [recent("finance", RUN, model="acme-7b", x_arc_session_id=SESSION) for _ in range(2)]
    silent = recent("finance", RUN, model="acme-7b", tokens=None, x_arc_session_id=SESSION)
    tiered = recent("finance", RUN, model="gpt-4o", x_arc_session_id=SESSION)
    body = json.loads(tiered["response"]["content"]["text"])
    tiered["response"]["content"]["text"] = json.dumps(body | {"service_tier": "glacial"})
    return [*of_no_price, silent, tiered]


def free_calls() -> list[dict[str, Any]]:
    """What costs nothing, and is known to: refused requests, and a list of models."""
    listing = recent("finance", RUN, x_arc_session_id=SESSION)
    listing["request"] |= {"method": "GET", "url": "https://api.openai.com/v1/models"}
    del listing["request"]["postData"]
    listing["response"]["content"]["text"] = json.dumps({"object": "list", "data": []})
    return [*(recent("finance", RUN, status=429, x_arc_session_id=SESSION) for _ in range(2)), listing]


def zeros_of_text(text: str) -> list[str]:
    return [line for line in text.splitlines() if _ZERO_TEXT.search(line)]


def zeros_of_json(text: str) -> list[str]:
    """Names of amounts of money that are zero, whatever the kind of zero."""
    documents = [json.loads(text)] if text.startswith(("[", "{\n")) else map(json.loads, text.splitlines())
    return [name for document in documents for name in _zeros(document, "")]


def _zeros(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _zeros(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _zeros(each, name)
    elif _MONEY.search(name) and name not in _OF_OTHERS and not isinstance(value, bool) and value is not None:
        try:
            is_zero = float(value) == 0
        except (TypeError, ValueError):
            is_zero = False
        if is_zero:
            yield name


def zeros_of_csv(text: str) -> list[str]:
    rows = csv.DictReader(io.StringIO(text))
    return [name for row in rows for name, value in row.items() if _zeros_of_cell(name, value)]


def _zeros_of_cell(name: str, value: str) -> bool:
    return bool(list(_zeros(value or None, name)))


Arc = Callable[..., Any]


def a_call_of(arc: Arc, *, known: bool) -> str:
    """A call of the run: the first that costs something known, or the first that does not."""
    rows = map(json.loads, arc("export", "calls").out.splitlines())
    return next(row["call_id"] for row in rows if (row["cost_grade"] != "unknown") is known)


def page(arc: Arc, tmp_path: Path) -> str:
    """The dashboard's page, made by the console's own work."""
    folder = Folder(tmp_path / "data", "--data-dir")
    launch = prepare_launch(
        Settings.model_validate({}), folder, {"XDG_RUNTIME_DIR": str(tmp_path)}, port=8123
    )
    work = ConsoleWork(read_config(launch.config_path))
    try:
        return render_page(make_page(work.document("all")))
    finally:
        work.close()


# Surface -> what it prints. Savings are apart: they are silent about what costs nothing.
TEXTS: dict[str, Callable[[Arc, Path], str]] = {
    "the report with its card": lambda arc, _: arc("report", "--since", "all").out,
    "the report by day": lambda arc, _: arc("report", "--since", "all", "--by", "day").out,
    "the report of one agent": lambda arc, _: arc("report", "--agent", "finance").out,
    "the report as Markdown": lambda arc, _: arc("report", "--format", "md").out,
    "the report as HTML": lambda arc, _: arc("report", "--format", "html").out,
    "the dashboard's page": page,
    "the list of runs": lambda arc, _: arc("runs").out,
    "a run": lambda arc, _: arc("show", RUN).out,
    "a run in full": lambda arc, _: arc("show", RUN, "--full").out,
    "a session": lambda arc, _: arc("show", SESSION).out,
}
JSONS: dict[str, Callable[[Arc, Path], str]] = {
    "the report as JSON": lambda arc, _: arc("report", "--json").out,
    "the report as JSON, by day": lambda arc, _: arc("report", "--json", "--by", "day").out,
    "the list of runs as JSON": lambda arc, _: arc("runs", "--json").out,
    "a run as JSON": lambda arc, _: arc("show", RUN, "--json").out,
    "a session as JSON": lambda arc, _: arc("show", SESSION, "--json").out,
    "exported calls": lambda arc, _: arc("export", "calls").out,
    "exported runs": lambda arc, _: arc("export", "runs").out,
}
SURFACES = (
    {name: (make, zeros_of_text) for name, make in TEXTS.items()}
    | {name: (make, zeros_of_json) for name, make in JSONS.items()}
    | {
        "exported calls as CSV": (
            lambda arc, _: arc("export", "calls", "--format", "csv").out,
            zeros_of_csv,
        ),
        "exported runs as CSV": (lambda arc, _: arc("export", "runs", "--format", "csv").out, zeros_of_csv),
    }
)


def imported(folder: Path, calls: list[dict[str, Any]]) -> Path:
    """A data folder with these calls, to be copied: that is quicker than importing them each time."""
    done = arc_proxy("import", str(write_har(folder / "calls.har", calls)), ARC_DATA_DIR=str(folder / "data"))
    assert done.returncode == 0, done.stderr
    return folder / "data"


@pytest.fixture(scope="module")
def unknown_folder(tmp_path_factory) -> Path:
    return imported(tmp_path_factory.mktemp("unknown"), unknown_calls())


@pytest.fixture(scope="module")
def free_folder(tmp_path_factory) -> Path:
    return imported(tmp_path_factory.mktemp("free"), free_calls())


@pytest.fixture
def unknown(arc, tmp_path, unknown_folder) -> Arc:
    shutil.copytree(unknown_folder, tmp_path / "data")
    return arc


@pytest.fixture
def free(arc, tmp_path, free_folder) -> Arc:
    shutil.copytree(free_folder, tmp_path / "data")
    return arc


def test_the_calls_are_what_they_should_be(unknown):
    rows = [json.loads(line) for line in unknown("export", "calls").out.splitlines()]
    assert [row["cost_grade"] for row in rows] == ["unknown"] * UNKNOWN_CALLS
    assert {row["cost_usd"] for row in rows} == {None}


@pytest.mark.parametrize(("make", "zeros"), SURFACES.values(), ids=SURFACES)
def test_unknown_costs_are_nowhere_zero(unknown, tmp_path, make, zeros):
    shown = make(unknown, tmp_path)
    assert "unknown" in shown
    assert zeros(shown) == []


@pytest.mark.parametrize(("make", "zeros"), SURFACES.values(), ids=SURFACES)
def test_what_costs_nothing_is_zero_everywhere(free, tmp_path, make, zeros):
    assert zeros(make(free, tmp_path))


@pytest.mark.parametrize(("make", "zeros"), SURFACES.values(), ids=SURFACES)
def test_a_sum_of_both_is_not_zero(unknown, tmp_path, make, zeros):
    """Calls that cost nothing beside unknown ones: zero stands at these calls, and at no sum."""
    unknown("import", write_har(tmp_path / "free.har", free_calls()))
    found = zeros(make(unknown, tmp_path))
    rows = [json.loads(line) for line in unknown("export", "calls").out.splitlines()]
    of_calls = sum(row["cost_usd"] == "0.000000000" for row in rows)
    assert of_calls == len(free_calls())
    assert len(found) <= of_calls
    assert not [line for line in found if "finance" in line or "Cost/run" in line]


@pytest.mark.parametrize("flags", [(), ("--full",)])
def test_a_call(unknown, tmp_path, flags):
    call = a_call_of(unknown, known=False)
    assert zeros_of_text(unknown("show", call, *flags).out) == []
    assert zeros_of_json(unknown("show", call, "--json").out) == []
    assert "cost        unknown, unknown" in unknown("show", call).out
    unknown("import", write_har(tmp_path / "free.har", free_calls()))
    call = a_call_of(unknown, known=True)
    assert zeros_of_text(unknown("show", call).out)
    assert zeros_of_json(unknown("show", call, "--json").out)


def test_an_exported_archive_has_no_cost_at_all(unknown):
    """HAR has no field for it, and we add none: nothing can be taken for zero there."""
    whole = unknown("export", "calls", "--format", "har").out
    assert len(json.loads(whole)["log"]["entries"]) == UNKNOWN_CALLS
    assert zeros_of_json(json.dumps(json.loads(whole), indent=1)) == []
    assert "cost" not in whole


def test_savings_say_that_costs_are_unknown(unknown):
    said = unknown("savings")
    assert zeros_of_text(said.out + said.err) == []
    assert zeros_of_json(unknown("savings", "--json").out) == []


QUESTIONS = (
    {"provider": "openai", "model": "acme-7b", "response": {"usage": {"prompt_tokens": 5}}},
    {"provider": "openai", "model": "gpt-5", "response": {}},
    {"provider": "openrouter", "model": "x/y:free", "response": {"usage": {"prompt_tokens": 5}}},
)
FREE_QUESTION = {
    "provider": "openrouter",
    "model": "x/y:free",
    "response": {"usage": {"prompt_tokens": 5, "completion_tokens": 1, "cost": 0, "is_byok": False}},
}


@pytest.mark.parametrize(
    ("questions", "is_zero"), [(QUESTIONS, False), ((FREE_QUESTION,), True)], ids=["unknown", "free"]
)
def test_a_price_that_is_asked_for(arc, monkeypatch, questions, is_zero):
    for flags, zeros in (((), zeros_of_text), (("--json",), zeros_of_json)):
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(map(json.dumps, questions))))
        assert bool(zeros(arc("prices", "cost", *flags).out)) is is_zero


ZEROS = {"$0": True, "$0.00": True, "≥$0": True, "$0/run": True, "$0.013": False, "$0.0000042": False}


@pytest.mark.parametrize(("text", "is_zero"), [*ZEROS.items(), ("$10", False), ("$1.0", False)])
def test_the_search_knows_zeros(text, is_zero):
    assert bool(zeros_of_text(f"cost {text} for it")) is is_zero
