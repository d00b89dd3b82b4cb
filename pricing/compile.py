"""
Compile the price book from its sources: `make prices`, or `python -m pricing.compile`.

What it does, and why it can be repeated:

1. genai-prices, a development dependency, is the base: models, the names that mean them, dated prices,
   tiers. LiteLLM's table is the second source, read as data out of a pinned wheel (`--litellm FILE`, else
   pip downloads it into a temporary folder; nothing of it is installed or run). `data/extra.toml` has, by
   hand and each with its page, what both lack.
2. Where the two agree, to within a rounding, a row says so (`agrees`), and what only the second knows
   fills the gaps (`filled`: long cache writes, tiers, steps, regional uplift, retirement dates). Where
   they differ, the base's row is used and the other is kept beside it (`rival`), so that the book can show
   the spread. A zero in LiteLLM's table is never taken for a price.
3. The result is merged into the rows on disk. These are only ever added to: a price that changed becomes a
   new row, one that was corrected a row with a later `recorded`. Run twice, it changes nothing: the second
   run finds every row already there, and the bytes are the same on any machine.

To take newer prices: raise GENAI_VERSION or the pins in `sources/litellm.py`, set RECORDED to today, run,
and read the diff: it shows added lines only, unless a model's facts changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from datetime import date
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from pricing.join import join_sources
from pricing.merge import ChangedTwice, merge
from pricing.shelf import read_shelf, write_shelf
from pricing.sources import extra, genai, litellm

GENAI_VERSION = "0.2.3"
# The day the sources were taken; it goes into each row that this run adds.
RECORDED = date(2026, 11, 26)
# The day LiteLLM's table speaks of; a price that changed since is no disagreement.
LITELLM_DAY = date(2026, 10, 21)

DATA = Path(__file__).parent / "data"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pricing.compile", description="Compile the price book.")
    parser.add_argument("--litellm", type=Path, help=f"the wheel of litellm {litellm.VERSION}, if it is here")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the price book")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        wheel = options.litellm or litellm.download(Path(folder))
        table = litellm.read_table(wheel)
    changed = compile_book(options.data, table)
    print(f"{changed} files changed in {options.data}" if changed else "nothing changed", file=sys.stderr)  # noqa: T201
    return 0


def compile_book(folder: Path, table: Mapping[str, Mapping[str, Any]], *, recorded: date = RECORDED) -> int:
    """
    Bring the files of the book up to date; the number of files that changed.

    `recorded`: the day that new rows bear, and from which a change without a date holds.
    """
    installed = distribution("genai-prices")
    if installed.version != GENAI_VERSION:
        raise SystemExit(
            f"genai-prices {installed.version} is installed, the book is compiled from {GENAI_VERSION}"
        )
    package = genai.read_module(Path(str(installed.locate_file(genai.MODULE))).read_text())
    base = genai.shelves(package, source=f"genai-prices {GENAI_VERSION}", recorded=recorded)
    second = litellm.models(table, source=f"litellm {litellm.VERSION}", recorded=recorded)
    joined = join_sources(base, second, spoken_of=LITELLM_DAY, today=RECORDED)
    shelves = extra.add(joined, tomllib.loads((folder / "extra.toml").read_text()), recorded=recorded)
    files = {}
    for shelf in shelves:
        path = folder / "rates" / f"{shelf.provider}.jsonl"
        shelved = read_shelf(path.read_bytes()) if path.exists() else None
        try:
            files[path] = write_shelf(merge(shelved, shelf, recorded=recorded))
        except ChangedTwice as error:
            raise SystemExit(f"{error}: set RECORDED to a later day") from error
    for path in sorted((folder / "rates").glob("*.jsonl")):
        files.setdefault(path, path.read_bytes())  # a provider that the sources have dropped keeps its rows
    files[folder / "index.json"] = _index(files)
    changed = [path for path, content in files.items() if not path.exists() or path.read_bytes() != content]
    for path in changed:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(files[path])
    return len(changed)


def _index(files: Mapping[Path, bytes]) -> bytes:
    """The book's version: the last day something was recorded, and a checksum of every row."""
    content = hashlib.sha256()
    last = ""
    for path in sorted(files):
        content.update(path.name.encode() + b"\0" + files[path])
        shelf = read_shelf(files[path])
        last = max([last, *(rate.recorded.isoformat() for model in shelf.models for rate in model.rates)])
    index = {"version": f"{last}.{content.hexdigest()[:8]}", "providers": sorted(path.stem for path in files)}
    return json.dumps(index, indent=1).encode() + b"\n"


if __name__ == "__main__":
    sys.exit(main())
