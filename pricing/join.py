"""
The second source beside the first: where they agree it confirms and fills, where they differ it is kept as a
rival. Pure.

What only the second knows fills gaps (long cache writes, tiers, steps, regional uplift, retirement dates). It
never overrules: a price that differs leaves the first one in force and makes it disputed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time

from pricing.model import Model
from pricing.names import FALLBACKS
from pricing.rate import STANDARD, Rate
from pricing.shelf import Shelf
from pricing.sources import litellm

# The sources round differently; a larger difference is a disagreement.
ROUNDING = 0.02

# A bucket whose price moves with another's, where a tier names the other alone.
_FOLLOWS = {"reasoning": "output_text", "cache_write_1h": "cache_write_5m"}


def join_sources(
    base: Iterable[Shelf], second: Iterable[Model], *, spoken_of: date, today: date
) -> list[Shelf]:
    """
    The base's shelves, confirmed, filled and disputed by the second source, and its own models behind.

    `spoken_of`: the day that the second source speaks of; a price that changed since is no disagreement.
    `today`: the rows of this day are those that are filled.
    """
    at, filled_at = _noon(spoken_of), _noon(today)
    shelves = {shelf.provider: shelf for shelf in base}
    said: dict[tuple[str, str], list[Model]] = {}
    added: dict[str, list[Model]] = {}
    for other in second:
        shelf = shelves.get(other.provider)
        own = shelf.called(other.id) if shelf else None
        if own is not None:
            said.setdefault((other.provider, own.id), []).append(other)
        elif not _confirmed_elsewhere(shelves, other, at):
            added.setdefault(other.provider, []).append(_completed(other, at))
    joined = [
        replace(
            shelf,
            models=(
                *(
                    _join(model, said.get((shelf.provider, model.id), []), at, filled_at)
                    for model in shelf.models
                ),
                *_unique(added.pop(shelf.provider, []), {model.id for model in shelf.models}),
            ),
        )
        for shelf in shelves.values()
    ]
    joined += [
        Shelf(provider=provider, url=litellm.URL, models=tuple(_unique(models, set())))
        for provider, models in sorted(added.items())
    ]
    return joined


def _confirmed_elsewhere(shelves: Mapping[str, Shelf], other: Model, at: datetime) -> bool:
    """A provider that resells another's models at the same price needs no rows of its own."""
    for provider in FALLBACKS.get(other.provider, ()):
        shelf = shelves.get(provider)
        model = shelf.called(other.id) if shelf else None
        if model is not None:
            return _agreement(model, other, at)
    return False


def _unique(models: Iterable[Model], taken: set[str]) -> list[Model]:
    unique: dict[str, Model] = {}
    for model in models:
        if model.id not in taken:
            unique.setdefault(model.id, model)
    return list(unique.values())


def _completed(model: Model, at: datetime) -> Model:
    """A model that only the second source has: a tier costs the standard price where nothing else is said."""
    standard = model.rate(at)
    assert standard is not None
    return replace(model, rates=tuple(_over_standard(rate, standard) for rate in model.rates))


def _over_standard(rate: Rate, standard: Rate) -> Rate:
    """
    A tier with the standard price where it says nothing.

    But for what costs what another bucket does: thoughts are billed as output, and a cache of an hour by what
    one of five minutes costs. With the standard price these would be dearer or cheaper than the tier is.
    """
    if rate.tier == STANDARD:
        return rate
    follows = {bucket for bucket, leader in _FOLLOWS.items() if leader in rate.picousd}
    kept = {bucket: said for bucket, said in standard.picousd.items() if bucket not in follows}
    return replace(rate, picousd={**kept, **rate.picousd})


