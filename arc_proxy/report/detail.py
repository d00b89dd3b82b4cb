"""One run, one call: all of it, in lines for a terminal. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from arc_proxy.call import Call
from arc_proxy.format import (
    Spend,
    clean,
    count,
    cut,
    moment,
    plural,
    size,
    spend,
    spend_causes,
)
from arc_proxy.journal.fact import FactType
from arc_proxy.report.facets import (
    branch,
    call_cost,
    call_model,
    call_spread,
    call_state,
    call_tokens,
    captured_text,
    error_text,
    failure_of,
    failure_text,
    grouping_text,
    is_step,
    ns_duration,
    run_spend,
    run_state,
    tree_spend,
)
from arc_proxy.report.messages import reply_text, shorten, speaker_and_text
from arc_proxy.report.table import ID_CELLS, NAME_CELLS, Column, Table, draw
from arc_proxy.report.tools import tools_of, tools_table
from arc_proxy.report.warning_lines import warning_words
from arc_proxy.report.warning_model import AnyWarning
from arc_proxy.runs.ending import Ending, how_it_ended
from arc_proxy.store.views import CallDetail, CallLine, FactRow, FailureRow, RunDetail, RunRow, RunTree

_LABEL_CELLS = 11
_MESSAGE_LINES = 4
_FAILURES_MAX = 12
_BUCKETS = {
    "input_text": "input",
    "input_audio": "input audio",
    "input_image": "input image",
    "cache_read": "cache read",
    "cache_write_5m": "cache write",
    "cache_write_1h": "cache write 1h",
    "output_text": "output",
    "output_audio": "output audio",
    "output_image": "output image",
    "reasoning": "of it reasoning",
}


_ENDINGS = {
    None: "goes on, as far as the traffic tells",
    Ending.OUTCOME: "ended, its outcome was reported",
    Ending.CLOSED: "ended, as its agent reported",
    Ending.EXITED: "ended with the program that it ran in",
    Ending.ANSWERED: "ended with an answer",
    Ending.TIMEOUT: "ended without an answer: nothing has come for half an hour",
}


def run_lines(
    detail: RunDetail,
    width: int,
    now_ns: int,
    *,
    full: bool = False,
    warnings: Iterable[AnyWarning] = (),
) -> Iterator[str]:
    """`full`: each attempt and each auxiliary call on a line of its own."""
    run = detail.run
    yield from _facts_of(run_facts(run))
    if detail.parts:
        yield from _facts_of([("in all", _whole_text(RunTree(run, detail.parts)))])
    yield from _facts_of([("state", ending_words(detail, now_ns))])
    yield from _facts_of(("warning", warning_words(each)) for each in warnings)
    for fact in detail.facts:
        yield from _fact_lines(fact, width)
    yield ""
    yield from _call_table_lines(detail.calls, width, full=full)
    tools = tools_of(detail.last_step) if detail.last_step else ()
    if tools:
        yield ""
        yield from draw(tools_table(tools), width)
    if detail.parts:
        yield ""
        yield from draw(_parts_table(detail.parts), width)
    yield from _failure_lines(detail.failures, width)


def ending_words(detail: RunDetail, now_ns: int) -> str:
    """Whether and how a run has ended."""
    outcomes = [fact.at_ns for fact in detail.facts if fact.type == FactType.OUTCOME]
    closed = [fact.at_ns for fact in detail.facts if fact.type == FactType.RUN_END]
    how = how_it_ended(
        last_ns=detail.run.ended_ns,
        is_final=detail.is_final,
        outcome_ns=max(outcomes, default=None),
        now_ns=now_ns,
        exited_ns=detail.exited_ns,
        closed_ns=max(closed, default=None),
    )
    return _ENDINGS[how]


def _failure_lines(rows: Sequence[FailureRow], width: int) -> Iterator[str]:
    """The first of what went wrong, each with what was seen of it, and where."""
    if not rows:
        return
    yield ""
    columns = (
        Column("what failed", is_number=False),
        Column("severity", is_number=False, rank=3),
        Column("call", is_number=False, flex=True, keep=ID_CELLS, rank=1),
        Column("message", rank=4),
        Column("evidence", is_number=False, flex=True, keep=NAME_CELLS),
        Column("issue", rank=2),
    )
    cells = tuple(
        (
            str(row.failure.code),
            f"{row.failure.severity}{', recovered' if row.failure.is_recovered else ''}",
            row.failure.call_id or "-",
            "-" if row.failure.message_index is None else str(row.failure.message_index),
            clean(row.failure.evidence, 4 * width),
            f"#{row.issue_key}",
        )
        for row in rows[:_FAILURES_MAX]
    )
    yield from draw(Table(columns, cells), width)
    if len(rows) > _FAILURES_MAX:
        yield f"... {plural(len(rows) - _FAILURES_MAX, 'more failure')}"


def session_lines(session_id: str, trees: Sequence[RunTree]) -> Iterator[str]:
    """What its runs are in sum, those of sub-agents included."""
    runs = [run for tree in trees for _, run in tree.lines()]
    total = sum(map(run_spend, runs), Spend(0))
    below = len(runs) - len(trees)
    yield from _facts_of([("session", session_id)])
    if runs:
        started = min(run.started_ns for run in runs)
        took = max(run.ended_ns for run in runs) - started
        agents = sorted({run.agent for run in runs if run.agent})
        yield from _facts_of(
            [
                ("agents", ", ".join(agents) or "-"),
                ("started", f"{moment(started)}, took {ns_duration(took)}"),
                ("runs", f"{len(trees)}" + (f" + {plural(below, 'sub-agent')}" if below else "")),
                ("calls", f"{sum(run.calls for run in runs)}"),
                ("cost", spend(total)),
            ]
        )


def call_lines(detail: CallDetail, width: int, *, full: bool) -> Iterator[str]:
    line, call = detail.line, detail.call
    yield from _facts_of(call_facts(line, call))
    yield ""
    yield from usage_lines(line)
    yield ""
    yield from cost_lines(line, call)
    yield ""
    yield from _talk_lines(call, width, full=full)
    if full:
        yield ""
        yield from _wire_lines(call)


def run_facts(run: RunRow) -> Iterator[tuple[str, str]]:
    """What a run is, as labels and words; "" goes on with the label before."""
    total = run_spend(run)
    yield "run", run.run_id
    yield "agent", (run.agent or "-") + (f", version {run.version}" if run.version else "")
    yield from _given(
        ("framework", run.framework),
        ("session", run.session_id),
        ("parent run", run.parent_run_id),
        ("user", run.user),
    )
    if run.grouping_rule != "none":
        yield "grouped by", grouping_text(run.grouping_rule, run.grouping_confidence)
    yield "started", f"{moment(run.started_ns)}, took {ns_duration(run.ended_ns - run.started_ns)}"
    retries = run.attempts - run.calls
    yield (
        "calls",
        f"{run.calls}"
        + (f" + {plural(retries, 'retry', 'retries')}" if retries else "")
        + (f", {run.auxiliary_calls} auxiliary" if run.auxiliary_calls else "")
        + f", {plural(run.errors, 'error')}",
    )
    yield (
        "tokens",
        (
            f"{count(run.input_tokens)} in ({count(run.cached_input_tokens)} from the cache), "
            f"{count(run.output_tokens)} out ({count(run.reasoning_tokens)} reasoning)"
        ),
    )
    yield "cost", spend(total)
    yield from (("", cause) for cause in spend_causes(total))
    yield "outcome", run_state(run)
    yield from _given(("tags", ", ".join(f"{name}={value}" for name, value in run.tags.items())))


def call_facts(line: CallLine, call: Call) -> Iterator[tuple[str, str]]:
    """What a call is, as labels and words."""
    yield (
        "call",
        line.call_id + (f", attempt {line.attempt} of {line.attempt_of}" if line.attempt_of else ""),
    )
    yield "run", f"{line.run_id}, agent {line.agent or '-'}"
    yield "grouped by", grouping_text(line.grouping_rule, line.grouping_confidence)
    yield "endpoint", f"{line.provider} {line.endpoint}, {call.method} {call.target}"
    yield from _given(("sent to", call.url))
    yield "model", call_model(line) + (", streamed" if line.stream else "")
    yield "started", moment(line.started_ns)
    yield "took", f"{ns_duration(line.duration_ns)}, first byte after {ns_duration(line.first_byte_ns)}"
    yield "ended", call_state(line) + (f": {call.ended_detail}" if call.ended_detail else "")
    failure = failure_of(line, call.ended_detail)
    yield from _given(
        ("failure", None if failure is None else failure_text(failure)),
        ("finish", line.finish_reason),
        ("error", error_text(line.error, 400)),
        ("request id", line.request_id),
        ("user", line.user),
        ("tags", ", ".join(f"{name}={value}" for name, value in line.tags.items())),
    )
    yield (
        "captured",
        f"{captured_text(line)}; {size(line.request_bytes)} sent, {size(line.response_bytes)} received",
    )


def _given(*pairs: tuple[str, str | None]) -> Iterator[tuple[str, str]]:
    yield from ((label, value) for label, value in pairs if value)


def _facts_of(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from (f"{label:<{_LABEL_CELLS}} {clean(value)}" for label, value in pairs)


def _fact_lines(fact: FactRow, width: int) -> Iterator[str]:
    body = fact.body
    if fact.type == "exception":
        place = f"{body.get('file', '?')}:{body.get('line', '?')} in {body.get('function', '?')}"
        text = f"{body.get('type', '?')}: {body.get('message', '')}"
        yield from _facts_of([("exception", f"{clean(text, 3 * width)}"), ("", f"at {place}")])
    elif fact.type == "outcome" and body.get("reason"):
        yield from _facts_of([("reason", str(body["reason"]))])


def _whole_text(tree: RunTree) -> str:
    """Of a run with its sub-agents."""
    runs = [run for _, run in tree.lines()]
    calls = sum(run.calls for run in runs)
    return f"{plural(calls, 'call')} with {plural(len(runs) - 1, 'sub-agent')}, {spend(tree_spend(tree))}"


def _call_table_lines(calls: Sequence[CallLine], width: int, *, full: bool) -> Iterator[str]:
    steps = [call for call in calls if is_step(call)]
    if full or not steps:
        yield from draw(_calls_table([[call] for call in calls]), width)
        return
    yield from draw(_calls_table(fold_attempts(steps)), width)
    beside = [call for call in calls if not is_step(call)]
    if beside:
        purposes = Counter(call.auxiliary or call.endpoint for call in beside)
        listed = ", ".join(f"{number} {clean(purpose, 30)}" for purpose, number in purposes.most_common())
        cost = call_cost(*beside)
        yield f"and {plural(len(beside), 'auxiliary call')}: {listed}; {cost} (--full lists them)"


def fold_attempts(calls: Iterable[CallLine]) -> list[list[CallLine]]:
    """Each call with the attempts that repeated it behind it, in the order they began."""
    folded: dict[str, list[CallLine]] = {}
    for call in calls:
        folded.setdefault(call.attempt_of or call.call_id, []).append(call)
    return list(folded.values())


def _calls_table(folded: Sequence[Sequence[CallLine]]) -> Table:
    is_retried = any(len(attempts) > 1 for attempts in folded)
    columns = (
        Column("call", is_number=False),
        Column("model", is_number=False, flex=True),
        Column("ended", is_number=False),
        *((Column("attempts"),) if is_retried else ()),
        Column("finish", is_number=False, rank=3),
        Column("first byte", rank=2),
        Column("took", rank=1),
        Column("in"),
        Column("out"),
        Column("cost"),
    )
    return Table(columns, tuple(_call_cells(attempts, is_retried) for attempts in folded))


def _call_cells(attempts: Sequence[CallLine], is_retried: bool) -> tuple[str, ...]:
    """One call with its attempts: how the last of them went, the time and money of all."""
    first, last = attempts[0], attempts[-1]
    took = None if last.duration_ns is None else last.started_ns - first.started_ns + last.duration_ns
    return (
        # An attempt that stands by itself is shown below the call that it repeats.
        ("  ↳ " if first.attempt_of else "") + first.call_id,
        call_model(last) if is_step(last) else f"{last.auxiliary or last.endpoint}, auxiliary",
        call_state(last),
        *((str(len(attempts)),) if is_retried else ()),
        last.finish_reason or "-",
        ns_duration(last.first_byte_ns),
        ns_duration(took),
        *call_tokens(last),
        call_cost(*attempts),
    )


def _parts_table(parts: Sequence[RunTree]) -> Table:
    columns = (
        Column("sub-agent's run", is_number=False, flex=True, keep=ID_CELLS),
        Column("agent", is_number=False, rank=2),
        Column("took", rank=1),
        Column("calls"),
        Column("cost"),
        Column("outcome", is_number=False),
    )
    rows = tuple(
        (
            branch(depth) + part.run_id,
            part.agent or "-",
            ns_duration(part.ended_ns - part.started_ns),
            str(part.calls),
            spend(run_spend(part)),
            run_state(part),
        )
        for tree in parts
        for depth, part in tree.lines()
    )
    return Table(columns, rows)


def usage_lines(line: CallLine) -> Iterator[str]:
    """Its tokens by bucket."""
    if line.usage_grade == "none":
        yield "tokens      unknown: the response says nothing about usage"
        return
    sums = f"{count(line.usage.input_tokens)} in, {count(line.usage.output_tokens)} out"
    yield f"tokens      {sums}, {line.usage_grade}"
    for name, words in _BUCKETS.items():
        amount = getattr(line.usage, name)
        if amount:
            yield f"  {words:<18} {count(amount):>12}"
    for name, uses in line.usage.tool_units.items():
        yield f"  {clean(name, 18):<18} {count(uses):>12} uses"


def cost_lines(line: CallLine, call: Call) -> Iterator[str]:
    """Its cost, by which price, and why it is no more certain."""
    reason = f": {line.cost_reason}" if line.cost_reason else ""
    yield f"cost        {call_cost(line)}{call_spread(line)}, {line.cost_grade}{clean(reason)}"
    if line.rate_id:
        yield f"  by {clean(line.rate_id)} of price book {clean(line.table_version)}"
    yield from (f"  {note}" for note in map(clean, call.cost.notes))


def _talk_lines(call: Call, width: int, *, full: bool) -> Iterator[str]:
    for message in call.prompt.messages:
        speaker, text = speaker_and_text(message)
        yield from _said(speaker, text, width, full=full)
    yield from _said("-> reply", reply_text(call.reply), width, full=full)


def _said(speaker: str, text: str, width: int, *, full: bool) -> Iterator[str]:
    lines = text.splitlines() if full else list(shorten(text, _MESSAGE_LINES, width - _LABEL_CELLS - 1))
    for at, line in enumerate(lines or ["(no text)"]):
        yield f"{cut(speaker, _LABEL_CELLS) if at == 0 else '':<{_LABEL_CELLS}} {line}"


def _wire_lines(call: Call) -> Iterator[str]:
    for title, headers in (("request", call.request_headers), ("response", call.response_headers)):
        yield f"{title} headers"
        yield from (f"  {clean(name)}: {clean(value)}" for name, value in headers)
    if call.chunk_times:
        yield f"{plural(len(call.chunk_times), 'piece')} of the response"
        yield from (f"  {ns_duration(each.after_ns):>10} {each.size:>10,}" for each in call.chunk_times)
