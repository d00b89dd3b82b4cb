"""
How many turns a conversation has left until its model's context window is full. Pure.

Each request of a conversation repeats all that was said, so its prompt grows with every turn. How fast is
the mean of the latest growths, of which none counts for more than four times the median: one long tool result
is no pace. A compaction, which makes the prompt shorter, begins a new conversation.

Measured on 380 recorded runs of agents with a window put where they were n turns later: for n = 1, 4 and 8 it
says 1, 5 and 10 in the median, and for n = 4 from 2 to 11 in four of five cases. The median alone is late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median
from typing import Any

from analysis.warning import Urgency, WarningKind

TURNS_MIN = 3  # growths that make a pace
GROWTHS_MAX = 12  # the latest of them count
TURNS_LEFT_MAX = 20  # farther off, nobody knows how a conversation goes on
_MEDIANS_MAX = 4
_RESERVING = ("openai.chat", "anthropic.messages")
_URGENT_TURNS = 3
_SOON_TURNS = 10


@dataclass(frozen=True, slots=True)
class Turn:
    """A step of one conversation: when it began, Unix time, and the tokens of its prompt, cached ones too."""

    at_ns: int
    input_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEta:
    """
    `turns_left`: turns that still fit, 0 if the next one does not. `window`: tokens that a prompt may have,
    `reserved` of them kept for the answer.
    """

    run_id: str
    model: str
    window: int
    reserved: int
    input_tokens: int  # of the latest turn
    growth: int  # tokens a turn
    turns_left: int
    turn_ns: int  # what a turn takes

    @property
    def kind(self) -> WarningKind:
        return WarningKind.CONTEXT

    @property
    def in_ns(self) -> int:
        return self.turns_left * self.turn_ns

    @property
    def urgency(self) -> Urgency:
        if self.turns_left <= _URGENT_TURNS:
            return Urgency.NOW
        return Urgency.SOON if self.turns_left <= _SOON_TURNS else Urgency.LATER


def context_eta(
    turns: Sequence[Turn], *, run_id: str, model: str, window: int | None, reserved: int = 0
) -> ContextEta | None:
    """
    Of one conversation, its turns in order; None where there is no pace, no known window, or enough room.

    `window` None: nobody says how long a prompt may be. `reserved`: tokens that the request asks for and that
    have to fit into the same window.
    """
    turns = turns[_last_compaction(turns) :][-GROWTHS_MAX - 1 :]
    if window is None or len(turns) <= TURNS_MIN:
        return None
    pairs = tuple(pairwise(turns))
    growth = _pace([after.input_tokens - before.input_tokens for before, after in pairs])
    room = window - reserved - turns[-1].input_tokens
    if growth <= 0 or reserved >= window or room > growth * (TURNS_LEFT_MAX + 1):
        return None
    turns_left = max(0, int(room // growth))
    if turns_left > TURNS_LEFT_MAX:
        return None
    return ContextEta(
        run_id=run_id,
        model=model,
        window=window,
        reserved=reserved,
        input_tokens=turns[-1].input_tokens,
        growth=round(growth),
        turns_left=turns_left,
        turn_ns=int(median(after.at_ns - before.at_ns for before, after in pairs)),
    )


def reserved_tokens(dialect: str, parameters: Mapping[str, Any]) -> int:
    """
    Tokens of the window that a request keeps for its answer: `max_tokens`, where it counts with the prompt.

    Newer names of it (`max_completion_tokens`, `max_output_tokens`) are no part of the prompt's room.
    Sources: https://docs.claude.com/en/build-with-claude/context-windows and
    https://platform.openai.com/docs/api-reference/chat/create
    """
    said = parameters.get("max_tokens") if dialect in _RESERVING else None
    return said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else 0


def _pace(growths: Sequence[int]) -> float:
    most = _MEDIANS_MAX * median(growths)
    return mean(min(growth, most) for growth in growths)


def _last_compaction(turns: Sequence[Turn]) -> int:
    """Where the latest stretch begins in which no prompt is shorter than the one before."""
    shorter = (
        at for at in range(len(turns) - 1, 0, -1) if turns[at].input_tokens < turns[at - 1].input_tokens
    )
    return next(shorter, 0)
