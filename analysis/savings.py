"""
What the same tokens would have cost on another model. Pure, and about price only.

It says nothing of what the other model would have answered, nor how many tokens it would have taken for it;
every surface has to say "price only" beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace

from pricing.lines import cost_lines
from pricing.rate import Rate
from pricing.usage import Usage

# Less than this is not worth a thought, and within what rounding and discounts blur.
SAVING_MIN = 0.05
# A model this much cheaper is a class below; the dearest of those is the nearest to what is used now.
SAVING_CLEAR = 0.4
# Words in the names of models that are for one purpose, or not to be built on yet.
_SPECIAL = frozenset(
    {"guard", "safeguard", "robotics", "audio", "realtime", "live", "search", "research", "tts", "image"}
    | {"transcribe", "preview", "exp"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpend:
    """What one agent spent on one model. `nanousd` and `usage` are those of the calls with a known cost."""

    provider: str
    dialect: str
    model: str
    calls: int
    usage: Usage  # sums
    nanousd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """The agent's spend with one model in place of another, all other models as they were."""

    model: str
    instead_of: str
    nanousd_before: int
    nanousd_after: int

    @property
    def ratio(self) -> float:
        """-0.62 where 62 % would have been saved."""
        return self.nanousd_after / self.nanousd_before - 1


def best_swap(
    spent: Sequence[ModelSpend],
    rate_of: Callable[[ModelSpend], Rate | None],
    candidates_of: Callable[[ModelSpend], Iterable[Rate]],
) -> Swap | None:
    """
    The nearest cheaper stand-in for the model that costs the agent most, None if there is none to speak of.

    A price says little about what a model can do, but the cheapest of all is mostly a toy: so the dearest
    that saves 40 % is named, of the same family if there is one, or where none saves that much the cheapest.
    Compared by the average call, so that steps for long prompts apply as they would have. What the calls
    really cost is scaled by it: a batch or a discount is assumed to hold for the other model too.
    """
    total = sum(each.nanousd for each in spent)
    costliest = max(spent, key=lambda each: each.nanousd, default=None)
    if costliest is None or costliest.nanousd <= 0 or costliest.calls == 0:
        return None
    own = rate_of(costliest)
    average = average_call(costliest)
    before = _price(average, own) if own else None
    if not before:
        return None
    plain = (rate for rate in candidates_of(costliest) if not is_special(rate.model))
    priced = [(price, rate) for rate in plain if (price := _price(average, rate))]
    family = [each for each in priced if family_of(each[1].model) == family_of(costliest.model)]
    found = _nearest(family, before) or _nearest(priced, before)
    if found is None:
        return None
    after, rate = found
    swapped = round(total - costliest.nanousd * (1 - after / before))
    if swapped > total * (1 - SAVING_MIN):
        return None
    return Swap(model=rate.model, instead_of=costliest.model, nanousd_before=total, nanousd_after=swapped)


def _nearest(priced: Sequence[tuple[int, Rate]], before: int) -> tuple[int, Rate] | None:
    """Of models at one price the one with the latest name: version numbers rise."""
    clear = [each for each in priced if each[0] <= before * (1 - SAVING_CLEAR)]
    if clear:
        return max(clear, key=lambda each: (each[0], each[1].model))
    cheaper = [each for each in priced if each[0] < before]
    return min(cheaper, key=lambda each: (each[0], each[1].model), default=None)


def is_special(model: str) -> bool:
    """Whether a name says that the model is for one purpose, or not to be built on yet."""
    return bool(_SPECIAL & set(re.split(r"[-/.:]", model)))


def family_of(model: str) -> str:
    """`gpt` of gpt-5-nano, `claude` of us.anthropic.claude-haiku-4-5: the word that families are known by."""
    name = re.split(r"[/.](?=[a-z])", model.lower())[-1]
    return re.split(r"[^a-z]", name, maxsplit=1)[0]


def _price(usage: Usage, rate: Rate) -> int | None:
    """Picodollars; None where the row does not price all that was used, 0 where it is given away."""
    lines, short = cost_lines(usage, rate)
    return None if short else sum(line.picousd for line in lines)


def average_call(spent: ModelSpend) -> Usage:
    """Tokens per call. Tool uses are left out: they cost the same whichever model asked for them."""
    tokens = {
        each.name: round(getattr(spent.usage, each.name) / spent.calls)
        for each in fields(spent.usage)
        if each.name != "tool_units"
    }
    return replace(Usage(), **tokens)
