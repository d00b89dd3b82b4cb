"""
What the caller said in so many words: `x-arc-*` headers and URL prefixes. No I/O.

    x-arc-run-id, x-arc-session-id, x-arc-agent, x-arc-parent-run-id, x-arc-user, x-arc-version
    x-arc-tags        comma-separated; `key=value`, or a bare word, which means `word=true`
    x-arc-metadata    the same as a JSON object of scalars
    x-arc-step        the tag "step"
    x-arc-budget-usd  dollars, for a guard: see `arc_proxy.verdict`
    x-arc-outcome     `success` or `failure`: how the run went, as its caller knows when this call is made
    /run/{id}, /session/{id}, /agent/{name}     in front of the path, see `arc_proxy.prefix`

A header beats a prefix, level by level. A value has 1 to 200 printable characters and is kept byte for byte
(UTF-8). Anything else never alters the call: it is ignored, and its name is handed back to be counted. Of a
header sent twice the first good value counts.

A run id is unique within its agent, so the run of a call is the pair (agent, run id). A run id without an
agent names the run of that id of *no* agent: it is not guessed into an agent that happens to use the same
id, because two agents may count their runs 1, 2, 3.
"""

from __future__ import annotations

from collections.abc import Iterable

from arc_proxy.call import Grouping
from arc_proxy.prefix import Prefix, is_name
from arc_proxy.runs.claim import Claim, Level
from arc_proxy.runs.tags import Tags, add_tag, read_list, read_object
from arc_proxy.verdict import budget_nanousd

HEADER = "header"
PREFIX = "prefix"
OUTCOMES = frozenset({"success", "failure"})
_OUTCOME = "x-arc-outcome"
NAMED = frozenset({HEADER, PREFIX})  # rules by which a caller names a run

_LEVELS = {
    b"x-arc-run-id": Level.RUN,
    b"x-arc-session-id": Level.SESSION,
    b"x-arc-agent": Level.AGENT,
    b"x-arc-parent-run-id": Level.PARENT_RUN,
    b"x-arc-user": Level.USER,
    b"x-arc-version": Level.VERSION,
}
# Two calls of one agent, user or version need have nothing to do with each other.
_JOINING = frozenset({Level.RUN, Level.SESSION})
# A run belongs to one agent and one session; what is said of its user or version describes it only.
_SEPARATING = frozenset({Level.RUN, Level.SESSION, Level.AGENT})


def explicit_claims(
    headers: Iterable[tuple[bytes, bytes]], prefix: Prefix
) -> tuple[list[Claim], Tags, list[str]]:
    """
    One claim per level, those of headers first; tags; the names of what was malformed.

    `headers` may hold others too.
    """
    said: dict[Level, Claim] = {}
    tags: Tags = {}
    malformed: list[str] = []
    for name, value in headers:
        # One comparison rules out almost every header of almost every call.
        if name[:6].lower() != b"x-arc-":
            continue
        header = name.lower()
        if level := _LEVELS.get(header):
            text = readable(value)
            good = text is not None
            if text is not None and level not in said:
                said[level] = _claim(level, text, HEADER)
        else:
            good = _read_tags(header, value, tags)
        if not good:
            malformed.append(header.decode())
    in_front = {Level.RUN: prefix.run_id, Level.SESSION: prefix.session_id, Level.AGENT: prefix.agent}
    for level, text in in_front.items():
        if text is not None and level not in said:
            said[level] = _claim(level, text, PREFIX)
    malformed += ["prefix"] * prefix.malformed
    return list(said.values()), tags, malformed


def group_call(
    call_id: str, headers: Iterable[tuple[bytes, bytes]], prefix: Prefix
) -> tuple[Grouping, tuple[str, ...]]:
    """
    The grouping of one call by this alone, and the names of the headers and prefixes that were malformed.

    A call that names no run is a run of its own, `r-<call id>`, by the rule "none".
    """
    claims, tags, malformed = explicit_claims(headers, prefix)
    said = {claim.level: claim for claim in claims}
    values = {level: claim.value for level, claim in said.items()}
    run = said.get(Level.RUN)
    grouping = Grouping(
        run_id=run.value if run else f"r-{call_id}",
        agent=values.get(Level.AGENT),
        session_id=values.get(Level.SESSION),
        parent_run_id=values.get(Level.PARENT_RUN),
        user=values.get(Level.USER),
        version=values.get(Level.VERSION),
        tags=tags,
        rule=run.rule if run else "none",
        confidence=run.confidence if run else 0.0,
    )
    return grouping, tuple(malformed)


def outcome_of(headers: Iterable[tuple[str, str]]) -> str | None:
    """What `x-arc-outcome` says of the call's run; None where it is not there, or says something else."""
    said = (value for name, value in headers if name[:6].lower() == "x-arc-" and name.lower() == _OUTCOME)
    return next((value for value in said if value in OUTCOMES), None)


def readable(value: bytes) -> str | None:
    """A header's value as text, None if it is no value that we take."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if is_name(text) else None


def _claim(level: Level, text: str, rule: str) -> Claim:
    return Claim(
        level=level,
        value=text,
        rule=rule,
        joins=level in _JOINING,
        separates=level in _SEPARATING,
        is_name=True,
    )


def _read_tags(header: bytes, value: bytes, tags: Tags) -> bool:
    """Whether all of it was good. Headers of ours that are not about grouping are."""
    match header:
        case b"x-arc-tags":
            return read_list(value, tags)
        case b"x-arc-metadata":
            return read_object(value, tags)
        case b"x-arc-outcome":
            return readable(value) in OUTCOMES
        case b"x-arc-step":
            step = readable(value)
            return step is not None and add_tag(tags, "step", step)
        case b"x-arc-budget-usd":
            return budget_nanousd(value.decode(errors="replace")) is not None
    return True
