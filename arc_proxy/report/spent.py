"""What was spent on each model, from the sums of a store. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.savings import ModelSpend
from arc_proxy.call import Kind
from arc_proxy.store.totals import CallTotals, SeriesUse, sum_totals
from pricing.usage import Usage


def spent_by_model(series: Sequence[SeriesUse]) -> list[ModelSpend]:
    """By spend, the costliest first; models whose cost is not known at all are last."""
    sums: dict[tuple[str, str, str], list[CallTotals]] = {}
    for use in series:
        if use.series.kind != Kind.AUXILIARY:
            key = (use.series.provider, use.series.dialect, use.series.model)
            sums.setdefault(key, []).append(use.totals)
    spent = []
    for (provider, dialect, model), parts in sums.items():
        total = sum_totals(parts)
        spent.append(
            ModelSpend(
                provider=provider,
                dialect=dialect,
                model=model,
                calls=total.attempts - total.unpriced_calls - total.errors,
                usage=usage_of_totals(total),
                nanousd=total.known_nanousd,
            )
        )
    return sorted(spent, key=lambda each: (-each.nanousd, -each.calls, each.model))


def usage_of_totals(total: CallTotals) -> Usage:
    return Usage(
        input_text=total.input_text_tokens,
        input_audio=total.input_audio_tokens,
        input_image=total.input_image_tokens,
        cache_read=total.cache_read_tokens,
        cache_write_5m=total.cache_write_5m_tokens,
        cache_write_1h=total.cache_write_1h_tokens,
        output_text=total.output_text_tokens,
        output_audio=total.output_audio_tokens,
        output_image=total.output_image_tokens,
        reasoning=total.reasoning_tokens,
    )
