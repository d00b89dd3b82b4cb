"""
The tables, once. Declared with SQLModel, written and read as Core tables: see the names at the end.

Every table's own key is the integer `id`. A column that points at a row is named `<table>_id`, but
`run_key`, `session_key` and `call_key` where `<table>_id` is the text that people see. Text ids stand in
call, run and session only; a fact keeps the run's, since it may come before the run.

Times are whole nanoseconds since the epoch, money whole nanodollars, months YYYYMM in UTC. JSON lies in text
columns (compact); what is only read with one call in hand lies compressed in `payload`.

message and node are deduplicated within one month and carry it, so that retention drops whole months and
counts no references; nothing points from one month into another, and no foreign key is declared on them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

KEY = BigInteger().with_variant(Integer, "sqlite")  # SQLite makes only an INTEGER key the row's own number
# Prefixes are searched by range, so PostgreSQL has to sort by code point as SQLite does.
ID_TEXT = Text().with_variant(Text(collation="C"), "postgresql")

# The condition of an index; a query that says it in the same words is served by it.
DOUBTFUL = "cost_grade NOT IN ('computed', 'provider_reported')"
UNCOUNTED = (
    "usage_grade = 'none' AND estimated_by IS NULL AND kind = 'generation' AND status < 400"
    " AND duration_ns IS NOT NULL"
)
STORED_RESPONSE = "(endpoint = 'responses' OR kind = 'batch') AND response_id IS NOT NULL"

_CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}  # the rows lie in the order of their key

metadata = SQLModel.metadata
metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def _id() -> Any:
    """A key that the writer hands out itself, under the store's lock: no RETURNING on the way in."""
    return Field(primary_key=True, sa_type=KEY, sa_column_kwargs={"autoincrement": False})


def _part(kind: Any = KEY, to: str | None = None) -> Any:
    """One column of a key of several."""
    column = {"autoincrement": False}
    return Field(primary_key=True, sa_type=kind, foreign_key=to, sa_column_kwargs=column)


def _int() -> Any:
    return Field(sa_type=BigInteger)


def _ref(to: str, *, index: bool = False) -> Any:
    return Field(sa_type=KEY, foreign_key=f"{to}.id", index=index)


def _text() -> Any:
    return Field(sa_type=Text)


def _blob() -> Any:
    return Field(sa_type=LargeBinary)


def _partial(name: str, column: str, *, where: str) -> Index:
    return Index(name, column, sqlite_where=text(where), postgresql_where=text(where))


class _Declared(SQLModel):
    """No row is ever an object of these, so what would check one is not built."""

    model_config = {"defer_build": True}


class MetaTable(_Declared, table=True):
    """
    The store's own words.

    `message_key`       hex, of the messages' hashes
    `epoch`             rises when rows are removed
    `grouping_version`  the oldest rules of `runs` that may have grouped a call
    `analysis_version`  the rules of `analysis` by which every run was looked at, or is due to be
    `last_call_id`      no call that comes gets this key of a row or a lower one: see `names.next_call_id`
    """

    __tablename__ = "meta"
    name: str = _part(Text)
    value: str = _text()


class SegmentTable(_Declared, table=True):
    """Per journal writer: where to resume reading, and what it says it lost."""

    __tablename__ = "segment"
    __table_args__ = (UniqueConstraint("writer"),)
    id: int = _id()
    writer: str = _text()
    position: str | None = _text()  # JSON, the journal reader's
    counts: str | None = _text()  # JSON, the writer's last COUNTS record
    tallies: str | None = _text()  # JSON, what ingest counted over all that it read of this writer


class AgentTable(_Declared, table=True):
    __tablename__ = "agent"
    __table_args__ = (UniqueConstraint("name"),)
    id: int = _id()
    name: str = Field(sa_type=ID_TEXT)  # "" for calls that name no agent


class SessionTable(_Declared, table=True):
    __tablename__ = "session"
    __table_args__ = (UniqueConstraint("session_id"),)
    id: int = _id()
    session_id: str = Field(sa_type=ID_TEXT)


class RateTable(_Declared, table=True):
    """Price rows that calls were priced by; "" for a table that had none for a call."""

    __tablename__ = "rate"
    __table_args__ = (UniqueConstraint("rate_id", "table_version"),)
    id: int = _id()
    rate_id: str = _text()
    table_version: str = _text()


