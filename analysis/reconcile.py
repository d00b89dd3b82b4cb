"""
A bill against our log, day by day and model by model, and the gap in parts. Pure.

What the two sides know differs: a usage export has requests and tokens, a cost export has money. So a part is
counted in calls and tokens first, and put into money by what a token of that model cost on that day, in the
bill or else in our own sums. What is then left of the gap is said to be unexplained: prices that differ,
roundings, discounts, calls that were counted on the other side of midnight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from datetime import date
from enum import StrEnum

from analysis.bill import BilledRow, summed

ALL_MODELS = "(all models)"


class Cause(StrEnum):
    OTHER_KEYS = "other keys"  # billed to keys or projects that are not ours
    MISSING = "missing calls"  # billed, and never passed here
    UNPRICED = "unpriced calls"  # ours, without a known cost
    ESTIMATED = "estimated calls"  # ours, tokens counted by us
    PARTIAL = "partial calls"  # ours, a lower bound
    NOT_BILLED = "not billed"  # ours, and not in the bill
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True, kw_only=True)
class OurRow:
    """What our log has of one day and model: calls that a provider bills, and their tokens."""

    day: date
    provider: str
    model: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    nanousd: int = 0  # of calls with a known cost
    unpriced_calls: int = 0
    unpriced_tokens: int = 0
    estimated_calls: int = 0
    partial_calls: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def is_unknown(self) -> bool:
        """Whether there are calls and the cost of none is known, which is not the same as none."""
        return bool(self.unpriced_calls) and not self.nanousd


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A share of the gap. `nanousd` None: it cannot be put into money; `calls` None: nor counted."""

    cause: Cause
    calls: int | None = None
    nanousd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One day and model, or their sum. Tokens and money None where the bill does not say them."""

    day: date | None
    provider: str
    model: str
    billed_nanousd: int | None
    billed_tokens: int | None
    billed_requests: int | None
    ours: OurRow | None
    gap_nanousd: int | None  # what the bill has more than we; None without a bill in money
    parts: tuple[Part, ...]  # of the gap, which they sum up to where it is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """`keys`: those that the bill names. `first`, `last`: the days that were compared."""

    lines: tuple[Line, ...]
    total: Line
    keys: tuple[str, ...]
    first: date | None
    last: date | None


@dataclass(slots=True)
class _Billed:
    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    nanousd: int | None = None
    others_nanousd: int | None = None
    others_requests: int | None = None

    def add(self, row: BilledRow, *, is_ours: bool) -> None:
        if not is_ours:
            self.others_nanousd = summed((self.others_nanousd, row.nanousd))
            self.others_requests = summed((self.others_requests, row.requests))
        self.nanousd = summed((self.nanousd, row.nanousd))
        self.requests = summed((self.requests, row.requests))
        if is_ours:
            self.input_tokens = summed((self.input_tokens, row.input_tokens))
            self.output_tokens = summed((self.output_tokens, row.output_tokens))


NameOf = Callable[[str, str], str]  # provider and a model's name there -> the name to compare by
Key = tuple[date, str, str]


def reconcile(
    billed: Iterable[BilledRow],
    ours: Iterable[OurRow],
    *,
    name_of: NameOf,
    keys: frozenset[str] = frozenset(),
) -> Reconciliation:
    """
    `keys`: which of the bill's keys and projects pass through here; empty: all.

    Our rows of days or providers that the bill does not speak of are left out.
    """
    sides: dict[Key, _Billed] = {}
    named: set[str] = set()
    for row in billed:
        named.update(row.keys)
        key = (row.day, row.provider, name_of(row.provider, row.model) if row.model else "")
        sides.setdefault(key, _Billed()).add(row, is_ours=not keys or not keys.isdisjoint(row.keys))
    names_models = any(model for _, _, model in sides)
    if not names_models:
        sides = {(day, provider, ALL_MODELS): side for (day, provider, _), side in sides.items()}
    days = {day for day, _, _ in sides}
    providers = {provider for _, provider, _ in sides}
    logged: dict[Key, OurRow] = {}
    for our in ours:
        if our.provider in providers and days and min(days) <= our.day <= max(days):
            model = name_of(our.provider, our.model) if names_models else ALL_MODELS
            key = (our.day, our.provider, model)
            logged[key] = _added(logged[key], our) if key in logged else replace(our, model=model)
    has_money = any(side.nanousd is not None for side in sides.values())
    every = sorted(sides.keys() | logged.keys())
    lines = tuple(_line(key, sides.get(key), logged.get(key), has_money=has_money) for key in every)
    return Reconciliation(
        lines=lines,
        total=_total(lines),
        keys=tuple(sorted(named)),
        first=min(days, default=None),
        last=max(days, default=None),
    )


_SUMS = tuple(field.name for field in fields(OurRow) if field.name not in ("day", "provider", "model"))


def _added(one: OurRow, other: OurRow) -> OurRow:
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in _SUMS})


def _line(key: Key, side: _Billed | None, ours: OurRow | None, *, has_money: bool) -> Line:
    billed = side or _Billed()
    day, provider, model = key
    # A bill with amounts that has none for a model has not billed it.
    is_known = billed.nanousd is not None or (has_money and not (ours and ours.is_unknown))
    line = Line(
        day=day,
        provider=provider,
        model=model,
        billed_nanousd=billed.nanousd,
        billed_tokens=summed((billed.input_tokens, billed.output_tokens)),
        billed_requests=billed.requests,
        ours=ours,
        gap_nanousd=(billed.nanousd or 0) - (ours.nanousd if ours else 0) if is_known else None,
        parts=(),
    )
    return replace(line, parts=tuple(_with_rest(line, _parts(line, billed))))


def _parts(line: Line, billed: _Billed) -> Iterable[Part]:
    ours = line.ours or OurRow(day=line.day or date.min, provider=line.provider, model=line.model)
    per_token = _per_token(line, billed, ours)

    def worth(tokens: int) -> int | None:
        return None if per_token is None else round(per_token * tokens)

    if billed.others_nanousd is not None or billed.others_requests is not None:
        yield Part(cause=Cause.OTHER_KEYS, calls=billed.others_requests, nanousd=billed.others_nanousd)
    if line.billed_nanousd is None and line.billed_tokens is None and line.billed_requests is None:
        if ours.calls:
            amount = None if ours.is_unknown else -ours.nanousd
            yield Part(cause=Cause.NOT_BILLED, calls=ours.calls, nanousd=amount)
        return
    requests = None if billed.requests is None else billed.requests - (billed.others_requests or 0)
    calls = None if requests is None else requests - ours.calls
    more = 0 if line.billed_tokens is None else line.billed_tokens - ours.tokens
    if calls is not None and calls < 0:
        yield Part(cause=Cause.NOT_BILLED, calls=-calls, nanousd=worth(min(more, 0)))
        more = max(more, 0)
    elif more > 0 if calls is None else calls > 0:
        yield Part(cause=Cause.MISSING, calls=calls, nanousd=worth(max(more, 0)))
        more = 0
    # Tokens that the bill has for the calls that we have, too: of those whose usage nobody stated.
    unseen = worth(max(more, 0)) or 0
    for cause, count, tokens in (
        (Cause.UNPRICED, ours.unpriced_calls, ours.unpriced_tokens),
        (Cause.PARTIAL, ours.partial_calls, 0),
        (Cause.ESTIMATED, ours.estimated_calls, 0),
    ):
        if count:
            amount = (worth(tokens) or 0) + unseen
            yield Part(cause=cause, calls=count, nanousd=amount or None)
            unseen = 0


def _per_token(line: Line, billed: _Billed, ours: OurRow) -> float | None:
    """Nanodollars of a token that day: by the bill, where it has both, else by our priced calls."""
    own = None if billed.nanousd is None else billed.nanousd - (billed.others_nanousd or 0)
    if own and line.billed_tokens:
        return own / line.billed_tokens
    priced = ours.tokens - ours.unpriced_tokens
    return ours.nanousd / priced if ours.nanousd and priced > 0 else None


def _with_rest(line: Line, parts: Iterable[Part]) -> Iterable[Part]:
    found = list(parts)
    yield from found
    if line.gap_nanousd is not None:
        rest = line.gap_nanousd - sum(part.nanousd or 0 for part in found)
        if rest:
            yield Part(cause=Cause.UNEXPLAINED, nanousd=rest)


def _total(lines: Iterable[Line]) -> Line:
    lines = tuple(lines)
    ours = [line.ours for line in lines if line.ours is not None]
    whole = None
    for our in ours:
        whole = our if whole is None else _added(whole, our)
    return Line(
        day=None,
        provider="",
        model="",
        billed_nanousd=summed(line.billed_nanousd for line in lines),
        billed_tokens=summed(line.billed_tokens for line in lines),
        billed_requests=summed(line.billed_requests for line in lines),
        ours=whole,
        gap_nanousd=summed(line.gap_nanousd for line in lines),
        parts=tuple(_summed_parts(line.parts for line in lines)),
    )


def _summed_parts(all_parts: Iterable[Iterable[Part]]) -> Iterable[Part]:
    by_cause: dict[Cause, Part] = {}
    for part in (part for parts in all_parts for part in parts):
        known = by_cause.get(part.cause, Part(cause=part.cause))
        by_cause[part.cause] = Part(
            cause=part.cause,
            calls=summed((known.calls, part.calls)),
            nanousd=summed((known.nanousd, part.nanousd)),
        )
    return [by_cause[cause] for cause in Cause if cause in by_cause]
