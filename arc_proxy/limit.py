"""The noun Limit: what a provider says of a rate limit or a quota. No I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """
    One limit as one response states it.

    `name`: what is limited, in the provider's words: "requests", "input tokens a minute", "5h window".
    `used`: the share that is used up, 0..1; None where the response gives no whole to compare with.
    `remaining`: in whatever the limit counts; None where only the share is said. `resets_ns`: Unix time at
    which all of it is there again, None where nothing is said. `is_of_model`: each model has its own; else
    the whole account shares it.
    """

    name: str
    as_of_ns: int
    remaining: float | None = None
    used: float | None = None
    resets_ns: int | None = None
    is_of_model: bool = True

    @property
    def left(self) -> float | None:
        """How much is left, in what the limit counts, else as a share: to be compared with itself alone."""
        if self.remaining is not None:
            return self.remaining
        return None if self.used is None else max(0.0, 1 - self.used)
