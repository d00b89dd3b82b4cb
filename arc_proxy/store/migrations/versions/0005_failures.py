"""
Failures, issues with their sums by day, what analysis made of each run, and the runs that it has to look at.

The tables that had these names before were never written to. Every run that is there is to be looked at.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ID_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, KEY, autoincrement=False, nullable=False)


def _ref(name: str) -> sa.Column[int]:
    return sa.Column(name, KEY, nullable=False)


def _int(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def upgrade() -> None:
    op.drop_table("failure")
    op.drop_table("issue")
    _issues()
    _failures()
    _of_runs()
    op.execute("INSERT INTO due (run_key, due_ns) SELECT id, ended_ns FROM run")


def _issues() -> None:
    op.create_table(
        "issue",
        _key("id"),
        _ref("agent_id"),
        *map(_text, ["fingerprint", "code", "subject", "cause"]),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_issue_agent_id"),
        sa.PrimaryKeyConstraint("id", name="pk_issue"),
        sa.UniqueConstraint("agent_id", "fingerprint", name="uq_issue_agent_id_fingerprint"),
    )
    op.create_table(
        "issue_day",
        _key("issue_id"),
        sa.Column("day", sa.Integer, autoincrement=False, nullable=False),
        *map(_int, ["failures", "runs"]),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name="fk_issue_day_issue_id"),
        sa.PrimaryKeyConstraint("issue_id", "day", name="pk_issue_day"),
        sqlite_with_rowid=False,
    )


def _failures() -> None:
    op.create_table(
        "failure",
        _key("id"),
        *map(_ref, ["issue_id", "run_key"]),
        sa.Column("call_id", ID_TEXT, nullable=True),
        _int("at_ns"),
        *map(_text, ["code", "severity"]),
        sa.Column("is_recovered", sa.Boolean, nullable=False),
        _int("times"),
        sa.Column("message_index", sa.Integer, nullable=True),
        _text("tool_call_id", nullable=True),
        *map(_text, ["field", "evidence"]),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name="fk_failure_issue_id"),
        sa.ForeignKeyConstraint(["run_key"], ["run.id"], name="fk_failure_run_key"),
        sa.PrimaryKeyConstraint("id", name="pk_failure"),
    )
    op.create_index("ix_failure_run", "failure", ["run_key"])
    op.create_index("ix_failure_issue_at", "failure", ["issue_id", "at_ns"])


def _of_runs() -> None:
    op.create_table(
        "health",
        _key("run_key"),
        _ref("agent_id"),
        _int("started_ns"),
        sa.Column("is_over", sa.Boolean, nullable=False),
        _int("failures"),
        *(_text(name, nullable=True) for name in ["code", "severity"]),
        sa.Column("is_recovered", sa.Boolean, nullable=False),
        *(_text(name, nullable=True) for name in ["evidence", "ended_by"]),
        sa.Column("spend", sa.LargeBinary, nullable=True),
        sa.ForeignKeyConstraint(["run_key"], ["run.id"], name="fk_health_run_key"),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name="fk_health_agent_id"),
        sa.PrimaryKeyConstraint("run_key", name="pk_health"),
    )
    op.create_index("ix_health_agent_started", "health", ["agent_id", "started_ns"])
    op.create_table(
        "due",
        _key("run_key"),
        _int("due_ns"),
        sa.ForeignKeyConstraint(["run_key"], ["run.id"], name="fk_due_run_key"),
        sa.PrimaryKeyConstraint("run_key", name="pk_due"),
    )
    op.create_index("ix_due_due_ns", "due", ["due_ns"])
