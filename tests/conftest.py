"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a test that skips itself has failed")


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


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded exchanges and runs: `ARC_SHARED`, else `shared` beside the checkout."""
    named = os.environ.get("ARC_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "wire" / "exchanges.jsonl.gz").is_file():
        pytest.skip(f"no recorded exchanges in {folder}; set ARC_SHARED to the folder that has them")
    return folder
