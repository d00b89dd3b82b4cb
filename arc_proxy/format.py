"""
How numbers and captured text are written for people, in a terminal or on a page. Pure.

Rules that hold on every surface: a cost that is not known is the word "unknown" and never $0, a share
is 0% or 100% only when it is exactly that, and captured text is hostile until `clean` has seen it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

NANOUSD_PER_USD = 1_000_000_000
UNKNOWN = "unknown"
NOTHING = "-"
NO_NAME = "(no agent named)"

# Whole sequences go first, or their harmless rest ("[31m") would litter the line.
_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[\[()][0-?]*[ -/]*[@-~]?|\x9b[0-?]*[ -/]*[@-~]?"
)
# Besides control characters: marks that reorder a line, so that it reads as something else than it is.
_REORDERING = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
)


@dataclass(frozen=True, slots=True)
class Spend:
    """A sum of costs and how far it can be trusted. `nanousd` sums the calls whose cost is known."""

    nanousd: int
    priced_calls: int = 0  # of any grade but unknown
    unpriced_calls: int = 0
    estimated_calls: int = 0  # tokens counted by us
    partial_calls: int = 0  # some usage or price is missing: a lower bound
    api_equivalent_nanousd: int = 0  # subscription traffic, never part of `nanousd`
    disputed_calls: int = 0  # price lists disagree about them
    less_nanousd: int = 0  # how much less, and more, it would be by the other list
    more_nanousd: int = 0
    misreported_calls: int = 0  # the provider says a cost, the price book another one

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            self.nanousd + other.nanousd,
            self.priced_calls + other.priced_calls,
            self.unpriced_calls + other.unpriced_calls,
            self.estimated_calls + other.estimated_calls,
            self.partial_calls + other.partial_calls,
            self.api_equivalent_nanousd + other.api_equivalent_nanousd,
            self.disputed_calls + other.disputed_calls,
            self.less_nanousd + other.less_nanousd,
            self.more_nanousd + other.more_nanousd,
            self.misreported_calls + other.misreported_calls,
        )

    @property
    def is_unknown(self) -> bool:
        """
        Nothing is known of what there was to price.

        Calls that cost nothing beside the others, as refused ones do, make no sum: $0 would read as free.
        """
        return self.unpriced_calls > 0 and self.nanousd == 0

    @property
    def is_exact(self) -> bool:
        return not (self.unpriced_calls or self.estimated_calls or self.partial_calls)


def money(nanousd: int | float | None) -> str:
    """$1,234 · $12.34 · $0.013 · $0.0000042; two digits that count below a dollar, cents above."""
    if nanousd is None:
        return UNKNOWN
    usd = Decimal(round(nanousd)) / NANOUSD_PER_USD
    sign, usd = ("-", -usd) if usd < 0 else ("", usd)
    if usd == 0:
        return "$0"
    if usd >= 1000:
        return f"{sign}${usd:,.0f}"
    if usd >= Decimal("0.995"):
        return f"{sign}${usd:.2f}"
    places = 1 - usd.adjusted()  # two significant digits
    text = f"{usd:.{places}f}".rstrip("0")
    return f"{sign}${text if len(text) > 3 else text.ljust(4, '0')}"


def spend(total: Spend) -> str:
    """
    `$1.94` · `$1.94 (1.80-1.94)` · `$1.94, + 3 unpriced calls` · `~$1.94` · `at least $1.94` ·
    `unknown (3 unpriced calls)`.
    """
    if total.is_unknown:
        return f"{UNKNOWN} ({plural(total.unpriced_calls, 'unpriced call')})"
    # An unpriced call is named beside the sum; a partial one hides inside of it, so the sum says so.
    text = {(False, False): "", (True, False): "~", (False, True): "at least ", (True, True): "at least ~"}[
        total.estimated_calls > 0, total.partial_calls > 0
    ] + money(total.nanousd)
    text += spread(total.nanousd - total.less_nanousd, total.nanousd + total.more_nanousd)
    if total.unpriced_calls:
        text += f", + {plural(total.unpriced_calls, 'unpriced call')}"
    return text


def spread(low: int, high: int, why: str = "") -> str:
    """` (0.25-0.30)` behind an amount that may be less or more, "" where that cannot be seen."""
    if money(low) == money(high):
        return ""
    said = f"{money(low)}-{money(high)}".replace("$", "")
    return f" ({said}, {why})" if why else f" ({said})"


def spend_causes(total: Spend) -> tuple[str, ...]:
    """Why a sum is not exact, one short sentence each."""
    causes = []
    if total.estimated_calls:
        causes.append(
            f"~ tokens of {plural(total.estimated_calls, 'call')} counted here, not by the provider"
        )
    if total.partial_calls:
        causes.append(f"at least: {plural(total.partial_calls, 'call')} without all of usage or price")
    if total.unpriced_calls:
        causes.append(f"{plural(total.unpriced_calls, 'call')} without a price or usage, not in the sum")
    if total.disputed_calls:
        causes.append(f"(low-high): price lists disagree about {plural(total.disputed_calls, 'call')}")
    if total.misreported_calls:
        calls = plural(total.misreported_calls, "call")
        causes.append(f"{calls} as their provider says, and something else by the price book: see `show`")
    if total.api_equivalent_nanousd:
        causes.append(
            f"beside it {money(total.api_equivalent_nanousd)} at list price on a subscription, not billed"
        )
    return tuple(causes)


def share(part: float, whole: float = 1) -> str:
    """1.6% · 12% · <0.1% · >99.9%; 0% and 100% only when exactly so."""
    if whole == 0:
        return NOTHING
    percent = 100 * part / whole
    if percent == 0 or percent == 100:
        return f"{percent:.0f}%"
    if percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    return f"{percent:.1f}%" if percent < 10 or 99 <= percent < 100 else f"{percent:.0f}%"


def change(ratio: float) -> str:
    """A relative change: +12% · -62% · x4.2 from five times up."""
    if ratio >= 4:
        return f"x{ratio + 1:.0f}" if ratio >= 9 else f"x{ratio + 1:.1f}"
    percent = round(100 * ratio)
    return "±0%" if percent == 0 else f"{percent:+d}%"


def duration(ms: float | None) -> str:
    """0.4 ms · 340 ms · 2.4 s · 1 m 20 s · 2 h 5 m · 3 d 4 h"""
    if ms is None:
        return NOTHING
    if ms < 9.95:
        return f"{ms:.1f} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 9_950:
        return f"{ms / 1000:.1f} s"
    seconds = round(ms / 1000)
    if seconds < 60:
        return f"{seconds} s"
    for small, big, size, step in (("s", "m", 60, 1), ("m", "h", 3600, 60), ("h", "d", 86400, 3600)):
        if big == "d" or seconds < size * (60 if big == "m" else 24):
            rest = seconds % size // step
            return f"{seconds // size} {big}" + (f" {rest} {small}" if rest else "")
    raise AssertionError("the last row takes all")


def about(ns: int) -> str:
    """`40 s`, `12 m`, `2 h`, `3 d`: one unit, for what is an estimate."""
    seconds = max(0, ns) / 1e9
    for step, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 1.5 * step:
            return f"{seconds / step:.0f} {unit}"
    return f"{seconds:.0f} s"


def count(number: int) -> str:
    return f"{number:,}"


def tokens(number: int) -> str:
    """812 · 12.3k · 4.1M"""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.99995 and number >= 1000:
            scaled = number / size
            return f"{scaled:.0f}{unit}" if scaled >= 99.95 else f"{scaled:.1f}{unit}"
    return str(number)


def size(byte_count: int) -> str:
    for step, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if byte_count >= step:
            return f"{byte_count / step:.1f} {unit}"
    return plural(byte_count, "byte")


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def moment(wall_ns: int) -> str:
    """2026-11-25 14:03:09, in the zone of the machine."""
    return f"{datetime.fromtimestamp(wall_ns / 1e9, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def ago(wall_ns: int, now_ns: int) -> str:
    """`3 m ago`: one unit is enough to find a run again."""
    seconds = max(0, (now_ns - wall_ns) // 1_000_000_000)
    for step, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= step:
            return f"{seconds // step} {unit} ago"
    return f"{seconds} s ago" if seconds else "now"


def clean(text: str | None, max_cells: int | None = None) -> str:
    """
    One line that can do nothing to a terminal: no control bytes, no escapes, no reordering marks.

    Line breaks and tabs become a blank. Cut to `max_cells` columns with an ellipsis.
    """
    line = " ".join(clean_block(text or "").split())
    return line if max_cells is None else cut(line, max_cells)


def clean_block(text: str) -> str:
    """The same for text whose line breaks matter."""
    return "".join(
        character
        for character in _ESCAPES.sub("", text).replace("\t", "    ")
        if character == "\n"
        or (unicodedata.category(character) not in _UNPRINTABLE and character not in _REORDERING)
    )


_UNPRINTABLE = frozenset({"Cc", "Cs", "Co", "Cn"})


def cells(text: str) -> int:
    """Columns that the text takes in a terminal."""
    return sum(_cells_of(character) for character in text)


def cut(text: str, max_cells: int) -> str:
    if cells(text) <= max_cells:
        return text
    return text[: fitting(text, max_cells - 1)].rstrip() + "…"


def fitting(text: str, max_cells: int) -> int:
    """How many characters of the text take at most so many columns."""
    for at, character in enumerate(text):
        max_cells -= _cells_of(character)
        if max_cells < 0:
            return at
    return len(text)


def pad(text: str, width: int) -> str:
    return text + " " * max(0, width - cells(text))


def ascii_only(text: str) -> str:
    """What is left for a terminal that knows no UTF-8."""
    return text.translate(_PLAIN).encode("ascii", "replace").decode("ascii")


_PLAIN: Mapping[int, str] = str.maketrans(
    {
        "━": "=",
        "─": "-",
        "│": "|",
        "╭": "+",
        "╮": "+",
        "╰": "+",
        "╯": "+",
        "▲": "^",
        "▼": "v",
        "…": "...",
        "·": "-",
        "±": "+-",
        "✓": "ok",
        "✗": "x",
        "└": "`",
        "↳": ">",
        "↻": "again:",
        "→": "->",
        "≥": ">=",
    }
)


def _cells_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
