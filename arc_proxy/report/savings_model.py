"""What there is to say of cheaper models, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from analysis.advice import ModelUse, Option
from analysis.savings import ModelSpend


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSavings:
    """One model that an agent uses. `use` None: `trouble` says why there is nothing to compare with."""

    spent: ModelSpend
    use: ModelUse | None = None
    trouble: str = ""
    options: tuple[Option, ...] = ()

    @property
    def advice(self) -> tuple[Option, ...]:
        return tuple(option for option in self.options if option.is_advice)

    @property
    def price_only(self) -> tuple[Option, ...]:
        return tuple(option for option in self.options if option.is_price_only)

    @property
    def elsewhere(self) -> tuple[Option, ...]:
        """Of these the ones that could take the calls, as far as that was looked at."""
        return tuple(
            option
            for option in self.options
            if option.needs_code and not (option.fit and option.fit.is_ruled_out)
        )

    @property
    def ruled_out(self) -> tuple[Option, ...]:
        return tuple(option for option in self.options if option.fit and option.fit.is_ruled_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retiring:
    """A model in use whose last day the price book knows."""

    agent: str | None
    model: str
    retires: date


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSavings:
    agent: str | None
    models: tuple[ModelSavings, ...]  # by spend
    retiring: tuple[Retiring, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    since_ns: int | None
    until_ns: int | None
    made_ns: int
    agents: tuple[AgentSavings, ...]  # by spend
    price_book: str
    is_first: bool = False  # no call was ever seen in this folder

    @property
    def made_day(self) -> str:
        """2026-11-25, UTC."""
        return f"{datetime.fromtimestamp(self.made_ns / 1e9, UTC):%Y-%m-%d}"
