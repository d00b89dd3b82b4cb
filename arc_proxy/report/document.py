"""
A report in words: cards, tables, warnings and notes, before a surface gives them a form. Pure.

Terminal, Markdown and page show the same document, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from arc_proxy.format import clean
from arc_proxy.report import card as cards
from arc_proxy.report import table as tables
from arc_proxy.report.card import Card
from arc_proxy.report.table import Table


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing to show: why, and what to type next."""

    text: str
    type_this: str


@dataclass(frozen=True, slots=True)
class Titled:
    title: str
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    title: str
    period: str
    updated: str
    warnings: tuple[str, ...] = ()  # what makes the numbers less than they seem: losses, lag
    empty: Empty | None = None
    cards: tuple[Card, ...] = ()
    tables: tuple[Titled, ...] = ()
    notes: tuple[str, ...] = ()  # what the signs in the tables mean


def as_text(document: Document, width: int) -> Iterable[str]:
    """For a terminal of `width` columns."""
    for warning in document.warnings:
        yield f"! {clean(warning)}"
    if document.warnings:
        yield ""
    if document.empty:
        yield document.empty.text
        yield ""
        yield from (f"  {line}" for line in document.empty.type_this.splitlines())
        return
    for card in document.cards:
        yield from cards.draw(card, width)
        yield ""
    for titled in document.tables:
        yield f"{titled.title} · {document.period}"
        yield ""
        yield from tables.draw(titled.table, width)
        yield ""
    yield from (clean(note) for note in document.notes)


def as_markdown(document: Document) -> Iterable[str]:
    yield f"# {document.title}"
    yield ""
    yield f"{document.period}, {document.updated}"
    yield ""
    for warning in document.warnings:
        yield f"- **{tables.escape_markdown(warning)}**"
    if document.empty:
        yield document.empty.text
        yield ""
        yield from (f"    {line}" for line in document.empty.type_this.splitlines())
        return
    for card in document.cards:
        mark = f" ({card.mark})" if card.mark else ""
        yield f"## {tables.escape_markdown(card.agent)}{mark}"
        yield ""
        for line in card.lines:
            words = tables.escape_markdown(line.note)
            note = f" {words}" if words.startswith("(") else f" ({words})" if words else ""
            yield f"- {line.label}: {tables.escape_markdown(line.value)}{note}"
        yield ""
    for titled in document.tables:
        yield f"## {tables.escape_markdown(titled.title)}"
        yield ""
        yield from tables.markdown(titled.table)
        yield ""
    yield from (f"- {tables.escape_markdown(note)}" for note in document.notes)