class SeriesTable(_Declared, table=True):
    """What rollups are kept by. Agent and model are a client's words, so their number is capped ("other")."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("agent_id", "provider", "dialect", "model", "kind"),)
    id: int = _id()
    agent_id: int = _int()  # 0: agents beyond the cap
    provider: str = _text()
    dialect: str = _text()
    model: str = _text()
    kind: str = _text()


class RunTable(_Declared, table=True):
    """
    One run, derived from its calls and facts and equal at any time to a full recomputation.

    Where calls of one run disagree (user, version, parent run ...), the value that sorts first holds, of
    frameworks the most specific one, so that the order of arrival does not matter.
    """

    __tablename__ = "run"
    __table_args__ = (
        UniqueConstraint("run_id", "agent_id"),
        Index("ix_run_agent_started", "agent_id", "started_ns"),
        Index("ix_run_started", "started_ns"),
        _partial("ix_run_session", "session_key", where="session_key IS NOT NULL"),
        _partial("ix_run_parent", "parent_run_id", where="parent_run_id IS NOT NULL"),
    )
    id: int = _id()
    agent_id: int = _ref("agent")
    run_id: str = Field(sa_type=ID_TEXT)
    session_key: int | None = _ref("session")
    parent_run_id: str | None = Field(sa_type=ID_TEXT)
    user: str | None = _text()
    version: str | None = _text()
    framework: str | None = _text()
    grouping_rule: str = _text()
    grouping_confidence: float
    started_ns: int = _int()
    ended_ns: int = _int()
    calls: int = _int()  # neither retries nor auxiliary
    attempts: int = _int()  # retries included, auxiliary not
    steps: int = _int()  # generations, without retries
    auxiliary_calls: int = _int()
    errors: int = _int()  # failed attempts
    input_tokens: int = _int()
    cached_input_tokens: int = _int()
    cache_write_tokens: int = _int()
    output_tokens: int = _int()
    reasoning_tokens: int = _int()
    cost_nanousd: int = _int()  # of calls with a known cost, api_equivalent ones apart
    api_nanousd: int = _int()
    reported_calls: int = _int()  # by grade of the cost; calls of grade computed are the rest
    estimated_calls: int = _int()
    partial_calls: int = _int()
    unpriced_calls: int = _int()
    api_calls: int = _int()
    models: str = _text()  # JSON list, sorted, the first 20
    tags: str | None = _text()  # JSON object
    announced: bool  # a run_start fact exists
    exceptions: int = _int()
    last_call_ns: int = _int()  # when the last call that is not auxiliary started; 0 if there is none
    last_call_failed: bool
    outcome: str | None = _text()
    outcome_source: str | None = _text()
    outcome_ns: int | None = _int()
    failed: bool


class RunAliasTable(_Declared, table=True):
    """Ids that a run had before regrouping moved it."""

    __tablename__ = "run_alias"
    alias: str = _part(ID_TEXT)
    run_key: int = _ref("run", index=True)


class CallTable(_Declared, table=True):
    __tablename__ = "call"
    __table_args__ = (
        UniqueConstraint("call_id"),
        Index("ix_call_started", "started_ns"),
        Index("ix_call_run_started", "run_key", "started_ns"),
        Index("ix_call_agent_started", "agent_id", "started_ns"),
        Index("ix_call_series_started", "series_id", "started_ns"),
        _partial("ix_call_session", "session_key", where="session_key IS NOT NULL"),
        _partial("ix_call_failed", "started_ns", where="failed"),
        _partial("ix_call_doubtful", "started_ns", where=DOUBTFUL),
        _partial("ix_call_response", "response_id", where=STORED_RESPONSE),
        _partial("ix_call_uncounted", "id", where=UNCOUNTED),
    )
    id: int = _id()
    call_id: str = Field(sa_type=ID_TEXT)
    writer_id: int = _ref("segment")
    agent_id: int = _ref("agent")
    run_key: int = _ref("run")
    session_key: int | None = _ref("session")
    series_id: int = _ref("series")
    parent_run_id: str | None = _text()
    user: str | None = _text()
    version: str | None = _text()
    grouping_rule: str = _text()
    grouping_confidence: float
    tags: str | None = _text()  # JSON object
    provider: str = _text()
    dialect: str = _text()
    endpoint: str = _text()
    kind: str = _text()
    stream: bool
    started_ns: int = _int()
    first_byte_ns: int | None = _int()  # after started_ns
    duration_ns: int | None = _int()  # after started_ns; null while the call goes on
    status: int | None = _int()
    ended: str = _text()
    captured: str = _text()
    unsecured: bool
    failed: bool
    attempt_of: str | None = _text()
    attempt: int = _int()
    model_requested: str | None = _text()
    model: str | None = _text()  # as served
    response_id: str | None = _text()
    request_id: str | None = _text()
    finish_reason: str | None = _text()
    error_type: str | None = _text()
    error_message: str | None = _text()
    server_tools: str | None = _text()  # JSON list
    messages: int = _int()  # in the request
    node_id: int | None = _int()  # of the last request message
    reply_message_id: int | None = _int()
    usage_grade: str = _text()
    input_text_tokens: int = _int()
    input_audio_tokens: int = _int()
    input_image_tokens: int = _int()
    cache_read_tokens: int = _int()
    cache_write_5m_tokens: int = _int()
    cache_write_1h_tokens: int = _int()
    output_text_tokens: int = _int()
    output_audio_tokens: int = _int()
    output_image_tokens: int = _int()
    reasoning_tokens: int = _int()
    tool_units: str | None = _text()  # JSON object
    cost_nanousd: int | None = _int()  # null exactly when the grade is unknown
    cost_grade: str = _text()
    cost_reason: str | None = _text()  # why the grade is what it is
    disputed_nanousd: int | None = _int()  # the cost by another source; null where none differs
    rate_key: int | None = _ref("rate")
    request_bytes: int = _int()
    response_bytes: int = _int()
    framework: str | None = _text()  # as far as this call shows it
    auxiliary: str | None = _text()  # of an auxiliary call: what it was for
    estimated_by: str | None = _text()  # how tokens were counted that the response does not state
    separated_by: int | None = _int()  # key of the claim that keeps other calls out of its run: see `runs`


class PayloadTable(_Declared, table=True):
    """What is read with one call in hand: see `payload`."""

    __tablename__ = "payload"
    call_key: int = _part(to="call.id")
    content: bytes = _blob()


class MessageTable(_Declared, table=True):
    """One message in canonical JSON, once per month: see `chain`."""

    __tablename__ = "message"
    __table_args__ = (UniqueConstraint("month", "hash"),)
    id: int = _id()
    month: int
    hash: bytes = _blob()  # BLAKE2b of 16 bytes, keyed per store
    content: bytes = _blob()


class NodeTable(_Declared, table=True):
    """A message at its place: the chain of parents is everything that stood before it."""

    __tablename__ = "node"
    __table_args__ = (UniqueConstraint("month", "parent_id", "message_id"),)
    id: int = _id()
    month: int
    parent_id: int = _int()  # 0: the first message
    message_id: int = _int()


class ToolCallTable(_Declared, table=True):
    """The client's tools that a reply asked for, in order, to search by; arguments are in the payload."""

    __tablename__ = "tool_call"
    call_key: int = _part(to="call.id")
    position: int = _part(Integer)
    tool_call_id: str | None = _text()
    name: str = _text()


