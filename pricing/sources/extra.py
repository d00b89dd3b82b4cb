"""What both sources lack, by hand: `pricing/data/extra.toml`. For `pricing.compile` alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from pricing.model import Model
from pricing.rate import STANDARD, Rate
from pricing.shelf import Shelf

SOURCE = "by hand"
PICO_PER_USD = 10**12


def add(shelves: Iterable[Shelf], by_hand: Mapping[str, Any], *, recorded: date) -> list[Shelf]:
    """The shelves with the rows of `[[rate]]`, and the fees of `[[fee]]` in every row that lacks them."""
    return [_with_fees(_with_rates(shelf, by_hand, recorded), by_hand) for shelf in shelves]


def _with_fees(shelf: Shelf, by_hand: Mapping[str, Any]) -> Shelf:
    """A fee that does not depend on the model, for the models named by a clause that lack one."""
    fees = [fee for fee in by_hand.get("fee", ()) if fee["provider"] == shelf.provider]

    def charged(model: Model, rate: Rate) -> Rate:
        missing = {
            fee["bucket"]: int(Decimal(fee["usd"]) * PICO_PER_USD / int(fee["units"]))
            for fee in fees
            if fee["bucket"] not in rate.picousd and (not fee.get("modes") or model.mode in fee["modes"])
        }
        pages = {fee["bucket"]: f"{SOURCE}, {fee['source']}" for fee in fees if fee["bucket"] in missing}
        return replace(rate, picousd={**rate.picousd, **missing}, filled={**rate.filled, **pages})

    models = tuple(
        replace(model, rates=tuple(charged(model, rate) for rate in model.rates)) for model in shelf.models
    )
    return replace(shelf, models=models)


def _with_rates(shelf: Shelf, by_hand: Mapping[str, Any], recorded: date) -> Shelf:
    rows = [row for row in by_hand.get("rate", ()) if row["provider"] == shelf.provider]
    models = list(shelf.models)
    for row in rows:
        rate = Rate(
            provider=shelf.provider,
            model=row["model"],
            tier=row.get("tier", STANDARD),
            since=row.get("since"),
            recorded=recorded,
            source=SOURCE,
            url=row["source"],
            picousd={bucket: int(Decimal(usd) * 10**6) for bucket, usd in row["usd_per_million"].items()},
        )
        at = next((index for index, model in enumerate(models) if model.id == row["model"]), None)
        if at is None:
            clauses = (["=", row["model"]], *(["=", alias] for alias in row.get("aliases", ())))
            models.append(
                Model(
                    provider=shelf.provider, id=row["model"], clauses=clauses, mode=row["mode"], rates=(rate,)
                )
            )
        else:
            models[at] = replace(models[at], rates=(*models[at].rates, rate))
    return replace(shelf, models=tuple(models))
