"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded exchanges, runs and fixtures: `ARC_SHARED`, else `shared` beside the checkout."""
    named = os.environ.get("ARC_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "wire" / "exchanges.jsonl.gz").is_file():
        pytest.skip(f"no recorded exchanges in {folder}; set ARC_SHARED to the folder that has them")
    return folder
