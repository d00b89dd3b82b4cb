"""
The timeline in lines for a terminal: a heading, a line for each run, and below it one for each step. Pure.

Who follows it sees at most `LINES_MAX` lines with each look, or up to `ROOM_MAX` after some quiet ones. Where
more has happened, there is one line for each run instead, or for each agent, or for the rest of them; each
says how many steps it stands for, so that the steps of all lines are those that there were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from arc_proxy.format import Spend, cells, clean, cut, money, plural, spend, tokens
from arc_proxy.report.facets import (
    branch,
    call_cost,
    call_spend,
    call_state,
    call_tokens,
    is_step,
    ns_duration,
    run_spend,
    run_state,
)
from arc_proxy.report.happening import Began, Called, Ended, Failed, Happening
from arc_proxy.store.views import CallLine, RunRow, TracedCall
from pricing.cost import CostGrade
from pricing.usage import UsageGrade

LINES_MAX = 10
ROOM_MAX = 30
_TOOLS_SHOWN = 4
_NAME_CELLS_MAX = 30
_GAP = "  "
_INDENT = "  "


class Part(StrEnum):
    """What a line is about, for who gives it a colour."""

    HEADING = "heading"
    RUN = "run"
    STEP = "step"
    BAD_STEP = "bad step"
    FAILURE = "failure"
    END = "end"
    BESIDE = "beside"  # auxiliary calls, steps that are left out


Line = tuple[Part, str]


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    width: int
    is_number: bool = True
    rank: int = 0  # where the terminal is narrow, the columns of the highest rank are left out first


# Their widths are fixed, since what comes next is not known.
_COLUMNS = (
    _Column("time", 8, is_number=False),
    _Column("model", 18, is_number=False, rank=1),
    _Column("in", 6, rank=2),
    _Column("cached", 6, rank=4),
    _Column("out", 6, rank=2),
    _Column("cost", 9),
    _Column("took", 8, rank=3),
    _Column("1st byte", 8, rank=5),
)
_LAST_CELLS_MIN = 18  # of the last column, which takes what is left: tools, and how it ended


def heading(width: int) -> Line:
    return Part.HEADING, _row([column.heading for column in _COLUMNS], "tools, end", width)


def trace_lines(
    happenings: Iterable[Happening],
    width: int,
    now_ns: int,
    *,
    depth: int = 0,
    here: int | None = None,
) -> Iterator[Line]:
    """
    All of them, each run's below a line with its name. `depth`: how many parents the run has that are shown;
    `here`: key of the run whose lines stand above already.
    """
    beside: list[CallLine] = []
    for happening in happenings:
        run = happening.run
        if run.key != here:
            yield from _beside_lines(beside, width)
            beside, here = [], run.key
            yield _run_line(run, width, depth)
        match happening:
            case Called(_, call) if is_step(call.line):
                yield _step_line(call, width, now_ns)
            case Called(_, call):
                beside.append(call.line)
            case Failed():
                yield _failure_line(happening, width)
            case Ended():
                yield from _beside_lines(beside, width)
                beside = []
                yield _end_line(run, width)
            case Began(_, earlier):
                if earlier:
                    yield Part.BESIDE, cut(f"{_INDENT}+{plural(earlier, 'earlier call')}", width)
    yield from _beside_lines(beside, width)


class Screen:
    """What somebody follows, look by look: it has room for some lines, and for some more with each look."""

    def __init__(self) -> None:
        self._room = ROOM_MAX
        self._here: int | None = None  # key of the run that the last line is of

    def lines(self, happenings: Sequence[Happening], width: int, now_ns: int) -> list[Line]:
        """What came with one look: each step where there is room for all, else at most LINES_MAX sums."""
        whole = list(trace_lines(happenings, width, now_ns, here=self._here))
        self._room = min(self._room + LINES_MAX, ROOM_MAX)
        if len(whole) <= self._room:
            self._here = happenings[-1].run.key if happenings else self._here
        else:
            self._here, whole = None, _sum_lines(happenings, width)
        self._room = max(0, self._room - len(whole))
        return whole


def _sum_lines(happenings: Sequence[Happening], width: int) -> list[Line]:
    sums = _summed(happenings, lambda run: (run.agent, run.run_id))
    if len(sums) > LINES_MAX:
        sums = _summed(happenings, lambda run: (run.agent, ""))
    ordered = sorted(sums.items(), key=lambda each: -each[1].weight)
    shown = ordered if len(ordered) <= LINES_MAX else ordered[: LINES_MAX - 1]
    lines = [_sum_line(_called(*name, of), of, width) for name, of in shown]
    rest = [of for _, of in ordered[len(shown) :]]
    if rest:
        total = _Sum()
        for of in rest:
            total.join(of)
        lines.append(_sum_line(plural(len(rest), "more agent"), total, width, sign="+"))
    return lines


@dataclass(slots=True)
class _Sum:
    """Of the happenings that one line stands for."""

    first_ns: int | None = None
    runs: set[int] = field(default_factory=set)
    steps: int = 0
    bad: int = 0
    still_open: int = 0
    auxiliary: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    spend: Spend = field(default_factory=lambda: Spend(0))
    slowest_ns: int = 0
    tools: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    ended: int = 0

    @property
    def weight(self) -> int:
        return self.steps + self.still_open + self.auxiliary + self.failures.total() + self.ended

    def add(self, happening: Happening) -> None:
        self.runs.add(happening.run.key)
        match happening:
            case Called(_, call):
                self._add_call(call)
            case Failed(_, row):
                self.failures[str(row.failure.code)] += 1
            case Ended():
                self.ended += 1
            case Began():
                pass

    def _add_call(self, call: TracedCall) -> None:
        line = call.line
        self.first_ns = line.started_ns if self.first_ns is None else min(self.first_ns, line.started_ns)
        if call.is_open:  # it comes again, and counts then
            self.still_open += 1
            return
        if is_step(line):
            self.steps += 1
            self.bad += line.failed
            self.slowest_ns = max(self.slowest_ns, line.duration_ns or 0)
        else:
            self.auxiliary += 1
        if line.usage_grade is not UsageGrade.NONE:
            self.input_tokens += line.usage.input_tokens
            self.output_tokens += line.usage.output_tokens
        self.spend += call_spend(line)
        self.tools.update((*call.tools, *line.server_tools))

    def join(self, other: _Sum) -> None:
        starts = [at for at in (self.first_ns, other.first_ns) if at is not None]
        self.first_ns = min(starts, default=None)
        self.runs |= other.runs
        self.steps += other.steps
        self.bad += other.bad
        self.still_open += other.still_open
        self.auxiliary += other.auxiliary
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.spend += other.spend
        self.slowest_ns = max(self.slowest_ns, other.slowest_ns)
        self.tools += other.tools
        self.failures += other.failures
        self.ended += other.ended


def _summed(
    happenings: Iterable[Happening], name: Callable[[RunRow], tuple[str | None, str]]
) -> dict[tuple[str | None, str], _Sum]:
    sums: dict[tuple[str | None, str], _Sum] = {}
    for happening in happenings:
        sums.setdefault(name(happening.run), _Sum()).add(happening)
    return sums


def _called(agent: str | None, run_id: str, of: _Sum) -> str:
    """What a line of sums is about: one run, or all that an agent did."""
    who = clean(agent or "-", _NAME_CELLS_MAX)
    if run_id:
        return f"{who} {clean(run_id, _NAME_CELLS_MAX)}"
    return f"{who} ({plural(len(of.runs), 'run')})"


def _sum_line(name: str, of: _Sum, width: int, *, sign: str = "") -> Line:
    """What matters most comes first, since the line may have to be cut."""
    said = [f"{sign}{plural(of.steps, 'step' if not sign else 'more step')}"]
    said += [f"{of.bad} failed"] if of.bad else []
    said += [_spent(of.spend)] if of.steps or of.auxiliary else []
    said += [f"{plural(number, code, code)}" for code, number in of.failures.most_common(_TOOLS_SHOWN)]
    said += [f"{plural(of.ended, 'run')} ended"] if of.ended else []
    said += [f"{of.still_open} open"] if of.still_open else []
    said += [f"{of.auxiliary} auxiliary"] if of.auxiliary else []
    if of.input_tokens or of.output_tokens:
        said.append(f"{tokens(of.input_tokens)} in, {tokens(of.output_tokens)} out")
    if of.slowest_ns:
        said.append(f"up to {ns_duration(of.slowest_ns)}")
    said += [_tool_words(list(of.tools.elements()))] if of.tools else []
    when = _clock(of.first_ns) if of.first_ns is not None else " " * 8
    return (
        Part.FAILURE if of.failures else Part.BAD_STEP if of.bad else Part.RUN,
        cut(f"{when}{_GAP}{name}{_GAP}{', '.join(said)}", width),
    )


def _spent(total: Spend) -> str:
    if total.api_equivalent_nanousd and not total.nanousd:
        return f"{money(total.api_equivalent_nanousd)} at list price"
    return spend(total)


def _run_line(run: RunRow, width: int, depth: int) -> Line:
    """Its agent and id, and whose sub-agent's it is."""
    of = f"{_GAP}of {clean(run.parent_run_id)}" if run.parent_run_id else ""
    sign = branch(max(depth, 1)) if run.parent_run_id else ""
    room = width - cells(sign) - len(_GAP)
    name = f"{clean(run.agent or '-', _NAME_CELLS_MAX)}{_GAP}{clean(run.run_id)}"
    return Part.RUN, cut(sign + cut(name, room) + of, width)


