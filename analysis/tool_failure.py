"""
What went wrong with an agent's tools, by the results that later requests carry. Pure.

A result is an error where its format says so, or where it reads like one (see `tool_result`). Whether an
agent got over it shows in what the tool answered next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from analysis.conversation import Conversation
from analysis.failure import EVIDENCE_CHARACTERS_MAX, Failure, FailureCode
from analysis.fingerprint import normalised
from analysis.tool_result import ToolResult, Verdict, read_tool_result
from analysis.tool_use import ToolUse, tool_uses

CONSECUTIVE_MIN = 2
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Used:
    """One use of a tool with its result, and the call whose request first carried it."""

    use: ToolUse
    read: ToolResult
    call_id: str
    message_index: int
    turn: int  # place of the message that asked for it: uses of one turn were asked for together

    @property
    def is_error(self) -> bool:
        return self.read.verdict is Verdict.ERROR


def uses_of(talks: Iterable[Conversation]) -> list[Used]:
    """Every answered use once, in order, however many conversations quote it."""
    seen: set[tuple[object, ...]] = set()
    found = []
    for talk in talks:
        for use in tool_uses(talk.read()):
            if use.result is None or use.result_index is None:
                continue
            place = use.call_id or use.message_index
            key = (place, use.name, use.arguments, use.result)
            if key in seen:
                continue
            seen.add(key)
            turn = talk.shown_by(use.result_index)
            read = read_tool_result(use.result, is_error=use.is_flagged)
            index = turn.index_of(use.result_index)
            found.append(Used(use, read, turn.call.call_id, index, use.message_index))
    return found


def tool_failures(uses: Sequence[Used]) -> Iterator[Failure]:
    """Of the uses of one run, in order."""
    answered = {used.use.name: place for place, used in enumerate(uses) if not used.is_error}  # the last time
    for place, used in enumerate(uses):
        if used.is_error:
            is_recovered = place < answered.get(used.use.name, 0)
            yield _failure(FailureCode.TOOL_ERROR, used, is_recovered=is_recovered)
        elif used.read.verdict is Verdict.EMPTY:
            said = _first_line(used.use.result or "")
            yield _failure(FailureCode.TOOL_EMPTY_RESULT, used, message=said or NOTHING)
    yield from _repeated(uses, answered)
    yield from _consecutive(uses)
    if uses and uses[-1].is_error:
        yield _failure(FailureCode.TOOL_ERROR_UNRECOVERED, uses[-1])


def _failure(
    code: FailureCode, used: Used, *, message: str = "", times: int = 1, is_recovered: bool = False
) -> Failure:
    message = message or used.read.message
    return Failure(
        code,
        message[:EVIDENCE_CHARACTERS_MAX],
        "messages",
        call_id=used.call_id,
        message_index=used.message_index,
        tool_call_id=used.use.call_id,
        subject=used.use.name,
        cause=message,
        times=times,
        is_recovered=is_recovered,
    )


def _repeated(uses: Sequence[Used], answered: Mapping[str, int]) -> Iterator[Failure]:
    """The same error of the same tool, in different turns: once for each, told by the last of them."""
    by_cause: dict[tuple[str, str], list[int]] = {}
    for place, used in enumerate(uses):
        if used.is_error:
            by_cause.setdefault((used.use.name, normalised(used.read.message)), []).append(place)
    for (name, _), places in by_cause.items():
        if len({uses[place].turn for place in places}) > 1:
            is_recovered = places[-1] < answered.get(name, 0)
            last = uses[places[-1]]
            yield _failure(
                FailureCode.TOOL_ERROR_REPEATED, last, times=len(places), is_recovered=is_recovered
            )


def _consecutive(uses: Sequence[Used]) -> Iterator[Failure]:
    """Errors without an answer between them. Calls of one turn are one attempt, whichever of them failed."""
    for is_error, group in groupby(uses, key=lambda used: used.is_error):
        found = list(group)
        turns = len({used.turn for used in found})
        if is_error and turns >= CONSECUTIVE_MIN:
            is_last = found[-1] is uses[-1]
            yield _failure(
                FailureCode.TOOL_ERROR_CONSECUTIVE, found[-1], times=turns, is_recovered=not is_last
            )


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
