"""Running `arc-proxy` as a person would: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def clean_environ(**extra: str) -> dict[str, str]:
    """This environment without what would change a command, and with `extra`."""
    ours = (
        "ARC_",
        "OPENAI_",
        "ANTHROPIC_",
        "GOOGLE_",
        "GROQ_",
        "CO_API",
        "XDG_",
        "NO_COLOR",
        "FORCE_COLOR",
        "COLUMNS",
    )
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and not name.lower().endswith("_proxy")
    }
    return kept | {"PYTHONPATH": str(ROOT)} | extra


def arc_proxy(*arguments: str, input_text: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "arc_proxy.cli.main", *arguments],
        input=input_text,
        capture_output=True,
        text=True,
        env=clean_environ(**environ),
        timeout=60,
        check=False,
    )
