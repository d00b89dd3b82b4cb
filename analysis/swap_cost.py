"""
What one call would have cost on another model, its tokens counted anew and its cache looked at again. Pure.

Output is taken to be as long as it was: only a replay can tell. Tool uses are left out, they cost the same
whichever model asked for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from analysis.token_ratio import Ratio
from pricing.lines import cost_lines, nanousd
from pricing.model import Model
from pricing.rate import Rate
from pricing.usage import Usage

# Where a model caches and nobody says from how many tokens on: OpenAI's, and the commonest of all.
# https://platform.openai.com/docs/guides/prompt-caching
CACHE_TOKENS_MIN = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model that might take another's place, its row of prices, and how it is called."""

    provider: str
    dialect: str
    model: Model
    rate: Rate

    @property
    def name(self) -> str:
        return self.model.id


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapCost:
    """Nanodollars of one call there, by the low, mid and high ratio. `cold`: as `mid`, no cache hit."""

    low: int
    mid: int
    high: int
    cold: int


def swap_cost(usage: Usage, candidate: Candidate, ratio: Ratio) -> SwapCost | None:
    """None where the row does not price all that was used."""
    costs = {each: _warm(usage, candidate, each) for each in set(ratio)}
    low, mid, high = (costs[each] for each in ratio)
    if low is None or mid is None or high is None:
        return None
    cold = price(_without_hits(_scaled(usage, ratio.mid)), candidate.rate) if usage.cache_read else mid
    # A step of the price can make fewer tokens the dearer ones only if the row is odd; a range stays one.
    return SwapCost(
        low=min(low, mid), mid=mid, high=max(mid, high), cold=mid if cold is None else max(mid, cold)
    )


def price(usage: Usage, rate: Rate) -> int | None:
    """Nanodollars; None where the row leaves out or understates a part of the usage."""
    lines, short = cost_lines(replace(usage, tool_units={}) if usage.tool_units else usage, rate)
    return None if short else nanousd(sum(line.picousd for line in lines))


def caches(candidate: Candidate) -> bool:
    return "cache_read" in candidate.rate.picousd and "prompt_caching" not in candidate.model.lacks


def _warm(usage: Usage, candidate: Candidate, ratio: float) -> int | None:
    scaled = _scaled(usage, ratio)
    prefix = scaled.cache_read + scaled.cache_write_tokens
    least = candidate.model.cache_tokens_min or CACHE_TOKENS_MIN
    if prefix and not (caches(candidate) and prefix >= least):
        scaled = replace(
            scaled, input_text=scaled.input_text + prefix, cache_read=0, cache_write_5m=0, cache_write_1h=0
        )
    return price(scaled, candidate.rate)


def _without_hits(usage: Usage) -> Usage:
    return replace(usage, input_text=usage.input_text + usage.cache_read, cache_read=0)


def _scaled(usage: Usage, ratio: float) -> Usage:
    """Text only: pictures and sound are counted by their size and not by a tokenizer."""
    if ratio == 1:
        return usage
    return Usage(
        input_text=round(usage.input_text * ratio),
        input_audio=usage.input_audio,
        input_image=usage.input_image,
        cache_read=round(usage.cache_read * ratio),
        cache_write_5m=round(usage.cache_write_5m * ratio),
        cache_write_1h=round(usage.cache_write_1h * ratio),
        output_text=round(usage.output_text * ratio),
        output_audio=usage.output_audio,
        output_image=usage.output_image,
        reasoning=round(usage.reasoning * ratio),
    )
