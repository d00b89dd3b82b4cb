"""
Names that a caller puts in front of a path, where it cannot set headers. Standard library only, no I/O.

    /run/8f3a/agent/finance/openai/v1/chat/completions  ->  run "8f3a", agent "finance", /openai/v1/...

`/run/{id}`, `/session/{id}` and `/agent/{name}` stand in any order, each at most once; the parts are
percent-decoded after splitting, so that an id may hold a slash as %2F.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

NAME_LEN_MAX = 200

_FIELDS = {"run": "run_id", "session": "session_id", "agent": "agent"}
_STARTS = tuple(f"/{word}/" for word in _FIELDS)


@dataclass(frozen=True, slots=True)
class Prefix:
    """What stood in front of a path. `malformed` counts parts that are no name: they are passed over."""

    run_id: str | None = None
    session_id: str | None = None
    agent: str | None = None
    malformed: int = 0


NO_PREFIX = Prefix()


def split_prefix(target: str) -> tuple[Prefix, str]:
    """
    The names in front of a request target, and the target without them.

    The rest begins with a slash and is otherwise as it was, byte for byte. A word that comes a second
    time ends the prefix and belongs to the rest.
    """
    if not target.startswith(_STARTS):
        return NO_PREFIX, target
    found: dict[str, str | None] = {}
    while target.startswith(_STARTS):
        word, value, rest = _split_part(target)
        if word in found:
            break
        found[word] = value
        target = rest
    names = {_FIELDS[word]: value for word, value in found.items()}
    return Prefix(**names, malformed=sum(value is None for value in found.values())), target


def is_name(text: str) -> bool:
    """Whether a run, session, agent or user may be called so: 1 to 200 printable characters."""
    return 0 < len(text) <= NAME_LEN_MAX and text.isprintable()


def _split_part(target: str) -> tuple[str, str | None, str]:
    """The first word of a target, its value (None if it is no name) and the rest."""
    _, word, behind = target.split("/", 2)
    path, mark, query = behind.partition("?")
    raw, _, rest = path.partition("/")
    return word, _decode(raw), f"/{rest}{mark}{query}"


def _decode(raw: str) -> str | None:
    try:
        text = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        return None
    return text if is_name(text) else None
