"""CSV that a spreadsheet opens as data, whatever was captured."""

from __future__ import annotations

import csv
import io
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.export.csv import CELL_CHARACTERS_MAX, write_csv

CELLS: dict[str, tuple[Any, str]] = {
    "nothing": (None, ""),
    "a truth": (True, "true"),
    "a number": (-1.5, "-1.5"),
    "plain text": ("hello, world", "hello, world"),
    "text of two lines": ('a\n"b"', 'a\n"b"'),
    "a list": ([{"name": "x", "n": 1}], '[{"name":"x","n":1}]'),
    "an empty object": ({}, "{}"),
    "a formula": ('=HYPERLINK("http://evil","click")', '\'=HYPERLINK("http://evil","click")'),
    "a formula behind spaces": ("  =1+1", "'  =1+1"),
    "a DDE command": ("@SUM(1+1)*cmd|' /C calc'!A0", "'@SUM(1+1)*cmd|' /C calc'!A0"),
    "a tab": ("\t=1", "'\t=1"),
    "a full-width formula": ("\uff1d1+1", "'\uff1d1+1"),
    "a negative number as text": ("-1", "'-1"),
    "a NUL": ("a\0b", "ab"),
    "commands to a terminal": ("a\x1b]0;x\x07b\x9b31mc\x7f", "a]0;xb31mc"),
    "a formula behind a control": ("\x1b=1+1", "'=1+1"),
}


def lines(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(("value", "cell"), CELLS.values(), ids=CELLS)
def test_a_cell_is_data(value: Any, cell: str) -> None:
    out = io.StringIO(newline="")
    assert write_csv([{"a": value, "b": 1}], ["a", "b"], out) == 1
    assert lines(out.getvalue()) == [["a", "b"], [cell, "1"]]


def test_a_cell_is_never_longer_than_a_spreadsheet_takes() -> None:
    out = io.StringIO(newline="")
    write_csv([{"a": "x" * 40_000}], ["a"], out)
    assert len(lines(out.getvalue())[1][0]) == CELL_CHARACTERS_MAX


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_text_starts_a_formula_or_moves_a_cell(texts: list[str]) -> None:
    out = io.StringIO(newline="")
    fields = [f"f{n}" for n in range(len(texts))]
    write_csv([dict(zip(fields, texts, strict=True))], fields, out)
    [_, row] = lines(out.getvalue())
    assert len(row) == len(texts)
    for cell, text in zip(row, texts, strict=True):
        assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
        shown = "".join(char for char in text if char in "\t\n\r" or unicodedata.category(char) != "Cc")
        assert cell.removeprefix("'") == shown.removeprefix("'")
