"""
Cost: usage times rate, in whole nanodollars.

Whole nanodollars, because SQLite has no decimal type and sums of floats drift: a database can add these up
exactly. Everything before is whole picodollars; a call is rounded once, half to even. What cannot be known
is said by the grade, never by a zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pricing.book import Found, PriceBook
from pricing.counts import count, mapping
from pricing.lines import PICO_PER_NANO, cost_lines, difference_picousd, discount_line, nanousd
from pricing.lines import CostLine as CostLine
from pricing.money import usd_text
from pricing.names import shelf_names
from pricing.rate import STANDARD, Rate
from pricing.reported import ReportedCost, reported_cost
from pricing.tier import costs_no_less, served_tier
from pricing.usage import BilledPart, Usage, UsageGrade, billed_parts

# Providers round what they report, to a millionth of a dollar or some digits; more is another price.
ROUNDING = 0.01
ROUNDING_NANOUSD = 1000

# The reason of a cost of nothing. Tokens of such calls are in no sum: a poll repeats what another call used.
NOT_BILLED = "not billed"
# Models whose cached sound costs what their cached text does: https://platform.openai.com/docs/pricing
_CACHED_ALIKE = frozenset({"gpt-realtime", "gpt-realtime-2", "gpt-4o-realtime-preview"})


class CostGrade(StrEnum):
    """How far a cost can be trusted. Values reach the database and the export."""

    PROVIDER_REPORTED = "provider_reported"
    COMPUTED = "computed"
    ESTIMATED = "estimated"  # tokens counted by us
    PARTIAL = "partial"  # some usage or price is missing: a lower bound
    UNKNOWN = "unknown"  # never $0
    API_EQUIVALENT = "api_equivalent"  # subscription traffic: what it would have cost


def who_disagrees(grade: CostGrade) -> str:
    """Of a disputed cost."""
    is_reported = grade is CostGrade.PROVIDER_REPORTED
    return "its provider and the price book disagree" if is_reported else "sources disagree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """
    What a call cost. The lines sum to `nanousd`, rounded once.

    `notes` are for the reader of a computed cost too: a snapshot that another row stood in for, a price
    that the sources dispute. `disputed_nanousd`: what another source makes of it, None where none differs:
    the second price list, or the price book where the amount is the provider's own.
    """

    nanousd: int | None  # None exactly when the grade is UNKNOWN
    grade: CostGrade
    lines: tuple[CostLine, ...] = ()
    rate_id: str | None = None
    table_version: str | None = None
    reason: str = ""  # why the grade is not COMPUTED, in words a person can act on
    notes: tuple[str, ...] = ()
    disputed_nanousd: int | None = None


def price_call(
    book: PriceBook,
    usage: Usage,
    usage_grade: UsageGrade,
    *,
    provider: str,
    model: str | None,
    at: datetime,
    model_requested: str | None = None,
    service_tier: str | None = None,
    endpoint: str | None = None,
    batch: bool = False,
    region: str | None = None,
    raw_usage: object = None,
    billed: bool = True,
    subscription: bool = False,
) -> Cost:
    """
    The price of one call. Never raises.

    `model` is the response's word, `model_requested` the request's, asked where the book does not know the
    first. `at`: when the call ended, which is the moment that off-peak prices go by. `service_tier`: as
    served, where the response says it beside the usage. `region`: where the host promises to keep inference:
    "us", "eu", a region of Vertex AI, "global". `billed` False: refused, auxiliary, or an error without
    usage. `subscription`: paid by a plan, so the result is only what an API key would have paid.
    """
    if not billed:
        return Cost(nanousd=0, grade=CostGrade.COMPUTED, table_version=book.version, reason=NOT_BILLED)
    reported = reported_cost(raw_usage, provider)
    computed = _computed(
        book,
        usage,
        usage_grade,
        provider=provider,
        names=[name for name in (model, model_requested) if name],
        at=at,
        tier=served_tier(raw_usage, service_tier=service_tier, batch=batch or endpoint == "batch"),
        region=region,
        raw_usage=raw_usage,
        subscription=subscription,
    )
    return computed if reported is None else _reported(reported, computed)


def _reported(reported: ReportedCost, computed: Cost) -> Cost:
    """The provider's own amount, and beside it what the book makes of the call where the two differ."""
    amount = nanousd(reported.picousd)
    line = CostLine(bucket="provider", units=1, rate_picousd=reported.picousd, rate_id=reported.fields)
    ours = computed.nanousd if computed.grade is CostGrade.COMPUTED and not reported.lacks else None
    if ours is not None and abs(ours - amount) <= max(ROUNDING_NANOUSD, ROUNDING * max(ours, amount)):
        ours = None
    said = "" if ours is None else f"by the price book it would be ${usd_text(ours * PICO_PER_NANO)}"
    return Cost(
        nanousd=amount,
        grade=CostGrade.PARTIAL if reported.lacks else CostGrade.PROVIDER_REPORTED,
        lines=(line,),
        table_version=computed.table_version,
        reason=f"the provider's amount leaves out {reported.lacks}" if reported.lacks else "",
        notes=(said,) if said else (),
        disputed_nanousd=ours,
    )


