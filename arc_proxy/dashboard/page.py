"""A document as a page: everything a template shows, as text, and the HTML of it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from markupsafe import Markup

from arc_proxy.dashboard.frame import Frame, Link
from arc_proxy.dashboard.rendering import render, static_file
from arc_proxy.format import clean
from arc_proxy.report.card import Card, Line
from arc_proxy.report.document import Document, Empty, Titled

LONG_CHARACTERS = 14


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
    heading: str
    here: str
    period: str
    updated: str
    links: tuple[Link, ...]
    warnings: tuple[str, ...]
    empty: Empty | None
    cards: tuple[Card, ...]
    tables: tuple[TableView, ...]
    notes: tuple[str, ...]


def make_page(
    document: Document, links: tuple[Link, ...] = (), *, heading: str = "Overview", here: str = "/_arc/"
) -> Page:
    return Page(
        title=document.title,
        heading=heading,
        here=here,
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
    # A browser takes what stands in <style> as it is, so our own sheet must not be escaped there.
    style = Markup(sheet) if sheet else None  # noqa: S704
    frame = Frame(title=page.title, here=page.here, warnings=page.warnings)
    return render(
        "report.html", frame=frame, page=page, style=style, style_hash=_hash(sheet) if sheet else ""
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
