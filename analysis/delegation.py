"""
Which sort of sub-agent a run asked for, and what a run was told to do: the two tie them together. Pure.

Coding agents say the sort in the call that starts a sub-agent, and not in what the sub-agent sends:

    Claude Code, opencode   Agent or task {"subagent_type": "Explore", "prompt": brief}
    deepagents              task {"subagent_type": "critic", "description": brief}
    Codex                   spawn_agent {"agent_type": "worker", "message": brief}; 0.171 offers no sorts

The sub-agent's first request has the brief as a text of its user. Texts are known by a digest of them.

Sources: Claude Code 2.1 and Codex 0.171 as recorded, https://github.com/openai/codex,
https://github.com/anomalyco/opencode, https://github.com/langchain-ai/deepagents
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any

from analysis.request import mapping, opening, read_object, texts_of
from arc_proxy.call import Call, Kind, ToolCall

GIVEN_MAX = 200  # briefs of one run that are remembered
TOLD_MAX = 8  # texts before the first answer: reminders, the environment, the brief
SORT_CHARS_MAX = 60

_SORTS = ("subagent_type", "agent_type")
_BRIEFS = ("prompt", "message", "description")
_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Delegation:
    """
    `given`: by digest of a brief, the sort of sub-agent that was asked for with it. `told`: digests of what
    this run was told before its first answer, if it is a sub-agent's; the last text first.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    told: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.given or self.told)


def delegation_of(calls: Iterable[Call]) -> Delegation:
    """`calls` of one run in the order in which they began."""
    given: dict[str, str] = {}
    told: tuple[str, ...] | None = None
    for call in calls:
        if told is None and call.kind is Kind.GENERATION and call.prompt.messages:
            told = tuple(_told(call)) if call.grouping.parent_run_id is not None else ()
        for tool_call in call.reply.tool_calls:
            given |= islice(_given(tool_call), GIVEN_MAX - len(given))
    return Delegation(given, told or ())


def sort_of(told: Iterable[str], given: Mapping[str, str]) -> str | None:
    """The sort of the sub-agent that was told this by a run that gave these briefs; None: nobody says it."""
    return next((given[digest] for digest in told if digest in given), None)


def _given(tool_call: ToolCall) -> Iterator[tuple[str, str]]:
    if "agent_type" not in tool_call.arguments:  # which is the end of both words
        return
    try:
        arguments = mapping(json.loads(tool_call.arguments))
    except (ValueError, RecursionError):
        return
    sort = next((said for key in _SORTS if isinstance(said := arguments.get(key), str) and said), None)
    if sort is not None:
        for key in _BRIEFS:
            if isinstance(brief := arguments.get(key), str) and brief.strip():
                yield _digest(brief), sort[:SORT_CHARS_MAX]


def _told(call: Call) -> Iterator[str]:
    texts: list[str] = []
    for message in map(read_object, call.prompt.messages[opening(call.prompt) :]):
        if _is_answer(message):
            break
        if message.get("role") == "user":
            texts += texts_of(message)
    return map(_digest, islice(reversed(texts), TOLD_MAX))


def _is_answer(message: Mapping[str, Any]) -> bool:
    return message.get("role") in ("assistant", "model") or "call" in str(message.get("type"))


def _digest(text: str) -> str:
    return blake2b(text.strip().encode(errors="replace"), digest_size=_DIGEST_BYTES).hexdigest()
