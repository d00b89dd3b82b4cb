"""Options that mean the same on every command that has them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def given(flag: str, meaning: str, *, metavar: str | None = None, **limits: Any) -> Any:
    """An option whose default is that it was not given."""
    return typer.Option(flag, metavar=metavar, show_default=False, help=meaning, **limits)


DataDir = Annotated[
    Path | None,
    given(
        "--data-dir",
        "Folder of the journal and the database; else ARC_DATA_DIR, else ~/.local/share/arc-proxy.",
        metavar="DIR",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Since = Annotated[
    str, typer.Option("--since", metavar="WHEN", help="From when: 30m, 24h, 7d back, 2026-11-25, or all.")
]
Until = Annotated[str | None, given("--until", "To when, in the same words.", metavar="WHEN")]
KEY_MAX = 2**63 - 1  # of a database's row

Agent = Annotated[str | None, given("--agent", "Only this agent's.", metavar="NAME")]