class ClueTable(_Declared, table=True):
    """What later calls find a call by: see `clue_table`. Of calls that are gone some may be left."""

    __tablename__ = "clue"
    __table_args__: ClassVar[dict[str, Any]] = _CLUSTERED
    key: int = _part(BigInteger)
    call_key: int = _part()


class TagTable(_Declared, table=True):
    """Tags to search by: of a call, or of the whole run (call_key 0) where a fact said so."""

    __tablename__ = "tag"
    __table_args__ = (Index("ix_tag_name_value", "name", "value"), Index("ix_tag_call", "call_key"))
    run_key: int = _part(to="run.id")
    call_key: int = _part()
    name: str = _part(Text)
    value: str = _text()


class ProjectTable(_Declared, table=True):
    """Values of the tag `project` that have sums of their own. They are a client's words, so capped."""

    __tablename__ = "project"
    __table_args__: ClassVar[dict[str, Any]] = _CLUSTERED
    name: str = _part(ID_TEXT)


class IssueTable(_Declared, table=True):
    """Failures of one agent with one fingerprint. Its sums by day are in `issue_day`."""

    __tablename__ = "issue"
    __table_args__ = (UniqueConstraint("agent_id", "fingerprint"),)
    id: int = _id()
    agent_id: int = _ref("agent")
    fingerprint: str = _text()
    code: str = _text()
    subject: str = _text()  # what it is about: a tool, a provider, a field; may be empty
    cause: str = _text()  # the message, without what varies; may be empty


