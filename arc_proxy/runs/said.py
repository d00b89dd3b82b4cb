"""
All that an exchange says of its place in so many words, the strongest first. No I/O.

    1. x-arc-* headers, then URL prefixes    `explicit`   join and separate, and give the id itself
    2. ids of coding agents                  `native`     join and separate
    3. headers of other products             `foreign`    join
    4. ids in the body                       `foreign`    join
    5. names that look like a session's      `foreign`    join, and count for little

What separates stands before what only joins, whatever is sent beside it: a trace that spans a coding agent
and its sub-agents does not make them one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from arc_proxy.foreign import field_of
from arc_proxy.prefix import NO_PREFIX, Prefix
from arc_proxy.runs import foreign, native
from arc_proxy.runs.claim import Claim, Level
from arc_proxy.runs.explicit import explicit_claims
from arc_proxy.runs.native import Parameters
from arc_proxy.runs.tags import Tags, add_tag

_OWN = b"x-arc-"
_PARAMETERS = native.PARAMETERS | foreign.PARAMETERS
_SEEN_MAX = 1024
# Names repeat: for each as it was sent, the name in lower case if anything here reads it.
_SEEN: dict[bytes, bytes | None] = {}
_UNSEEN = b""
_seen = _SEEN.get


class Said(NamedTuple):
    claims: tuple[Claim, ...]  # the strongest first
    tags: Tags
    malformed: tuple[str, ...]  # names of x-arc-* headers and prefixes that were ignored


def read_claims(headers: Sequence[tuple[bytes, bytes]], prefix: Prefix, parameters: Parameters) -> Said:
    """
    `headers` and `prefix` are a request's, `parameters` is what its body holds beside messages and tools.

    Nothing that a client sends makes this raise.
    """
    heard = [
        (known, name, value)
        for name, value in headers
        if (known := _seen(name, _UNSEEN)) is not None  # hardly ever
    ]
    told: dict[bytes, bytes] = {}
    own: list[tuple[bytes, bytes]] = []
    for known, name, value in heard:
        if known is _UNSEEN:
            lower = _remember(name)
            if lower is None:
                continue
            known = lower
        if known.startswith(_OWN):
            own.append((known, value))
        else:
            told.setdefault(known, value)
    tags: Tags = {}
    claims: list[Claim] = []
    malformed: list[str] = []
    if own or prefix is not NO_PREFIX:
        claims, tags, malformed = explicit_claims(own, prefix)
    has_body = not _PARAMETERS.isdisjoint(parameters)
    if told or has_body:
        others: Tags = {}
        if not native.NAMES.isdisjoint(told) or not native.PARAMETERS.isdisjoint(parameters):
            claims += native.native_claims(told, parameters, headers, others)
        claims += foreign.foreign_claims(told, others)
        if has_body:
            claims += foreign.body_claims(parameters, others)
        if told and not any(claim.level is Level.SESSION for claim in claims):
            claims += foreign.generic_claims(told)
        for key, text in others.items():
            add_tag(tags, key, text)
        claims = list(dict.fromkeys(claims))
    return Said(tuple(claims), tags, tuple(malformed))


def _remember(name: bytes) -> bytes | None:
    lower = name.lower()
    is_read = (
        lower.startswith(_OWN)
        or lower in native.NAMES
        or field_of(lower) is not None
        or foreign.is_generic(lower)
    )
    if len(_SEEN) >= _SEEN_MAX:
        _SEEN.clear()
    _SEEN[name] = lower if is_read else None
    return _SEEN[name]
