"""
Prices of the package genai-prices (MIT), the base of the book.

Source: https://github.com/pydantic/genai-prices. A wheel of it has them as Python in `genai_prices/data.py`,
the repository as JSON in `prices/data.json`; both say the same (`data.schema.json`), and neither is run:

    [{"id": "openai", "pricing_urls": [URL], "models": [{"id": "gpt-5", "match": {"starts_with": "gpt-5"},
      "context_window": 400000, "prices": PRICES | [{"constraint": {"start_date": DAY}, "prices": PRICES}],
      "price_variants": [{"when": {"processing": "batch"}, "prices": PRICES}]}]}]

PRICES is `{"input_mtok": 1.25}`, US dollars per million, or per thousand for `..._kcount`; in place of an
amount there may be `{"base": 1.25, "tiers": [{"start": 200000, "price": 2.5}]}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from pricing import checked
from pricing.model import Clause, Model
from pricing.rate import STANDARD, Hours, Rate
from pricing.shelf import Shelf
from pricing.sources.literal import read_assigned

MODULE = "genai_prices/data.py"  # in the package and in its wheel
CLASSES = frozenset(
    {
        "ArrayMatch",
        "ClauseAnd",
        "ClauseContains",
        "ClauseEndsWith",
        "ClauseEquals",
        "ClauseOr",
        "ClauseRegex",
        "ClauseStartsWith",
        "ConditionalPrice",
        "ModelInfo",
        "ModelPrice",
        "PriceVariant",
        "Provider",
        "StartDateConstraint",
        "Tier",
        "TieredPrices",
        "TimeOfDateConstraint",
        "UsageExtractor",
        "UsageExtractorMapping",
    }
)

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


_SIGNS = {"equals": "=", "starts_with": "^", "ends_with": "$", "contains": "*", "regex": "~"}
_JOINTS = {"and": "&", "or": "|"}


def read_module(source: str) -> Any:
    """The providers that the text of `genai_prices/data.py` lists. SourceError if it is anything else."""
    return read_assigned(source, "providers", classes=CLASSES)


def shelves(providers: object, *, source: str, recorded: date) -> Iterator[Shelf]:
    """
    All providers, each model with the rows that can be priced by token or use.

    SourceError where `providers` is not of the shape above, or a price is none.
    """
    for entry in checked.listed(providers, "providers"):
        provider = checked.table(entry, "providers")
        name = checked.provider_id(provider.get("id"), "providers")
        url = checked.link(next(iter(checked.listed(provider.get("pricing_urls") or (), name)), ""))
        models = [
            _model(info, provider=name, source=source, url=url, recorded=recorded)
            for info in checked.listed(provider.get("models"), name)
        ]
        yield Shelf(provider=name, url=url, models=tuple(model for model in models if model.rates))


def _model(entry: object, *, provider: str, source: str, url: str, recorded: date) -> Model:
    info = checked.table(entry, provider)
    name = checked.text(info.get("id"), provider).lower()
    where = f"{provider}/{name}"
    window = info.get("context_window")
    return Model(
        provider=provider,
        id=name,
        clauses=checked.clauses(_alternatives(info.get("match"), where), where),
        input_tokens_max=None if window is None else checked.tokens(window, where),
        rates=tuple(_rates(info, provider=provider, model=name, source=source, url=url, recorded=recorded)),
    )


def _alternatives(match: object, where: str) -> list[Clause]:
    clause = _clause(match, where)
    return list(clause[1:]) if clause[0] == "|" else [clause]


def _clause(match: object, where: str, depth: int = 0) -> Clause:
    said = checked.table(match, where)
    if len(said) != 1 or depth > 4:
        raise checked.SourceError(f"{where}: a name is matched by one clause, not too deeply nested")
    ((kind, value),) = said.items()
    if kind in _JOINTS:
        return [_JOINTS[kind], *(_clause(each, where, depth + 1) for each in checked.listed(value, where))]
    if kind not in _SIGNS:
        raise checked.SourceError(f"{where}: {kind[:40]!r} is a new kind of clause")
    pattern = checked.text(value, where)
    return [_SIGNS[kind], pattern if kind == "regex" else pattern.lower()]


def _rates(
    info: Mapping[str, Any], *, provider: str, model: str, source: str, url: str, recorded: date
) -> Iterator[Rate]:
    where = f"{provider}/{model}"
    said = info.get("prices")
    always: list[tuple[date | None, Any]] = []
    by_hours: dict[str, tuple[date | None, Any, list[Hours]]] = {}
    for entry in said if isinstance(said, list) else [{"prices": said}]:
        condition = checked.table(entry, where)
        constraint = checked.table(condition.get("constraint") or {}, where)
        prices = _said(condition.get("prices"), where)
        if "start_time" in constraint:
            # An hour's price belongs to the last dated price before it in the list.
            begun = always[-1][0] if always else None
            key = repr((begun, prices))
            by_hours.setdefault(key, (begun, prices, []))[2].extend(_hours(constraint, where))
        else:
            always.append((_since(constraint, where), prices))

    def rate(tier: str, since: date | None, prices: dict[str, Any], hours: Iterable[Hours] = ()) -> Rate:
        picousd, over = _picousd(prices, where)
        return Rate(
            provider=provider,
            model=model,
            tier=tier,
            since=since,
            recorded=recorded,
            source=source,
            url=url,
            picousd=picousd,
            over=over,
            hours=tuple(hours),
        )

    rows = [rate(STANDARD, since, prices) for since, prices in always]
    rows += [rate(STANDARD, since, prices, hours) for since, prices, hours in by_hours.values()]
    for tier, variants in _variants(info, where).items():
        rows += [rate(tier, since, prices) for since, prices in _timeline(always, variants)]
    yield from (row for row in rows if any(not bucket.startswith("tool:") for bucket in row.picousd))


def _said(prices: object, where: str) -> dict[str, Any]:
    return {name: value for name, value in checked.table(prices, where).items() if value is not None}


def _since(constraint: Mapping[str, Any], where: str) -> date | None:
    return checked.day(constraint["start_date"], where) if "start_date" in constraint else None


def _variants(info: Mapping[str, Any], where: str) -> dict[str, list[tuple[date | None, dict[str, Any]]]]:
    """Tier -> the prices it sets, each with its first day."""
    found: dict[str, list[tuple[date | None, dict[str, Any]]]] = {}
    for entry in checked.listed(info.get("price_variants") or (), where):
        variant = checked.table(entry, where)
        conditions = [*checked.table(variant.get("when"), where).items()]
        constraint = checked.table(variant.get("constraint") or {}, where)
        tier = TIERS.get((conditions[0][0], str(conditions[0][1]))) if len(conditions) == 1 else None
        if tier is not None and "start_time" not in constraint:
            prices = _said(variant.get("prices"), where)
            found.setdefault(tier, []).append((_since(constraint, where), prices))
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


def _picousd(
    prices: dict[str, Any], where: str
) -> tuple[dict[str, int], tuple[tuple[int, dict[str, int]], ...]]:
    base: dict[str, int] = {}
    steps: dict[int, dict[str, int]] = {}
    for name, value in prices.items():
        bucket = BUCKETS.get(name)
        if bucket is None:
            continue
        per = PICO_PER_KCOUNT_USD if name.endswith("_kcount") else PICO_PER_MTOK_USD
        if not isinstance(value, Mapping):
            base[bucket] = checked.picousd(value, per, bucket, where)
            continue
        base[bucket] = checked.picousd(value.get("base"), per, bucket, where)
        for entry in checked.listed(value.get("tiers"), where):
            tier = checked.table(entry, where)
            start = checked.tokens(tier.get("start"), where)
            steps.setdefault(start, {})[bucket] = checked.picousd(tier.get("price"), per, bucket, where)
    if len(steps) > checked.STEPS_MAX:
        raise checked.SourceError(f"{where}: {len(steps)} steps are no price list")
    return base, tuple(sorted(steps.items()))


def _hours(constraint: Mapping[str, Any], where: str) -> list[Hours]:
    """A daily interval in UTC, split at midnight."""
    first = checked.minute_of_day(constraint["start_time"], where)
    last = checked.minute_of_day(constraint.get("end_time"), where)
    if first < last:
        return [Hours(start=first, end=last)]
    return [Hours(start=first), *([Hours(end=last)] if last else [])]
