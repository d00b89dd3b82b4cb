"""
What the caller said in so many words: `x-arc-*` headers and URL prefixes. No I/O.

    x-arc-run-id, x-arc-session-id, x-arc-agent, x-arc-parent-run-id, x-arc-user, x-arc-version
    x-arc-tags        comma-separated; `key=value`, or a bare word, which means `word=true`
    /run/{id}, /session/{id}, /agent/{name}     in front of the path, see `arc_proxy.prefix`

A header beats a prefix, level by level. A value has 1 to 200 printable characters and is kept byte for byte
(UTF-8). Anything else never alters the call: it is ignored, and its name is handed back to be counted. Of a
header sent twice the first good value counts.

A run id is unique within its agent, so the run of a call is the pair (agent, run id). A run id without an
agent names the run of that id of *no* agent: it is not guessed into an agent that happens to use the same
id, because two agents may count their runs 1, 2, 3.

A call that names no run is a run of its own, `r-<call id>`, by the rule "none".
"""

from __future__ import annotations

from collections.abc import Iterable

from arc_proxy.call import Grouping
from arc_proxy.prefix import Prefix, is_name

TAGS_MAX = 64

_BARE_TAG = "true"
_LEVELS = {
    b"x-arc-run-id": "run_id",
    b"x-arc-session-id": "session_id",
    b"x-arc-agent": "agent",
    b"x-arc-parent-run-id": "parent_run_id",
    b"x-arc-user": "user",
    b"x-arc-version": "version",
}
_TAGS = b"x-arc-tags"


def group_call(
    call_id: str, headers: Iterable[tuple[bytes, bytes]], prefix: Prefix
) -> tuple[Grouping, tuple[str, ...]]:
    """The grouping of one call, and the names of the headers and prefixes that were malformed."""
    said: dict[str, str] = {}
    tags: dict[str, str] = {}
    malformed: list[str] = []
    for name, value in headers:
        # One comparison rules out almost every header of almost every call.
        if name[:6].lower() != b"x-arc-":
            continue
        header = name.lower()
        if header == _TAGS:
            if not _read_tags(value, tags):
                malformed.append("x-arc-tags")
        elif level := _LEVELS.get(header):
            text = readable(value)
            if text is None:
                malformed.append(header.decode())
            else:
                said.setdefault(level, text)
    run_rule = "header" if "run_id" in said else "prefix"
    in_front = {"run_id": prefix.run_id, "session_id": prefix.session_id, "agent": prefix.agent}
    for level, text in in_front.items():
        if text is not None:
            said.setdefault(level, text)
    malformed += ["prefix"] * prefix.malformed
    named = "run_id" in said
    grouping = Grouping(
        run_id=said.get("run_id") or f"r-{call_id}",
        agent=said.get("agent"),
        session_id=said.get("session_id"),
        parent_run_id=said.get("parent_run_id"),
        user=said.get("user"),
        version=said.get("version"),
        tags=tags,
        rule=run_rule if named else "none",
        confidence=1.0 if named else 0.0,
    )
    return grouping, tuple(malformed)


def readable(value: bytes) -> str | None:
    """A header's value as text, None if it is no value that we take."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if is_name(text) else None


def _read_tags(value: bytes, tags: dict[str, str]) -> bool:
    """Add the good tags of one header to `tags`; False if any of them was not good."""
    try:
        parts = value.decode().split(",")
    except UnicodeDecodeError:
        return False
    all_good = True
    for part in filter(None, map(str.strip, parts)):
        key, equals, text = (piece.strip() for piece in part.partition("="))
        text = text if equals else _BARE_TAG
        good = is_name(key) and (not text or is_name(text))
        if good and (key in tags or len(tags) < TAGS_MAX):
            tags.setdefault(key, text)
        else:
            all_good = False
    return all_good
