"""
Prices of the package genai-prices (MIT), the base of the book.

Source: https://github.com/pydantic/genai-prices. The package is a development dependency; its data are
Python objects, so it is imported here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, time
from decimal import Decimal
from typing import Any

from genai_prices import types as genai
from genai_prices.data import providers

from pricing.model import Clause, Model
from pricing.rate import STANDARD, Hours, Rate
from pricing.shelf import Shelf

# Units that `Usage` does not have (hours of audio, pages, characters) are left out: a model priced only by
# those has no row here, and its calls are "unknown".
BUCKETS = {
    "input_mtok": "input_text",
    "output_mtok": "output_text",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "input_image_mtok": "input_image",
    "output_image_mtok": "output_image",
    "output_reasoning_mtok": "reasoning",
    "web_searches_kcount": "tool:web_search",
    "storage_searches_kcount": "tool:file_search",
    "requests_kcount": "request",
}
PICO_PER_MTOK_USD = 10**6
PICO_PER_KCOUNT_USD = 10**9

# What a variant is selected by there -> our tier.
TIERS = {
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
    ("processing", "batch"): "batch",
}


def shelves(*, source: str, recorded: date) -> Iterator[Shelf]:
    """All providers, each model with the rows that can be priced by token or use."""
    for provider in providers:
        url = provider.pricing_urls[0] if provider.pricing_urls else ""
        models = (
            Model(
                provider=provider.id,
                id=info.id.lower(),
                clauses=_alternatives(info.match),
                input_tokens_max=info.context_window,
                rates=tuple(_rates(info, provider=provider.id, source=source, url=url, recorded=recorded)),
            )
            for info in provider.models
        )
        yield Shelf(provider=provider.id, url=url, models=tuple(model for model in models if model.rates))


def _alternatives(match: Any) -> tuple[Clause, ...]:
    if isinstance(match, genai.ClauseOr):
        return tuple(_clause(each) for each in match.or_)
    return (_clause(match),)


def _clause(match: Any) -> Clause:
    match match:
        case genai.ClauseEquals():
            return ["=", match.equals.lower()]
        case genai.ClauseStartsWith():
            return ["^", match.starts_with.lower()]
        case genai.ClauseEndsWith():
            return ["$", match.ends_with.lower()]
        case genai.ClauseContains():
            return ["*", match.contains.lower()]
        case genai.ClauseRegex():
            return ["~", match.regex]
        case genai.ClauseAnd():
            return ["&", *map(_clause, match.and_)]
        case genai.ClauseOr():
            return ["|", *map(_clause, match.or_)]
    raise TypeError(f"genai-prices has a new kind of clause: {match!r}")


def _rates(info: Any, *, provider: str, source: str, url: str, recorded: date) -> Iterator[Rate]:
    conditions = (
        info.prices if isinstance(info.prices, list) else [genai.ConditionalPrice(prices=info.prices)]
    )
    always: list[tuple[date | None, Any]] = []
    by_hours: dict[str, tuple[date | None, Any, list[Hours]]] = {}
    for condition in conditions:
        constraint = condition.constraint
        if isinstance(constraint, genai.TimeOfDateConstraint):
            # An hour's price belongs to the last dated price before it in the list.
            begun = always[-1][0] if always else None
            key = repr((begun, condition.prices))
            by_hours.setdefault(key, (begun, condition.prices, []))[2].extend(
                _hours(constraint.start_time, constraint.end_time)
            )
        else:
            always.append((constraint.start_date if constraint else None, condition.prices))

    def rate(tier: str, since: date | None, prices: dict[str, Any], hours: Iterable[Hours] = ()) -> Rate:
        picousd, over = _picousd(prices)
        return Rate(
            provider=provider,
            model=info.id.lower(),
            tier=tier,
            since=since,
            recorded=recorded,
            source=source,
            url=url,
            picousd=picousd,
            over=over,
            hours=tuple(hours),
        )

    standard = [(since, _said(prices)) for since, prices in always]
    rows = [rate(STANDARD, since, prices) for since, prices in standard]
    rows += [rate(STANDARD, since, _said(prices), hours) for since, prices, hours in by_hours.values()]
    for tier, variants in _variants(info).items():
        rows += [rate(tier, since, prices) for since, prices in _timeline(standard, variants)]
    yield from (row for row in rows if any(not bucket.startswith("tool:") for bucket in row.picousd))


def _said(prices: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(prices).items() if value is not None}


def _variants(info: Any) -> dict[str, list[tuple[date | None, dict[str, Any]]]]:
    """Tier -> the prices it sets, each with its first day."""
    found: dict[str, list[tuple[date | None, dict[str, Any]]]] = {}
    for variant in info.price_variants or ():
        tier = TIERS.get(next(iter(variant.when.items()))) if len(variant.when) == 1 else None
        if tier is not None and not isinstance(variant.constraint, genai.TimeOfDateConstraint):
            begun = variant.constraint.start_date if variant.constraint else None
            found.setdefault(tier, []).append((begun, _said(variant.prices)))
    return {tier: each for tier, each in found.items() if any(prices for _, prices in each)}


def _timeline(
    standard: list[tuple[date | None, dict[str, Any]]], variants: list[tuple[date | None, dict[str, Any]]]
) -> Iterator[tuple[date | None, dict[str, Any]]]:
    """
    The prices of a tier over time: what the variant says, and the standard price for what it leaves open.

    A variant's first day is the day that genai-prices learnt of it, not the day the provider began to
    offer it. So it is taken to hold for as long as the standard price beside which it was published.
    """
    cuts = sorted({since or date.min for since, _ in (*standard, *variants)})
    began = min(since or date.min for since, _ in variants)
    began_with = max(
        (since or date.min for since, _ in standard if (since or date.min) <= began), default=began
    )
    last: dict[str, Any] | None = None
    for cut in cuts:
        if cut < began_with:
            continue
        base = _in_force(standard, cut) or {}
        prices = base | (_in_force(variants, max(cut, began)) or {})
        if prices != last:
            yield (None if cut == date.min else cut), prices
        last = prices


def _in_force(prices: list[tuple[date | None, dict[str, Any]]], day: date) -> dict[str, Any] | None:
    held = [(since or date.min, each) for since, each in prices if (since or date.min) <= day]
    return max(held, key=lambda pair: pair[0])[1] if held else None


def _picousd(prices: dict[str, Any]) -> tuple[dict[str, int], tuple[tuple[int, dict[str, int]], ...]]:
    base: dict[str, int] = {}
    steps: dict[int, dict[str, int]] = {}
    for name, value in prices.items():
        bucket = BUCKETS.get(name)
        if bucket is None:
            continue
        per = PICO_PER_KCOUNT_USD if name.endswith("_kcount") else PICO_PER_MTOK_USD
        if isinstance(value, genai.TieredPrices):
            base[bucket] = _whole(value.base * per)
            for tier in value.tiers:
                steps.setdefault(tier.start, {})[bucket] = _whole(tier.price * per)
        else:
            base[bucket] = _whole(value * per)
    return base, tuple(sorted(steps.items()))


def _whole(picousd: Decimal) -> int:
    return int(picousd.to_integral_value())


def _hours(start: time, end: time) -> list[Hours]:
    """A daily interval in UTC, split at midnight."""
    first, last = start.hour * 60 + start.minute, end.hour * 60 + end.minute
    if first < last:
        return [Hours(start=first, end=last)]
    return [Hours(start=first), *([Hours(end=last)] if last else [])]
