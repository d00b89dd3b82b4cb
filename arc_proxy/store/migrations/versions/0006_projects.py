"""
Sums by project: of calls with a tag of that name and of runs with one.

The calls and runs that are there are summed up here, since all sums are kept by difference from now on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_PROJECTS_MAX = 500
_AGENTS_MAX = 500
_NS = {"hour": 3_600_000_000_000, "day": 86_400_000_000_000}
_TOKENS = (
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
)
_GRADES = {
    "reported": "provider_reported",
    "computed": "computed",
    "estimated": "estimated",
    "partial": "partial",
    "unpriced": "unknown",
    "api": "api_equivalent",
}
_IS_DISPUTED = (
    "cost_nanousd IS NOT NULL AND disputed_nanousd IS NOT NULL"
    " AND cost_grade NOT IN ('api_equivalent', 'provider_reported')"
)
_IS_MISREPORTED = (
    "cost_nanousd IS NOT NULL AND disputed_nanousd IS NOT NULL AND cost_grade = 'provider_reported'"
)
_STEPS = {
    "calls": "attempt_of IS NULL",
    "attempts": "1 = 1",
    "errors": "failed",
    "client_closed": "ended = 'client_closed'",
    "interrupted": "ended = 'interrupted'",
    "cut_captures": "captured <> 'full'",
    "unsecured": "unsecured",
}


def upgrade() -> None:
    op.create_table(
        "project",
        sa.Column("name", ID_TEXT, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_project"),
        sqlite_with_rowid=False,
    )
    sums = _sums()
    for grain in _NS:
        op.create_table(
            f"project_{grain}",
            sa.Column("start", sa.Integer, autoincrement=False, nullable=False),
            sa.Column("project", ID_TEXT, autoincrement=False, nullable=False),
            sa.Column("agent_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
            *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("runs", "failed_runs", *sums)),
            sa.PrimaryKeyConstraint("start", "project", "agent_id", name=f"pk_project_{grain}"),
            sqlite_with_rowid=False,
        )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    of_json = "json_extract(tags, '$.project')" if is_sqlite else "(tags::json ->> 'project')"
    op.execute(
        sa.text(
            "INSERT INTO project (name) SELECT value FROM tag WHERE name = 'project' AND value <> ''"
            " GROUP BY value ORDER BY min(call_key) LIMIT :projects_max"
        ).bindparams(projects_max=_PROJECTS_MAX)
    )
    for grain, ns in _NS.items():
        _fill(grain, ns, sums, of_json)


def _sums() -> dict[str, str]:
    """By column, what it sums over calls."""
    step = {name: f"kind <> 'auxiliary' AND {condition}" for name, condition in _STEPS.items()}
    tokens = {name: f"CASE WHEN cost_reason = 'not billed' THEN 0 ELSE {name} END" for name in _TOKENS}
    calls = {f"{name}_calls": _count(f"cost_grade = '{grade}'") for name, grade in _GRADES.items()}
    money = {
        f"{name}_nanousd": f"CASE WHEN cost_grade = '{grade}' THEN coalesce(cost_nanousd, 0) ELSE 0 END"
        for name, grade in _GRADES.items()
        if name != "unpriced"
    }
    less = f"{_IS_DISPUTED} AND cost_nanousd > disputed_nanousd"
    more = f"{_IS_DISPUTED} AND cost_nanousd < disputed_nanousd"
    disputed = {
        "disputed_calls": _count(_IS_DISPUTED),
        "disputed_less_nanousd": f"CASE WHEN {less} THEN cost_nanousd - disputed_nanousd ELSE 0 END",
        "disputed_more_nanousd": f"CASE WHEN {more} THEN disputed_nanousd - cost_nanousd ELSE 0 END",
        "misreported_calls": _count(_IS_MISREPORTED),
    }
    return {name: _count(each) for name, each in step.items()} | tokens | calls | money | disputed


def _count(condition: str) -> str:
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"


def _fill(grain: str, ns: int, sums: dict[str, str], of_json: str) -> None:
    """Calls first, then runs beside them: a run counts where it started, with its own tag."""
    agent = f"CASE WHEN agent_id <= {_AGENTS_MAX} THEN agent_id ELSE 0 END"
    kept = "coalesce((SELECT name FROM project WHERE name = {0}), 'other')"
    keys = f"started_ns / {ns} AS start, {kept.format(of_json)} AS project, {agent} AS agent_id"
    nothing = ", ".join("0" for _ in sums)
    of_calls = ", ".join(f"{each} AS {name}" for name, each in sums.items())
    total = ", ".join(f"sum({name})" for name in ("runs", "failed_runs", *sums))
    is_tagged = f"tags LIKE '%\"project\"%' AND coalesce({of_json}, '') <> ''"
    columns = ", ".join(("start", "project", "agent_id", "runs", "failed_runs", *sums))
    # Nothing in this text comes from anywhere but this file.
    each = (
        f"SELECT {keys}, 0 AS runs, 0 AS failed_runs, {of_calls} FROM call WHERE {is_tagged}"  # noqa: S608
        f" UNION ALL SELECT {keys}, 1, {_count('failed')}, {nothing} FROM run"
        f" WHERE {is_tagged} AND (calls > 0 OR announced)"
    )
    op.execute(
        f"INSERT INTO project_{grain} ({columns}) SELECT start, project, agent_id, {total}"  # noqa: S608
        f" FROM ({each}) AS each_row GROUP BY start, project, agent_id"
    )