def _join(model: Model, others: list[Model], at: datetime, filled_at: datetime) -> Model:
    """One model of the base with what the second source says of it under any of its names."""
    if not others:
        return model
    nearest = sorted(others, key=lambda other: (other.id != model.id, len(other.id), other.id))
    agreeing = [other for other in nearest if _agreement(model, other, at)]
    other = next(iter(agreeing), nearest[0])
    model = replace(
        model,
        mode=other.mode,
        input_tokens_max=_least(model.input_tokens_max, other.input_tokens_max),
        output_tokens_max=other.output_tokens_max,
        cache_tokens_min=other.cache_tokens_min,
        retires=other.retires,
        supports=other.supports,
        lacks=other.lacks,
    )
    if agreeing:
        # The same model under several of the other's own providers, of which not all have regions.
        return _filled(model, _with_uplifts(agreeing[0], agreeing), filled_at)
    disputed, rival = model.rate(at), other.rate(at)
    if disputed is None or rival is None:
        return model
    return replace(model, rivals=(replace(rival, model=model.id, since=disputed.since),))


def _least(ours: int | None, said: int | None) -> int | None:
    """
    The base gives the context window, the second source the largest prompt, which is less where the answer's
    room is kept: of 400,000 tokens of gpt-5 a prompt may have 272,000.
    """
    return min((each for each in (ours, said) if each), default=None)


def _with_uplifts(model: Model, others: Iterable[Model]) -> Model:
    uplifts = {
        region: permille
        for other in others
        if other.id == model.id
        for rate in other.rates
        for region, permille in rate.uplift_permille.items()
    }
    return replace(model, rates=tuple(replace(rate, uplift_permille=uplifts) for rate in model.rates))


def _agreement(model: Model, other: Model, at: datetime) -> bool:
    mine, theirs = model.rate(at), other.rate(at)
    if mine is None or theirs is None:
        return False
    pairs = [(mine.picousd, theirs.picousd)]
    over = dict(theirs.over)
    pairs += [(step, over[threshold]) for threshold, step in mine.over if threshold in over]
    return all(_near(ours, said) for ours, said in pairs)


def _near(ours: Mapping[str, int], said: Mapping[str, int]) -> bool:
    """The same price in every token bucket that both name. Fees of tools depend on more than the model."""
    return all(
        abs(ours[bucket] - said[bucket]) <= ROUNDING * max(ours[bucket], said[bucket])
        for bucket in ours.keys() & said.keys()
        if not bucket.startswith("tool:")
    )


def _filled(model: Model, other: Model, today: datetime) -> Model:
    """Today's rows of a model, with what the second source adds to them."""
    standard = model.rate(today)
    filled = {rate.tier: rate for rate in other.rates if not rate.hours}
    rates = []
    for rate in model.rates:
        by_hours = [each for each in other.rates if each.hours and rate.hours and each.tier == rate.tier]
        if by_hours:
            rates.append(_with_days(rate, by_hours[0]))
        elif rate is model.rate(today, rate.tier) and rate.tier in filled:
            rates.append(_fill(rate, filled[rate.tier]))
        else:
            rates.append(rate)
    standard = next((rate for rate in rates if standard and rate.id == standard.id), None)
    for tier in sorted(filled.keys() - model.tiers):
        if standard is not None:
            new = replace(_over_standard(filled[tier], standard), model=model.id, since=standard.since)
            rates.append(new)
    return replace(model, rates=tuple(rates))


def _fill(rate: Rate, other: Rate) -> Rate:
    if not _near(rate.picousd, other.picousd):
        return rate
    gaps = {bucket: said for bucket, said in other.picousd.items() if bucket not in rate.picousd}
    steps = {threshold: dict(step) for threshold, step in rate.over}
    extra_steps = [
        (over, step) for over, step in other.over if not any(abs(over - own) <= 1 for own in steps)
    ]
    return replace(
        rate,
        picousd={**rate.picousd, **gaps},
        over=tuple(sorted([*rate.over, *extra_steps], key=lambda step: step[0])),
        uplift_permille=other.uplift_permille,
        agrees=other.source,
        filled=dict.fromkeys([*gaps, *(f"over {over}" for over, _ in extra_steps)], other.source),
    )


def _with_days(rate: Rate, other: Rate) -> Rate:
    """The base gives hours, the second source also the days of the week."""
    spans = {(each.start, each.end) for each in rate.hours}
    if spans != {(each.start, each.end) for each in other.hours} or not _near(rate.picousd, other.picousd):
        return rate
    return replace(rate, hours=other.hours, agrees=other.source, filled={"days": other.source})


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)