def _computed(
    book: PriceBook,
    usage: Usage,
    usage_grade: UsageGrade,
    *,
    provider: str,
    names: Sequence[str],
    at: datetime,
    tier: str,
    region: str | None,
    raw_usage: object,
    subscription: bool,
) -> Cost:
    """By the book, under the first of the names that it knows."""
    name, found = next(
        ((each, known) for each in names if (known := book.find(provider, each)) is not None), ("", None)
    )
    if found is None:
        said = " or ".join(dict.fromkeys(names))
        return _unknown(book, f"no price for {said} of {provider}" if names else "the call names no model")
    if usage_grade is UsageGrade.NONE:
        return _unknown(book, "the response says nothing about usage")
    said_region = mapping(raw_usage).get("inference_geo")
    summing = _Sum(book=book, provider=provider, at=at, tier=tier)
    if name != names[0]:
        summing.notes.append(f"priced as {name}, which was asked for: no price for {names[0]} of {provider}")
    for part in billed_parts(raw_usage, usage):
        summing.add(part, name, found, region or (said_region if isinstance(said_region, str) else None))
    if summing.rate is not None:
        summing.missing += _cached_too_low(raw_usage, summing.rate.model)
    return summing.cost(usage_grade, subscription=subscription)


def _cached_too_low(raw_usage: object, model: str) -> list[str]:
    """Cached sound and images cost as much as cached text, at which they are priced, or more."""
    cached = mapping(mapping(mapping(raw_usage).get("input_token_details")).get("cached_tokens_details"))
    kinds = ["image"] if model in _CACHED_ALIKE else ["audio", "image"]
    return [f"no price for cached {kind} of {model}" for kind in kinds if count(cached.get(f"{kind}_tokens"))]


def _unknown(book: PriceBook, reason: str) -> Cost:
    return Cost(nanousd=None, grade=CostGrade.UNKNOWN, table_version=book.version, reason=reason)


@dataclass(slots=True, kw_only=True)
class _Sum:
    """The lines of one call as they come together, with what is missing from them."""

    book: PriceBook
    provider: str
    at: datetime
    tier: str
    lines: list[CostLine] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rate: Rate | None = None
    disputed_picousd: int | None = None

    def add(self, part: BilledPart, name: str, answered: Found, region: str | None) -> None:
        """One part of a call, at its own model's rates, or the rates of the model that answered."""
        found = self.book.find(self.provider, part.model) if part.model is not None else answered
        if found is None:
            self.missing.append(f"no price for {part.model} of {self.provider}")
            return
        if found.remark and found.remark not in self.notes:
            self.notes.append(found.remark)
        name = part.model or name
        rate = self._rate(found, name)
        if rate is None:
            return
        self.rate = self.rate or rate
        lines, short = cost_lines(part.usage, rate, region=region)
        self.missing += [f"no price for {bucket} of {rate.model}" for bucket in short]
        permille = self.book.discount_permille(self.provider, name, rate.model, self.at)
        lines += discount_line(lines, permille, rate)
        self.lines += lines
        rival = found.rival(self.at, rate)
        if rival is not None:
            self._dispute(rate, rival, difference_picousd(lines, rival, input_tokens=part.usage.input_tokens))

    def cost(self, usage_grade: UsageGrade, *, subscription: bool) -> Cost:
        reasons = list(dict.fromkeys(self.missing))
        if usage_grade is UsageGrade.PARTIAL:
            reasons.append("the usage is incomplete")
        if reasons and not self.lines:
            return _unknown(self.book, "; ".join(reasons))
        grade = CostGrade.COMPUTED
        if reasons:
            grade = CostGrade.PARTIAL
        elif usage_grade is UsageGrade.ESTIMATED:
            grade = CostGrade.ESTIMATED
            reasons.append("tokens counted by arc-proxy, because the response does not say them")
        if subscription:
            grade = CostGrade.API_EQUIVALENT
            reasons.append("paid by a subscription; this is what an API key would have paid")
        total = sum(line.picousd for line in self.lines)
        disputed = self.disputed_picousd
        return Cost(
            nanousd=nanousd(total),
            grade=grade,
            lines=tuple(self.lines),
            rate_id=self.rate.id if self.rate else None,
            table_version=self.book.version,
            reason="; ".join(reasons),
            notes=tuple(self.notes),
            disputed_nanousd=None if disputed is None else nanousd(total + disputed),
        )

    def _rate(self, found: Found, name: str) -> Rate | None:
        """The row for the tier served; the standard one only where that is surely not too much."""
        rate = found.rate(self.at, self.tier)
        if rate is not None:
            return rate
        standard = found.rate(self.at)
        if self.tier == STANDARD or standard is None:
            self.missing.append(f"no price for {name} of {self.provider} on {self.at.date().isoformat()}")
            return None
        self.missing.append(f"no price for the tier {self.tier} of {name}")
        return standard if costs_no_less(shelf_names(self.provider)[0], self.tier) else None

    def _dispute(self, rate: Rate, rival: Rate, difference: int) -> None:
        if difference:
            self.disputed_picousd = (self.disputed_picousd or 0) + difference
            self.notes.append(f"{rate.source} and {rival.source} disagree about {rate.model}")
