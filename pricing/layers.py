"""
Rows over the shipped book: the files that `arc-proxy prices update` leaves in `prices/` of the data folder.

A file is named by its day and number, `2026-11-27.01.jsonl`, and holds what that update added, in the form of
`pricing.shelf`, one provider after the other. It is never edited; deleting it takes the update back. Which
row holds is decided as everywhere: by `since`, then by `recorded`, the newest last.

A model that the book lacks is looked for before the next one in the file that the book knows, which may stand
there without rows, and before any whose pattern its name fits: the first that answers is meant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pricing.checked import SourceError
from pricing.model import Model
from pricing.names import spellings
from pricing.overrides import PricesFileError
from pricing.rows import read_rows
from pricing.shelf import Shelf

PATTERN = "*.jsonl"
LAYER_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """`version`: the last file's name and a checksum of all, "" without files. `shelves`: by provider."""

    version: str = ""
    shelves: Mapping[str, tuple[Shelf, ...]] = field(default_factory=dict)


def read_layers(folder: Path) -> Layers:
    """All files of the folder; PricesFileError for one that cannot be used. No folder, no layers."""
    content = hashlib.sha256()
    shelves: dict[str, list[Shelf]] = {}
    paths = layer_files(folder)
    for path in paths:
        written = _read(path)
        content.update(path.name.encode() + b"\0" + written)
        try:
            found = read_rows(written)
        except SourceError as error:
            raise PricesFileError(path, f"{error}; without this file the book is as before it") from None
        for shelf in found:
            shelves.setdefault(shelf.provider, []).append(shelf)
    if not paths:
        return Layers()
    version = f"{paths[-1].name.removesuffix('.jsonl')}.{content.hexdigest()[:8]}"
    return Layers(version=version, shelves={name: tuple(each) for name, each in shelves.items()})


def layer_files(folder: Path) -> list[Path]:
    """In the order in which they were written. PricesFileError if the folder cannot be read."""
    try:
        return sorted(folder.glob(PATTERN)) if folder.is_dir() else []
    except OSError as error:
        raise PricesFileError(folder, error.strerror or "cannot be read") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LAYER_BYTES_MAX + 1)
    except OSError as error:
        raise PricesFileError(path, error.strerror or "cannot be read") from error
    if len(content) > LAYER_BYTES_MAX:
        raise PricesFileError(path, f"is larger than {LAYER_BYTES_MAX // 1024**2} MiB")
    return content


def lay(shelf: Shelf | None, layers: Iterable[Shelf]) -> Shelf | None:
    """A provider's shelf with its layers over it; None if there is neither."""
    for layer in layers:
        shelf = _lay_one(shelf or replace(layer, models=()), layer)
    return shelf


def _lay_one(shelf: Shelf, layer: Shelf) -> Shelf:
    places = {model.id: at for at, model in enumerate(shelf.models)}
    known = list(shelf.models)
    before: dict[int, list[Model]] = {}  # new models by the place of the known one that they go before
    place = len(known)
    for model in reversed(layer.models):
        if model.id in places:
            place = places[model.id]
            known[place] = _over(known[place], model)
        else:
            answers = next((at for at, each in enumerate(shelf.models) if each.is_called(model.id)), place)
            before.setdefault(min(place, answers), []).insert(0, model)
    models = [each for at, model in enumerate(known) for each in (*before.get(at, ()), model)]
    return replace(shelf, models=(*models, *before.get(len(known), ())))


def _over(below: Model, above: Model) -> Model:
    """A model with more rows. Its names stay: a file cannot take another model's calls."""
    return replace(
        below,
        mode=below.mode or above.mode,
        input_tokens_max=below.input_tokens_max or above.input_tokens_max,
        output_tokens_max=below.output_tokens_max or above.output_tokens_max,
        cache_tokens_min=below.cache_tokens_min or above.cache_tokens_min,
        retires=below.retires or above.retires,
        supports=below.supports or above.supports,
        lacks=below.lacks or above.lacks,
        rates=(*below.rates, *above.rates),
        rivals=(*below.rivals, *above.rivals),
    )


def names_taken(current: Shelf, layered: Shelf) -> dict[str, tuple[Model, ...]]:
    """New model -> the known ones that answered to its name, or whose name it answers to now."""
    taken: dict[str, dict[str, Model]] = {}
    known = {model.id for model in current.models}
    for model in layered.models:
        if model.id not in known:
            before = next(
                (found for name, _ in spellings(model.id) if (found := current.called(name)) is not None),
                None,
            )
            if before is not None:
                taken.setdefault(model.id, {})[before.id] = before
    for model in current.models:
        for name in {model.id, *_exact_names(model)}:
            answers, answered = layered.called(name), current.called(name)
            if answers is not None and answered is not None and answers.id not in known:
                taken.setdefault(answers.id, {})[answered.id] = answered
    return {name: tuple(models.values()) for name, models in taken.items()}


def _exact_names(model: Model) -> Iterable[str]:
    return (clause[1] for clause in model.clauses if clause[0] in "=^")
