"""
A provider's bill: rows of usage and cost, whatever file they come from. No I/O.

A row is about one UTC day and one model, in as much detail as the export has; what it does not say is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from pricing.money import NANO_PER_USD

# Larger than any bill, and small enough that a sum of many fits into a database's integer.
USD_MAX = Decimal(10**8)
COUNT_MAX = 10**15

_GROUPED = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


class BillError(ValueError):
    """A row that cannot be read. Says where in the file, and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledRow:
    """
    What was billed: tokens with the cache in them, nanodollars; None where the export does not say.

    `model` "": the export names none. `keys`: names and ids of the key, project or workspace that it was
    billed to, as far as the export has them.
    """

    day: date
    provider: str
    model: str = ""
    keys: tuple[str, ...] = ()
    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    nanousd: int | None = None


def parse_day(value: object, where: str) -> date:
    """
    The UTC day of a date, a time with or without its offset, or seconds since 1970.

    An export's bucket begins at midnight UTC, so its first moment is enough.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _of_seconds(value, where)
    text = value.strip() if isinstance(value, str) else ""
    if text.isdecimal() and len(text) > 8:
        return _of_seconds(int(text[:20]), where)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BillError(f"{where}: {value!r:.40} is no day") from None
    try:
        return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()
    except OverflowError:
        raise BillError(f"{where}: {value!r:.40} is no day") from None


def _of_seconds(seconds: float, where: str) -> date:
    try:
        return datetime.fromtimestamp(seconds, UTC).date()
    except (ValueError, OverflowError, OSError):
        raise BillError(f"{where}: {seconds!r:.40} is no time in seconds") from None


def parse_count(value: object, where: str, name: str) -> int | None:
    """A number of tokens or requests; None where there is none."""
    if value is None or value == "":
        return None
    number = _number(value, where, name)
    if number != number.to_integral_value() or not 0 <= number <= COUNT_MAX:
        raise BillError(f"{where}: {name} is {value!r:.40}, which is no count")
    return int(number)


def parse_money(value: object, where: str, name: str, *, per_usd: int = 1) -> int | None:
    """Nanodollars of an amount, of which `per_usd` make a dollar. Credits are negative. None for none."""
    if value is None or value == "":
        return None
    usd = _number(value, where, name) / per_usd
    if not -USD_MAX <= usd <= USD_MAX:
        raise BillError(f"{where}: {name} is {value!r:.40}, which is no bill")
    return int((usd * NANO_PER_USD).to_integral_value(ROUND_HALF_EVEN))


def _number(value: object, where: str, name: str) -> Decimal:
    text = str(value).strip().removeprefix("$") if not isinstance(value, bool) else ""
    if "," in text:
        # Only where they stand between thousands: elsewhere "1,50" is one and a half.
        text = text.replace(",", "") if _GROUPED.fullmatch(text) else ""
    try:
        number = Decimal(text) if len(text) <= 100 else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or abs(number.adjusted()) > 50:
        raise BillError(f"{where}: {name} is {value!r:.40}, which is no number")
    return number


def summed(counts: Iterable[int | None]) -> int | None:
    """The sum of what is known; None if nothing is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def keys_of(row: Mapping[str, object], names: Iterable[str]) -> tuple[str, ...]:
    """What a row says under these names, without repetitions."""
    said = (row.get(name) for name in names)
    return tuple(dict.fromkeys(str(each) for each in said if each not in (None, "")))


def check_currency(value: object, where: str) -> None:
    if value not in (None, "") and str(value).strip().lower() != "usd":
        raise BillError(f"{where}: the amount is in {value!r:.20}; only US dollars are compared")


def has_buckets(document: object, start: str) -> bool:
    """Whether a page has buckets that begin at a field of this name, by which vendors differ."""
    buckets = document.get("data") if isinstance(document, dict) else None
    return isinstance(buckets, list) and any(isinstance(each, dict) and start in each for each in buckets)


def results_of(document: object) -> Iterator[tuple[str, Mapping[str, object], Mapping[str, object]]]:
    """
    Where, bucket and result, of a page of buckets or a list of pages, as both vendors' usage APIs answer.

    Raises BillError for any other shape.
    """
    pages = document if isinstance(document, list) else [document]
    number = 0
    for page in pages:
        buckets = page.get("data") if isinstance(page, dict) else None
        if not isinstance(buckets, list):
            raise BillError("expected an object with a list of buckets in `data`")
        for bucket in buckets:
            number += 1
            results = bucket.get("results") if isinstance(bucket, dict) else None
            if not isinstance(results, list):
                raise BillError(f"bucket {number}: expected a list of `results`")
            for place, result in enumerate(results, start=1):
                where = f"bucket {number}, result {place}"
                if not isinstance(result, dict):
                    raise BillError(f"{where}: expected an object")
                yield where, bucket, result
