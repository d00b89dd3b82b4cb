"""
Counts of writers whose journal may not be able to hold them. Standard library only.

What a writer lost is written into its journal, as COUNTS, as soon as that takes records again. Until then it
stands in a file of its own in the run-time folder, which is on another file system than the data more often
than not: `<writer>.counts`, one JSON object as COUNTS has it. The files go when the folder does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

_SUFFIX = ".counts"


def write_standing(folder: Path, writer: str, counts: Mapping[str, int]) -> None:
    """Raises OSError."""
    unfinished = folder / f".{writer}{_SUFFIX}"
    unfinished.write_text(json.dumps(dict(counts)))
    unfinished.replace(folder / f"{writer}{_SUFFIX}")


def read_standing(folder: Path) -> dict[str, dict[str, int]]:
    """By writer; what cannot be read is left out."""
    found: dict[str, dict[str, int]] = {}
    for file in folder.glob(f"[!.]*{_SUFFIX}"):
        try:
            body = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(body, dict):
            found[file.name.removesuffix(_SUFFIX)] = {
                name: count for name, count in body.items() if isinstance(count, int)
            }
    return found
