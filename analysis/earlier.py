"""The noun EarlierRun: one of the same agent that ended before this one began. They say what is usual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.tool_name import may_end
from arc_proxy.call import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRun:
    """`asks`: the tools that its last answer asks for, () where that was a text or no answer came."""

    steps: int
    input_tokens: int  # of all its calls
    cost_nanousd: int | None  # None: not known, or not wholly
    asks: tuple[str, ...]

    @property
    def has_no_end(self) -> bool:
        """Whether it stopped at a call of a tool that ends nothing."""
        return bool(self.asks) and not any(map(may_end, self.asks))


# The latest first. Asked for where a rule needs them, as they have to be read.
EarlierRuns = Callable[[], Sequence[EarlierRun]]


def no_earlier_runs() -> Sequence[EarlierRun]:
    return ()


def steps_of(generations: Sequence[Call]) -> int:
    """Answers that a run asked for, however often it had to try."""
    return sum(call.attempt_of is None for call in generations)
