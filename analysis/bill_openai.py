"""
OpenAI's bill: usage and costs, as the API answers and as the dashboard exports.

Sources: https://platform.openai.com/docs/api-reference/usage (completions, costs). The dashboard's CSV files
have the same words as columns, an amount in `amount_value` and `amount_currency`. Input tokens include
cached ones. A line item of costs is `MODEL, KIND` ("gpt-5-nano, input_tokens"), or what else is billed.
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
)

PROVIDER = "openai"

KEYS = ("api_key_id", "project_id", "project_name")

USAGE_COLUMNS = frozenset({"start_time", "num_model_requests", "input_tokens", "output_tokens"})
COST_COLUMNS = frozenset({"start_time", "amount_value"})


def is_page(document: object) -> bool:
    """Whether a page is OpenAI's: its buckets begin at a `start_time`."""
    return has_buckets(document, "start_time")


def read_page(document: object) -> Iterator[BilledRow]:
    """Of /v1/organization/usage/completions or /v1/organization/costs; BillError for a row that is none."""
    for where, bucket, result in results_of(document):
        start = bucket.get("start_time")
        if "amount" in result:
            amount = result["amount"] if isinstance(result["amount"], dict) else {}
            said = {"amount_value": amount.get("value"), "amount_currency": amount.get("currency")}
            yield _cost(dict(result) | said, start, where)
        else:
            yield _usage(result, start, where)


def read_row(row: Mapping[str, str], where: str) -> BilledRow | None:
    """A line of either CSV; None for a day without anything."""
    start = row.get("start_time") or row.get("start_time_iso")
    if "amount_value" in row:
        return _cost(row, start, where) if row["amount_value"] else None
    return _usage(row, start, where) if row.get("num_model_requests") else None


def _usage(row: Mapping[str, Any], start: object, where: str) -> BilledRow:
    return BilledRow(
        day=parse_day(start, where),
        provider=PROVIDER,
        model=str(row.get("model") or ""),
        keys=keys_of(row, KEYS),
        requests=parse_count(row.get("num_model_requests"), where, "num_model_requests"),
        input_tokens=parse_count(row.get("input_tokens"), where, "input_tokens"),
        output_tokens=parse_count(row.get("output_tokens"), where, "output_tokens"),
    )


def _cost(row: Mapping[str, Any], start: object, where: str) -> BilledRow:
    check_currency(row.get("amount_currency"), where)
    return BilledRow(
        day=parse_day(start, where),
        provider=PROVIDER,
        model=str(row.get("line_item") or "").partition(",")[0].strip(),
        keys=keys_of(row, KEYS),
        nanousd=parse_money(row.get("amount_value"), where, "amount_value"),
    )
