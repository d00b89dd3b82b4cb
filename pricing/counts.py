"""
Reading counts and amounts of money out of JSON that others wrote. Nothing here raises.

Providers and the gateways in front of them put `null`, `"12"`, `12.0`, `true` and `-1` where a count
belongs. A value that cannot be a count is treated as absent, never as zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

# Far above any real call, and low enough that no product of it with a price leaves 63 bits of nanodollars.
COUNT_MAX = 10**10
USD_MAX = 10**6  # for one call; a larger claim is an error of units

PICO_PER_USD = 10**12

Path = tuple[str, ...] | str


def count(value: object) -> int | None:
    """A whole number of 0 or more; None for everything that is not one."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not (text.isascii() and text.isdigit()) or len(text) > len(str(COUNT_MAX)):
            return None
        value = int(text)
    if isinstance(value, float):
        if not value.is_integer():  # also False for nan and the infinities
            return None
        value = int(value)
    if not isinstance(value, int) or not 0 <= value <= COUNT_MAX:
        return None
    return value


def picousd(value: object) -> int | None:
    """
    An amount of US dollars as whole picodollars; None if it cannot be one.

    A float is taken by its shortest decimal form, which is what stood in the JSON.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        usd = Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, ValueError):
        return None
    if not usd.is_finite() or not 0 <= usd <= USD_MAX:
        return None
    return int((usd * PICO_PER_USD).to_integral_value())


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


class Counts:
    """A provider's usage object, asked by paths: `("prompt_tokens_details", "cached_tokens")`."""

    __slots__ = ("raw",)

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    def get(self, path: Path) -> int | None:
        """The count at a path, None where there is none."""
        if isinstance(path, str):
            return count(self.raw.get(path))
        *parents, name = path
        here = self.raw
        for parent in parents:
            here = mapping(here.get(parent))
        return count(here.get(name))

    def first(self, paths: Iterable[Path]) -> int | None:
        """
        The first count above zero, else a zero if one was said, else None.

        Compatibility layers fill the field they don't use with 0, so a zero yields to a later number.
        """
        zero: int | None = None
        for path in paths:
            found = self.get(path)
            if found:
                return found
            zero = found if zero is None else zero
        return zero

    def has(self, *names: str) -> bool:
        return any(self.get(name) is not None for name in names)
