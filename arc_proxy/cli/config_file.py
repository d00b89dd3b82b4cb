"""
Reading the configuration of other programs: it is theirs, never written, and refusals quote none of it.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from arc_proxy.errors import ArcError

FILE_BYTES_MAX = 4 * 1024 * 1024


class ConfigUnread(ArcError):
    """A file, or a flag, of another program that cannot be read as that program does."""

    def __init__(self, where: Path | str, reason: str) -> None:
        super().__init__(f"{where} {reason}")


def read_text(path: Path) -> str:
    """Empty where there is no such file. Raises ConfigUnread."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ConfigUnread(path, f"cannot be read ({error.strerror})") from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigUnread(path, f"is larger than {FILE_BYTES_MAX // 1024 // 1024} MB")
    return content.decode(errors="replace")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, with comments and commas at the end if need be. Raises ConfigUnread."""
    text = read_text(path)
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        try:
            value = json.loads(strip_comments(text))
        except ValueError as error:
            raise ConfigUnread(path, f"is no JSON (line {getattr(error, 'lineno', '?')})") from error
    if not isinstance(value, dict):
        raise ConfigUnread(path, "holds no JSON object")
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """Raises ConfigUnread."""
    try:
        return tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ConfigUnread(path, f"is no TOML ({error})") from error


def strip_comments(text: str) -> str:
    """JSON of JSON with comments: `//`, `/* */`, and a comma before the closing bracket."""
    kept: list[str] = []
    place = 0
    while place < len(text):
        if text[place] == '"':
            end = place + 1
            while end < len(text) and text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            kept.append(text[place : end + 1])
            place = end + 1
        elif text.startswith("//", place):
            place = _after(text, "\n", place, keep=True)
        elif text.startswith("/*", place):
            place = _after(text, "*/", place, keep=False)
        else:
            if text[place] in "}]":
                _drop_comma(kept)
            kept.append(text[place])
            place += 1
    return "".join(kept)


def _after(text: str, end: str, place: int, *, keep: bool) -> int:
    found = text.find(end, place + 2)
    if found < 0:
        return len(text)
    return found if keep else found + len(end)


def _drop_comma(kept: list[str]) -> None:
    place = len(kept) - 1
    while place >= 0 and kept[place].isspace():
        place -= 1
    if place >= 0 and kept[place] == ",":
        del kept[place]
