"""
The prices of one provider, as a file: `pricing/data/rates/<provider>.jsonl`.

One JSON object per line, so that a change of prices reads as added lines:

    {"provider": "openai", "url": "https://..."}     the first line
    {"model": "gpt-5", "match": [...], ...}          a model, see `pricing.model`
    {"recorded": ..., "rates": {...}, ...}           a price row of the model above, see `pricing.rate`
    {"rival": true, ...}                             what the second source says, where the two differ
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pricing.model import Model, model_from_json, model_to_json
from pricing.rate import Rate, rate_from_json, rate_to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    provider: str
    url: str  # where its rows were read, unless a row says otherwise
    models: tuple[Model, ...]  # in order: the first that answers to a name is meant

    def called(self, name: str) -> Model | None:
        return next((model for model in self.models if model.is_called(name)), None)


def read_shelf(content: bytes) -> Shelf:
    """Read one of our own data files; ValueError or KeyError means the installation is damaged."""
    lines: Iterator[dict[str, Any]] = map(json.loads, content.splitlines())
    head = next(lines)
    models: list[Model] = []
    rates: list[Rate] = []
    rivals: list[Rate] = []

    def close() -> None:
        if models:
            models[-1] = replace(models[-1], rates=tuple(rates), rivals=tuple(rivals))
            rates.clear()
            rivals.clear()

    for row in lines:
        if "model" in row:
            close()
            models.append(model_from_json(row, provider=head["provider"]))
        else:
            rate = rate_from_json(row, provider=head["provider"], model=models[-1].id, url=head["url"])
            (rivals if row.get("rival") else rates).append(rate)
    close()
    return Shelf(provider=head["provider"], url=head["url"], models=tuple(models))


def write_shelf(shelf: Shelf) -> bytes:
    """The file's bytes; the same shelf always gives the same bytes."""
    return b"".join(_line(row) for row in _rows(shelf))


def _rows(shelf: Shelf) -> Iterable[dict[str, Any]]:
    yield {"provider": shelf.provider, "url": shelf.url}
    for model in shelf.models:
        yield model_to_json(model)
        yield from (rate_to_json(rate, url=shelf.url) for rate in model.rates)
        yield from ({"rival": True} | rate_to_json(rate, url=shelf.url) for rate in model.rivals)


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