def _step_line(call: TracedCall, width: int, now_ns: int) -> Line:
    line = call.line
    sent, said = call_tokens(line)
    cached = "-" if line.usage_grade is UsageGrade.NONE else tokens(line.usage.cache_read)
    texts = [
        _clock(line.started_ns),
        clean(line.model or line.model_requested or "-"),
        sent,
        cached,
        said,
        "-" if call.is_open else _cost(line),
        ns_duration(now_ns - line.started_ns if call.is_open else line.duration_ns),
        ns_duration(line.first_byte_ns),
    ]
    part = Part.BAD_STEP if line.failed and not call.is_open else Part.STEP
    return part, _row(texts, ", ".join(_ends(call)), width)


def _ends(call: TracedCall) -> Iterator[str]:
    """Tools and how it ended, as far as that says something."""
    line = call.line
    if line.attempt_of:
        yield f"↻ attempt {line.attempt}"
    if call.is_open:
        yield "in progress"
        return
    state = call_state(line)
    if state != "200":
        yield state
    names = [*call.tools, *line.server_tools]
    if names:
        yield _tool_words(names)
    elif line.finish_reason:
        yield clean(line.finish_reason, _NAME_CELLS_MAX)


def _tool_words(names: Sequence[str]) -> str:
    """`search x3, read, +2 more`."""
    counted = Counter(names).most_common()
    words = [
        clean(name, _NAME_CELLS_MAX) + (f" x{times}" if times > 1 else "")
        for name, times in counted[:_TOOLS_SHOWN]
    ]
    more = len(counted) - _TOOLS_SHOWN
    return "→ " + ", ".join(words + ([f"+{more} more"] if more > 0 else []))


