"""
What a source would add to the book, row by row, and the layer that holds it. Pure.

A price book (a later wheel of arc-proxy) adds the rows that are not here yet, with their days, so that an
older one changes nothing. genai-prices adds the rows that bring a model to what it says; a second source
(LiteLLM) confirms, fills and disputes, and changes only rows that were its own. Rows that would move a
price by more than 2x, make it 0 or leave a bucket without one are doubtful, and so is a new model that would
take a name from a known one at such a distance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from pricing.book import PriceBook
from pricing.checked import is_of_tokens
from pricing.join import join_sources
from pricing.layers import lay, names_taken
from pricing.merge import ChangedTwice, merged_rates
from pricing.model import Model, in_force
from pricing.moves import Move, moves
from pricing.rate import Rate
from pricing.shelf import Shelf, write_shelf
from pricing.sources.read import Source

SECOND = "litellm "
_NUMBERED = re.compile(r"\d{1,9}(?:\.\d{1,9}){0,5}")


class Kind(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    DISPUTED = "disputed"  # another source's word beside a row that stays in force


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """
    A row that the book would gain.

    `before`: the row that priced the same until now. `moves` may be empty: only its dates or hours are new.
    `doubt`: why it needs a person's word, "" if it does not. `obstacle`: why it cannot be had today at all.
    """

    kind: Kind
    rate: Rate
    before: Rate | None
    moves: tuple[Move, ...]
    doubt: str = ""
    obstacle: str = ""


def additions(book: PriceBook, source: Source, *, recorded: date) -> tuple[Addition, ...]:
    """
    Every row that the source adds to the book: changes first, then disputes, then what is new.

    `recorded`: today, the day that the rows bear.
    """
    found: list[Addition] = []
    for shelf in _fresh_shelves(book, source, recorded):
        found += _of_shelf(book.shelf(shelf.provider), shelf, recorded, is_book=source.is_book)
    order = [Kind.CHANGED, Kind.DISPUTED, Kind.NEW]
    return tuple(sorted(found, key=lambda each: (order.index(each.kind), each.rate.provider)))


def layer(book: PriceBook, source: Source, taken: Iterable[Addition], *, recorded: date) -> bytes:
    """The file with the rows that were taken, in the form of `pricing.layers`; b"" if there are none."""
    rows: dict[tuple[str, str], list[Addition]] = {}
    for each in taken:
        rows.setdefault((each.rate.provider, each.rate.model), []).append(each)
    written = b""
    for fresh in _fresh_shelves(book, source, recorded):
        current = book.shelf(fresh.provider)
        models = _layered_models(current, fresh, rows)
        if models:
            written += write_shelf(replace(fresh, models=models))
    return written


def is_older(book: PriceBook, source: Source) -> str:
    """The later edition of the source that the book has rows of, "" if there is none."""
    if source.is_book:
        return ""
    name, _, edition = source.title.partition(" ")
    known = {
        rate.source.partition(" ")[2]
        for provider in book.providers
        if (shelf := book.shelf(provider)) is not None
        for model in shelf.models
        for rate in model.rates
        if rate.source.startswith(f"{name} ")
    }
    last = max(known, key=_order, default="")
    return last if _order(edition) and _order(last) > _order(edition) else ""


def _order(edition: str) -> tuple[int, ...]:
    """Sorts numbered editions, before them those that have no number."""
    return tuple(map(int, edition.split("."))) if _NUMBERED.fullmatch(edition) else ()


def _layered_models(
    current: Shelf | None, fresh: Shelf, rows: Mapping[tuple[str, str], list[Addition]]
) -> tuple[Model, ...]:
    """The models that gain rows, and behind a new one the known one that it goes before."""
    known = {model.id for model in current.models} if current else set()
    models: list[Model] = []
    is_anchored = True
    for model in _unique(fresh.models):
        added = rows.get((fresh.provider, model.id), ())
        if added or (model.id in known and not is_anchored):
            rates = tuple(each.rate for each in added if each.kind is not Kind.DISPUTED)
            rivals = tuple(each.rate for each in added if each.kind is Kind.DISPUTED)
            models.append(replace(model, rates=rates, rivals=rivals))
            is_anchored = model.id in known
    return tuple(models)


def _fresh_shelves(book: PriceBook, source: Source, recorded: date) -> list[Shelf]:
    """What the source says, with what the book knows beside prices."""
    if source.second:
        names = {model.provider for model in source.second} | set(book.providers)
        base = [_without_second(shelf) for name in sorted(names) if (shelf := book.shelf(name)) is not None]
        return join_sources(base, source.second, spoken_of=recorded, today=recorded)
    return [_with_facts(shelf, book.shelf(shelf.provider)) for shelf in source.shelves]


def _without_second(shelf: Shelf) -> Shelf:
    """The models whose rows are another source's; its own it may change as it likes."""
    return replace(
        shelf,
        models=tuple(model for model in shelf.models if not all(_is_seconds(rate) for rate in model.rates)),
    )


def _is_seconds(rate: Rate) -> bool:
    return rate.source.startswith(SECOND)


def _with_facts(fresh: Shelf, current: Shelf | None) -> Shelf:
    known = {model.id: model for model in current.models} if current else {}
    models = (
        replace(
            model,
            mode=model.mode or known[model.id].mode,
            input_tokens_max=model.input_tokens_max or known[model.id].input_tokens_max,
        )
        if model.id in known
        else model
        for model in fresh.models
    )
    return replace(fresh, models=tuple(models))