class IssueDayTable(_Declared, table=True):
    """How often an issue came: failures of the runs that started on one day (UTC), and those runs."""

    __tablename__ = "issue_day"
    __table_args__: ClassVar[dict[str, Any]] = _CLUSTERED
    issue_id: int = _part(to="issue.id")
    day: int = _part(Integer)  # since the epoch
    failures: int = _int()
    runs: int = _int()


class FailureTable(_Declared, table=True):
    """One occurrence with a stable code and its evidence."""

    __tablename__ = "failure"
    __table_args__ = (
        Index("ix_failure_run", "run_key"),
        Index("ix_failure_issue_at", "issue_id", "at_ns"),
    )
    id: int = _id()
    issue_id: int = _ref("issue")
    run_key: int = _ref("run")
    call_id: str | None = Field(sa_type=ID_TEXT)  # of the call that shows it
    at_ns: int = _int()  # when that call began, or the run ended
    code: str = _text()
    severity: str = _text()
    is_recovered: bool
    times: int = _int()  # in a row
    message_index: int | None
    tool_call_id: str | None = _text()
    field: str = _text()
    evidence: str = _text()


class HealthTable(_Declared, table=True):
    """What analysis made of a run: the failure that it loses most by, and how its last call went."""

    __tablename__ = "health"
    __table_args__ = (Index("ix_health_agent_started", "agent_id", "started_ns"),)
    run_key: int = _part(to="run.id")
    agent_id: int = _ref("agent")
    started_ns: int = _int()
    is_over: bool
    failures: int = _int()
    code: str | None = _text()  # null: nothing went wrong
    severity: str | None = _text()
    is_recovered: bool
    evidence: str | None = _text()
    ended_by: str | None = _text()  # the code of what went wrong with its last call
    spend: bytes | None = _blob()  # where its money went, and its sub-agents: see `spending`; null: not known


class DueTable(_Declared, table=True):
    """Runs that analysis has to look at, and from when on."""

    __tablename__ = "due"
    __table_args__ = (Index("ix_due_due_ns", "due_ns"),)
    run_key: int = _part(to="run.id")
    due_ns: int = _int()


class FactTable(_Declared, table=True):
    """What came from outside: see `journal.fact`."""

    __tablename__ = "fact"
    __table_args__ = (
        UniqueConstraint("fact_id", "writer_id"),
        Index("ix_fact_run", "run_key"),
        Index("ix_fact_run_id", "run_id"),
    )
    id: int = _id()
    fact_id: str = _text()
    writer_id: int = _ref("segment")
    at_ns: int = _int()
    type: str = _text()
    run_id: str | None = Field(sa_type=ID_TEXT)
    agent: str | None = _text()
    run_key: int | None = _ref("run")  # null: the run was not seen yet, or the fact speaks of none
    body: str = _text()  # JSON, the whole fact


class _CallSums(_Declared):
    calls: int = _int()
    attempts: int = _int()
    errors: int = _int()
    client_closed: int = _int()
    interrupted: int = _int()
    cut_captures: int = _int()  # bodies not kept whole
    unsecured: int = _int()
    input_text_tokens: int = _int()
    input_audio_tokens: int = _int()
    input_image_tokens: int = _int()
    cache_read_tokens: int = _int()
    cache_write_5m_tokens: int = _int()
    cache_write_1h_tokens: int = _int()
    output_text_tokens: int = _int()
    output_audio_tokens: int = _int()
    output_image_tokens: int = _int()
    reasoning_tokens: int = _int()
    reported_calls: int = _int()
    computed_calls: int = _int()
    estimated_calls: int = _int()
    partial_calls: int = _int()
    unpriced_calls: int = _int()
    api_calls: int = _int()
    reported_nanousd: int = _int()
    computed_nanousd: int = _int()
    estimated_nanousd: int = _int()
    partial_nanousd: int = _int()
    api_nanousd: int = _int()
    disputed_calls: int = _int()  # price lists disagree about them: how much less and more it could be
    disputed_less_nanousd: int = _int()
    disputed_more_nanousd: int = _int()
    misreported_calls: int = _int()  # of reported_calls, those that cost something else by the price book


