"""Early warnings in words, and as JSON. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from analysis.budget_eta import BudgetEta, BudgetOf
from analysis.context_eta import ContextEta
from analysis.limit_eta import LimitEta
from analysis.retirement import Retirement
from analysis.step_growth import Grown, StepGrowth
from arc_proxy.export.rows import usd
from arc_proxy.format import about, clean, money, plural, share, tokens
from arc_proxy.report.warning_model import AnyWarning

NAME_CELLS = 60

_GROWN = {
    Grown.TOOL_RESULTS: "tool results pile up and are re-sent",
    Grown.HISTORY: "the history is re-sent",
    Grown.ANSWERS: "answers get longer",
    Grown.CACHE_BREAKS: "its cache breaks",
    Grown.OTHER: "",
}
_RESENT = (Grown.TOOL_RESULTS, Grown.HISTORY)


def warning_words(warning: AnyWarning) -> str:
    """`context window of gpt-4o (128k) full in about 4 turns (run r-...)`: one line, cleaned."""
    match warning:
        case ContextEta():
            return _context_words(warning)
        case LimitEta():
            return _limit_words(warning)
        case BudgetEta():
            return _budget_words(warning)
        case Retirement():
            return retirement_words(warning)
        case StepGrowth():
            return _growth_words(warning)


def warning_json(warning: AnyWarning) -> dict[str, Any]:
    """What all kinds have, and the kind's own numbers in `figures`; `in_s` null where no time can be said."""
    in_ns = warning.in_ns
    return {
        "kind": str(warning.kind),
        "urgency": warning.urgency.name.lower(),
        "in_s": None if in_ns is None else round(in_ns / 1e9, 3),
        "text": warning_words(warning),
        "figures": _figures(warning),
    }


def _figures(warning: AnyWarning) -> dict[str, Any]:
    """Times in seconds, money in dollars, as everywhere in JSON."""
    match warning:
        case BudgetEta():
            return {
                "of": str(warning.of),
                "subject": warning.subject or None,
                "budget_usd": usd(warning.budget),
                "spent_usd": usd(warning.spent),
                "is_lower_bound": warning.is_lower_bound,
            }
        case StepGrowth():
            return {
                "runs": warning.runs,
                "runs_growing": warning.runs_growing,
                "steps": warning.steps,
                "early_step_usd": usd(warning.early),
                "late_step_usd": usd(warning.late),
                "above_share": round(warning.above_share, 6),
                "grown": str(warning.grown),
                "is_uncached": warning.is_uncached,
            }
        case Retirement():
            return {"model": warning.model, "retires": warning.retires.isoformat()}
        case ContextEta() | LimitEta():
            return {
                name.removesuffix("_ns") + ("_s" if name.endswith("_ns") else ""): (
                    round(value / 1e9, 3) if name.endswith("_ns") and value is not None else value
                )
                for name, value in asdict(warning).items()
            }


def _context_words(warning: ContextEta) -> str:
    kept = f", {tokens(warning.reserved)} of it for the answer" if warning.reserved else ""
    window = f"{tokens(warning.window)}{kept}"
    left = warning.turns_left
    when = f"full in about {plural(left, 'turn')}" if left else "full with the next turn"
    run = f"run {clean(warning.run_id, NAME_CELLS)}, +{tokens(warning.growth)} a turn"
    return f"context window of {clean(warning.model, NAME_CELLS)} ({window}) {when} ({run})"


def _limit_words(warning: LimitEta) -> str:
    name = clean(warning.name, NAME_CELLS)
    if warning.model:
        limit = f"rate limit of {clean(warning.model, NAME_CELLS)} ({name})"
    else:
        limit = f"{name} of {clean(warning.provider, NAME_CELLS)}"
    again = "" if warning.resets_in_ns is None else f"full again in {about(warning.resets_in_ns)}"
    used = f"{share(warning.used)} used" if warning.used is not None else ""
    if warning.empty_in_ns == 0:
        return f"{limit} used up" + (f", {again}" if again else "")
    if warning.empty_in_ns is None:
        return f"{limit} {used}" + (f", {again}" if again else "")
    pace = f"at this pace used up in about {about(warning.empty_in_ns)}"
    return f"{limit} " + (f"{used}, " if used else "") + pace + (f" ({again})" if again else "")


def _budget_words(warning: BudgetEta) -> str:
    budget = money(warning.budget)
    least = "at least " if warning.is_lower_bound else ""
    match warning.of:
        case BudgetOf.RUN:
            budget = f"budget of {budget} for run {clean(warning.subject, NAME_CELLS)}"
        case BudgetOf.AGENT:
            whose = clean(warning.subject, NAME_CELLS) or "calls that name no agent"
            budget = f"today's budget of {budget} for {whose}"
        case BudgetOf.DAY:
            budget = f"today's budget of {budget} for all agents"
    if warning.spent_in_ns == 0:
        return f"{budget} is spent ({least}{money(warning.spent)})"
    words = f"{budget} is {least}{share(warning.used)} used"
    if warning.spent_in_ns is None:
        return words
    latest = "at the latest in" if warning.is_lower_bound else "in"
    return f"{words}, at this pace spent {latest} about {about(warning.spent_in_ns)}"


def retirement_words(warning: Retirement) -> str:
    model, day = clean(warning.model, NAME_CELLS), warning.retires.isoformat()
    if warning.days_left < 0:
        return f"{model} retired on {day}"
    when = f"in {plural(warning.days_left, 'day')}" if warning.days_left else "today"
    return f"{model} retires on {day}, {when}"


def _growth_words(warning: StepGrowth) -> str:
    steps = f"a step costs {warning.ratio:.1f}x after {warning.steps} steps"
    money_words = f"({money(warning.early)} -> {money(warning.late)})"
    cause = _GROWN[warning.grown]
    if warning.is_uncached and warning.grown in _RESENT:
        cause += " uncached"
    return f"{steps} {money_words}" + (f": {cause}" if cause else "")