def _of_shelf(current: Shelf | None, fresh: Shelf, recorded: date, *, is_book: bool) -> list[Addition]:
    known = {model.id: model for model in current.models} if current else {}
    found: list[Addition] = []
    unknown = []
    for model in _unique(fresh.models):
        if model.id in known:
            kept = known[model.id]
            found += _of_book(kept, model, recorded) if is_book else _of_known(kept, model, recorded)
        else:
            unknown.append(model)
    if current is None or not unknown:
        return found + [each for model in unknown for each in _of_new(model, (), recorded)]
    layered = lay(current, [replace(fresh, models=_anchored(fresh, known.keys()))])
    assert layered is not None
    replaced = names_taken(current, layered)
    return found + [
        each for model in unknown for each in _of_new(model, replaced.get(model.id, ()), recorded)
    ]


def _of_known(model: Model, fresh: Model, recorded: date) -> list[Addition]:
    found = []
    carried = tuple(_carried(rate, _before(model.rates, rate, recorded)) for rate in fresh.rates)
    for kind, kept, said in (
        (Kind.CHANGED, model.rates, carried),
        (Kind.DISPUTED, model.rivals, fresh.rivals),
    ):
        try:
            added = merged_rates(kept, said, recorded)[len(kept) :]
        except ChangedTwice:
            found += _again_today(kind, model, said, recorded)
            continue
        found += [_addition(kind, model, rate, recorded) for rate in added]
    return found


def _of_book(model: Model, fresh: Model, recorded: date) -> list[Addition]:
    """The rows of another edition of the book that are not here: which of two holds is said by their days."""
    added = [(Kind.CHANGED, rate) for rate in fresh.rates if rate not in model.rates]
    added += [(Kind.DISPUTED, rate) for rate in fresh.rivals if rate not in model.rivals]
    return [_addition(kind, model, rate, recorded) for kind, rate in added]


def _addition(kind: Kind, model: Model, rate: Rate, recorded: date) -> Addition:
    """A row of a model that the book knows."""
    before = _before(model.rates, rate, recorded)
    if kind is Kind.DISPUTED:
        differs = tuple(move for move in moves(before, rate) if move.new is not None)
        return Addition(kind=kind, rate=rate, before=before, moves=differs)
    differs = moves(before, rate)
    doubt = next((move.doubt for move in differs if move.doubt), "")
    kind = Kind.CHANGED if before is not None else Kind.NEW
    return Addition(kind=kind, rate=rate, before=before, moves=differs, doubt=doubt)


def _again_today(kind: Kind, model: Model, said: Iterable[Rate], recorded: date) -> list[Addition]:
    """What cannot be told apart from a row of the same day; it can tomorrow."""
    found = []
    for rate in said:
        before = _before(model.rates, rate, recorded)
        differs = moves(before, rate)
        if differs:
            obstacle = f"{model.id} has a row recorded on {recorded} already: run it again tomorrow"
            found.append(Addition(kind=kind, rate=rate, before=before, moves=differs, obstacle=obstacle))
    return found


def _of_new(model: Model, replaced: Iterable[Model], recorded: date) -> list[Addition]:
    found = []
    for rate in model.rates:
        olds = [_before(each.rates, rate, recorded) for each in replaced]
        olds = [old for old in olds if old is not None] or [None]
        before = olds[0]
        doubts = [move.doubt for old in olds for move in moves(old, rate) if move.doubt]
        doubt = f"{doubts[0]}, as calls of it were priced by {before.model}" if doubts and before else ""
        doubt = doubt or (doubts[0] if doubts else "")
        found.append(
            Addition(kind=Kind.NEW, rate=rate, before=before, moves=moves(before, rate), doubt=doubt)
        )
    return found


def _before(rates: Iterable[Rate], rate: Rate, recorded: date) -> Rate | None:
    """The row of the same tier and kind of hours that held when another begins, or holds today."""
    same = [each for each in rates if each.tier == rate.tier and bool(each.hours) == bool(rate.hours)]
    for day in (rate.since or date.min, recorded):
        held = in_force(same, day)
        if held:
            return held[0]
    return None


def _carried(rate: Rate, before: Rate | None) -> Rate:
    """A row with what others had to fill in before, as far as it does not depend on the price of a token."""
    if before is None:
        return rate
    fees = {
        bucket: before.picousd[bucket]
        for bucket in before.filled.keys() & before.picousd.keys()
        if not is_of_tokens(bucket) and bucket not in rate.picousd
    }
    return replace(
        rate,
        picousd={**rate.picousd, **fees},
        uplift_permille=rate.uplift_permille or before.uplift_permille,
        filled={**rate.filled, **{bucket: before.filled[bucket] for bucket in fees}},
    )


def _anchored(fresh: Shelf, known: Iterable[str]) -> tuple[Model, ...]:
    names = set(known)
    return tuple(
        replace(model, rates=(), rivals=()) if model.id in names else model for model in _unique(fresh.models)
    )


def _unique(models: Iterable[Model]) -> tuple[Model, ...]:
    """Of models with one id the first, as the first that answers is meant."""
    return tuple({model.id: model for model in reversed(tuple(models))}.values())[::-1]
