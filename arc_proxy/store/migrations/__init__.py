"""
Migrations: numbered, forward, one change each, expand first and contract a version later.

They import nothing of `tables`, which moves on; history must not. The tests compare where they end, from
every past revision, with what `tables` declares.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str) -> None:
    """Bring the database to `revision`, inside the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