class _Rollup(_CallSums):
    """Sums over the calls of one series that started in one hour or day."""

    start: int = _part(Integer)  # hours or days since the epoch
    series_id: int = _part(to="series.id")


class _ProjectRollup(_CallSums):
    """
    Sums over the calls with a tag `project` that started in one hour or day, and over such runs.

    Of auxiliary calls only what they cost counts, and their tokens. What has no such tag has no row.
    """

    start: int = _part(Integer)
    project: str = _part(ID_TEXT)  # "other": those beyond the cap
    agent_id: int = _part()  # 0: agents beyond the cap
    runs: int = _int()
    failed_runs: int = _int()


class _RunRollup(_Declared):
    """Sums over the runs of one agent that started in one hour or day."""

    start: int = _part(Integer)
    agent_id: int = _part()  # 0: agents beyond the cap
    runs: int = _int()
    child_runs: int = _int()
    failed_runs: int = _int()
    reported_outcomes: int = _int()
    unpriced_runs: int = _int()
    calls: int = _int()
    attempts: int = _int()
    steps: int = _int()
    errors: int = _int()
    input_tokens: int = _int()
    cached_input_tokens: int = _int()
    cache_write_tokens: int = _int()
    output_tokens: int = _int()
    reasoning_tokens: int = _int()
    cost_nanousd: int = _int()
    api_nanousd: int = _int()
    reported_calls: int = _int()
    estimated_calls: int = _int()
    partial_calls: int = _int()
    unpriced_calls: int = _int()
    api_calls: int = _int()
    duration_ms: int = _int()


class _Latency(_Declared):
    """A histogram of calls that did not fail: see `sums.latency_bucket`."""

    start: int = _part(Integer)
    series_id: int = _part(to="series.id")
    what: int = _part(Integer)  # sums.FIRST_BYTE or sums.DURATION
    bucket: int = _part(Integer)
    calls: int = _int()


class RollupHourTable(_Rollup, table=True):
    __tablename__ = "rollup_hour"
    __table_args__: ClassVar[dict[str, Any]] = _CLUSTERED


class RollupDayTable(_Rollup, table=True):
    __tablename__ = "rollup_day"
    __table_args__: ClassVar[dict[str, Any]] = _CLUSTERED


class RunRollupHourTable(_RunRollup, table=True):
    __tablename__ = "run_rollup_hour"
    __table_args__: ClassVar[dict[str, Any]] = _CLUSTERED


class RunRollupDayTable(_RunRollup, table=True):
    __tablename__ = "run_rollup_day"
    __table_args__: ClassVar[dict[str, Any]] = _CLUSTERED


class ProjectHourTable(_ProjectRollup, table=True):
    __tablename__ = "project_hour"
    __table_args__: ClassVar[dict[str, Any]] = _CLUSTERED


class ProjectDayTable(_ProjectRollup, table=True):
    __tablename__ = "project_day"
    __table_args__: ClassVar[dict[str, Any]] = _CLUSTERED


class LatencyHourTable(_Latency, table=True):
    __tablename__ = "latency_hour"
    __table_args__: ClassVar[dict[str, Any]] = _CLUSTERED


class LatencyDayTable(_Latency, table=True):
    __tablename__ = "latency_day"
    __table_args__: ClassVar[dict[str, Any]] = _CLUSTERED


def _table(name: str) -> Table:
    return metadata.tables[name]


meta, segment, agent, session = _table("meta"), _table("segment"), _table("agent"), _table("session")
rate, series, run, run_alias = _table("rate"), _table("series"), _table("run"), _table("run_alias")
call, payload, message, node = _table("call"), _table("payload"), _table("message"), _table("node")
tool_call, tag, project = _table("tool_call"), _table("tag"), _table("project")
clue = _table("clue")
issue, issue_day, failure = _table("issue"), _table("issue_day"), _table("failure")
health, due, fact = _table("health"), _table("due"), _table("fact")
rollup_hour, rollup_day = _table("rollup_hour"), _table("rollup_day")
run_rollup_hour, run_rollup_day = _table("run_rollup_hour"), _table("run_rollup_day")
project_hour, project_day = _table("project_hour"), _table("project_day")
latency_hour, latency_day = _table("latency_hour"), _table("latency_day")
