"""
Which of the money of runs was wasted, and what a card says of where it went. Pure.

Texts hold the names of tools as they were captured: what shows them has to clean them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from analysis.parts import PART_NAMES, PartKind
from analysis.spend import OTHER_NAMES, Spend
from pricing.money import NANO_PER_USD

RESENT_MIN = 2  # a model has to read a result once, and mostly once more
# Less of the whole is not worth a line of its own; a second waste is one only where it stands out.
LINE_MIN = 0.01
SECOND_WASTE_MIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """
    What was paid and did little. `nanousd` is of all runs together.

    `kind`: TOOL_SCHEMA for a tool that was offered and never called, TOOL_RESULT for a result that was sent
    again `times` times, CACHE_BREAK for a prefix that changed `times` times.
    """

    kind: PartKind
    name: str
    nanousd: int
    times: int
    text: str  # without the money: "tool mcp__x called 0 times"


class CardPart(NamedTuple):
    usd: float  # a run
    text: str
    is_resent: bool = False  # a tool's result that was sent again and again


def wasted(spend: Spend) -> list[Waste]:
    """The costliest first."""
    found = [*_never_called(spend), *_sent_again(spend), *_broken_caches(spend)]
    return sorted(found, key=_by_cost)


def card_parts(spend: Spend, parts_max: int = 3) -> list[CardPart]:
    """
    What a run cost in the mean, waste first, each by money: [(0.41, "get_prices result re-sent 11x"),
    (0.33, "tool schemas")]. No money is in two of them.
    """
    if spend.nanousd <= 0 or not spend.runs:
        return []
    least = LINE_MIN * spend.nanousd
    waste = [
        each
        for place, each in enumerate(_for_card(wasted(spend)))
        if each.nanousd >= (SECOND_WASTE_MIN * spend.nanousd if place else least)
    ]
    rest = {kind: spend.of_kind(kind) for kind in PartKind}
    for each in waste:
        rest[each.kind] -= each.nanousd
    plain = sorted(((nanousd, PART_NAMES[kind]) for kind, nanousd in rest.items()), key=lambda each: -each[0])
    per_usd = spend.runs * NANO_PER_USD
    parts = [CardPart(each.nanousd / per_usd, each.text, each.kind is PartKind.TOOL_RESULT) for each in waste]
    parts += [CardPart(nanousd / per_usd, text) for nanousd, text in plain if nanousd >= least]
    return parts[:parts_max]


def _never_called(spend: Spend) -> Iterator[Waste]:
    for (kind, name), nanousd in spend.parts.items():
        is_tool = kind is PartKind.TOOL_SCHEMA and name != OTHER_NAMES
        if is_tool and nanousd > 0 and name not in spend.called:
            yield Waste(kind=kind, name=name, nanousd=nanousd, times=0, text=f"tool {name} called 0 times")


def _sent_again(spend: Spend) -> Iterator[Waste]:
    for name, resent in spend.resent.items():
        if resent.times >= RESENT_MIN and resent.nanousd > 0:
            yield Waste(
                kind=PartKind.TOOL_RESULT,
                name=name,
                nanousd=resent.nanousd,
                times=resent.times,
                text=f"{name or 'tool'} result re-sent {resent.times}x",
            )


def _broken_caches(spend: Spend) -> Iterator[Waste]:
    for (kind, name), broken in spend.broken.items():
        if broken.nanousd > 0:
            place = f" (message {broken.message_index})" if broken.message_index >= 0 else ""
            yield Waste(
                kind=PartKind.CACHE_BREAK,
                name=name,
                nanousd=broken.nanousd,
                times=broken.times,
                text=f"cache broken {broken.times}x by {_changed(kind, name)}{place}",
            )


def _changed(kind: PartKind, name: str) -> str:
    named = f" {name}" if name else ""
    match kind:
        case PartKind.TOOL_SCHEMA | PartKind.SERVER_TOOL:
            return f"a change of tool{named}"
        case PartKind.TOOL_RESULT:
            return f"a change of a{named} result"
        case _:
            return f"a change of the {PART_NAMES[kind]}"


def _for_card(waste: list[Waste]) -> list[Waste]:
    """Tools that nothing calls are one line: 40 of them would be 40 small ones."""
    unused = [each for each in waste if each.kind is PartKind.TOOL_SCHEMA]
    if len(unused) < 2:
        return waste
    together = Waste(
        kind=PartKind.TOOL_SCHEMA,
        name="",
        nanousd=sum(each.nanousd for each in unused),
        times=0,
        text=f"{len(unused)} tools called 0 times ({unused[0].name} ...)",
    )
    rest = [each for each in waste if each.kind is not PartKind.TOOL_SCHEMA]
    return sorted([together, *rest], key=_by_cost)


def _by_cost(waste: Waste) -> tuple[int, str, str]:
    return -waste.nanousd, waste.kind, waste.name
