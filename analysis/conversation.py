"""
The conversations of a run: its calls put together by what their requests repeat. Pure.

A request quotes what was said before it, so the last one of a conversation has all of it. A run has several
where it forks, where its parts talk by themselves, or where the history was compacted. OpenAI's responses
name the one before instead of quoting it (`previous_response_id`): the new part is put behind the old.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.request import opening, read_object
from arc_proxy.call import Call

# Conversations that a call may go on with: more are open at once in no agent.
OPEN_MAX = 64


@dataclass(frozen=True, slots=True)
class Turn:
    """One call in a conversation: its request's own messages are `[start:end]` of the conversation."""

    call: Call
    start: int
    end: int
    opening: int  # messages of the request before those: tools and system prompts

    def index_of(self, place: int) -> int:
        """Where a message of the conversation stands in this call's request."""
        return place - self.start + self.opening


@dataclass(slots=True)
class Conversation:
    """`messages` are without tools and system prompts, and with the last reply."""

    messages: list[bytes] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    spoken: int = 0  # of the messages, those that the last request had

    def read(self) -> list[Mapping[str, Any]]:
        return [read_object(message) for message in self.messages]

    def shown_by(self, place: int) -> Turn:
        """The first call whose request has the message; of the last reply, the call that made it."""
        # Each request has at least what the one before had, so their ends are in order.
        at = bisect_right(self.turns, place, key=lambda turn: turn.end)
        return self.turns[min(at, len(self.turns) - 1)]


def conversations(calls: Iterable[Call]) -> list[Conversation]:
    """`calls` of one run in the order in which they began."""
    found: list[Conversation] = []
    by_response: dict[str, Conversation] = {}
    for call in calls:
        if not call.prompt.messages:
            continue
        before = by_response.get(str(call.prompt.parameters.get("previous_response_id") or ""))
        talk = _goes_on(call, found) if before is None else _put_behind(call, before)
        if talk is None:
            talk = _begin(call)
            found.append(talk)
        if call.reply.message is not None:
            talk.messages.append(call.reply.message)
        if call.reply.response_id:
            by_response[call.reply.response_id] = talk
    return found


def _begin(call: Call) -> Conversation:
    first = opening(call.prompt)
    spoken = list(call.prompt.messages[first:])
    return Conversation(spoken, [Turn(call, 0, len(spoken), first)], len(spoken))


def _goes_on(call: Call, found: list[Conversation]) -> Conversation | None:
    """The conversation whose last request this one repeats whole."""
    first = opening(call.prompt)
    spoken = list(call.prompt.messages[first:])
    for talk in reversed(found[-OPEN_MAX:]):
        if talk.turns[-1].start == 0 and spoken[: talk.spoken] == talk.messages[: talk.spoken]:
            talk.messages = spoken
            talk.turns.append(Turn(call, 0, len(spoken), first))
            talk.spoken = len(spoken)
            return talk
    return None


def _put_behind(call: Call, talk: Conversation) -> Conversation:
    first = opening(call.prompt)
    spoken = list(call.prompt.messages[first:])
    start = len(talk.messages)
    talk.messages += spoken
    talk.turns.append(Turn(call, start, start + len(spoken), first))
    talk.spoken = len(talk.messages)
    return talk
