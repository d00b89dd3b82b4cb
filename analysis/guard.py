"""
May a run go on, by its budgets and by what it did last? Pure.

A budget is spent once what was billed has reached it: the call that gets there is answered, the next one is
not. What has no price is not counted, so a budget is never called spent on a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from analysis.budget import Budgets
from analysis.loop_guard import Loop, find_loop
from arc_proxy.call import Call


class ObjectionCode(StrEnum):
    """Programs read it out of a refusal: append, never rename."""

    RUN_BUDGET = "run_budget_spent"
    AGENT_BUDGET = "agent_budget_spent"
    DAY_BUDGET = "day_budget_spent"
    LOOP = "run_in_circles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """
    What a run, its agent and all agents have spent, in nanodollars, the latter two today; the run's latest
    calls in the order in which they began. None: the caller named no run, or no agent.
    """

    run_nanousd: int | None = None
    agent: str | None = None
    agent_nanousd: int | None = None
    day_nanousd: int = 0
    calls: Sequence[Call] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why not. Of a budget what was spent of it, of a loop the loop."""

    code: ObjectionCode
    spent_nanousd: int = 0
    budget_nanousd: int = 0
    loop: Loop | None = None


def objection(
    standing: Standing, budgets: Budgets, *, asked_nanousd: int | None, loop_limit: int, now_ns: int
) -> Objection | None:
    """
    The first reason why a call must not go on; None: it may.

    `asked_nanousd` is the request's own budget. It may only lower what the run may cost, or, where the caller
    named none, what its agent may cost today.
    """
    run_budget, agent_budget = budgets.per_run, budgets.of_agent(standing.agent)
    if standing.run_nanousd is not None:
        run_budget = _lower(run_budget, asked_nanousd)
    else:
        agent_budget = _lower(agent_budget, asked_nanousd)
    for code, spent, budget in (
        (ObjectionCode.RUN_BUDGET, standing.run_nanousd, run_budget),
        (ObjectionCode.AGENT_BUDGET, standing.agent_nanousd, agent_budget),
        (ObjectionCode.DAY_BUDGET, standing.day_nanousd, budgets.per_day),
    ):
        if spent is not None and budget is not None and spent >= budget:
            return Objection(code=code, spent_nanousd=spent, budget_nanousd=budget)
    loop = find_loop(standing.calls, loop_limit, now_ns)
    return None if loop is None else Objection(code=ObjectionCode.LOOP, loop=loop)


def _lower(budget: int | None, asked: int | None) -> int | None:
    given = [each for each in (budget, asked) if each is not None]
    return min(given, default=None)
