"""
Does a run go in circles right now? Pure.

What `loop_failure` and `tool_failure` say afterwards is asked here of the end of the conversation that was
spoken last, strictly, since a request may be refused for it: turns with the same calls that got the same
results, two such turns in alternation, the same error again and again. A word of the user in between, a
result that differs, or a tool that is made for waiting is no circle. Trouble that the provider gets over by
itself (a rate limit, an outage) is none either: to try again is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from analysis.call_failure import call_failure
from analysis.conversation import Conversation, conversations
from analysis.fingerprint import normalised
from analysis.loop_failure import canonical_arguments
from analysis.reliability import OUTAGES
from analysis.tool_name import is_waiting
from analysis.tool_result import Verdict, read_tool_result
from analysis.tool_use import ToolUse, is_of_user, tool_uses
from arc_proxy.call import Call, Kind
from arc_proxy.journal.record import Ended

# Who comes back after that may have mended what was wrong: a key, a tool, a quota.
PAUSE_NS = 600 * 10**9


class LoopKind(StrEnum):
    SAME_CALLS = "same_calls"
    ALTERNATING_CALLS = "alternating_calls"
    SAME_ERROR = "same_error"


@dataclass(frozen=True, slots=True)
class Loop:
    """`what`: the tools, or the error as it was last; `times` in a row, of alternating ones in pairs."""

    kind: LoopKind
    what: str
    times: int


@dataclass(frozen=True, slots=True)
class _Turn:
    """The calls of one answer, by tool and arguments, and what came back; None: not yet, of the last one."""

    calls: tuple[tuple[str, str], ...]
    results: tuple[str | None, ...]
    error: str | None  # if all of them failed: the last one's words

    def repeats(self, other: _Turn) -> bool:
        pairs = zip(self.results, other.results, strict=False)
        return self.calls == other.calls and all(None in pair or pair[0] == pair[1] for pair in pairs)

    @property
    def waits(self) -> bool:
        return any(is_waiting(name) for name, _ in self.calls)

    @property
    def names(self) -> str:
        return ", ".join(dict.fromkeys(name for name, _ in self.calls))


def calls_wanted(limit: int) -> int:
    """How many of a run's latest calls `find_loop` has to see."""
    return 2 * _turns_wanted(limit)


def find_loop(calls: Sequence[Call], limit: int, now_ns: int) -> Loop | None:
    """
    `calls`: the latest of one run in the order in which they began, the last one ended; what arc-proxy itself
    refused is passed over. `limit`: how often in a row is too often, 2 or more. `now_ns`: Unix time.
    """
    spoken = [call for call in calls if call.kind is Kind.GENERATION and call.ended is not Ended.REFUSED]
    if not spoken or now_ns - spoken[-1].started_ns > PAUSE_NS:
        return None
    refused = _same_refusal(spoken, limit)
    if refused is not None:
        return refused
    talks = conversations(spoken)
    last = max(talks, key=lambda talk: _began(talk.turns[-1].call), default=None)
    return None if last is None else _loop_of(_turns(last, limit), limit)


def _turns_wanted(limit: int) -> int:
    return max(limit, 2 * _pairs(limit))


def _pairs(limit: int) -> int:
    return max(2, (limit + 1) // 2)


def _began(call: Call) -> tuple[int, str]:
    return call.started_ns, call.call_id


def _same_refusal(spoken: Sequence[Call], limit: int) -> Loop | None:
    """The provider's same answer to the last calls, one that another attempt does not change."""
    found = [
        call_failure(
            status=call.status,
            ended=call.ended,
            error=call.reply.error,
            finish_reason=None,
            kind=call.kind,
            detail=call.ended_detail,
        )
        for call in spoken[-limit:]
    ]
    errors = [each for each in found if each is not None and each.field in ("error.message", "status")]
    if len(errors) < limit or errors[-1].code in OUTAGES:
        return None
    same = {(each.code, normalised(each.evidence)) for each in errors}
    return Loop(LoopKind.SAME_ERROR, errors[-1].evidence, limit) if len(same) == 1 else None


def _turns(talk: Conversation, limit: int) -> list[_Turn]:
    """Since the user spoke last, those that can tell of a loop: to read results takes long."""
    messages = talk.read()
    since = _last_word(messages)
    uses = [use for use in tool_uses(messages) if use.message_index > since]
    asked = [list(group) for _, group in groupby(uses, key=lambda use: use.message_index)]
    answered = [at for at, each in enumerate(asked) if all(use.result is not None for use in each)]
    latest = range(max(0, len(asked) - _turns_wanted(limit)), len(asked))
    return [_turn(asked[at]) for at in sorted({*latest, *answered[-limit:]})]


def _last_word(messages: Sequence[Mapping[str, Any]]) -> int:
    return max((place for place, message in enumerate(messages) if is_of_user(message)), default=-1)


def _turn(uses: Sequence[ToolUse]) -> _Turn:
    ordered = sorted(uses, key=lambda use: (use.name, canonical_arguments(use.arguments)))
    read = [
        None if use.result is None else read_tool_result(use.result, is_error=use.is_flagged) for use in uses
    ]
    failed = [each.message for each in read if each is not None and each.verdict is Verdict.ERROR]
    return _Turn(
        tuple((use.name, canonical_arguments(use.arguments)) for use in ordered),
        tuple(use.result for use in ordered),
        failed[-1] if len(failed) == len(uses) else None,
    )


def _loop_of(turns: Sequence[_Turn], limit: int) -> Loop | None:
    if not turns:
        return None
    last = turns[-1]
    tail = turns[-limit:]
    if not last.waits and len(tail) == limit and all(tail[0].repeats(turn) for turn in tail):
        return Loop(LoopKind.SAME_CALLS, last.names, limit)
    pairs = _pairs(limit)
    tail = turns[-2 * pairs :]
    if not last.waits and len(tail) == 2 * pairs and not last.repeats(tail[-2]):
        odd, even = tail[0::2], tail[1::2]
        is_same = all(odd[0].repeats(turn) for turn in odd) and all(even[0].repeats(turn) for turn in even)
        if is_same and not odd[-1].waits:
            return Loop(LoopKind.ALTERNATING_CALLS, f"{odd[-1].names} and {last.names}", pairs)
    answered = [turn for turn in turns if None not in turn.results][-limit:]
    errors = {(turn.names, normalised(turn.error)) for turn in answered if turn.error is not None}
    if len(answered) == limit and len(errors) == 1 and all(turn.error is not None for turn in answered):
        return Loop(LoopKind.SAME_ERROR, answered[-1].error or "", limit)
    return None
