"""
Anthropic's bill: usage and costs, as the Admin API answers and as the console exports.

Sources: https://platform.claude.com/docs/en/api/admin/usage_report,
https://platform.claude.com/docs/en/api/admin/cost_report. Its amounts are in cents there, and in dollars in
the console's CSV (`cost_usd`). Input tokens exclude the cache; here they are added up. The priority tier is
in no cost report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.bill import (
    BilledRow,
    check_currency,
    has_buckets,
    keys_of,
    parse_count,
    parse_day,
    parse_money,
    results_of,
    summed,
)

PROVIDER = "anthropic"
CENTS_PER_USD = 100

KEYS = ("api_key_id", "api_key", "workspace_id", "workspace")

USAGE_COLUMNS = frozenset({"usage_date_utc", "model_version", "usage_output_tokens"})
COST_COLUMNS = frozenset({"usage_date_utc", "cost_usd"})

_INPUT_COLUMNS = (
    "usage_input_tokens_no_cache",
    "usage_input_tokens_cache_write_5m",
    "usage_input_tokens_cache_write_1h",
    "usage_input_tokens_cache_read",
)


def is_page(document: object) -> bool:
    """Whether a page is Anthropic's: its buckets begin at a `starting_at`."""
    return has_buckets(document, "starting_at")


def read_page(document: object) -> Iterator[BilledRow]:
    """Of usage_report/messages or cost_report; BillError for a row that is none."""
    for where, bucket, result in results_of(document):
        day = parse_day(bucket.get("starting_at"), where)
        common: dict[str, Any] = {
            "day": day,
            "provider": PROVIDER,
            "model": str(result.get("model") or result.get("description") or ""),
            "keys": keys_of(result, KEYS),
        }
        if "amount" in result:
            check_currency(result.get("currency"), where)
            nanousd = parse_money(result["amount"], where, "amount", per_usd=CENTS_PER_USD)
            yield BilledRow(**common, nanousd=nanousd)
        else:
            yield BilledRow(
                **common,
                input_tokens=_input_tokens(result, where),
                output_tokens=parse_count(result.get("output_tokens"), where, "output_tokens"),
            )


def _input_tokens(result: Mapping[str, Any], where: str) -> int | None:
    written = result.get("cache_creation")
    parts = {name: result.get(name) for name in ("uncached_input_tokens", "cache_read_input_tokens")}
    parts |= written if isinstance(written, dict) else {}
    return summed(parse_count(value, where, name) for name, value in parts.items())


def read_row(row: Mapping[str, str], where: str) -> BilledRow | None:
    """A line of either CSV."""
    day = parse_day(row.get("usage_date_utc"), where)
    keys = keys_of(row, KEYS)
    if "cost_usd" in row:
        nanousd = parse_money(row["cost_usd"], where, "cost_usd")
        model = _model_of(row.get("model") or row.get("cost_type") or "")
        return BilledRow(day=day, provider=PROVIDER, model=model, keys=keys, nanousd=nanousd)
    return BilledRow(
        day=day,
        provider=PROVIDER,
        model=row.get("model_version") or "",
        keys=keys,
        input_tokens=summed(parse_count(row.get(name), where, name) for name in _INPUT_COLUMNS),
        output_tokens=parse_count(row.get("usage_output_tokens"), where, "usage_output_tokens"),
    )


def _model_of(shown: str) -> str:
    """`claude-haiku-4-5` of "Claude Haiku 4.5", as the cost export writes it."""
    if not shown.startswith("Claude "):
        return shown
    return shown.strip().lower().replace(" ", "-").replace(".", "-")
