"""
Speaking of our own mistakes without quoting anybody: an exception's text may hold a header, and a header
may be a key.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import Any

log = logging.getLogger("arc_proxy.gateway")


def log_mistake(error: BaseException | None) -> None:
    """Its type and where it happened, never its text or its values."""
    frames = traceback.extract_tb(error.__traceback__, limit=-8) if error is not None else []
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    log.error("gateway.mistake type=%s at=%s", type(error).__name__, where)


def report_mistake(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's exception handler."""
    log_mistake(context.get("exception"))
