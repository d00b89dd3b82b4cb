"""
What is read: frozen rows with names instead of keys. No SQL.

`key` is the row's number in this database, for following it (`read.read_call(store, key)`) and for
paging (`cursor`); it is nothing to show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.failure import Failure
from arc_proxy.call import Call, CallError, Captured, Kind, ToolCall
from arc_proxy.journal.record import Ended
from pricing.cost import CostGrade
from pricing.usage import Usage, UsageGrade

Cursor = tuple[int, int]  # (started_ns, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLine:
    """A call as lists show it: no bodies were read for it. `model` is None where no reply named one."""

    key: int
    call_id: str
    writer: str
    attempt_of: str | None
    attempt: int
    agent: str | None
    run_key: int
    run_id: str
    session_id: str | None
    parent_run_id: str | None
    user: str | None
    version: str | None
    grouping_rule: str
    grouping_confidence: float
    tags: Mapping[str, str]
    provider: str
    dialect: str
    endpoint: str
    kind: Kind
    stream: bool
    started_ns: int
    first_byte_ns: int | None  # after started_ns
    duration_ns: int | None  # after started_ns; None while the call goes on
    status: int | None
    ended: Ended
    captured: Captured
    unsecured: bool
    failed: bool
    model_requested: str | None
    model: str | None
    response_id: str | None
    request_id: str | None
    finish_reason: str | None
    error: CallError | None
    server_tools: tuple[str, ...]
    messages: int
    usage: Usage
    usage_grade: UsageGrade
    cost_nanousd: int | None
    cost_grade: CostGrade
    cost_reason: str  # why the grade is what it is; may be empty
    disputed_nanousd: int | None  # see `pricing.cost.Cost`
    rate_id: str | None
    table_version: str | None
    request_bytes: int
    response_bytes: int
    framework: str | None
    auxiliary: str | None  # what an auxiliary call was for
    estimated_by: str | None  # how tokens were counted, or why they were not, where none are stated

    @property
    def cursor(self) -> Cursor:
        return (self.started_ns, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow(CallLine):
    """A call as the export writes it."""

    output_text: str | None
    usage_raw: Mapping[str, Any] | None  # the provider's own object
    tool_calls: tuple[ToolCall, ...]
    ended_detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedCall:
    """A call as a timeline shows it, with the names of the client's tools that it asked for, in order."""

    line: CallLine
    tools: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        return self.line.duration_ns is None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDetail:
    """All that is known of one call. Times of pieces are kept to the microsecond."""

    line: CallLine
    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    key: int
    run_id: str
    agent: str | None
    session_id: str | None
    parent_run_id: str | None
    user: str | None
    version: str | None
    framework: str | None
    grouping_rule: str
    grouping_confidence: float
    started_ns: int
    ended_ns: int
    calls: int  # neither retries nor auxiliary
    attempts: int
    steps: int
    auxiliary_calls: int
    errors: int  # failed attempts
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_nanousd: int | None  # None: unknown. Without api_nanousd, unless the grade is api_equivalent
    cost_grade: CostGrade
    api_nanousd: int  # what calls under a subscription would have cost
    unpriced_calls: int
    estimated_calls: int
    partial_calls: int
    api_calls: int
    models: tuple[str, ...]
    tags: Mapping[str, str]
    announced: bool  # a run_start fact told of it
    exceptions: int
    outcome: str | None
    outcome_source: str | None
    failed: bool

    @property
    def cursor(self) -> Cursor:
        return (self.started_ns, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRow:
    writer: str
    fact_id: str
    at_ns: int
    type: str
    run_key: int | None
    run_id: str | None
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunTree:
    run: RunRow
    parts: tuple[RunTree, ...] = ()  # runs of its sub-agents, in the order they began

    def lines(self) -> Iterator[tuple[int, RunRow]]:
        """This run and all below it, each with its depth: the tree read from top to bottom."""
        yield 0, self.run
        for part in self.parts:
            yield from ((depth + 1, run) for depth, run in part.lines())


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRow:
    """One failure of a run, with the issue that it belongs to."""

    key: int
    issue_key: int
    fingerprint: str
    run_key: int
    run_id: str
    agent: str | None
    at_ns: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    run: RunRow
    calls: tuple[CallLine, ...]  # in order; the first `calls_max` of them
    facts: tuple[FactRow, ...]
    parts: tuple[RunTree, ...] = ()
    is_final: bool = False  # its last step answered, and asked for no tool
    exited_ns: int | None = None  # when the program was over that `arc-proxy run` had launched for it
    last_step: Call | None = None  # it quotes what was said before it
    failures: tuple[FailureRow, ...] = ()  # as far as it was looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What an id stands for."""

    noun: str  # "call", "run" or "session"
    key: int
    id: str
    agent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterCounts:
    """What capture lost, per writer: as it says itself, and as ingest counted while reading it."""

    writer: str
    position: Any
    counts: Mapping[str, int]
    tallies: Mapping[str, int]
