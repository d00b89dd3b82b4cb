"""
Where a command's words go: results to stdout, talk to stderr, colours only where a person looks.

Nothing here interprets markup, so captured text can say what it likes once `format.clean` has seen it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from arc_proxy.format import ascii_only

WIDTH_MAX = 120  # longer lines are hard to read, however wide the terminal is
WIDTH_PIPED = 100
EXIT_PIPE_CLOSED = 141  # 128 + SIGPIPE, as shells report it

# The controls of two bytes in UTF-8, and the marks that reorder a line. JSON has them inside of texts only.
_ACTING = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def style(text: str, *names: str, stream: TextIO | None = None) -> str:
    """The text in these styles, if the stream (stdout by default) is a terminal that shows them."""
    if not names or not has_colour(stream or sys.stdout):
        return text
    return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"


def has_colour(stream: TextIO) -> bool:
    """NO_COLOR (https://no-color.org) beats FORCE_COLOR beats what the stream is."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def is_utf8(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"


def width(stream: TextIO | None = None) -> int:
    """Columns to fill: the terminal's, up to 120; 100 where there is none to ask."""
    if os.environ.get("COLUMNS", "").isdigit() or (stream or sys.stdout).isatty():
        return max(40, min(shutil.get_terminal_size((WIDTH_PIPED, 24)).columns, WIDTH_MAX))
    return WIDTH_PIPED


def out(text: str = "") -> None:
    """A line of the result."""
    _write(sys.stdout, text)


def say(text: str = "") -> None:
    """A line of talk."""
    _write(sys.stderr, text)


def warn(text: str) -> None:
    say(f"{style('warning:', 'yellow', stream=sys.stderr)} {text}")


def out_json(value: Any) -> None:
    """One object, readable for people too."""
    out(_inert(json.dumps(value, indent=2, ensure_ascii=not is_utf8(sys.stdout))))


def out_json_lines(values: Iterable[Any]) -> None:
    """One object per line, for jq."""
    for value in values:
        out(_inert(json.dumps(value, ensure_ascii=not is_utf8(sys.stdout), separators=(",", ":"))))


@contextmanager
def quiet_when_nobody_reads() -> Iterator[None]:
    """Leave as a program does whose reader has left: `arc-proxy export calls | head` is no failure."""
    try:
        yield
    except BrokenPipeError:
        # The interpreter would complain once again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(EXIT_PIPE_CLOSED) from None


def _inert(document: str) -> str:
    """The same JSON with what a terminal would act on escaped, more than JSON asks for."""
    return _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def _write(stream: TextIO, text: str) -> None:
    with quiet_when_nobody_reads():
        stream.write((text if is_utf8(stream) else ascii_only(text)) + "\n")
        if stream is sys.stderr:
            stream.flush()
