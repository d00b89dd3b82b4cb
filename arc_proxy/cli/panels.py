"""Boxes with a title, and the help of `arc-proxy` itself, drawn without importing any command."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from arc_proxy.cli.catalog import ENTRIES, PANELS
from arc_proxy.cli.terminal import style
from arc_proxy.format import cells, pad

Row = tuple[str, str]


def panel(title: str, rows: Sequence[Row], width: int, name_width: int | None = None) -> Iterable[str]:
    """Two columns in a box: names, and what they mean, wrapped."""
    names = min(name_width or max(cells(name) for name, _ in rows), width // 2)
    room = width - names - 6
    yield style("╭─ ", "dim") + title + style(" " + "─" * (width - cells(title) - 5) + "╮", "dim")
    bar = style("│", "dim")
    for name, meaning in rows:
        lines = textwrap.wrap(meaning, room) or [""]
        if cells(name) > names:  # too long for its column: a line of its own
            yield f"{bar} {style(pad(name, width - 4), 'cyan')} {bar}"
            name = ""
        for line in lines:
            yield f"{bar} {style(pad(name, names), 'cyan')}  {pad(line, room)} {bar}"
            name = ""
    yield style("╰" + "─" * (width - 2) + "╯", "dim")


def root_help(width: int) -> Iterable[str]:
    yield ""
    yield f" {style('arc-proxy', 'bold')}: a proxy beside your LLM agent. What does a run cost, what failed?"
    yield ""
    yield f" {style('Usage:', 'bold')} arc-proxy COMMAND [OPTIONS]"
    yield ""
    names = max(len(entry.name) for entry in ENTRIES)
    for title in PANELS:
        rows = [(entry.name, entry.summary) for entry in ENTRIES if entry.panel == title]
        yield from panel(title, rows, width, names)
    yield ""
    yield " arc-proxy COMMAND --help has the options. --version and --install-completion work here."
    yield ""
