"""The card of one agent: four or five lines that answer the first questions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from arc_proxy.format import cells, clean, cut, fitting, pad

LABEL_CELLS = 13
VALUE_CELLS = 8
CARD_CELLS_MIN = 52


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    agent: str
    lines: tuple[Line, ...]
    mark: str = ""  # at the end of the first line


def draw(card: Card, width: int) -> Iterable[str]:
    """
    The card as text, at most `width` columns wide.

    It is as wide as its longest line wants; what does not fit goes on in the next line.
    """
    values = max([VALUE_CELLS, *(cells(clean(line.value)) + 2 for line in card.lines if line.note)])
    texts = [_text(line, values) for line in card.lines]
    room = min(width, max(CARD_CELLS_MIN, 4 + max(map(cells, texts))))
    mark = f" {card.mark} ━━" if card.mark else ""
    title = f"━━━ {cut(clean(card.agent), room - 8 - cells(mark))} "
    yield title + "━" * (room - cells(title) - cells(mark)) + mark
    for text in texts:
        for part in _wrap(text, room - 4):
            yield f"│ {pad(part, room - 4)} │"
    yield "━" * room


def _text(line: Line, values: int) -> str:
    """Value and note stand in columns, unless the value is a sentence."""
    value = clean(line.value)
    if line.note:
        value = pad(value, values) + clean(line.note)
    return pad(line.label, LABEL_CELLS) + value


def _wrap(text: str, room: int) -> Sequence[str]:
    """Parts of at most `room` columns, the later ones under the value."""
    parts: list[str] = []
    while cells(text) > room:
        at = text.rfind(" ", LABEL_CELLS, fitting(text, room) + 1)
        if at <= LABEL_CELLS or not text[LABEL_CELLS:at].strip():
            head = cut(text, room)
            return [*parts, head]
        parts.append(text[:at].rstrip())
        text = " " * LABEL_CELLS + text[at:].strip()
    return [*parts, text]
