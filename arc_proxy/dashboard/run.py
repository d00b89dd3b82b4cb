"""One run: what it is, its steps as a waterfall, what went wrong in them, and its sub-agents' runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from arc_proxy.dashboard.frame import Frame, Link
from arc_proxy.dashboard.links import call_href, issue_href, run_href
from arc_proxy.dashboard.rendering import render
from arc_proxy.dashboard.runs import PATH as RUNS_PATH
from arc_proxy.dashboard.source import NotFound, Source
from arc_proxy.format import clean, cut, plural, spend
from arc_proxy.report.detail import ending_words, fold_attempts, run_facts
from arc_proxy.report.facets import (
    branch,
    call_cost,
    call_model,
    call_state,
    call_tokens,
    is_step,
    ns_duration,
    run_spend,
    run_state,
)
from arc_proxy.report.jsonable import run_detail_json
from arc_proxy.store.read import read_run, run_key_of
from arc_proxy.store.views import CallLine, FailureRow, RunDetail

EVIDENCE_CELLS_MAX = 300
ID_CELLS_MAX = 16
WIDTH = 100.0  # of the waterfall, in its own units
BAR_MIN = 0.4


@dataclass(frozen=True, slots=True)
class Bar:
    """A call in the waterfall, of 0 to WIDTH: until its first byte, and from there on. `says`: in words."""

    start: float
    waits: float
    streams: float
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A failure at the step that shows it."""

    code: str
    severity: str
    evidence: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    number: str
    name: str
    call_id: str
    href: str
    model: str
    state: str
    is_failed: bool
    bar: Bar
    first_byte: str
    took: str
    tokens_in: str
    tokens_out: str
    cost: str
    failures: tuple[Pinned, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartView:
    name: str
    href: str
    agent: str
    took: str
    calls: str
    cost: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    name: str
    facts: tuple[tuple[str, str], ...]
    parent: Link | None
    list: Link
    steps: tuple[StepView, ...]
    beside: tuple[StepView, ...]  # auxiliary calls
    parts: tuple[PartView, ...]
    other_failures: tuple[Pinned, ...]
    formats: tuple[Link, ...]
    says: str


def run_page(source: Source, query: Mapping[str, str], now_ns: int) -> str:
    """The HTML. Raises NotFound, StoreError."""
    detail = _find_run(source, query)
    view = _view(detail, query, now_ns)
    return render("run.html", frame=Frame(title=f"{view.name} · arc-proxy", here=RUNS_PATH), view=view)


def run_document(source: Source, query: Mapping[str, str]) -> dict[str, Any]:
    """The run as `show --json` has it. Raises NotFound, StoreError."""
    return run_detail_json(_find_run(source, query), ())


def _find_run(source: Source, query: Mapping[str, str]) -> RunDetail:
    store, run_id = source.store(), query.get("id", "")
    key = run_key_of(store, run_id, query.get("agent"))
    found = None if key is None else read_run(store, key)
    if found is None:
        named = clean(run_id, 60) or "(no id)"
        raise NotFound(f"There is no run {named}. It may be another agent's, or older than what is kept.")
    return found


def _view(detail: RunDetail, query: Mapping[str, str], now_ns: int) -> RunView:
    run = detail.run
    came_from = query.get("from", "")
    is_ours = came_from == RUNS_PATH or came_from.startswith(f"{RUNS_PATH}?")
    pinned: dict[str, list[Pinned]] = {}
    for row in detail.failures:
        pinned.setdefault(row.failure.call_id, []).append(_pinned(row))
    steps = fold_attempts(call for call in detail.calls if is_step(call))
    beside = fold_attempts(call for call in detail.calls if not is_step(call))
    until_ns = max((call.started_ns + (call.duration_ns or 0) for call in detail.calls), default=run.ended_ns)
    span = (run.started_ns, max(until_ns - run.started_ns, 1))
    shown = {attempt.call_id for attempts in (*steps, *beside) for attempt in attempts}
    same = [("id", run.run_id), ("agent", run.agent or "")]
    return RunView(
        name=clean(run.run_id),
        facts=(*_clean_facts(run_facts(run)), ("state", ending_words(detail, now_ns))),
        parent=Link(clean(run.parent_run_id), f"/_arc/run?{urlencode([('id', run.parent_run_id)])}")
        if run.parent_run_id
        else None,
        list=Link("Runs", came_from if is_ours else RUNS_PATH),
        steps=tuple(_step(number, attempts, span, pinned) for number, attempts in enumerate(steps, start=1)),
        beside=tuple(_step(0, attempts, span, pinned) for attempts in beside),
        parts=tuple(_parts(detail)),
        other_failures=tuple(
            each for call_id, found in pinned.items() if call_id not in shown for each in found
        ),
        formats=(Link("json", f"/_arc/run.json?{urlencode(same)}"),),
        says=f"{plural(len(steps), 'step')}, {ns_duration(span[1])}, {spend(run_spend(run))}",
    )


def _clean_facts(facts: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((label or "and", clean(value)) for label, value in facts)


def _pinned(row: FailureRow) -> Pinned:
    failure = row.failure
    return Pinned(
        code=str(failure.code),
        severity=f"{failure.severity}{', recovered' if failure.is_recovered else ''}",
        evidence=clean(failure.evidence, EVIDENCE_CELLS_MAX),
        href=issue_href(row.issue_key),
    )


def _step(
    number: int,
    attempts: Sequence[CallLine],
    span: tuple[int, int],
    pinned: Mapping[str, Sequence[Pinned]],
) -> StepView:
    """One call with its attempts: how the last of them went, the time and money of all."""
    first, last = attempts[0], attempts[-1]
    took = None if last.duration_ns is None else last.started_ns - first.started_ns + last.duration_ns
    tokens_in, tokens_out = call_tokens(last)
    repeated = f" +{plural(len(attempts) - 1, 'attempt')}" if len(attempts) > 1 else ""
    return StepView(
        number=str(number) if number else "-",
        name=cut(clean(last.call_id), ID_CELLS_MAX),
        call_id=clean(last.call_id),
        href=call_href(last.call_id),
        model=clean(call_model(last) if is_step(last) else last.auxiliary or last.endpoint),
        state=clean(call_state(last)) + repeated,
        is_failed=last.failed,
        bar=_bar(first, last, span),
        first_byte=ns_duration(last.first_byte_ns),
        took=ns_duration(took),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost=call_cost(*attempts),
        failures=tuple(each for attempt in attempts for each in pinned.get(attempt.call_id, ())),
    )


def _bar(first: CallLine, last: CallLine, span: tuple[int, int]) -> Bar:
    began_ns, length_ns = span

    def place(ns: int) -> float:
        return round(min(max(ns / length_ns, 0.0), 1.0) * WIDTH, 2)

    start_ns = first.started_ns - began_ns
    # One that is still open goes on to the end of what is drawn.
    took_ns = began_ns + length_ns - last.started_ns if last.duration_ns is None else last.duration_ns
    end_ns = last.started_ns - began_ns + took_ns
    first_byte_ns = end_ns if last.first_byte_ns is None else last.started_ns - began_ns + last.first_byte_ns
    start, middle, end = place(start_ns), place(first_byte_ns), place(end_ns)
    return Bar(
        start=min(start, WIDTH - BAR_MIN),
        waits=max(round(middle - start, 2), BAR_MIN),
        streams=max(round(end - middle, 2), 0.0),
        says=f"begins after {ns_duration(start_ns)}, ends after {ns_duration(end_ns)}",
    )


def _parts(detail: RunDetail) -> Iterator[PartView]:
    for tree in detail.parts:
        for depth, part in tree.lines():
            yield PartView(
                name=branch(depth) + clean(part.run_id),
                href=run_href(part.run_id, part.agent),
                agent=clean(part.agent or "-"),
                took=ns_duration(part.ended_ns - part.started_ns),
                calls=str(part.calls),
                cost=spend(run_spend(part)),
                state=clean(run_state(part)),
            )
