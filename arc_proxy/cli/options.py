"""Options that mean the same on every command that has them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        show_default=False,
        help="Folder of the journal and the database; else ARC_DATA_DIR, else ~/.local/share/arc-proxy.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Since = Annotated[
    str, typer.Option("--since", metavar="WHEN", help="From when: 30m, 24h, 7d back, 2026-11-25, or all.")
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="WHEN", show_default=False, help="To when, in the same words."),
]
Agent = Annotated[
    str | None, typer.Option("--agent", metavar="NAME", show_default=False, help="Only this agent's.")
]
