"""
CSV for spreadsheets (RFC 4180), safe to open in one.

Spreadsheets run a cell that begins like a formula, and captured text is hostile. Such a text gets an
apostrophe in front, which spreadsheets take as "this is text". Numbers are written as numbers.
Source: https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from arc_proxy.export.jsonl import to_json

# The full-width forms are turned into the plain ones by some spreadsheets when they read a file.
_FORMULA_STARTS = tuple("=+-@\t\r\n|%\uff1d\uff0b\uff0d\uff20")
# A cell of Excel holds no more; it would cut the line there and shift what follows.
CELL_CHARACTERS_MAX = 32_000
_CUT_MARK = " [cut]"
# What would act on a terminal that shows the file; no spreadsheet shows it. Tabs and line ends are text.
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n\r"}


def write_csv(rows: Iterable[Mapping[str, Any]], fields: Sequence[str], out: TextIO) -> int:
    """
    Write a heading and a line per row; lists and objects become compact JSON, null an empty cell.

    Open `out` with newline="". Returns how many rows were written. Raises OSError where `out` does.
    """
    writer = csv.writer(out)
    writer.writerow(fields)
    count = 0
    for row in rows:
        writer.writerow([_cell(row.get(field)) for field in fields])
        count += 1
    return count


def _cell(value: Any) -> str | int | float:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case str():
            text = value
        case _:
            text = to_json(value).decode()
    text = text.translate(_CONTROLS)
    if len(text) > CELL_CHARACTERS_MAX:
        text = text[: CELL_CHARACTERS_MAX - len(_CUT_MARK)] + _CUT_MARK
    # Spaces in front do not stop a spreadsheet from seeing the formula.
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text
