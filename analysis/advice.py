"""
Cheaper models for what an agent does, the nearest first: can they take its calls, and what does a month cost.

From the first call on a model has a price for the same tokens. A projection needs `CALLS_MIN` calls on
`DAYS_MIN` days: fewer say nothing of a month. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from analysis.envelope import Envelope
from analysis.fit import Fit, fit
from analysis.projection import DayCost, Projection, project
from analysis.savings import SAVING_CLEAR, SAVING_MIN, ModelSpend, average_call, family_of, is_special
from analysis.swap_cost import Candidate, price, swap_cost
from analysis.token_ratio import Ratio, ratio_interval
from pricing.rate import Rate
from pricing.usage import Usage

CALLS_MIN = 100
DAYS_MIN = 3
DAYS_MAX = 28  # of which a month is made; fewer than 14 are said
# Fewer tokens can make up for a price that is a little higher, not for more than this.
_DEARER_MAX = 0.3
NO_SAVING = "its price is lower, but not the cost of your calls there"

Paid = Sequence[int | None]  # nanodollars of each sampled call of a day at the present model's list price


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySample:
    """A day of one model: what its calls cost, and the usage of some of them."""

    nanousd: int
    calls: int  # with a known cost
    usages: tuple[Usage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """One model as an agent uses it. `days` are all days of the window in order, quiet ones too."""

    spent: ModelSpend
    name: str  # the book's
    rate: Rate
    days: tuple[DaySample, ...]
    envelope: Envelope

    @property
    def calls_missing(self) -> int:
        return max(0, CALLS_MIN - sum(day.calls for day in self.days))

    @property
    def days_missing(self) -> int:
        return max(0, DAYS_MIN - sum(day.calls > 0 for day in self.days))

    @property
    def is_enough(self) -> bool:
        return not self.calls_missing and not self.days_missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """
    One candidate. `price_change` is for the same tokens; `projection` None where no more can be said.
    """

    candidate: Candidate
    price_change: float
    is_family: bool
    needs_code: bool  # another provider or dialect
    fit: Fit | None = None  # None: not looked at
    ratio: Ratio | None = None  # None: a tokenizer is not known
    projection: Projection | None = None
    step: int | None = None  # input tokens above which the candidate costs more, where prompts are longer

    @property
    def change(self) -> float:
        return self.projection.change if self.projection else self.price_change

    @property
    def is_advice(self) -> bool:
        return (
            not self.needs_code
            and self.projection is not None
            and self.fit is not None
            and not self.fit.is_ruled_out
        )

    @property
    def is_price_only(self) -> bool:
        ruled_out = self.fit is not None and self.fit.is_ruled_out
        return not self.needs_code and self.projection is None and not ruled_out


def options_for(
    use: ModelUse, candidates: Iterable[Candidate], *, today: date, options_max: int | None = None
) -> tuple[Option, ...]:
    """
    Those that save at least 5 %, by their price or by their cost, the nearest to the present model first. One
    that does so by its price alone is ruled out, with the others that are. `options_max`: look at so many
    alone, those that are nearest by their price.
    """
    if use.spent.calls <= 0:
        return ()
    average = average_call(use.spent)
    before = price(average, use.rate)
    if not before:
        return ()
    paid = [[price(usage, use.rate) for usage in day.usages] for day in use.days]
    considered = []
    for each in candidates:
        after = price(average, each.rate)
        if each.name == use.name or is_special(each.name) or not after or after > before * (1 + _DEARER_MAX):
            continue
        considered.append(_by_price(use, each, after / before - 1))
    found = []
    for by_price in _ordered(considered)[:options_max]:
        option = _looked_at(by_price, use, paid, today)
        if option.change <= -SAVING_MIN:
            found.append(option)
        elif option.price_change <= -SAVING_MIN and option.fit is not None:
            found.append(replace(option, fit=option.fit.but(NO_SAVING)))
    return tuple(_ordered(found))


def _ordered(options: Iterable[Option]) -> list[Option]:
    by_name = sorted(options, key=lambda option: option.candidate.name, reverse=True)  # version numbers rise
    return sorted(by_name, key=_distance)


def _by_price(use: ModelUse, candidate: Candidate, price_change: float) -> Option:
    """Embeddings of two models cannot be compared, so that what is stored has to be made anew."""
    is_other = (candidate.provider, candidate.dialect) != (use.spent.provider, use.spent.dialect)
    return Option(
        candidate=candidate,
        price_change=price_change,
        is_family=family_of(candidate.name) == family_of(use.spent.model),
        needs_code=is_other or use.spent.dialect == "openai.embeddings",
        ratio=ratio_interval(use.name, candidate.name),
    )


def _looked_at(option: Option, use: ModelUse, paid: Sequence[Paid], today: date) -> Option:
    """With what its calls would have cost, where there are enough to say."""
    candidate, ratio = option.candidate, option.ratio
    if not use.is_enough or ratio is None:
        return option
    days = _day_costs(use, candidate, ratio, paid)
    longest = use.envelope.input_tokens_max * ratio.high
    return replace(
        option,
        fit=fit(use.envelope, candidate.model, ratio, today=today),
        projection=project(days) if days else None,
        step=next((over for over, _ in candidate.rate.over if longest > over), None),
    )


def _distance(option: Option) -> tuple[bool, bool, float]:
    """The family first; then the dearest of those that are clearly cheaper, then the cheapest of others."""
    is_clear = option.change <= -SAVING_CLEAR
    return (not option.is_family, not is_clear, -option.change if is_clear else option.change)


def _day_costs(use: ModelUse, candidate: Candidate, ratio: Ratio, paid: Sequence[Paid]) -> list[DayCost]:
    """
    Each day at the candidate: what the day cost, by what its sample would have cost. So a discount, a batch
    or a tier is taken to hold there too. A day without a sample goes by all samples.
    """
    by_day = [
        _sample_costs(day.usages, before, candidate, ratio)
        for day, before in zip(use.days, paid, strict=True)
    ]
    together = _sum(by_day)
    if together.before <= 0:
        return []
    return [
        _scaled(sample if sample.before > 0 else together, day.nanousd)
        for day, sample in zip(use.days, by_day, strict=True)
    ]


def _sample_costs(usages: Sequence[Usage], paid: Paid, candidate: Candidate, ratio: Ratio) -> DayCost:
    costs = []
    for usage, before in zip(usages, paid, strict=True):
        after = swap_cost(usage, candidate, ratio)
        if before and after is not None:
            costs.append(
                DayCost(before=before, low=after.low, mid=after.mid, high=after.high, cold=after.cold)
            )
    return _sum(costs)


def _sum(costs: Sequence[DayCost]) -> DayCost:
    return DayCost(
        before=sum(each.before for each in costs),
        low=sum(each.low for each in costs),
        mid=sum(each.mid for each in costs),
        high=sum(each.high for each in costs),
        cold=sum(each.cold for each in costs),
    )


def _scaled(sample: DayCost, nanousd: int) -> DayCost:
    def share(cost: int) -> int:
        return round(cost * nanousd / sample.before)

    return DayCost(
        before=nanousd,
        low=share(sample.low),
        mid=share(sample.mid),
        high=share(sample.high),
        cold=share(sample.cold),
    )
