"""
Issues that people said are one: failures of a fingerprint that belong to another one's issue. Pure.

Rules hold for one agent, in the order in which they were said, so that a later one may undo an earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

IssueName = tuple[str, str]  # agent, "" for none; fingerprint


@dataclass(frozen=True, slots=True)
class Target:
    """The issue that others became part of, as it would have been found itself."""

    fingerprint: str
    subject: str
    cause: str


@dataclass(frozen=True, slots=True)
class MergeRule:
    """`into` None: what was merged into this issue is its own again."""

    agent: str
    fingerprint: str
    into: Target | None


def merged(rules: Iterable[MergeRule]) -> Mapping[IssueName, Target]:
    """By each issue that is a part of another one, the one that it is shown as, which is a part of none."""
    shown: dict[IssueName, Target] = {}
    for rule in rules:
        agent, name = rule.agent, (rule.agent, rule.fingerprint)
        parts = [part for part, whole in shown.items() if (part[0], whole.fingerprint) == name]
        if rule.into is None:
            for part in parts:
                del shown[part]
            continue
        into = (agent, rule.into.fingerprint)
        if into == name:
            continue
        if into in parts:
            del shown[into]  # the other way round than before
        whole = shown.get(into, rule.into)
        shown |= {part: whole for part in (*parts, name) if part != into}
    return shown
