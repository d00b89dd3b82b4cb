"""
What a provider should have billed: our calls by UTC day and model, for comparing with a bill.

Summed by the database over the calls themselves, since the sums by day do not say how many tokens the calls
without a cost had. What is not billed, and what a subscription pays, is left out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_, select

from analysis.reconcile import OurRow
from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.sums import DAY_NS
from pricing.cost import NOT_BILLED, CostGrade

_INPUT = (
    "input_text_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
)
_OUTPUT = ("output_text_tokens", "output_audio_tokens", "output_image_tokens")


def read_billable(
    store: Store, *, since_ns: int | None, until_ns: int | None, provider: str | None = None
) -> tuple[OurRow, ...]:
    """Calls that began in the period, in whole days. Raises StoreError."""
    call, series = tables.call.c, tables.series.c
    day = (call.started_ns // DAY_NS).label("day")
    input_tokens, output_tokens = _total(_INPUT), _total(_OUTPUT)
    sums = {
        "calls": func.count(),
        "input_tokens": func.sum(input_tokens),
        "output_tokens": func.sum(output_tokens),
        "nanousd": func.sum(func.coalesce(call.cost_nanousd, 0)),
        "unpriced_calls": func.sum(_if(CostGrade.UNKNOWN, 1)),
        "unpriced_tokens": func.sum(_if(CostGrade.UNKNOWN, input_tokens + output_tokens)),
        "estimated_calls": func.sum(_if(CostGrade.ESTIMATED, 1)),
        "partial_calls": func.sum(_if(CostGrade.PARTIAL, 1)),
    }
    keys = (day, series.provider, series.model)
    statement = (
        select(*keys, *(each.label(name) for name, each in sums.items()))
        .join(tables.series, tables.series.c.id == tables.call.c.series_id)
        .where(
            or_(call.cost_reason.is_(None), call.cost_reason != NOT_BILLED),
            call.cost_grade != CostGrade.API_EQUIVALENT.value,
        )
        .group_by(*keys)
        .order_by(*keys)
    )
    if since_ns is not None:
        statement = statement.where(call.started_ns >= since_ns)
    if until_ns is not None:
        statement = statement.where(call.started_ns < until_ns)
    if provider is not None:
        statement = statement.where(series.provider == provider)
    with reading(store) as connection:
        rows = connection.execute(statement).mappings().all()
    return tuple(_row(row) for row in rows)


def _total(names: tuple[str, ...]) -> ColumnElement[int]:
    whole: Any = tables.call.c[names[0]]
    for name in names[1:]:
        whole = whole + tables.call.c[name]
    return whole  # type: ignore[no-any-return]


def _if(grade: CostGrade, then: Any) -> ColumnElement[int]:
    return case((tables.call.c.cost_grade == grade.value, then), else_=0)


def _row(row: Any) -> OurRow:
    numbers = {name: int(row[name]) for name in row if name not in ("day", "provider", "model")}
    moment = datetime.fromtimestamp(int(row["day"]) * 86_400, UTC)
    return OurRow(day=moment.date(), provider=row["provider"], model=row["model"], **numbers)
