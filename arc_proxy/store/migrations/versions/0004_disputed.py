"""What another source makes of a call's cost, and sums of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

SUMS = ("disputed_calls", "disputed_less_nanousd", "disputed_more_nanousd", "misreported_calls")


def upgrade() -> None:
    op.add_column("call", sa.Column("disputed_nanousd", sa.BigInteger, nullable=True))
    for table in ("rollup_hour", "rollup_day"):
        for name in SUMS:
            op.add_column(table, sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
