"""
Our own rows, as `pricing.shelf` writes them, from a file that need not be ours: every value is checked.

Several providers may follow one another; each begins with its line `{"provider": ..., "url": ...}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pricing import checked
from pricing.checked import SourceError
from pricing.model import Model, model_from_json
from pricing.rate import Rate, rate_from_json
from pricing.shelf import Shelf

MINUTES_OF_DAY = 24 * 60
UPLIFT_PERMILLE_MAX = 10_000


def read_rows(content: bytes) -> tuple[Shelf, ...]:
    """The shelves of a file, in its order. SourceError with the line of what is wrong."""
    shelves: list[Shelf] = []
    models: list[list[Model]] = []
    rates: list[Rate] = []
    rivals: list[Rate] = []

    def close() -> None:
        if models and models[-1]:
            models[-1][-1] = replace(models[-1][-1], rates=tuple(rates), rivals=tuple(rivals))
        rates.clear()
        rivals.clear()

    for number, line in enumerate(content.splitlines(), start=1):
        where = f"line {number}"
        row = _object(line, where)
        if "provider" in row:
            close()
            name = checked.provider_id(row["provider"], where)
            shelves.append(Shelf(provider=name, url=_url(row.get("url", ""), where), models=()))
            models.append([])
        elif not shelves:
            raise SourceError(f"{where}: the first line has to name a provider")
        elif "model" in row:
            close()
            models[-1].append(_model(row, shelves[-1].provider, where))
        elif not models[-1]:
            raise SourceError(f"{where}: a price before the first model")
        else:
            rate = _rate(row, models[-1][-1], shelves[-1].url, where)
            (rivals if row.get("rival") is True else rates).append(rate)
    close()
    if not shelves:
        raise SourceError("it is empty")
    return tuple(replace(shelf, models=tuple(own)) for shelf, own in zip(shelves, models, strict=True))


def _object(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise SourceError(f"{where}: no JSON") from None
    return checked.table(row, where)


def _model(row: Mapping[str, Any], provider: str, where: str) -> Model:
    checked.text(row["model"], where)
    checked.clauses(row.get("match"), where)
    for name in ("input_max", "output_max", "cache_min"):
        if name in row:
            checked.tokens(row[name], where)
    if "retires" in row:
        checked.day(row["retires"], where)
    for word in _words(row, where):
        checked.text(word, where)
    return model_from_json(row, provider=provider)


def _words(row: Mapping[str, Any], where: str) -> Iterator[object]:
    if "mode" in row:
        yield row["mode"]
    for name in ("supports", "lacks"):
        yield from checked.listed(row.get(name, ()), where)


def _rate(row: Mapping[str, Any], model: Model, url: str, where: str) -> Rate:
    checked.day(row.get("recorded"), where)
    checked.text(row.get("source"), where)
    if "since" in row:
        checked.day(row["since"], where)
    for name in ("tier", "agrees"):
        if name in row:
            checked.text(row[name], where)
    _url(row.get("url", ""), where)
    if not checked.rates(row.get("rates"), where):
        raise SourceError(f"{where}: a row without a price")
    steps = checked.table(row.get("over", {}), where)
    if len(steps) > checked.STEPS_MAX:
        raise SourceError(f"{where}: {len(steps)} steps are no price list")
    for tokens, step in steps.items():
        checked.tokens(int(tokens) if tokens.isdecimal() and len(tokens) < 20 else tokens, where)
        checked.rates(step, where)
    for hours in checked.listed(row.get("hours", ()), where):
        _check_hours(checked.table(hours, where), where)
    for permille in checked.table(row.get("uplift", {}), where).values():
        if type(permille) is not int or not 0 < permille <= UPLIFT_PERMILLE_MAX:
            raise SourceError(f"{where}: {permille!r:.40} is no uplift per mille")
    for source, buckets in checked.table(row.get("filled", {}), where).items():
        checked.text(source, where)
        for bucket in checked.listed(buckets, where):
            checked.text(bucket, where)
    return rate_from_json(row, provider=model.provider, model=model.id, url=url)


def _check_hours(hours: Mapping[str, Any], where: str) -> None:
    days = checked.listed(hours.get("days", (1,)), where)
    start, end = hours.get("from"), hours.get("to")
    is_span = type(start) is int and type(end) is int and 0 <= start < end <= MINUTES_OF_DAY
    if not is_span or not all(type(day) is int and 1 <= day <= 7 for day in days):
        raise SourceError(f"{where}: no hours of a week")


def _url(value: object, where: str) -> str:
    return checked.text(value, where, most=checked.URL_CHARACTERS_MAX) if value != "" else ""
