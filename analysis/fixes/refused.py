"""Fixes of calls that arc-proxy itself did not forward: no provider, a budget, a run in circles. Pure."""

from __future__ import annotations

import re

from analysis.fixes.fix import Remedy, Snippet, watched_runs
from analysis.fixes.observed import Observed
from analysis.fixes.quote import shell_word

# The words of a guard, see `arc_proxy.cli.console_guard`.
_BUDGET = re.compile(r"\b(?:its|their) budget is\b")
_CIRCLES = re.compile(r"\bin circles\b")


def proxy_refused(observed: Observed) -> Remedy:
    if _CIRCLES.search(observed.seen):
        return _in_circles(observed)
    return _over_budget(observed) if _BUDGET.search(observed.seen) else _no_provider(observed)


def _over_budget(observed: Observed) -> Remedy:
    return Remedy(
        title="arc-proxy stopped calls at a budget",
        what=f"arc-proxy answered 402 in the provider's place {observed.times}{observed.saying}.",
        why="It was started with --enforce and a budget, and what was billed had reached it. The call was "
        "not forwarded and cost nothing; SDKs do not try it again.",
        advice="See first where the money went: most runs that spend too much send the same result again and "
        "again. Raise the budget if the work is worth it; x-arc-budget-usd can only lower it.",
        guard=Snippet(
            f"arc-proxy report --by tool --by prompt   # what was paid for{_look(observed)}\n"
            "arc-proxy serve --enforce --budget-per-run 1.00 --budget-per-agent finance=20",
            "sh",
        ),
        check=f"no proxy.refused in the next {watched_runs(observed)} runs",
    )


def _in_circles(observed: Observed) -> Remedy:
    return Remedy(
        title="arc-proxy stopped a run that went in circles",
        what=f"arc-proxy answered 402 in the provider's place {observed.times}{observed.saying}.",
        why="It was started with --enforce, and the run had made the same call, or got the same error, as "
        "often in a row as --loop-limit allows. Another call would have cost as much and shown the same.",
        advice="Let the tool say what to do instead of repeating itself, and end the run in the agent's own "
        "code when it gets the same result again. The run's loop.repeated_call or tool.error_repeated issue "
        "has the code for it. Raise --loop-limit only if the repetition is meant.",
        guard=Snippet(f"arc-proxy issues      # the loop itself, with its fix{_look(observed)}", "sh"),
        check=f"no proxy.refused in the next {watched_runs(observed)} runs",
    )


def _look(observed: Observed) -> str:
    call = observed.examples[0].call_id if observed.examples else ""
    return f"\narc-proxy show {shell_word(call)}" if call else ""


def _no_provider(observed: Observed) -> Remedy:
    host = observed.fact("host")
    to = f" to {host}" if host else ""
    return Remedy(
        title=f"arc-proxy did not forward a call{to}",
        what=f"arc-proxy answered in the provider's place {observed.times}{observed.saying}.",
        why="The call named no provider that arc-proxy knows, or one that it may not call, so that it was "
        "sent nowhere and cost nothing. Mostly the base URL lacks its path, or has one part too many.",
        advice="Set the base URL as `arc-proxy env` prints it for your SDK.",
        guard=Snippet(
            "arc-proxy env      # the base URL for each SDK\n"
            f"arc-proxy doctor   # what is set wrong{_look(observed)}",
            "sh",
        ),
        check=f"no proxy.refused in the next {watched_runs(observed)} runs",
    )  # fmt: skip
