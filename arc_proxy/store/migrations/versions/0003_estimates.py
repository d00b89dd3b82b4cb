"""How tokens were counted that a response does not state, which calls wait for it, responses by their ids."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

UNCOUNTED = sa.text(
    "usage_grade = 'none' AND estimated_by IS NULL AND kind = 'generation' AND status < 400"
    " AND duration_ns IS NOT NULL"
)
STORED_RESPONSE = sa.text("(endpoint = 'responses' OR kind = 'batch') AND response_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("call", sa.Column("estimated_by", sa.Text, nullable=True))
    op.create_index("ix_call_uncounted", "call", ["id"], sqlite_where=UNCOUNTED, postgresql_where=UNCOUNTED)
    op.create_index(
        "ix_call_response",
        "call",
        ["response_id"],
        sqlite_where=STORED_RESPONSE,
        postgresql_where=STORED_RESPONSE,
    )
