"""
The lines of a sum: usage times rate, bucket by bucket, in whole picodollars. No rounding but to a picodollar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pricing.rate import Rate
from pricing.usage import TOKEN_BUCKETS, Usage

PICO_PER_NANO = 1000
PER_MILLE = 1000
GLOBAL = "global"  # a region that costs nothing beside
REGIONAL = "regional"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """
    One line of the sum: so many units at such a rate.

    `bucket`: a field of Usage, "reasoning" (then output_text is without it), "request", "tool:web_search".
    "uplift:us" and "discount" are one unit each, the latter negative; "provider" is what the provider
    itself reports, and its rate_id names the fields that it was read from.
    """

    bucket: str
    units: int
    rate_picousd: int  # per unit
    rate_id: str

    @property
    def picousd(self) -> int:
        return self.units * self.rate_picousd


# Which rate stands in for one that a row lacks, and whether that is what the provider bills. A price page
# without a price for cached or image tokens bills them as input. Audio and longer cache writes cost more than
# what stands in for them, so that the sum is a lower bound.
_STAND_INS = {
    "cache_read": (("input_text", True),),
    "cache_write_5m": (("input_text", True),),
    "cache_write_1h": (("cache_write_5m", False), ("input_text", False)),
    "input_image": (("input_text", True),),
    "input_audio": (("input_text", False),),
    "output_audio": (("output_text", False),),
    "output_image": (("output_text", False),),
}


def cost_lines(usage: Usage, rate: Rate, *, region: str | None = None) -> tuple[list[CostLine], list[str]]:
    """
    The lines of a usage at a row's rates, and the buckets that they leave out or put too low.

    `region`: where the provider promised to run the model; the row knows what that adds. "regional" in a
    row stands for any region but "global".
    """
    rates = rate.for_input(usage.input_tokens)
    rate_id = rate.id
    lines: list[CostLine] = []
    short: list[str] = []
    for bucket, units in _units(usage, rates):
        picousd, is_billed_so = _rate_of(bucket, rates)
        if not is_billed_so:
            short.append(bucket)
        if picousd is not None:
            lines.append(CostLine(bucket=bucket, units=units, rate_picousd=picousd, rate_id=rate_id))
    permille = _uplift_permille(rate, region) - PER_MILLE
    tokens = sum(line.picousd for line in lines if not line.bucket.startswith(("tool:", "request")))
    if permille and tokens:
        lines.append(_adjustment(f"uplift:{region}", tokens * permille, rate))
    return lines, short


def _uplift_permille(rate: Rate, region: str | None) -> int:
    if region is None or region == GLOBAL:
        return PER_MILLE
    return rate.uplift_permille.get(region, rate.uplift_permille.get(REGIONAL, PER_MILLE))


def discount_line(lines: Sequence[CostLine], permille: int, rate: Rate) -> list[CostLine]:
    """The line that takes a discount off the others; none where it comes to nothing."""
    off = sum(line.picousd for line in lines) * permille
    return [_adjustment("discount", -off, rate)] if off else []


def difference_picousd(lines: Sequence[CostLine], rival: Rate, *, input_tokens: int) -> int:
    """What another source's row would add to the lines, in the buckets that it prices."""
    rates = rival.for_input(input_tokens)
    return sum(
        line.units * (rates[line.bucket] - line.rate_picousd) for line in lines if line.bucket in rates
    )


def nanousd(picousd: int) -> int:
    """Whole nanodollars, half to even: the one place where a cost is rounded."""
    return _divide_half_even(picousd, PICO_PER_NANO)


def _units(usage: Usage, rates: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """What there is to price, bucket by bucket; reasoning by itself only where it has a rate of its own."""
    apart = min(usage.reasoning, usage.output_text) if "reasoning" in rates else 0
    for bucket in TOKEN_BUCKETS:
        units = getattr(usage, bucket) - (apart if bucket == "output_text" else 0)
        if units:
            yield bucket, units
    if apart:
        yield "reasoning", apart
    if "request" in rates:
        yield "request", 1
    yield from ((f"tool:{name}", units) for name, units in usage.tool_units.items() if units)


def _rate_of(bucket: str, rates: Mapping[str, int]) -> tuple[int | None, bool]:
    if bucket in rates:
        return rates[bucket], True
    for other, is_billed_so in _STAND_INS.get(bucket, ()):
        if other in rates:
            return rates[other], is_billed_so
    return None, False


def _adjustment(bucket: str, permille_picousd: int, rate: Rate) -> CostLine:
    picousd = _divide_half_even(permille_picousd, PER_MILLE)
    return CostLine(bucket=bucket, units=1, rate_picousd=picousd, rate_id=rate.id)


def _divide_half_even(amount: int, by: int) -> int:
    whole, rest = divmod(amount, by)
    return whole + (2 * rest > by or (2 * rest == by and whole % 2 == 1))
