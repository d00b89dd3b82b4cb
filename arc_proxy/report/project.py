"""A project's name for people: many are the folder that a coding agent works in. Pure."""

from __future__ import annotations

import re

from arc_proxy.format import cells, clean, cut, fitting

NAME_CELLS_MAX = 40
_NONE = "(none)"
# Where people live: Linux, macOS, root, Windows.
_HOME = re.compile(r"(?:/home/[^/]+|/Users/[^/]+|/root|[A-Za-z]:\\Users\\[^\\]+)(?=[/\\]|$)")


def project_name(project: str | None) -> str:
    """`~/work/x` of a path in a home folder, of a long one its last parts; other names as they are."""
    if project is None:
        return _NONE
    name = clean(project)
    home = _HOME.match(name)
    name = "~" + name[home.end() :] if home else name
    if cells(name) <= NAME_CELLS_MAX:
        return name
    return _last_parts(name) if "/" in name or "\\" in name else cut(name, NAME_CELLS_MAX)


def _last_parts(path: str) -> str:
    """`…/x/y`: as many whole parts from the end as there is room for, and of one that is too long its end."""
    kept = path[len(path) - fitting(path[::-1], NAME_CELLS_MAX - 1) :]
    starts = [at for at, character in enumerate(kept) if character in "/\\"]
    return "…" + (kept[starts[0] :] if starts else kept)
