"""
A document as a page: everything a template shows, as text, and the HTML of it.

Captured text is hostile. The template escapes all of it, `clean` has taken control characters out, and
the page's policy lets no script run but our own file.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from arc_proxy.format import clean
from arc_proxy.report.card import Card, Line
from arc_proxy.report.document import Document, Empty, Titled

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

LONG_CHARACTERS = 14


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    href: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Heading:
    heading: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    is_number: bool

    @property
    def kind(self) -> str:
        """Its classes: a long one may break its line, a figure with its unit may not."""
        long = " long" if len(self.text) > LONG_CHARACTERS else ""
        return ("num" if self.is_number else "text") + long


@dataclass(frozen=True, slots=True)
class TableView:
    title: str
    columns: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    title: str
    period: str
    updated: str
    links: tuple[Link, ...]
    warnings: tuple[str, ...]
    empty: Empty | None
    cards: tuple[Card, ...]
    tables: tuple[TableView, ...]
    notes: tuple[str, ...]


def make_page(document: Document, links: tuple[Link, ...] = ()) -> Page:
    return Page(
        title=document.title,
        period=document.period,
        updated=document.updated,
        links=links,
        warnings=tuple(map(clean, document.warnings)),
        empty=document.empty,
        cards=tuple(_clean_card(card) for card in document.cards),
        tables=tuple(_table_view(titled) for titled in document.tables),
        notes=tuple(map(clean, document.notes)),
    )


def render_page(page: Page, *, alone: bool = False) -> str:
    """The HTML. `alone`: a file that needs nothing beside it, with the sheet inside."""
    sheet = static_file("arc.css").decode() if alone else None
    template = _templates().get_template("report.html")
    # A browser takes what stands in <style> as it is, so our own sheet must not be escaped there.
    style = Markup(sheet) if sheet else None  # noqa: S704
    return template.render(page=page, style=style, style_hash=_hash(sheet) if sheet else "")


def static_file(name: str) -> bytes:
    """One of our own files; KeyError for any other name."""
    return _static()[name]


@cache
def _static() -> dict[str, bytes]:
    folder = files("arc_proxy.dashboard") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("arc_proxy.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _hash(sheet: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()


def _clean_card(card: Card) -> Card:
    lines = (Line(line.label, clean(line.value), clean(line.note)) for line in card.lines)
    return Card(clean(card.agent), tuple(lines), card.mark)


def _table_view(titled: Titled) -> TableView:
    columns = tuple(Heading(column.heading, column.is_number) for column in titled.table.columns)
    rows = (
        tuple(Cell(clean(text), column.is_number) for text, column in zip(row, columns, strict=True))
        for row in titled.table.rows
    )
    return TableView(titled.title, columns, tuple(rows))
