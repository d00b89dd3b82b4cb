"""Tables: headings and rows of text, for a terminal of any width or as Markdown. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from arc_proxy.format import cells, clean, cut

GAP = "  "
FLEX_CELLS_MIN = 12
ID_CELLS = 28  # of a run that nobody named: ids of one minute begin alike
NAME_CELLS = 24  # what most names of agents and models need


@dataclass(frozen=True, slots=True)
class Column:
    heading: str
    is_number: bool = True  # right-aligned
    flex: bool = False  # may be cut where the line is too long
    keep: int = FLEX_CELLS_MIN  # what of it is worth more than the columns that can be left out
    rank: int = 0  # where the terminal is narrow, the columns of the highest rank are left out first


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def draw(table: Table, width: int) -> Iterable[str]:
    """Heading, rule and rows, none wider than `width` as long as the columns of rank 0 allow it."""
    rows = [[clean(cell) for cell in row] for row in table.rows]
    wanted = [max(cells(row[at]) for row in [_headings(table), *rows]) for at in range(len(table.columns))]
    shown = _fitting(table.columns, wanted, width)
    widths = _shrink(table.columns, wanted, shown, width)
    heading = _line(table.columns, _headings(table), shown, widths)
    yield heading
    yield "─" * cells(heading)
    for row in rows:
        yield _line(table.columns, row, shown, widths)


def markdown(table: Table) -> Iterable[str]:
    """A table of GitHub's Markdown."""
    yield "| " + " | ".join(_headings(table)) + " |"
    yield "|" + "|".join("---:" if column.is_number else "---" for column in table.columns) + "|"
    for row in table.rows:
        yield "| " + " | ".join(escape_markdown(cell) for cell in row) + " |"


def escape_markdown(text: str) -> str:
    """Captured text between Markdown: neither markup nor HTML comes out of it."""
    return clean(text).translate(_MARKDOWN)


_MARKDOWN = {ord(character): f"\\{character}" for character in "\\`*_[]|~#"} | {
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("&"): "&amp;",
}


def _headings(table: Table) -> list[str]:
    return [column.heading for column in table.columns]


def _total(wanted: Sequence[int], shown: Sequence[int], columns: Sequence[Column], *, least: bool) -> int:
    taken = sum(
        min(wanted[at], columns[at].keep) if least and columns[at].flex else wanted[at] for at in shown
    )
    return taken + len(GAP) * (len(shown) - 1)


def _fitting(columns: Sequence[Column], wanted: Sequence[int], width: int) -> list[int]:
    shown = list(range(len(columns)))
    for rank in sorted({column.rank for column in columns if column.rank}, reverse=True):
        if _total(wanted, shown, columns, least=True) <= width:
            break
        shown = [at for at in shown if columns[at].rank < rank]
    return shown


def _shrink(
    columns: Sequence[Column], wanted: Sequence[int], shown: Sequence[int], width: int
) -> dict[int, int]:
    widths = {at: wanted[at] for at in shown}
    over = _total(wanted, shown, columns, least=False) - width
    flexible = sorted((at for at in shown if columns[at].flex), key=lambda at: -wanted[at])
    # First down to what is worth keeping; what is then still too long is cut down to what can be read.
    for least in ([columns[at].keep for at in flexible], [FLEX_CELLS_MIN] * len(flexible)):
        for at, cells_min in zip(flexible, least, strict=True):
            less = min(max(0, over), max(0, widths[at] - cells_min))
            widths[at] -= less
            over -= less
    return widths


def _line(columns: Sequence[Column], row: Sequence[str], shown: Sequence[int], widths: dict[int, int]) -> str:
    parts = []
    for at in shown:
        text = cut(row[at], widths[at])
        room = " " * (widths[at] - cells(text))
        parts.append(room + text if columns[at].is_number else text + room)
    return GAP.join(parts).rstrip()


def wrapped(text: str, width: int, *, indent: str = "", hanging: str = "  ") -> Iterable[str]:
    """A sentence under or beside tables in lines of so many cells, the later ones set in by `hanging`."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_on_hyphens=False,
        break_long_words=False,
    )
