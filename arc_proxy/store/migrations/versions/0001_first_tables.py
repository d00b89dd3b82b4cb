"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ID_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, KEY, autoincrement=False, nullable=False)


def _ref(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, KEY, nullable=nullable)


def _int(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def upgrade() -> None:
    _names()
    _messages()
    _runs()
    _calls()
    _beside_calls()
    _findings()
    for grain in ("hour", "day"):
        _call_sums(grain)
        _run_sums(grain)
        _latencies(grain)


def _names() -> None:
    op.create_table(
        "meta",
        sa.Column("name", sa.Text, autoincrement=False, nullable=False),
        _text("value"),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "segment",
        _key("id"),
        _text("writer"),
        _text("position", nullable=True),
        _text("counts", nullable=True),
        _text("tallies", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_segment"),
        sa.UniqueConstraint("writer", name="uq_segment_writer"),
    )
    op.create_table(
        "agent",
        _key("id"),
        sa.Column("name", ID_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agent"),
        sa.UniqueConstraint("name", name="uq_agent_name"),
    )
    op.create_table(
        "session",
        _key("id"),
        sa.Column("session_id", ID_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.UniqueConstraint("session_id", name="uq_session_session_id"),
    )
    op.create_table(
        "rate",
        _key("id"),
        _text("rate_id"),
        _text("table_version"),
        sa.PrimaryKeyConstraint("id", name="pk_rate"),
        sa.UniqueConstraint("rate_id", "table_version", name="uq_rate_rate_id_table_version"),
    )
    op.create_table(
        "series",
        _key("id"),
        _int("agent_id"),
        _text("provider"),
        _text("dialect"),
        _text("model"),
        _text("kind"),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
        sa.UniqueConstraint(
            "agent_id",
            "provider",
            "dialect",
            "model",
            "kind",
            name="uq_series_agent_id_provider_dialect_model_kind",
        ),
    )


def _messages() -> None:
    op.create_table(
        "message",
        _key("id"),
        sa.Column("month", sa.Integer, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
        sa.UniqueConstraint("month", "hash", name="uq_message_month_hash"),
    )
    op.create_table(
        "node",
        _key("id"),
        sa.Column("month", sa.Integer, nullable=False),
        _int("parent_id"),
        _int("message_id"),
        sa.PrimaryKeyConstraint("id", name="pk_node"),
        sa.UniqueConstraint("month", "parent_id", "message_id", name="uq_node_month_parent_id_message_id"),
    )


def _runs() -> None:
    op.create_table(
        "run",
        _key("id"),
        _ref("agent_id"),
        sa.Column("run_id", ID_TEXT, nullable=False),
        _ref("session_key", nullable=True),
        sa.Column("parent_run_id", ID_TEXT, nullable=True),
        _text("user", nullable=True),
        _text("version", nullable=True),
        _text("framework", nullable=True),
        _text("grouping_rule"),
        sa.Column("grouping_confidence", sa.Float, nullable=False),
        *map(
            _int,
            [
                "started_ns",
                "ended_ns",
                "calls",
                "attempts",
                "steps",
                "auxiliary_calls",
                "errors",
                "input_tokens",
                "cached_input_tokens",
                "cache_write_tokens",
                "output_tokens",
                "reasoning_tokens",
                "cost_nanousd",
                "api_nanousd",
                "reported_calls",
                "estimated_calls",
                "partial_calls",
                "unpriced_calls",
                "api_calls",
            ],
        ),
        _text("models"),
        _text("tags", nullable=True),
        sa.Column("announced", sa.Boolean, nullable=False),
        _int("exceptions"),
        _int("last_call_ns"),
        sa.Column("last_call_failed", sa.Boolean, nullable=False),
        _text("outcome", nullable=True),
        _text("outcome_source", nullable=True),
        _int("outcome_ns", nullable=True),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_run_agent_id"),
        sa.ForeignKeyConstraint(["session_key"], ["session.id"], name="fk_run_session_key"),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sa.UniqueConstraint("run_id", "agent_id", name="uq_run_run_id_agent_id"),
    )
    op.create_index("ix_run_agent_started", "run", ["agent_id", "started_ns"])
    op.create_index(
        "ix_run_parent",
        "run",
        ["parent_run_id"],
        sqlite_where=sa.text("parent_run_id IS NOT NULL"),
        postgresql_where=sa.text("parent_run_id IS NOT NULL"),
    )
    op.create_index(
        "ix_run_session",
        "run",
        ["session_key"],
        sqlite_where=sa.text("session_key IS NOT NULL"),
        postgresql_where=sa.text("session_key IS NOT NULL"),
    )
    op.create_index("ix_run_started", "run", ["started_ns"])
    op.create_table(
        "run_alias",
        sa.Column("alias", ID_TEXT, autoincrement=False, nullable=False),
        _ref("run_key"),
        sa.ForeignKeyConstraint(["run_key"], ["run.id"], name="fk_run_alias_run_key"),
        sa.PrimaryKeyConstraint("alias", name="pk_run_alias"),
    )
    op.create_index("ix_run_alias_run_key", "run_alias", ["run_key"])


def _calls() -> None:
    op.create_table(
        "call",
        _key("id"),
        sa.Column("call_id", ID_TEXT, nullable=False),
        _ref("writer_id"),
        _ref("agent_id"),
        _ref("run_key"),
        _ref("session_key", nullable=True),
        _ref("series_id"),
        _text("parent_run_id", nullable=True),
        _text("user", nullable=True),
        _text("version", nullable=True),
        _text("grouping_rule"),
        sa.Column("grouping_confidence", sa.Float, nullable=False),
        _text("tags", nullable=True),
        _text("provider"),
        _text("dialect"),
        _text("endpoint"),
        _text("kind"),
        sa.Column("stream", sa.Boolean, nullable=False),
        _int("started_ns"),
        _int("first_byte_ns", nullable=True),
        _int("duration_ns", nullable=True),
        _int("status", nullable=True),
        _text("ended"),
        _text("captured"),
        sa.Column("unsecured", sa.Boolean, nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
        _text("attempt_of", nullable=True),
        _int("attempt"),
        _text("model_requested", nullable=True),
        _text("model", nullable=True),
        _text("response_id", nullable=True),
        _text("request_id", nullable=True),
        _text("finish_reason", nullable=True),
        _text("error_type", nullable=True),
        _text("error_message", nullable=True),
        _text("server_tools", nullable=True),
        _int("messages"),
        _int("node_id", nullable=True),
        _int("reply_message_id", nullable=True),
        _text("usage_grade"),
        *map(
            _int,
            [
                "input_text_tokens",
                "input_audio_tokens",
                "input_image_tokens",
                "cache_read_tokens",
                "cache_write_5m_tokens",
                "cache_write_1h_tokens",
                "output_text_tokens",
                "output_audio_tokens",
                "output_image_tokens",
                "reasoning_tokens",
            ],
        ),
        _text("tool_units", nullable=True),
        _int("cost_nanousd", nullable=True),
        _text("cost_grade"),
        _text("cost_reason", nullable=True),
        _ref("rate_key", nullable=True),
        _int("request_bytes"),
        _int("response_bytes"),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_call_agent_id"),
        sa.ForeignKeyConstraint(["rate_key"], ["rate.id"], name="fk_call_rate_key"),
        sa.ForeignKeyConstraint(["run_key"], ["run.id"], name="fk_call_run_key"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_call_series_id"),
        sa.ForeignKeyConstraint(["session_key"], ["session.id"], name="fk_call_session_key"),
        sa.ForeignKeyConstraint(["writer_id"], ["segment.id"], name="fk_call_writer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_call"),
        sa.UniqueConstraint("call_id", name="uq_call_call_id"),
    )
    op.create_index("ix_call_agent_started", "call", ["agent_id", "started_ns"])
    op.create_index(
        "ix_call_doubtful",
        "call",
        ["started_ns"],
        sqlite_where=sa.text("cost_grade NOT IN ('computed', 'provider_reported')"),
        postgresql_where=sa.text("cost_grade NOT IN ('computed', 'provider_reported')"),
    )
    op.create_index(
        "ix_call_failed",
        "call",
        ["started_ns"],
        sqlite_where=sa.text("failed"),
        postgresql_where=sa.text("failed"),
    )
    op.create_index("ix_call_run_started", "call", ["run_key", "started_ns"])
    op.create_index("ix_call_series_started", "call", ["series_id", "started_ns"])
    op.create_index(
        "ix_call_session",
        "call",
        ["session_key"],
        sqlite_where=sa.text("session_key IS NOT NULL"),
        postgresql_where=sa.text("session_key IS NOT NULL"),
    )
    op.create_index("ix_call_started", "call", ["started_ns"])


def _beside_calls() -> None:
    op.create_table(
        "payload",
        _key("call_key"),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["call_key"], ["call.id"], name="fk_payload_call_key"),
        sa.PrimaryKeyConstraint("call_key", name="pk_payload"),
    )
    op.create_table(
        "tool_call",
        _key("call_key"),
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        _text("tool_call_id", nullable=True),
        _text("name"),
        sa.ForeignKeyConstraint(["call_key"], ["call.id"], name="fk_tool_call_call_key"),
        sa.PrimaryKeyConstraint("call_key", "position", name="pk_tool_call"),
    )
    op.create_table(
        "tag",
        _key("run_key"),
        _key("call_key"),
        sa.Column("name", sa.Text, autoincrement=False, nullable=False),
        _text("value"),
        sa.ForeignKeyConstraint(["run_key"], ["run.id"], name="fk_tag_run_key"),
        sa.PrimaryKeyConstraint("run_key", "call_key", "name", name="pk_tag"),
    )
    op.create_index("ix_tag_call", "tag", ["call_key"])
    op.create_index("ix_tag_name_value", "tag", ["name", "value"])


def _findings() -> None:
    op.create_table(
        "fact",
        _key("id"),
        _text("fact_id"),
        _ref("writer_id"),
        _int("at_ns"),
        _text("type"),
        sa.Column("run_id", ID_TEXT, nullable=True),
        _text("agent", nullable=True),
        _ref("run_key", nullable=True),
        _text("body"),
        sa.ForeignKeyConstraint(["run_key"], ["run.id"], name="fk_fact_run_key"),
        sa.ForeignKeyConstraint(["writer_id"], ["segment.id"], name="fk_fact_writer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_fact"),
        sa.UniqueConstraint("fact_id", "writer_id", name="uq_fact_fact_id_writer_id"),
    )
    op.create_index("ix_fact_run", "fact", ["run_key"])
    op.create_index("ix_fact_run_id", "fact", ["run_id"])
    op.create_table(
        "issue",
        _key("id"),
        _ref("agent_id"),
        _text("fingerprint"),
        _text("code"),
        _text("severity"),
        *map(_int, ["first_ns", "last_ns", "failures"]),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_issue_agent_id"),
        sa.PrimaryKeyConstraint("id", name="pk_issue"),
        sa.UniqueConstraint("agent_id", "fingerprint", name="uq_issue_agent_id_fingerprint"),
    )
    op.create_table(
        "failure",
        _key("id"),
        _ref("issue_id"),
        _ref("run_key"),
        _ref("call_key", nullable=True),
        _int("at_ns"),
        _text("code"),
        _text("severity"),
        sa.Column("message_index", sa.Integer, nullable=True),
        _text("tool_call_id", nullable=True),
        _text("evidence"),
        _text("fix", nullable=True),
        sa.ForeignKeyConstraint(["call_key"], ["call.id"], name="fk_failure_call_key"),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name="fk_failure_issue_id"),
        sa.ForeignKeyConstraint(["run_key"], ["run.id"], name="fk_failure_run_key"),
        sa.PrimaryKeyConstraint("id", name="pk_failure"),
    )
    op.create_index("ix_failure_call", "failure", ["call_key"])
    op.create_index("ix_failure_issue_id", "failure", ["issue_id"])
    op.create_index("ix_failure_run", "failure", ["run_key"])


def _call_sums(grain: str) -> None:
    op.create_table(
        f"rollup_{grain}",
        sa.Column("start", sa.Integer, autoincrement=False, nullable=False),
        _key("series_id"),
        *map(
            _int,
            [
                "calls",
                "attempts",
                "errors",
                "client_closed",
                "interrupted",
                "cut_captures",
                "unsecured",
                "input_text_tokens",
                "input_audio_tokens",
                "input_image_tokens",
                "cache_read_tokens",
                "cache_write_5m_tokens",
                "cache_write_1h_tokens",
                "output_text_tokens",
                "output_audio_tokens",
                "output_image_tokens",
                "reasoning_tokens",
                "reported_calls",
                "computed_calls",
                "estimated_calls",
                "partial_calls",
                "unpriced_calls",
                "api_calls",
                "reported_nanousd",
                "computed_nanousd",
                "estimated_nanousd",
                "partial_nanousd",
                "api_nanousd",
            ],
        ),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=f"fk_rollup_{grain}_series_id"),
        sa.PrimaryKeyConstraint("start", "series_id", name=f"pk_rollup_{grain}"),
        sqlite_with_rowid=False,
    )


def _run_sums(grain: str) -> None:
    op.create_table(
        f"run_rollup_{grain}",
        sa.Column("start", sa.Integer, autoincrement=False, nullable=False),
        _key("agent_id"),
        *map(
            _int,
            [
                "runs",
                "child_runs",
                "failed_runs",
                "reported_outcomes",
                "unpriced_runs",
                "calls",
                "attempts",
                "steps",
                "errors",
                "input_tokens",
                "cached_input_tokens",
                "cache_write_tokens",
                "output_tokens",
                "reasoning_tokens",
                "cost_nanousd",
                "api_nanousd",
                "reported_calls",
                "estimated_calls",
                "partial_calls",
                "unpriced_calls",
                "api_calls",
                "duration_ms",
            ],
        ),
        sa.PrimaryKeyConstraint("start", "agent_id", name=f"pk_run_rollup_{grain}"),
        sqlite_with_rowid=False,
    )


def _latencies(grain: str) -> None:
    op.create_table(
        f"latency_{grain}",
        sa.Column("start", sa.Integer, autoincrement=False, nullable=False),
        _key("series_id"),
        sa.Column("what", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("bucket", sa.Integer, autoincrement=False, nullable=False),
        _int("calls"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=f"fk_latency_{grain}_series_id"),
        sa.PrimaryKeyConstraint("start", "series_id", "what", "bucket", name=f"pk_latency_{grain}"),
        sqlite_with_rowid=False,
    )
