"""Where logs go. Events with fields, as structlog has them; never prompt text, never keys."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

# A log that nobody looks at must not fill the disk: at this size it becomes `<name>.1`.
LOG_BYTES_MAX = 10_000_000


def log_to_stderr(level: str = "warning") -> None:
    """For commands: what goes wrong beside the answer, one line each."""
    _configure(level, _Stderr())


def log_to_file_too(path: Path, level: str) -> None:
    """For the console: stderr, which is the supervisor's, and a file of its own with mode 0600."""
    _configure(level, _Both(path))


def _configure(level: str, factory: Any) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True),
            structlog.processors.ExceptionRenderer(),
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=factory,
        cache_logger_on_first_use=False,
    )


def _render(_logger: object, _method: str, line: MutableMapping[str, Any]) -> str:
    """`2026-11-26T20:43:36Z info console.ready pid=7`, as the supervisor and the gateways have it."""
    traceback = line.pop("exception", None)
    said = [line.pop("timestamp"), line.pop("level"), line.pop("event")]
    said += [f"{name}={_quoted(value)}" for name, value in line.items()]
    return " ".join(said) if traceback is None else f"{' '.join(said)}\n{traceback}"


def _quoted(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and " " not in text else repr(text)


class _Stderr:
    """A logger factory and the logger at once. Writes to the stderr of the moment, which may be replaced."""

    def __call__(self, *_names: object) -> _Stderr:
        return self

    def msg(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)  # noqa: T201

    log = debug = info = warning = warn = error = exception = critical = fatal = msg


class _Both:
    """The same, with a file beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _open(path)
        self._bytes = path.stat().st_size

    def __call__(self, *_names: object) -> _Both:
        return self

    def msg(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)  # noqa: T201
        if self._bytes > LOG_BYTES_MAX:
            self._file.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._file = _open(self._path)
            self._bytes = 0
        self._file.write(f"{message}\n")
        self._file.flush()
        self._bytes += len(message) + 1

    log = debug = info = warning = warn = error = exception = critical = fatal = msg


def _open(path: Path) -> TextIO:
    path.touch(mode=0o600)
    return path.open("a", encoding="utf-8", errors="backslashreplace")
