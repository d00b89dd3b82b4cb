"""
Editions of the price book: what a wheel of arc-proxy ships, or a folder of the same form, read as data.

    rates/<provider>.jsonl    see `pricing.shelf`
    index.json                version and providers; a new one is made of the rows

An edition is added to the one that is here: rows are only ever added, the newest `recorded` wins, and
nothing of a wheel is run. What it would change is a `Move` per price, so that it can be shown and refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pricing.model import Model
from pricing.rate import Rate
from pricing.shelf import Shelf, read_shelf, write_shelf

# Of one file, of all together, and how many: the book has 3 MB in 90 files.
FILE_BYTES_MAX = 16 * 1024 * 1024
EDITION_BYTES_MAX = 64 * 1024 * 1024
FILES_MAX = 1000
# A dollar per token: nobody asks for more, so more is a mistake of units.
PICOUSD_MAX = 10**12

_IN_WHEEL = "pricing/data/rates/"


class EditionError(ValueError):
    """It is no edition, or holds what cannot be a price. The text says what and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One price that an edition changes: picodollars per unit, `before` None where there was none."""

    provider: str
    model: str
    tier: str
    bucket: str
    before: int | None
    after: int

    @property
    def is_drastic(self) -> bool:
        """More than twice or less than half of what it was, or given away."""
        return self.before is not None and (self.after > 2 * self.before or self.after * 2 < self.before)


Shelves = Mapping[str, Shelf]


def read_edition(source: Path) -> Shelves:
    """By provider. Raises EditionError, and OSError for what cannot be read."""
    files = _files_of_wheel(source) if zipfile.is_zipfile(source) else _files_of_folder(source)
    shelves: dict[str, Shelf] = {}
    total = 0
    for name, content in files:
        total += len(content)
        if len(shelves) >= FILES_MAX or total > EDITION_BYTES_MAX:
            raise EditionError(f"{source.name} holds more than a price book can")
        shelves[name.removesuffix(".jsonl")] = _read(name, content)
    if not shelves:
        raise EditionError(
            f"{source.name} holds no prices: a wheel of arc-proxy or a folder with rates/ is wanted"
        )
    return shelves


def moves(old: Shelves, new: Shelves, at: datetime) -> Iterator[Move]:
    """What costs something else at that moment by the new edition, by provider, model, tier and bucket."""
    for provider, shelf in sorted(new.items()):
        known = {model.id: model for model in old[provider].models} if provider in old else {}
        for model in shelf.models:
            before = known.get(model.id)
            for tier in sorted(model.tiers):
                yield from _moves_of(before, joined(before, model), tier, at)


def added(old: Shelves, new: Shelves) -> dict[str, Shelf]:
    """The shelves of both: every row that is here, and behind them those that are not."""
    shelves = dict(old)
    for provider, shelf in new.items():
        known = {model.id: model for model in old[provider].models} if provider in old else {}
        models = [joined(known.get(model.id), model) for model in shelf.models]
        kept = {model.id for model in models}
        gone = [model for model in known.values() if model.id not in kept]
        shelves[provider] = replace(shelf, models=(*models, *gone))
    return shelves


def joined(before: Model | None, after: Model) -> Model:
    """A model with the rows of both; facts that are no prices are the later one's."""
    if before is None:
        return after
    return replace(
        after,
        rates=_union(before.rates, after.rates),
        rivals=_union(before.rivals, after.rivals),
    )


def write_edition(folder: Path, shelves: Shelves) -> str:
    """Put an edition in a folder's place, whole or not at all; its version. Raises OSError."""
    files = {f"{provider}.jsonl": write_shelf(shelf) for provider, shelf in sorted(shelves.items())}
    version = version_of(files)
    fresh, stale = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")
    for each in (fresh, stale):
        shutil.rmtree(each, ignore_errors=True)
    (fresh / "rates").mkdir(parents=True, mode=0o700)
    index = {"version": version, "providers": sorted(shelves)}
    written = {fresh / "rates" / name: content for name, content in files.items()}
    for path, content in (
        written | {fresh / "index.json": json.dumps(index, indent=1).encode() + b"\n"}
    ).items():
        path.touch(mode=0o600)
        path.write_bytes(content)
    if folder.exists():
        folder.rename(stale)
    fresh.rename(folder)
    shutil.rmtree(stale, ignore_errors=True)
    return version


def version_of(files: Mapping[str, bytes]) -> str:
    """The last day something was recorded, and a checksum of every row, by file name."""
    content = hashlib.sha256()
    last = ""
    for name in sorted(files):
        content.update(name.encode() + b"\0" + files[name])
        models = read_shelf(files[name]).models
        last = max([last, *(rate.recorded.isoformat() for model in models for rate in model.rates)])
    return f"{last}.{content.hexdigest()[:8]}"


def _files_of_wheel(source: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(source) as wheel:
            for entry in wheel.infolist():
                name = entry.filename
                if (
                    name.startswith(_IN_WHEEL)
                    and name.endswith(".jsonl")
                    and "/" not in name[len(_IN_WHEEL) :]
                ):
                    with wheel.open(entry) as file:
                        yield name[len(_IN_WHEEL) :], _bounded(name, file.read(FILE_BYTES_MAX + 1))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise EditionError(f"{source.name} is a damaged wheel: {error}") from None


def _files_of_folder(source: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((source / "rates").glob("*.jsonl")):
        with path.open("rb") as file:
            yield path.name, _bounded(path.name, file.read(FILE_BYTES_MAX + 1))


def _bounded(name: str, content: bytes) -> bytes:
    if len(content) > FILE_BYTES_MAX:
        raise EditionError(f"{name} is larger than a price list can be")
    return content


def _read(name: str, content: bytes) -> Shelf:
    try:
        shelf = read_shelf(content)
        for model in shelf.models:
            for rate in (*model.rates, *model.rivals):
                for bucket, picousd in _prices(rate):
                    if (
                        isinstance(picousd, bool)
                        or not isinstance(picousd, int)
                        or not 0 <= picousd <= PICOUSD_MAX
                    ):
                        raise EditionError(
                            f"{name}: {model.id} has {picousd!r} for {bucket}, which is no price"
                        )
    except EditionError:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        StopIteration,
        RecursionError,
    ) as error:
        raise EditionError(f"{name} is no list of prices: {type(error).__name__}: {error}") from None
    if f"{shelf.provider}.jsonl" != name:
        raise EditionError(f"{name} holds the prices of {shelf.provider!r}")
    return shelf


def _prices(rate: Rate) -> Iterator[tuple[str, int]]:
    yield from rate.picousd.items()
    for _, step in rate.over:
        yield from step.items()


def _moves_of(before: Model | None, after: Model, tier: str, at: datetime) -> Iterator[Move]:
    was, now = before.rate(at, tier) if before else None, after.rate(at, tier)
    if now is None:
        return
    for bucket, picousd in sorted(now.picousd.items()):
        old = was.picousd.get(bucket) if was else None
        if old != picousd:
            yield Move(
                provider=after.provider, model=after.id, tier=tier, bucket=bucket, before=old, after=picousd
            )


def _union(before: Iterable[Rate], after: Iterable[Rate]) -> tuple[Rate, ...]:
    kept = list(before)
    return (*kept, *(rate for rate in after if rate not in kept))
