"""
The price book: which row priced a model at a moment, under whatever name a call gives it.

    book = load_book(Path("prices.toml"))
    found = book.find("openai", "gpt-5-2025-08-07")
    found.rate(at, "flex")

The rows of a provider are read when they are first asked for (a few milliseconds), and then kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pricing.layers import Layers, lay, read_layers
from pricing.model import Model
from pricing.names import shelf_names, spellings
from pricing.overrides import ANY_MODEL, Overrides, read_overrides
from pricing.overrides import Discount as Discount
from pricing.overrides import PricesFileError as PricesFileError
from pricing.rate import STANDARD, Rate
from pricing.shelf import Shelf, read_shelf

DATA = Path(__file__).parent / "data"

# Names come from traffic, so the memory of them is bounded.
NAMES_KEPT_MAX = 4096

# Models for one purpose, or that only some may use: nobody moves an agent to them for their price.
_SPECIAL = re.compile(
    r"^ft:|audio|realtime|search|deep-research|-cyber|daybreak|rosalind|computer-use|-tts|mythos"
)

# On shelves with models of other families: those that take what the dialect's own calls use.
_OF_DIALECT = {"anthropic.messages": re.compile(".*claude"), "gemini.generate": re.compile("(?!.*gemma)")}
_ANY = re.compile("")

# What a model must be for, to answer calls of a dialect.
_MODES = {
    "openai.chat": ("chat",),
    "openai.responses": ("chat", "responses"),
    "openai.embeddings": ("embedding",),
    "anthropic.messages": ("chat",),
    "gemini.generate": ("chat",),
    "bedrock.converse": ("chat",),
    "cohere.chat": ("chat",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """
    What the book knows under a name: the user's entry first, then the book's.

    `remark` is not empty if the name is not known as it stands and another stood in for it.
    """

    models: tuple[Model, ...]
    remark: str = ""

    @property
    def input_tokens_max(self) -> int | None:
        return next((model.input_tokens_max for model in self.models if model.input_tokens_max), None)

    def rate(self, at: datetime, tier: str = STANDARD) -> Rate | None:
        """The row for a tier at a moment; None if there is none, whatever other tiers cost."""
        for model in self.models:
            rate = model.rate(at, tier)
            if rate is not None:
                return rate
        return None

    def rival(self, at: datetime, rate: Rate) -> Rate | None:
        """What the other source says instead of a row."""
        owner = next((model for model in self.models if rate in model.rates), None)
        return owner.rival(at, rate.tier) if owner is not None else None


class PriceBook:
    """The prices of all providers. `version` names the state of book, updates and user's file together."""

    def __init__(self, folder: Path, overrides: Overrides, layers: Layers) -> None:
        index = json.loads((folder / "index.json").read_bytes())
        said = (index["version"], layers.version and f"updated-{layers.version}", overrides.version)
        self.version: str = "+".join(filter(None, said))
        self._shipped = frozenset(index["providers"])
        self.providers: tuple[str, ...] = tuple(sorted(self._shipped | layers.shelves.keys()))
        self._folder = folder
        self._overrides = overrides
        self._layers = layers
        self._shelves: dict[str, Shelf] = {}
        self._rows: dict[str, Mapping[str, Rate]] = {}
        self._own_rows = _by_id(rate for model in overrides.models.values() for rate in model.rates)
        self._found: dict[tuple[str, str], Found | None] = {}

    def find(self, provider: str, name: str) -> Found | None:
        """The models that a name means under a provider (the export's word); None if nobody knows it."""
        key = (provider, name)
        if key not in self._found:
            if len(self._found) >= NAMES_KEPT_MAX:
                self._found.clear()
            self._found[key] = self._look_up(provider, name)
        return self._found[key]

    def shelf(self, provider: str) -> Shelf | None:
        """All that the book has of one provider, by the book's name of it; None if it has nothing."""
        return self._shelf(provider) if provider in self.providers else None

    def row(self, rate_id: str) -> Rate | None:
        """The price row behind a stored cost, None if it is of another book."""
        provider = rate_id.partition("/")[0]
        if provider not in self._rows and provider in self.providers:
            models = self._shelf(provider).models
            self._rows[provider] = _by_id(rate for model in models for rate in (*model.rates, *model.rivals))
        return self._own_rows.get(rate_id) or self._rows.get(provider, {}).get(rate_id)

    @property
    def own_providers(self) -> tuple[str, ...]:
        """Of whom the user's file prices a model by a name of its own."""
        return tuple(
            dict.fromkeys(provider for provider, name in self._overrides.models if name != ANY_MODEL)
        )

    def models(self, provider: str) -> tuple[Model, ...]:
        """All that are known of a provider, with the user's own prices where there are any."""
        found: dict[str, Model] = {}
        for name in shelf_names(provider):
            for model in self._shelf(name).models if name in self.providers else ():
                found.setdefault(model.id, model)
        own = self._overrides.models.items()
        return tuple((found | {name: model for (seller, name), model in own if seller == provider}).values())

    def candidates(self, provider: str, dialect: str, at: datetime) -> tuple[Model, ...]:
        """
        Models that speak a dialect under a provider and have a standard price for text at a moment.

        For pricing the same tokens elsewhere: `price_call` takes their `id` as a name. Retired models, those
        for one purpose only and those of unknown purpose are left out.
        """
        modes = _MODES.get(dialect, ())
        buckets = {"input_text"} if dialect == "openai.embeddings" else {"input_text", "output_text"}
        models: dict[str, Model] = {}
        for shelf in shelf_names(provider):
            for model in self._shelf(shelf).models if shelf in self.providers else ():
                rate = model.rate(at)
                if model.mode not in modes or rate is None or not buckets <= rate.picousd.keys():
                    continue
                if model.retires is not None and model.retires < at.date():
                    continue
                if _SPECIAL.search(model.id) or not _OF_DIALECT.get(dialect, _ANY).match(model.id):
                    continue
                models.setdefault(model.id, model)
        return tuple(models.values())

    def discount_permille(self, provider: str, name: str, model: str, at: datetime) -> int:
        """The user's discount on a model, known by the call's name or the book's; 0 if there is none."""
        overrides = self._overrides
        return max(
            overrides.discount_permille(provider, name, at), overrides.discount_permille(provider, model, at)
        )

    def _look_up(self, provider: str, name: str) -> Found | None:
        name = self._overrides.aliases.get((provider, name.strip().lower()), name)
        own = self._overrides.models
        for spelling, remark in spellings(name):
            theirs = self._on_shelves(provider, spelling)
            mine = own.get((provider, spelling)) or (own.get((provider, theirs.id)) if theirs else None)
            models = tuple(model for model in (mine, theirs) if model is not None)
            if models:
                return Found(models=models, remark="" if mine is not None else remark)
        whatever = own.get((provider, name.strip().lower())) or own.get((provider, ANY_MODEL))
        return Found(models=(whatever,)) if whatever is not None else None

    def _on_shelves(self, provider: str, spelling: str) -> Model | None:
        shelves = [self._shelf(name) for name in shelf_names(provider) if name in self.providers]
        for shelf in shelves:
            if (model := shelf.called(spelling)) is not None:
                return model
        # The book's own name of a model, where no call uses it: "regional.anthropic..." on Bedrock.
        return next((model for shelf in shelves for model in shelf.models if model.id == spelling), None)

    def _shelf(self, name: str) -> Shelf:
        if name not in self._shelves:
            path = self._folder / "rates" / f"{name}.jsonl"
            shipped = read_shelf(path.read_bytes()) if name in self._shipped else None
            shelf = lay(shipped, self._layers.shelves.get(name, ()))
            assert shelf is not None  # every provider of ours has one of the two
            self._shelves[name] = shelf
        return self._shelves[name]


def _by_id(rates: Iterable[Rate]) -> Mapping[str, Rate]:
    """Of rows with one id the first."""
    found: dict[str, Rate] = {}
    for rate in rates:
        found.setdefault(rate.id, rate)
    return found


def load_book(overrides: Path | None = None, *, layers: Path | None = None, folder: Path = DATA) -> PriceBook:
    """
    The book that ships with the package, under the updates of the folder `layers` and the user's own prices.

    PricesFileError, a ValueError that says line and field, if one of these is wrong; a missing one is none.
    """
    return PriceBook(
        folder,
        read_overrides(overrides) if overrides is not None else Overrides(),
        read_layers(layers) if layers is not None else Layers(),
    )
