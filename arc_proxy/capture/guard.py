"""
How code of ours behaves inside someone else's process: it never raises there, and it says a thing once.

Standard library only, and as little of it as can be: this is imported by every traced application.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SAID_MAX = 100

_said: set[str] = set()


def warn_once(message: str) -> None:
    """
    Tell the developer, on the logger `arc_proxy`; without any logging set up that is stderr.

    Not `warnings.warn`: under `-W error` that is an exception, and tracing must not be one.
    """
    if message in _said or len(_said) >= SAID_MAX:
        return
    _said.add(message)
    import logging  # 5 ms that an application without warnings need not spend

    logging.getLogger("arc_proxy").warning(message)


def harmless(work: Callable[P, T]) -> Callable[P, T | None]:
    """What goes wrong inside becomes a warning and None."""

    @wraps(work)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return work(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  the one boundary between our mistakes and the traced program
            warn_once(f"arc-proxy: tracing failed, your program goes on: {type(error).__name__}: {error}")
            return None

    return guarded
