"""
The rows of a bill out of a file's lines: which vendor's export it is shows in its first line or its shape.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import NoReturn

from analysis import bill_anthropic, bill_openai
from analysis.bill import BilledRow, BillError
from analysis.bill_columns import Columns

JSON_BYTES_MAX = 64 * 1024 * 1024

ReadRow = Callable[[Mapping[str, str], str], BilledRow | None]

_FORMATS: tuple[tuple[frozenset[str], ReadRow], ...] = (
    (bill_openai.COST_COLUMNS, bill_openai.read_row),
    (bill_openai.USAGE_COLUMNS, bill_openai.read_row),
    (bill_anthropic.COST_COLUMNS, bill_anthropic.read_row),
    (bill_anthropic.USAGE_COLUMNS, bill_anthropic.read_row),
)


def read_bill(
    lines: Iterable[str], *, columns: Columns | None = None, provider: str = ""
) -> Iterator[BilledRow]:
    """
    The rows of an export. BillError with the line, or the bucket, of what cannot be read.

    `columns`: of a CSV that is no vendor's; `provider`: whose it is then.
    """
    lines = iter(lines)
    head = next((line for line in lines if line.strip()), "")
    if not head:
        raise BillError("the file is empty")
    if head.lstrip().startswith(("{", "[")) and columns is None:
        yield from _of_json(chain([head], lines))
    else:
        yield from _of_csv(head, lines, columns, provider)


def _of_json(lines: Iterable[str]) -> Iterator[BilledRow]:
    size, parts = 0, []
    for line in lines:
        size += len(line)
        if size > JSON_BYTES_MAX:
            raise BillError(f"it is larger than {JSON_BYTES_MAX // 1024**2} MiB; cut it into pages")
        parts.append(line)
    try:
        document = json.loads("".join(parts), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        if isinstance(error, BillError):
            raise
        raise BillError(f"it is no JSON: {str(error)[:100]}") from None
    first = document[0] if isinstance(document, list) and document else document
    for vendor in (bill_openai, bill_anthropic):
        if vendor.is_page(first):
            yield from vendor.read_page(document)
            return
    raise BillError("it is JSON, and no page of usage or costs of OpenAI's or Anthropic's")


def _no_number(word: str) -> NoReturn:
    raise BillError(f"{word} is no amount")


def _of_csv(head: str, lines: Iterable[str], columns: Columns | None, provider: str) -> Iterator[BilledRow]:
    table = csv.reader(chain([head], lines), strict=True)
    names = [name.strip().removeprefix("\ufeff") for name in _next(table, 1)]
    read = _reader(names, columns, provider)
    while True:
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            raise BillError(f"line {table.line_num}: {error}") from None
        where = f"line {table.line_num}"
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            raise BillError(f"{where}: {len(cells)} cells under {len(names)} columns")
        row = read(dict(zip(names, cells, strict=True)), where)
        if row is not None:
            yield row


def _next(table: Iterator[list[str]], line: int) -> list[str]:
    try:
        return next(table)
    except csv.Error as error:
        raise BillError(f"line {line}: {error}") from None


def _reader(names: list[str], columns: Columns | None, provider: str) -> ReadRow:
    if columns is not None:
        missing = [column for column in columns.names.values() if column not in names]
        if missing:
            raise BillError(f"there is no column {missing[0]!r:.60}; there are {', '.join(names)[:300]}")
        if not provider and "provider" not in columns.names:
            raise BillError("it does not say whose bill it is: --provider NAME")
        return lambda row, where: columns.read_row(row, where, provider)
    for wanted, read in _FORMATS:
        if wanted <= set(names):
            return read
    raise BillError(f"its columns are no vendor's: --columns says which is which of {', '.join(names)[:300]}")
