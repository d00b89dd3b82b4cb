"""
Models of one provider: the names that mean them, what is known of them, and their price rows.

A name is matched by clauses, small lists that JSON can hold:

    ["=", "gpt-5"]   ["^", "prefix"]   ["$", "suffix"]   ["*", "substring"]   ["~", "regular expression"]
    ["&", clause, clause ...]   all of them;   ["|", clause, clause ...]   one of them
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pricing.rate import STANDARD, Rate, utc

Clause = Sequence[Any]


def matches(clause: Clause, name: str) -> bool:
    """Whether a clause accepts a lower-case name."""
    sign, first = clause[0], clause[1]
    match sign:
        case "=":
            return bool(name == first)
        case "^":
            return name.startswith(first)
        case "$":
            return name.endswith(first)
        case "*":
            return bool(first in name)
        case "~":
            return re.search(first, name) is not None
        case "&":
            return all(matches(each, name) for each in clause[1:])
        case "|":
            return any(matches(each, name) for each in clause[1:])
    raise ValueError(f"unknown clause {sign!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """
    A model under one provider.

    `mode`: what it is for, in LiteLLM's words ("chat", "responses", "embedding" ...), "" if nobody says.
    `retires`: the announced last day. `supports`: LiteLLM's words ("function_calling", "vision" ...).
    """

    provider: str
    id: str
    clauses: tuple[Clause, ...]
    mode: str = ""
    input_tokens_max: int | None = None
    output_tokens_max: int | None = None
    cache_tokens_min: int | None = None
    retires: date | None = None
    supports: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()  # said not to be supported; what is in neither set is unknown
    rates: tuple[Rate, ...] = ()
    rivals: tuple[Rate, ...] = field(default=(), repr=False)  # what the second source says, where it differs

    def is_called(self, name: str) -> bool:
        return any(matches(clause, name) for clause in self.clauses)

    def rate(self, at: datetime, tier: str = STANDARD) -> Rate | None:
        """The row that holds at a moment, None if none does."""
        return newest(self.rates, at, tier)

    def rival(self, at: datetime, tier: str = STANDARD) -> Rate | None:
        """What the other source says of that moment, where the two differ."""
        return newest(self.rivals, at, tier)

    @property
    def tiers(self) -> frozenset[str]:
        return frozenset(rate.tier for rate in self.rates)


def newest(rates: Iterable[Rate], at: datetime, tier: str) -> Rate | None:
    """The row of a tier that holds at a moment, None if none does."""
    listed = in_force([rate for rate in rates if rate.tier == tier], utc(at).date())
    by_hours = (rate for rate in listed if rate.hours and rate.contains(at))
    return next(by_hours, None) or next((rate for rate in listed if not rate.hours), None)


def in_force(rates: Iterable[Rate], day: date) -> tuple[Rate, ...]:
    """
    The rows of one tier that make its price on a day: the last `since`, and of these the last `recorded`.

    One row for all hours, and those for some hours of the week that belong to it: only their last set
    counts, so that a later set can also take hours back, and only while no later row has one price for all.
    """
    begun = [rate for rate in rates if rate.since is None or rate.since <= day]
    always = max((rate for rate in begun if not rate.hours), key=lambda rate: rate.age, default=None)
    by_hours = [rate for rate in begun if rate.hours]
    last = max((rate.age for rate in by_hours), default=None)
    if always is None:
        return tuple(rate for rate in by_hours if rate.age == last)
    if last is None or last < always.age:
        return (always,)
    return (always, *(rate for rate in by_hours if rate.age == last))


def model_from_json(row: Mapping[str, Any], *, provider: str) -> Model:
    """Read the facts of a model from our own data files; its rows come after it."""
    return Model(
        provider=provider,
        id=row["model"],
        clauses=tuple(row["match"]),
        mode=row.get("mode", ""),
        input_tokens_max=row.get("input_max"),
        output_tokens_max=row.get("output_max"),
        cache_tokens_min=row.get("cache_min"),
        retires=date.fromisoformat(row["retires"]) if "retires" in row else None,
        supports=frozenset(row.get("supports", ())),
        lacks=frozenset(row.get("lacks", ())),
    )


def model_to_json(model: Model) -> dict[str, Any]:
    """The facts as `model_from_json` reads them, unknown ones left out."""
    row: dict[str, Any] = {"model": model.id, "match": [_plain(clause) for clause in model.clauses]}
    facts = {
        "mode": model.mode or None,
        "input_max": model.input_tokens_max,
        "output_max": model.output_tokens_max,
        "cache_min": model.cache_tokens_min,
        "retires": model.retires.isoformat() if model.retires else None,
        "supports": sorted(model.supports) or None,
        "lacks": sorted(model.lacks) or None,
    }
    return row | {name: value for name, value in facts.items() if value is not None}


def _plain(clause: Clause) -> list[Any]:
    return [_plain(each) if isinstance(each, list | tuple) else each for each in clause]
