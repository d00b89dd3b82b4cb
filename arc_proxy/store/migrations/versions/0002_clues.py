"""Keys by which later calls find earlier ones, and what a call shows of its framework and its purpose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "clue",
        sa.Column("key", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("call_key", KEY, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key", "call_key", name="pk_clue"),
        sqlite_with_rowid=False,
    )
    op.add_column("call", sa.Column("framework", sa.Text, nullable=True))
    op.add_column("call", sa.Column("auxiliary", sa.Text, nullable=True))
    op.add_column("call", sa.Column("separated_by", sa.BigInteger, nullable=True))
