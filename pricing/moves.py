"""How one price row differs from another, bucket by bucket. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pricing.checked import is_of_tokens
from pricing.rate import Rate

# A move beyond it, either way, is more often a mistake than a price.
RATIO_MAX = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """
    The price of a bucket before and after, in picodollars per unit; None where a row has none.

    `over`: the step of input tokens that it belongs to, 0 for the plain price. "uplift:eu" is per mille.
    """

    bucket: str
    over: int = 0
    old: int | None
    new: int | None

    @property
    def ratio(self) -> float | None:
        return self.new / self.old if self.old and self.new is not None else None

    @property
    def doubt(self) -> str:
        """Why a person should look at it first; "" if nothing speaks against it."""
        if self.new == 0:
            return f"{self.bucket} becomes $0"
        if self.old is not None and self.new is None:
            return f"{self.bucket} would have no price any more"
        if self.old and self.new and not self.old <= RATIO_MAX * self.new <= RATIO_MAX**2 * self.old:
            return f"{self.bucket} moves by more than {RATIO_MAX}x"
        return ""


def moves(old: Rate | None, new: Rate) -> tuple[Move, ...]:
    """What differs; all that the new row says where there was none."""
    found = [*_between(old.picousd if old else {}, new.picousd, 0)]
    for over in sorted({step for rate in (old, new) if rate for step, _ in rate.over}):
        found += _at_step(old, new, over)
    return (*found, *_between(_uplifts(old) if old else {}, _uplifts(new), 0))


def _between(old: Mapping[str, int], new: Mapping[str, int], over: int) -> Iterator[Move]:
    for bucket in sorted(old.keys() | new.keys()):
        before, after = old.get(bucket), new.get(bucket)
        if before != after:
            yield Move(bucket=bucket, over=over, old=before, new=after)


def _at_step(old: Rate | None, new: Rate, over: int) -> Iterator[Move]:
    """Past a step, what both rows charge there: a step that one of them lacks is its price below it."""
    before = old.for_input(over + 1) if old else {}
    after = new.for_input(over + 1)
    stepped = {
        bucket for rate in (old, new) if rate for step, each in rate.over if step == over for bucket in each
    }
    for move in _between(before, after, over):
        if move.bucket in stepped and is_of_tokens(move.bucket):
            yield move


def _uplifts(rate: Rate) -> dict[str, int]:
    return {f"uplift:{region}": permille for region, permille in rate.uplift_permille.items()}
