"""
What is new goes behind what is there: rows are only ever added. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from pricing.model import in_force
from pricing.rate import Rate
from pricing.shelf import Shelf


class ChangedTwice(ValueError):
    """A price differs from what was recorded on the same day, and both cannot bear one date."""


def merge(shelved: Shelf | None, fresh: Shelf, *, recorded: date) -> Shelf:
    """
    The shelf on disk with the rows of a fresh one that it lacks. No row on disk is changed or dropped.

    Facts about models, which are no prices, are taken from the fresh one; models it no longer has stay.
    """
    if shelved is None:
        return fresh
    known = {model.id: model for model in shelved.models}
    models = [
        replace(
            model,
            rates=merged_rates(known[model.id].rates, model.rates, recorded),
            rivals=merged_rates(known[model.id].rivals, model.rivals, recorded),
        )
        if model.id in known
        else model
        for model in fresh.models
    ]
    kept = {model.id for model in models}
    return replace(fresh, models=(*models, *(model for model in shelved.models if model.id not in kept)))


def merged_rates(shelved: tuple[Rate, ...], fresh: tuple[Rate, ...], recorded: date) -> tuple[Rate, ...]:
    """
    The rows of a model that are there, and behind them those that bring them to what a source says.

    Raises ChangedTwice where a row that was recorded on this day, or later, says something else.
    """
    rates = list(shelved)
    for tier in dict.fromkeys(rate.tier for rate in fresh):
        said = [rate for rate in fresh if rate.tier == tier]
        kept = [rate for rate in shelved if rate.tier == tier]
        for day in _days_of_change(kept, said, recorded):
            wanted = in_force(said, day)
            if _cover(in_force([rate for rate in rates if rate.tier == tier], day), wanted):
                continue
            if any(rate.recorded >= recorded for rate in kept):
                raise ChangedTwice(f"{kept[0].id} differs from its source, and was recorded no earlier")
            since = None if day == date.min else day
            rates += [replace(rate, since=since, recorded=recorded) for rate in wanted]
    return tuple(rates)


def _days_of_change(kept: Sequence[Rate], said: Sequence[Rate], recorded: date) -> list[date]:
    """
    The days on which the source's price has to be what the rows on disk say.

    A source that gives no dates speaks of today alone: a price that differs is a change from today. One
    that gives dates speaks of everything since its first one, and so does one edition that is read again:
    where it differs from itself, it had been read wrongly.
    """
    ours, theirs = {_starts(rate) for rate in kept}, {_starts(rate) for rate in said}
    begun = {rate.source for rate in in_force(kept, min(theirs))}
    is_read_again = bool(begun) and begun == {rate.source for rate in said}
    speaks_of_today = bool(ours) and theirs == {date.min} and not is_read_again
    first = recorded if speaks_of_today else min(theirs)
    return sorted({first} | {day for day in ours | theirs if day > first})


def _cover(kept: tuple[Rate, ...], wanted: tuple[Rate, ...]) -> bool:
    return len(kept) == len(wanted) and all(map(Rate.covers, kept, wanted))


def _starts(rate: Rate) -> date:
    return rate.since or date.min
