"""
The console's side of enforced guards: answers the gateways' questions, see `arc_proxy.verdict`.

Questions that came while others were judged are judged together: the journal is caught up with once for all
of them, then each run, agent and day is looked at as the rows have it. Who has waited too long by then has
gone on, and is not judged any more.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from analysis.budget import Budgets
from analysis.guard import Objection, ObjectionCode, Standing, objection
from analysis.loop_guard import LoopKind, calls_wanted
from arc_proxy.errors import ArcError
from arc_proxy.format import clean, cut, money
from arc_proxy.ingest.mistake import describe_bug
from arc_proxy.report.health import midnight_ns
from arc_proxy.store.engine import Store
from arc_proxy.store.guarded import read_run_so_far
from arc_proxy.store.spent_since import Billed, read_spent_since
from arc_proxy.verdict import GO_ON, WAIT_S, Question, Verdict

CATCH_UP_S = 0.6 * WAIT_S  # the rest is for reading and judging
QUESTIONS_MAX = 1000  # waiting; more go on unjudged, as does everyone who waits too long
_WHAT_CELLS = 80

_log = structlog.get_logger()

Answer = Callable[[Verdict], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    budgets: Budgets
    loop_limit: int


@dataclass(frozen=True, slots=True)
class _Asked:
    question: Question
    answer: Answer
    at_s: float  # monotonic


class Guard:
    """One thread runs `judge_forever`; `ask` may be called from any other."""

    def __init__(self, limits: Limits, store: Callable[[], Store], catch_up: Callable[[float], bool]) -> None:
        """`catch_up` waits so many seconds at most until the rows have what the journal holds; if they do."""
        self._limits = limits
        self._store = store
        self._catch_up = catch_up
        self._asked: queue.Queue[_Asked | None] = queue.Queue(QUESTIONS_MAX)
        self._stopping = threading.Event()
        self._judged = self._refused = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """Since the console began."""
        return {"judged_calls": self._judged, "refused_calls": self._refused}

    def ask(self, question: Question, answer: Answer) -> None:
        """`answer` is called with the verdict, on the judging thread, or never."""
        try:
            self._asked.put_nowait(_Asked(question, answer, time.monotonic()))
        except queue.Full:
            return

    def stop(self) -> None:
        self._stopping.set()
        try:
            self._asked.put_nowait(None)
        except queue.Full:
            return  # the thread is awake anyway

    def judge_forever(self) -> None:
        while not self._stopping.is_set():
            asked = self._next()
            try:
                self._judge(asked)
            except ArcError as error:
                _log.warning("guard.unjudged", questions=len(asked), error=str(error))
            except Exception as error:  # noqa: BLE001  the thread's top: to die of a bug would end all guards
                _log.error("guard.failed", **describe_bug(error))

    def _next(self) -> list[_Asked]:
        """Wait for a question; whatever else has come by then is with it."""
        found = [self._asked.get()]
        while not self._asked.empty():
            found.append(self._asked.get_nowait())
        return [asked for asked in found if asked is not None]

    def _judge(self, asked: list[_Asked]) -> None:
        if not asked:
            return
        oldest_s = time.monotonic() - min(each.at_s for each in asked)
        is_current = self._catch_up(max(CATCH_UP_S - oldest_s, 0.0))
        verdicts: dict[Question, Verdict] = {}
        now_ns = time.time_ns()
        spent: Mapping[str | None, Billed] | None = None
        for each in asked:
            if time.monotonic() - each.at_s > WAIT_S:
                continue
            if spent is None and self._is_of_a_day(each.question):
                spent = read_spent_since(self._store(), midnight_ns(now_ns), now_ns)
            if each.question not in verdicts:
                verdicts[each.question] = self._verdict(
                    each.question, spent or {}, now_ns, is_current=is_current
                )
            verdict = verdicts[each.question]
            # What was spent stays spent, so rows that are behind may refuse. They cannot say all is well.
            if is_current or verdict != GO_ON:
                self._judged += 1
                self._refused += verdict != GO_ON
                each.answer(verdict)

    def _is_of_a_day(self, question: Question) -> bool:
        """Whether it takes what was spent today. Where no run is named, a request's own budget is of that."""
        is_own = question.run_id is None and question.budget_nanousd is not None
        return is_own or self._limits.budgets.has_days

    def _verdict(
        self, question: Question, spent: Mapping[str | None, Billed], now_ns: int, *, is_current: bool
    ) -> Verdict:
        agent, run = question.agent, None
        if question.run_id is not None:
            wanted = calls_wanted(self._limits.loop_limit)
            run = read_run_so_far(self._store(), agent, question.run_id, calls_max=wanted)
            agent = agent or (run.agent if run else None)
        found = objection(
            Standing(
                run_nanousd=None if question.run_id is None else run.billed.nanousd if run else 0,
                agent=agent,
                agent_nanousd=spent.get(agent, Billed()).nanousd,
                day_nanousd=sum(each.nanousd for each in spent.values()),
                calls=run.calls if run and is_current else (),
            ),
            self._limits.budgets,
            asked_nanousd=question.budget_nanousd,
            loop_limit=self._limits.loop_limit,
            now_ns=now_ns,
        )
        if found is None:
            return GO_ON
        why = _reason(found)
        _log.warning("guard.refused", code=str(found.code), agent=agent, run_id=question.run_id, why=why)
        return Verdict(str(found.code), f"{why} {_CURES[found.code]}")


_CURES = {
    ObjectionCode.RUN_BUDGET: "Start another run, or raise --budget-per-run or x-arc-budget-usd.",
    ObjectionCode.AGENT_BUDGET: "It may go on tomorrow, or raise --budget-per-agent.",
    ObjectionCode.DAY_BUDGET: "Agents may go on tomorrow, or raise --budget-per-day.",
    ObjectionCode.LOOP: "Start another run, wait ten minutes, or raise --loop-limit.",
}


def _reason(found: Objection) -> str:
    """Without the names of run and agent: the failure that this becomes is one issue for all of them."""
    spent, budget = money(found.spent_nanousd), money(found.budget_nanousd)
    match found.code:
        case ObjectionCode.RUN_BUDGET:
            return f"This run has cost {spent}, its budget is {budget}."
        case ObjectionCode.AGENT_BUDGET:
            return f"This agent has spent {spent} today, its budget is {budget} a day."
        case ObjectionCode.DAY_BUDGET:
            return f"All agents have spent {spent} today, their budget is {budget} a day."
    loop = found.loop
    assert loop is not None, "the other codes are budgets"
    what = cut(clean(loop.what), _WHAT_CELLS)
    match loop.kind:
        case LoopKind.SAME_CALLS:
            return f"This run goes in circles: the same call of {what} {loop.times} times in a row."
        case LoopKind.ALTERNATING_CALLS:
            return f"This run goes in circles: {what} in turns, {loop.times} times with the same results."
        case LoopKind.SAME_ERROR:
            return f"This run goes in circles: the same error {loop.times} times in a row: {what}."
