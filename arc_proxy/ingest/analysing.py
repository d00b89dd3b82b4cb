"""
Analysis in the background: runs that have changed are looked at, and what is found replaces what was known.

A run is looked at a moment after its last call, and once more when it is over, since only then an answer that
is missing is missing. The newest come first. Whoever asks for the rows waits for it, but not for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import structlog

from analysis.delegation import delegation_of
from analysis.earlier import EarlierRuns
from analysis.failure import Failure, FailureCode
from analysis.fingerprint import family, fingerprint, normalised
from analysis.merge import IssueName, Target
from analysis.reliability import failure_loss
from analysis.run_failure import Raised, run_failures
from analysis.run_growth import run_growth
from analysis.run_share import RateOf, share_run
from analysis.spend import sum_run
from analysis.token_growth import WindowOf
from arc_proxy.call import Call, Kind
from arc_proxy.errors import ArcError
from arc_proxy.ingest.mistake import describe_bug
from arc_proxy.runs.ending import REFUSED_STATUSES, awaited_end
from arc_proxy.runs.signatures import PROGRAMS
from arc_proxy.store.due import DueRun, due_runs, mark_all_due
from arc_proxy.store.earlier import read_earlier_runs
from arc_proxy.store.engine import Store
from arc_proxy.store.findings import Findings, Found, save_findings
from arc_proxy.store.merges import read_merged
from pricing.book import PriceBook
from pricing.rate import Rate

# Of the rules that find failures: a later one has every run looked at again.
ANALYSIS_VERSION = 3
BATCH = 50
STEP_S = 0.5  # ingest waits as long
FAILURES_MAX = 200  # of one run; of a run that fails for days, the rest says nothing new

_log = structlog.get_logger()

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """
    What a run is judged by that is not in its calls: prices, windows, the agent's runs before it, and what
    people said of its issues.
    """

    merged: Mapping[IssueName, Target]
    hints: Collection[FailureCode]
    rate_of: RateOf
    window_of: WindowOf
    earlier_runs: EarlierRuns


@dataclass(slots=True)
class Analyst:
    """Looks at what is due, in steps."""

    store: Store
    book: PriceBook
    hints: Collection[FailureCode] = ()  # as of `analysis.run_failure`
    clock: Clock = time.monotonic
    _is_prepared: bool = False

    def step(self, now_ns: int) -> bool:
        """Look at some of what is due; True if there is more. Raises StoreError."""
        if not self._is_prepared:
            mark_all_due(self.store, rules_of(self.hints))
            self._is_prepared = True
        waiting, has_more = due_runs(self.store, now_ns, limit=BATCH)
        until = self.clock() + STEP_S
        merged = read_merged(self.store) if waiting else {}
        done: list[Findings] = []
        for run in waiting:
            done.append(_findings_or_none(run, now_ns, self._usual(run, merged)))
            if self.clock() > until:
                break
        save_findings(self.store, done)
        return has_more or len(done) < len(waiting)

    def _usual(self, run: DueRun, merged: Mapping[IssueName, Target]) -> Usual:
        return Usual(
            merged=merged,
            hints=self.hints,
            rate_of=self._rate_of,
            window_of=self._window_of,
            earlier_runs=cache(partial(read_earlier_runs, self.store, run.agent, run.started_ns)),
        )

    def _rate_of(self, call: Call) -> Rate | None:
        """The price row that the call was priced by."""
        return self.book.row(call.cost.rate_id) if call.cost.rate_id else None

    def _window_of(self, call: Call) -> int | None:
        """The window of its model. Coding programs summarise before it is full, so for them it is no end."""
        found = self.book.find(call.provider, call.reply.model or call.prompt.model or "")
        return None if found is None or call.framework in PROGRAMS else found.input_tokens_max


def analyse_due(
    store: Store,
    book: PriceBook,
    now_ns: int,
    *,
    hints: Collection[FailureCode] = (),
    within_s: float | None = None,
    clock: Clock = time.monotonic,
) -> bool:
    """
    Look at all that is due, under the ingest lock, the newest first; False if the time ended before. What is
    left stays due. Raises StoreError.
    """
    analyst = Analyst(store, book, hints)
    began = clock()
    while analyst.step(now_ns):
        if within_s is not None and clock() - began > within_s:
            return False
    return True


def rules_of(hints: Collection[FailureCode]) -> str:
    """By which rules failures are found, in a word: "2", "2 run.handoff"."""
    return " ".join((str(ANALYSIS_VERSION), *sorted(hints)))


def _findings_or_none(run: DueRun, now_ns: int, usual: Usual) -> Findings:
    try:
        return findings_of(run, now_ns, usual)
    except ArcError:
        raise
    except Exception as error:  # noqa: BLE001  a bug in analysis costs one run's findings, not all that follow
        _log.error("run.unanalysed", run_key=run.key, **describe_bug(error))
        return Findings(run=run, is_over=True, found=(), worst=None, ended_by=None, spend=None, again_ns=None)


def findings_of(run: DueRun, now_ns: int, usual: Usual) -> Findings:
    """What went wrong in a run, as far as it has come."""
    over_ns = _over_ns(run)
    is_over = over_ns <= now_ns
    failures = run_failures(
        run.calls,
        is_over=is_over,
        exceptions=map(_raised, run.exceptions),
        earlier_runs=usual.earlier_runs,
        window_of=usual.window_of,
        hints=usual.hints,
    )
    began = {call.call_id: call.started_ns for call in run.calls}
    found = [_found(failure, run, began, usual.merged) for failure in failures[:FAILURES_MAX]]
    spends = list(share_run(run.calls, usual.rate_of))
    return Findings(
        run=run,
        is_over=is_over,
        found=found,
        worst=max(failures, key=failure_loss, default=None),
        ended_by=_ended_by(run.calls, failures),
        spend=sum_run(spends),
        again_ns=None if is_over else over_ns,
        growth=run_growth(run.calls, spends),
        delegation=delegation_of(run.calls),
    )


def _over_ns(run: DueRun) -> int:
    """From when on no more calls of the run are awaited."""
    last = next((call for call in reversed(run.calls) if call.kind is Kind.GENERATION), None)
    last_began_ns = max((call.started_ns for call in run.calls), default=0)
    # An agent may report its end while its last answer still streams.
    is_closed = run.closed_ns is not None and run.closed_ns >= last_began_ns
    _, wait_ns = awaited_end(
        last_ns=run.ended_ns,
        is_final=last is not None and _is_final(last),
        outcome_ns=run.outcome_ns,
        closed_ns=run.ended_ns if is_closed else None,
    )
    return run.ended_ns + wait_ns


def _found(
    failure: Failure, run: DueRun, began: Mapping[str, int], merged: Mapping[IssueName, Target]
) -> Found:
    own = Target(fingerprint(failure, run.agent), failure.subject, normalised(failure.cause))
    shown = merged.get((run.agent or "", own.fingerprint), own)
    return Found(
        failure=replace(failure, subject=shown.subject),
        fingerprint=shown.fingerprint,
        code=family(failure),
        cause=shown.cause,
        at_ns=began.get(failure.call_id, run.ended_ns),
    )


def _ended_by(calls: Iterable[Call], failures: Iterable[Failure]) -> FailureCode | None:
    """What went wrong with the last call that is a step."""
    last = next((call for call in reversed(tuple(calls)) if call.kind is not Kind.AUXILIARY), None)
    of_last = [each for each in failures if last is not None and each.call_id == last.call_id]
    ending = (each.code for each in of_last if each.code.value.startswith(("provider.", "stream.", "proxy.")))
    return next(ending, None)


def _is_final(last: Call) -> bool:
    answered = last.reply.finish_reason is not None and not last.reply.tool_calls
    return answered or last.status in REFUSED_STATUSES


def _raised(fact: Mapping[str, Any]) -> Raised:
    """The exception of a fact, see `journal.fact`. Its line moves with every edit, so `frame` is without."""
    file, function = str(fact.get("file") or ""), str(fact.get("function") or "")
    name = file.replace("\\", "/").rpartition("/")[2]
    line = f" ({name}:{fact['line']})" if name and fact.get("line") else ""
    return Raised(
        type=str(fact.get("type") or "exception").removeprefix("__main__."),
        message=f"{fact.get('message') or ''}{line}",
        frame=f"{function} ({name})" if name and function else name,
    )
