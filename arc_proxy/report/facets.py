"""Runs and calls in the words that every list and detail uses. Pure."""

from __future__ import annotations

from analysis.call_failure import call_failure
from analysis.failure import Failure
from arc_proxy.call import CallError, Captured, Kind
from arc_proxy.format import Spend, clean, duration, spend, spread, tokens
from arc_proxy.journal.record import Ended
from arc_proxy.store.views import CallLine, RunRow, RunTree
from pricing.cost import CostGrade, who_disagrees

_ENDED = {
    Ended.COMPLETE: "complete",
    Ended.TRUNCATED: "cut by upstream",
    Ended.CLIENT_CLOSED: "client left",
    Ended.UPSTREAM_ERROR: "no response",
    Ended.REFUSED: "refused here",
    Ended.INTERRUPTED: "proxy died",
}


def run_spend(run: RunRow) -> Spend:
    doubtful = run.unpriced_calls + run.estimated_calls + run.partial_calls
    billed = run.attempts - run.api_calls
    is_equivalent = run.cost_grade is CostGrade.API_EQUIVALENT
    return Spend(
        0 if is_equivalent else run.cost_nanousd or 0,
        priced_calls=max(billed - run.unpriced_calls, 0),
        unpriced_calls=run.unpriced_calls,
        estimated_calls=run.estimated_calls if doubtful else 0,
        partial_calls=run.partial_calls if doubtful else 0,
        api_equivalent_nanousd=run.api_nanousd,
    )


def call_spend(call: CallLine) -> Spend:
    if call.cost_grade is CostGrade.API_EQUIVALENT:
        return Spend(0, api_equivalent_nanousd=call.cost_nanousd or 0)
    is_known = call.cost_nanousd is not None
    return Spend(
        call.cost_nanousd or 0,
        priced_calls=int(is_known),
        unpriced_calls=int(not is_known),
        estimated_calls=int(call.cost_grade is CostGrade.ESTIMATED),
        partial_calls=int(call.cost_grade is CostGrade.PARTIAL),
    )


def tree_spend(tree: RunTree) -> Spend:
    """Of a run and all its sub-agents."""
    return sum((run_spend(run) for _, run in tree.lines()), Spend(0))


def call_cost(*calls: CallLine) -> str:
    """
    `$0.013`, `~$0.013`, `at least $0.013`, `unknown`, and `$0.013 at list price` on a subscription; of
    several calls the sum.
    """
    total = sum(map(call_spend, calls), Spend(0))
    if total.api_equivalent_nanousd:
        return f"{spend(Spend(total.api_equivalent_nanousd))} at list price"
    return "unknown" if total.is_unknown else spend(total)


def call_spread(call: CallLine) -> str:
    """` (0.25-0.30, sources disagree)`, "" where they do not."""
    ours, other = call.cost_nanousd, call.disputed_nanousd
    if ours is None or other is None:
        return ""
    return spread(min(ours, other), max(ours, other), who_disagrees(call.cost_grade))


def run_state(run: RunRow) -> str:
    """What is known of how it went. An error of a call is no verdict on its run."""
    if run.outcome:
        return f"{run.outcome} ({run.outcome_source})" if run.outcome_source else run.outcome
    if run.exceptions:
        return "exception"
    return "failed" if run.failed else "-"


def call_state(call: CallLine) -> str:
    """Status and end where they say something: `200`, `429`, `200 cut by upstream`, `no response`."""
    ended = "" if call.ended is Ended.COMPLETE else _ENDED[call.ended]
    if call.status is None and call.duration_ns is None and not ended:
        return "open"
    return " ".join(part for part in (str(call.status) if call.status else "", ended) if part) or "-"


def call_model(call: CallLine) -> str:
    if call.model and call.model_requested and call.model != call.model_requested:
        return f"{call.model} (for {call.model_requested})"
    return call.model or call.model_requested or "-"


def call_tokens(call: CallLine) -> tuple[str, str]:
    """Input and output, "-" where nothing is known."""
    if call.usage_grade == "none":
        return "-", "-"
    sign = "" if call.usage_grade == "reported" else "~"
    return f"{sign}{tokens(call.usage.input_tokens)}", f"{sign}{tokens(call.usage.output_tokens)}"


def failure_of(call: CallLine, detail: str = "") -> Failure | None:
    """What went wrong with a call. `detail`: what the gateway noted of its end."""
    return call_failure(
        status=call.status,
        ended=call.ended,
        error=call.error,
        finish_reason=call.finish_reason,
        kind=call.kind,
        detail=detail,
    )


def failure_text(failure: Failure) -> str:
    """`provider.auth, fatal`."""
    return f"{failure.code}, {failure.severity}"


def error_text(error: CallError | None, max_cells: int = 200) -> str:
    if error is None:
        return ""
    return clean(": ".join(part for part in (error.type, error.message) if part), max_cells)


def captured_text(call: CallLine) -> str:
    if call.captured is Captured.FULL:
        return "whole" + (
            ", unsecured: the disk was too slow for the record to come first" if call.unsecured else ""
        )
    return {
        Captured.HEAD: "only the beginning of a body, the rest was too long or lost",
        Captured.NONE: "no bodies",
    }[call.captured]


def branch(depth: int) -> str:
    """What stands before a run's name in a tree; the deeper, the longer."""
    return "└" + "─" * (2 * depth - 1) + " " if depth else ""


def ns_duration(ns: int | None) -> str:
    return duration(None if ns is None else ns / 1_000_000)


def is_step(call: CallLine) -> bool:
    return call.kind is not Kind.AUXILIARY


_RULES = {
    "header": "the caller's own x-arc headers",
    "prefix": "the URL's prefix",
    "attempt": "being a retry of one of its calls",
    "lineage": "what its requests quote of earlier replies",
    "tool_call_id": "ids of tool calls that were answered",
    "response_id": "ids of responses that were named",
    "quoted_call": "a call of a tool that it quotes, which one earlier reply alone had made",
    "quoted_text": "text of earlier replies that was passed on",
    "session": "its session",
    "websocket": "the WebSocket that it was said on",
    "none": "nothing: it is the first call of its run",
}


def grouping_text(rule: str, confidence: float) -> str:
    """By which rule a call or a run was grouped, and how sure that is."""
    words = _RULES.get(rule, f"the ids of {rule}")
    return words if rule == "none" else f"{words}, {confidence:.0%} sure"
