"""What a provider itself says a call cost. Nothing here raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pricing.counts import count, mapping, picousd

PICO_PER_TICK = 100  # xAI: 10^10 ticks to the dollar

# Their `usage.cost` stands alone, without the fields by which OpenRouter's shape is known.
COST_ALONE = ("openrouter", "avian")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCost:
    """
    An amount in picodollars and the fields it was read from.

    `lacks`: what the amount leaves out, in words; "" if it is whole.
    """

    picousd: int
    fields: str
    lacks: str = ""


def reported_cost(raw: object, provider: str) -> ReportedCost | None:
    """
    The provider's own amount for a call, None if its usage states none.

    Recognised by shape, because these servers also stand behind other providers' base URLs. OpenRouter's
    `cost` already contains the upstream's price, except for a caller who brought a key of the upstream's.

    Sources: https://openrouter.ai/docs/use-cases/usage-accounting, https://docs.x.ai/docs/api-reference
    """
    usage = mapping(raw)
    ticks = count(usage.get("cost_in_usd_ticks"))
    if ticks is not None:
        return ReportedCost(picousd=ticks * PICO_PER_TICK, fields="usage.cost_in_usd_ticks")
    total = picousd(mapping(usage.get("cost")).get("total_cost"))
    if total is not None:
        return ReportedCost(picousd=total, fields="usage.cost.total_cost")
    cost = picousd(usage.get("cost"))
    if cost is not None and isinstance(usage.get("is_byok"), bool):
        return (
            _with_upstream(usage, cost)
            if usage["is_byok"]
            else ReportedCost(picousd=cost, fields="usage.cost")
        )
    if cost is not None and provider in COST_ALONE:
        return ReportedCost(picousd=cost, fields="usage.cost")
    estimated = picousd(usage.get("estimated_cost"))
    if estimated is not None:
        return ReportedCost(picousd=estimated, fields="usage.estimated_cost")
    return None


def _with_upstream(usage: Mapping[str, Any], cost: int) -> ReportedCost:
    upstream = picousd(mapping(usage.get("cost_details")).get("upstream_inference_cost"))
    if upstream is None:
        return ReportedCost(
            picousd=cost, fields="usage.cost", lacks="what the upstream billed to the caller's own key"
        )
    return ReportedCost(
        picousd=cost + upstream, fields="usage.cost + usage.cost_details.upstream_inference_cost"
    )
