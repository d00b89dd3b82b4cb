"""A cost in lines that a person can check against a price page. Pure: the caller prints."""

from __future__ import annotations

from dataclasses import dataclass

from pricing.book import PriceBook
from pricing.cost import Cost
from pricing.lines import CostLine
from pricing.money import priced_units, usd_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedLine:
    """
    One line of a sum, in words.

    `per`: what `rate_usd` buys ("million tokens", "thousand uses", "request"), "" for an amount that has no
    rate. Amounts are decimal text in US dollars, exact. `since` is "" for as far back as the source knows.
    """

    bucket: str
    units: int
    rate_usd: str
    per: str
    amount_usd: str
    rate_id: str
    since: str
    source: str
    url: str


def explain(book: PriceBook, cost: Cost) -> tuple[ExplainedLine, ...]:
    """Every line of a cost with the price row behind it, source and since empty for a row of another book."""
    return tuple(_explained(book, line) for line in cost.lines)


def _explained(book: PriceBook, line: CostLine) -> ExplainedLine:
    row = book.row(line.rate_id) if line.bucket != "provider" else None
    is_amount = line.bucket in ("provider", "discount") or line.bucket.startswith("uplift:")
    scale, per = (0, "") if is_amount else priced_units(line.bucket)
    source = row.filled.get(line.bucket, row.source) if row else ""
    # Agreement was checked for the plain rates; a step is confirmed only by what it says of itself.
    if (
        row
        and row.agrees
        and row.picousd.get(line.bucket) == line.rate_picousd
        and line.bucket not in row.filled
    ):
        source += f", {row.agrees} agrees"
    return ExplainedLine(
        bucket=line.bucket,
        units=line.units,
        rate_usd=usd_text(line.rate_picousd * scale) if scale else "",
        per=per,
        amount_usd=usd_text(line.picousd),
        rate_id=line.rate_id,
        since=row.since.isoformat() if row and row.since else "",
        source=source if line.bucket != "provider" else "the provider's own amount",
        url=row.url if row else "",
    )