def _cost(line: CallLine) -> str:
    """`$0.013`, `~$0.013`, `≥$0.013`, `unknown`, or, on a subscription, `($0.013)`: the list price."""
    if line.cost_nanousd is None:
        return "unknown"
    said = money(line.cost_nanousd)
    match line.cost_grade:
        case CostGrade.API_EQUIVALENT:
            return f"({said})"
        case CostGrade.ESTIMATED:
            return f"~{said}"
        case CostGrade.PARTIAL:
            return f"≥{said}"
    return said


def _beside_lines(calls: Sequence[CallLine], width: int) -> Iterator[Line]:
    if not calls:
        return
    purposes = Counter(call.auxiliary or call.endpoint for call in calls)
    listed = ", ".join(f"{number} {clean(purpose, 30)}" for purpose, number in purposes.most_common())
    words = f"and {plural(len(calls), 'auxiliary call')}: {listed}; {call_cost(*calls)}"
    yield Part.BESIDE, cut(_INDENT + words, width)


def _failure_line(failed: Failed, width: int) -> Line:
    failure = failed.row.failure
    recovered = ", recovered" if failure.is_recovered else ""
    times = f" x{failure.times}" if failure.times > 1 else ""
    words = f"✗ {failure.code}{times}, {failure.severity}{recovered}: {clean(failure.evidence, 2 * width)}"
    issue = f"{_GAP}#{failed.row.issue_key}"
    return Part.FAILURE, _INDENT + cut(words, width - len(_INDENT) - len(issue)) + issue


def _end_line(run: RunRow, width: int) -> Line:
    state = run_state(run)
    how = f"ended, {clean(state, _NAME_CELLS_MAX)}" if state != "-" else "ended"
    took = ns_duration(run.ended_ns - run.started_ns)
    words = f"{how}: {plural(run.calls, 'call')}, {took}, {_spent(run_spend(run))}"
    return Part.END, cut(f"{_INDENT}{words}", width)


def _row(texts: Sequence[str], last: str, width: int) -> str:
    """One line of the columns that there is room for."""
    shown = list(range(len(_COLUMNS)))
    for rank in sorted({column.rank for column in _COLUMNS if column.rank}, reverse=True):
        taken = len(_INDENT) + sum(_COLUMNS[at].width + len(_GAP) for at in shown)
        if taken + _LAST_CELLS_MIN <= width:
            break
        shown = [at for at in shown if _COLUMNS[at].rank < rank]
    line = _INDENT
    for at in shown:
        text = cut(texts[at], _COLUMNS[at].width) if not _COLUMNS[at].is_number else texts[at]
        room = " " * (_COLUMNS[at].width - cells(text))
        line += (room + text if _COLUMNS[at].is_number else text + room) + _GAP
    return cut((line + clean(last)).rstrip(), width)


def _clock(wall_ns: int) -> str:
    """14:03:09, in the zone of the machine."""
    return f"{datetime.fromtimestamp(wall_ns / 1e9, UTC).astimezone():%H:%M:%S}"
