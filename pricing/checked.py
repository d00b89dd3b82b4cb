"""
What a source of prices may say: the checks that its values pass before anything is worked out from them.

A source can be a file from anywhere, so a number may be negative, absurd or none, and a pattern may be one
that takes a regular expression for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

from pricing.usage import TOKEN_BUCKETS

# $100,000 per million tokens and $10 per use: more than ten times the dearest price that is published.
TOKEN_PICOUSD_MAX = 10**11
USE_PICOUSD_MAX = 10**13

NAME_CHARACTERS_MAX = 200
URL_CHARACTERS_MAX = 2000
CLAUSES_MAX = 2000  # of one model, all together
TOKENS_MAX = 10**9
STEPS_MAX = 20

_PROVIDER = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_BUCKET = re.compile(rf"{'|'.join(TOKEN_BUCKETS)}|reasoning|request|tool:[a-z0-9_]{{1,40}}")
# What can make matching slow: a repeated group, a reference back, and more than two open repetitions.
_SLOW = re.compile(r"\)(?:[*+]|\{\d*,)|\\[1-9]|\(\?P=")
_OPEN_REPETITION = re.compile(r"(?<!\\)[*+]|\{\d*,\}")
_SIGNS = ("=", "^", "$", "*", "~")


class SourceError(ValueError):
    """A source says what no price list says. Tells where, and what is wrong with it."""


def picousd(value: object, per: int, bucket: str, where: str) -> int:
    """
    A price as whole picodollars per unit.

    `value`: US dollars, a Decimal or a whole number; `per`: picodollars per unit that one of them makes.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise SourceError(f"{where}: {bucket} is no number")
    most = TOKEN_PICOUSD_MAX if is_of_tokens(bucket) else USE_PICOUSD_MAX
    # Compared before it is multiplied: a number with a million digits is cheap to read and dear to compute.
    if not Decimal(value).is_finite() or not 0 <= value <= Decimal(most) / per:
        raise SourceError(f"{where}: {bucket} of {value:.6g} US dollars is no price")
    return int((Decimal(value) * per).to_integral_value())


def is_of_tokens(bucket: str) -> bool:
    return bucket != "request" and not bucket.startswith("tool:")


def rates(value: object, where: str) -> dict[str, int]:
    """{bucket: picodollars} as our own rows have them."""
    found = {}
    for bucket, each in table(value, where).items():
        if not _BUCKET.fullmatch(bucket):
            raise SourceError(f"{where}: {bucket[:60]!r} is no bucket")
        if type(each) is not int:
            raise SourceError(f"{where}: {bucket} has to be whole picodollars")
        found[bucket] = picousd(each, 1, bucket, where)
    return found


def table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SourceError(f"{where}: expected an object")
    return value


def listed(value: object, where: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise SourceError(f"{where}: expected a list")
    return value


def text(value: object, where: str, *, most: int = NAME_CHARACTERS_MAX) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > most or not value.isprintable():
        raise SourceError(f"{where}: expected 1 to {most} printable characters")
    return value


def link(value: object) -> str:
    """Where a price is published; "" for what is no short URL: a page is worth less than the prices on it."""
    return (
        value if isinstance(value, str) and len(value) <= URL_CHARACTERS_MAX and value.isprintable() else ""
    )


def provider_id(value: object, where: str) -> str:
    if not isinstance(value, str) or not _PROVIDER.fullmatch(value):
        raise SourceError(f"{where}: {value!r:.60} is no provider's name")
    return value


def tokens(value: object, where: str) -> int:
    if type(value) is not int or not 0 <= value <= TOKENS_MAX:
        raise SourceError(f"{where}: {value!r:.40} is no number of tokens")
    return value


def day(value: object, where: str) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise SourceError(f"{where}: {value!r:.40} is no day") from None


def minute_of_day(value: object, where: str) -> int:
    try:
        moment = time.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise SourceError(f"{where}: {value!r:.40} is no time of day") from None
    return moment.hour * 60 + moment.minute


def clauses(value: object, where: str) -> tuple[Sequence[Any], ...]:
    """The clauses of a model as `pricing.model` has them, each tried out."""
    found = tuple(listed(value, where))
    if sum(_checked(each, where, 0) for each in found) > CLAUSES_MAX or not found:
        raise SourceError(f"{where}: expected 1 to {CLAUSES_MAX} names or patterns")
    return found


def _checked(clause: object, where: str, depth: int) -> int:
    """How many there are in it."""
    parts = listed(clause, where)
    if len(parts) < 2 or depth > 4:
        raise SourceError(f"{where}: a pattern is empty or nested too deeply")
    if parts[0] in ("&", "|"):
        return sum(_checked(each, where, depth + 1) for each in parts[1:])
    if parts[0] not in _SIGNS or len(parts) != 2:
        raise SourceError(f"{where}: {parts[0]!r:.20} is no kind of pattern")
    pattern = text(parts[1], where)
    if parts[0] == "~":
        _check_expression(pattern, where)
    return 1


def _check_expression(pattern: str, where: str) -> None:
    if _SLOW.search(pattern) or len(_OPEN_REPETITION.findall(pattern)) > 2:
        raise SourceError(f"{where}: the regular expression {pattern[:60]!r} could take for ever")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        raise SourceError(f"{where}: {pattern[:60]!r} is no regular expression") from None
