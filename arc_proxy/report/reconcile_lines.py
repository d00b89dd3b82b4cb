"""A bill beside our log, as a table and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analysis.reconcile import Cause, Line, Part, Reconciliation
from arc_proxy.export.rows import usd
from arc_proxy.format import NOTHING, clean, count, money, plural
from arc_proxy.report.table import NAME_CELLS, Column, Table, draw, wrapped

KEYS_SHOWN = 5

_WORDS = {
    Cause.OTHER_KEYS: "of other keys",
    Cause.MISSING: "that never passed here",
    Cause.UNPRICED: "without a known cost",
    Cause.ESTIMATED: "estimated here",
    Cause.PARTIAL: "known in part",
    Cause.NOT_BILLED: "not in the bill",
}


def reconcile_lines(found: Reconciliation, width: int) -> Iterator[str]:
    if not found.lines:
        yield "The bill has nothing in this period, so there is nothing to compare."
        return
    has_requests = found.total.billed_requests is not None
    columns = (
        Column("day (UTC)", is_number=False),
        Column("model", is_number=False, flex=True, keep=NAME_CELLS),
        Column("billed"),
        Column("ours"),
        Column("gap"),
        *((Column("billed calls", rank=2), Column("our calls", rank=2)) if has_requests else ()),
        Column("of which", is_number=False, flex=True, keep=NAME_CELLS, rank=1),
    )
    rows = [_cells(line, has_requests) for line in found.lines]
    rows.append(("all", "", *_cells(found.total, has_requests)[2:]))
    yield from draw(Table(columns, tuple(rows)), width)
    yield ""
    for part in found.total.parts:
        yield from wrapped(_part_words(part), width, indent="  ")
    if len(found.keys) > 1:
        shown = ", ".join(clean(key, 40) for key in found.keys[:KEYS_SHOWN])
        more = f" and {len(found.keys) - KEYS_SHOWN} more" if len(found.keys) > KEYS_SHOWN else ""
        yield from wrapped(
            f"The bill names {len(found.keys)} keys or projects: {shown}{more}. --key says which are yours.",
            width,
        )


def _cells(line: Line, has_requests: bool) -> tuple[str, ...]:
    ours = line.ours
    return (
        line.day.isoformat() if line.day else "",
        line.model or "(no model named)",
        NOTHING if line.billed_nanousd is None else money(line.billed_nanousd),
        _ours(line),
        NOTHING if line.gap_nanousd is None else _signed(line.gap_nanousd),
        *(
            (
                NOTHING if line.billed_requests is None else count(line.billed_requests),
                count(ours.calls if ours else 0),
            )
            if has_requests
            else ()
        ),
        "; ".join(map(_part_words, line.parts)),
    )


def _ours(line: Line) -> str:
    """Our own sum; unknown where there are calls and nothing is known of any."""
    ours = line.ours
    if ours is None:
        return NOTHING
    if ours.is_unknown:
        return "unknown"
    sign = "~" if ours.estimated_calls else ""
    return ("≥" if ours.partial_calls or ours.unpriced_calls else "") + sign + money(ours.nanousd)


def _signed(nanousd: int) -> str:
    return money(nanousd) if nanousd <= 0 else f"+{money(nanousd)}"


def _part_words(part: Part) -> str:
    amount = "" if part.nanousd is None else _signed(part.nanousd)
    if part.cause is Cause.UNEXPLAINED:
        return f"{amount} unexplained"
    calls = "calls" if part.calls is None else plural(part.calls, "call")
    about = "" if part.cause is Cause.OTHER_KEYS else "about "
    return f"{about}{amount} for {calls} {_WORDS[part.cause]}" if amount else f"{calls} {_WORDS[part.cause]}"


def reconcile_json(found: Reconciliation) -> dict[str, Any]:
    return {
        "first_day": found.first.isoformat() if found.first else None,
        "last_day": found.last.isoformat() if found.last else None,
        "keys": list(found.keys),
        "lines": [_name_json(line) | _line_json(line) for line in found.lines],
        "total": _line_json(found.total),
    }


def _name_json(line: Line) -> dict[str, Any]:
    day = line.day.isoformat() if line.day else None
    return {"day": day, "provider": line.provider, "model": line.model or None}


def _line_json(line: Line) -> dict[str, Any]:
    ours = line.ours
    return {
        "billed_usd": usd(line.billed_nanousd),
        "billed_tokens": line.billed_tokens,
        "billed_requests": line.billed_requests,
        "ours_usd": None if ours is None or ours.is_unknown else usd(ours.nanousd),
        "our_tokens": ours.tokens if ours else None,
        "our_calls": ours.calls if ours else 0,
        "unpriced_calls": ours.unpriced_calls if ours else 0,
        "estimated_calls": ours.estimated_calls if ours else 0,
        "partial_calls": ours.partial_calls if ours else 0,
        "gap_usd": usd(line.gap_nanousd),
        "parts": [
            {"cause": str(part.cause).replace(" ", "_"), "calls": part.calls, "usd": usd(part.nanousd)}
            for part in line.parts
        ],
    }
