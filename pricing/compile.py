"""
Compile the price book from its sources: `make prices`, or `python -m pricing.compile`.

What it does, and why it can be repeated:

1. genai-prices, a development dependency, is the base: models, the names that mean them, dated prices,
   tiers. LiteLLM's table is the second source, read as data out of a pinned wheel (`--litellm FILE`, else
   pip downloads it into a temporary folder; nothing of it is installed or run). `data/extra.toml` has, by
   hand and each with its page, what both lack.
2. Where the two agree, to within a rounding, a row says so (`agrees`), and what only the second knows
   fills the gaps (`filled`: long cache writes, tiers, steps, regional uplift, retirement dates). Where
   they differ, the base's row is used and the other is kept beside it (`rival`), so that the book can show
   the spread. A zero in LiteLLM's table is never taken for a price.
3. The result is merged into the rows on disk. These are only ever added to: a price that changed becomes a
   new row, one that was corrected a row with a later `recorded`. Run twice, it changes nothing: the second
   run finds every row already there, and the bytes are the same on any machine.

To take newer prices: raise GENAI_VERSION or the pins in `sources/litellm.py`, set RECORDED to today, run,
and read the diff: it shows added lines only, unless a model's facts changed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pricing.edition import version_of
from pricing.model import Model, in_force
from pricing.names import FALLBACKS
from pricing.rate import STANDARD, Rate
from pricing.shelf import Shelf, read_shelf, write_shelf
from pricing.sources import extra, genai, litellm

GENAI_VERSION = "0.2.3"
# The day the sources were taken; it goes into each row that this run adds.
RECORDED = date(2026, 11, 25)
# The day LiteLLM's table speaks of; a price that changed since is no disagreement.
LITELLM_DAY = date(2026, 10, 21)
# The sources round differently; a larger difference is a disagreement.
ROUNDING = 0.02

DATA = Path(__file__).parent / "data"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pricing.compile", description="Compile the price book.")
    parser.add_argument("--litellm", type=Path, help=f"the wheel of litellm {litellm.VERSION}, if it is here")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the price book")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        wheel = options.litellm or litellm.download(Path(folder))
        table = litellm.read_table(wheel)
    changed = compile_book(options.data, table)
    print(f"{changed} files changed in {options.data}" if changed else "nothing changed", file=sys.stderr)  # noqa: T201
    return 0


def compile_book(folder: Path, table: Mapping[str, Mapping[str, Any]], *, recorded: date = RECORDED) -> int:
    """
    Bring the files of the book up to date; the number of files that changed.

    `recorded`: the day that new rows bear, and from which a change without a date holds.
    """
    if (found := version("genai-prices")) != GENAI_VERSION:
        raise SystemExit(f"genai-prices {found} is installed, the book is compiled from {GENAI_VERSION}")
    base = list(genai.shelves(source=f"genai-prices {GENAI_VERSION}", recorded=recorded))
    second = list(litellm.models(table, source=f"litellm {litellm.VERSION}", recorded=recorded))
    by_hand = tomllib.loads((folder / "extra.toml").read_text())
    shelves = extra.add(join_sources(base, second), by_hand, recorded=recorded)
    files = {}
    for shelf in shelves:
        path = folder / "rates" / f"{shelf.provider}.jsonl"
        shelved = read_shelf(path.read_bytes()) if path.exists() else None
        files[path] = write_shelf(merge(shelved, shelf, recorded=recorded))
    for path in sorted((folder / "rates").glob("*.jsonl")):
        files.setdefault(path, path.read_bytes())  # a provider that the sources have dropped keeps its rows
    files[folder / "index.json"] = _index(files)
    changed = [path for path, content in files.items() if not path.exists() or path.read_bytes() != content]
    for path in changed:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(files[path])
    return len(changed)


def _index(files: Mapping[Path, bytes]) -> bytes:
    version = version_of({path.name: content for path, content in files.items()})
    index = {"version": version, "providers": sorted(path.stem for path in files)}
    return json.dumps(index, indent=1).encode() + b"\n"


# --- the two sources become one


def join_sources(base: Iterable[Shelf], second: Iterable[Model]) -> list[Shelf]:
    """The base's shelves, confirmed, filled and disputed by the second source, and its own models behind."""
    shelves = {shelf.provider: shelf for shelf in base}
    spoken_of: dict[tuple[str, str], list[Model]] = {}
    added: dict[str, list[Model]] = {}
    for other in second:
        own = _called(shelves.get(other.provider), other.id)
        if own is not None:
            spoken_of.setdefault((other.provider, own.id), []).append(other)
        elif not _confirmed_elsewhere(shelves, other):
            added.setdefault(other.provider, []).append(_completed(other))
    joined = [
        replace(
            shelf,
            models=(
                *(_join(model, spoken_of.get((shelf.provider, model.id), [])) for model in shelf.models),
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


def _called(shelf: Shelf | None, name: str) -> Model | None:
    return next((model for model in shelf.models if model.is_called(name)), None) if shelf else None


def _confirmed_elsewhere(shelves: Mapping[str, Shelf], other: Model) -> bool:
    """A provider that resells another's models at the same price needs no rows of its own."""
    for provider in FALLBACKS.get(other.provider, ()):
        model = _called(shelves.get(provider), other.id)
        if model is not None:
            return _agreement(model, other)
    return False


def _unique(models: Iterable[Model], taken: set[str]) -> list[Model]:
    unique: dict[str, Model] = {}
    for model in models:
        if model.id not in taken:
            unique.setdefault(model.id, model)
    return list(unique.values())


def _completed(model: Model) -> Model:
    """A model that only the second source has: a tier costs the standard price where nothing else is said."""
    standard = model.rate(_noon(LITELLM_DAY))
    assert standard is not None
    return replace(model, rates=tuple(_over_standard(rate, standard) for rate in model.rates))


def _over_standard(rate: Rate, standard: Rate) -> Rate:
    return replace(rate, picousd={**standard.picousd, **rate.picousd}) if rate.tier != STANDARD else rate


def _join(model: Model, others: list[Model]) -> Model:
    """One model of the base with what the second source says of it under any of its names."""
    if not others:
        return model
    nearest = sorted(others, key=lambda other: (other.id != model.id, len(other.id), other.id))
    agreeing = next((other for other in nearest if _agreement(model, other)), None)
    other = agreeing or nearest[0]
    model = replace(
        model,
        mode=other.mode,
        input_tokens_max=model.input_tokens_max or other.input_tokens_max,
        output_tokens_max=other.output_tokens_max,
        cache_tokens_min=other.cache_tokens_min,
        retires=other.retires,
        supports=other.supports,
        lacks=other.lacks,
    )
    if agreeing is not None:
        return _filled(model, agreeing)
    disputed = model.rate(_noon(LITELLM_DAY))
    rival = other.rate(_noon(LITELLM_DAY))
    if disputed is None or rival is None:
        return model
    return replace(model, rivals=(replace(rival, model=model.id, since=disputed.since),))


def _agreement(model: Model, other: Model) -> bool:
    mine, theirs = model.rate(_noon(LITELLM_DAY)), other.rate(_noon(LITELLM_DAY))
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


def _filled(model: Model, other: Model) -> Model:
    """Today's rows of a model, with what the second source adds to them."""
    today = _noon(RECORDED)
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


# --- what is new goes behind what is on disk


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
            rates=_merged(known[model.id].rates, model.rates, recorded),
            rivals=_merged(known[model.id].rivals, model.rivals, recorded),
        )
        if model.id in known
        else model
        for model in fresh.models
    ]
    kept = {model.id for model in models}
    return replace(fresh, models=(*models, *(model for model in shelved.models if model.id not in kept)))


def _merged(shelved: tuple[Rate, ...], fresh: tuple[Rate, ...], recorded: date) -> tuple[Rate, ...]:
    rates = list(shelved)
    for tier in dict.fromkeys(rate.tier for rate in fresh):
        said = [rate for rate in fresh if rate.tier == tier]
        kept = [rate for rate in shelved if rate.tier == tier]
        for day in _days_of_change(kept, said, recorded):
            wanted = in_force(said, day)
            if _cover(in_force([rate for rate in rates if rate.tier == tier], day), wanted):
                continue
            if any(rate.recorded >= recorded for rate in kept):
                raise ValueError(f"{kept[0].id} differs from its source: set RECORDED to a later day")
            since = None if day == date.min else day
            rates += [replace(rate, since=since, recorded=recorded) for rate in wanted]
    return tuple(rates)


def _days_of_change(kept: Iterable[Rate], said: Iterable[Rate], recorded: date) -> list[date]:
    """
    The days on which the source's price has to be what the rows on disk say.

    A source that gives no dates speaks of today alone: a price that differs is a change from today. One
    that gives dates speaks of everything since its first one.
    """
    ours, theirs = {_starts(rate) for rate in kept}, {_starts(rate) for rate in said}
    first = recorded if ours and theirs == {date.min} else min(theirs)
    return sorted({first} | {day for day in ours | theirs if day > first})


def _cover(kept: tuple[Rate, ...], wanted: tuple[Rate, ...]) -> bool:
    return len(kept) == len(wanted) and all(map(Rate.covers, kept, wanted))


def _starts(rate: Rate) -> date:
    return rate.since or date.min


if __name__ == "__main__":
    sys.exit(main())
