"""Running a program as its shell would: signals reach it, and its end is ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from arc_proxy.errors import ArcError

_FORWARDED = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT")
EXIT_NOT_FOUND = 127
EXIT_NOT_EXECUTABLE = 126
_SIGNAL_BASE = 128


class CannotRun(ArcError):
    def __init__(self, program: str, error: OSError) -> None:
        super().__init__(f"cannot run {program}: {error.strerror}.")
        self.exit_code = EXIT_NOT_FOUND if isinstance(error, FileNotFoundError) else EXIT_NOT_EXECUTABLE


def run_child(command: Sequence[str], environ: Mapping[str, str]) -> tuple[int, int | None]:
    """Exit code as a shell reports it, and the signal that ended the program, if one did; or CannotRun."""
    child: subprocess.Popen[bytes] | None = None

    def forward(number: int, _frame: FrameType | None) -> None:
        if child is not None and child.poll() is None:
            child.send_signal(number)

    def leave_to_child(_number: int, _frame: FrameType | None) -> None:
        """From a terminal Ctrl-C reaches the program by itself: it decides what that means, and we wait."""

    # Handlers, not SIG_IGN: the program inherits what is ignored, but not what is handled.
    handlers: dict[int, Callable[[int, FrameType | None], None]]
    handlers = {getattr(signal, name): forward for name in _FORWARDED if hasattr(signal, name)}
    handlers[signal.SIGINT] = leave_to_child if _is_foreground() else forward
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        child = subprocess.Popen(command, env=dict(environ))  # noqa: S603  it is what the user asked for
        code = child.wait()
    except OSError as error:
        raise CannotRun(command[0], error) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return (code, None) if code >= 0 else (_SIGNAL_BASE - code, -code)


def _is_foreground() -> bool:
    """Whether a terminal sends its signals to our process group."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False
