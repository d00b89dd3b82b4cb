"""
The user's own prices: `prices.toml`.

    [[rate]]                       # USD per million tokens, from `since` until the next entry
    provider = "openai"            # as in `arc-proxy export calls`
    model = "acme-large"           # as calls name it; "*": all that have no price otherwise
    since = 2026-03-01             # optional
    tier = "standard"              # optional: "flex", "priority", "batch" ...
    input = "3.00"
    output = "15.00"
    cache_read = "0.30"            # also cache_write, cache_write_1h, input_audio, output_audio,
                                   # input_image, output_image, reasoning
    web_search = "10"              # USD per thousand uses; also file_search, request

    [[alias]]                      # a name that hides its model: an Azure deployment, a Bedrock profile
    provider = "azure"
    name = "my-deployment"
    model = "gpt-4o"

    [[discount]]                   # off the computed price; never off what a provider reports itself
    provider = "openai"
    model = "gpt-4o"               # optional: all of the provider's
    percent = 12.5
    since = 2026-01-01             # optional
    until = 2026-12-31             # optional, the last day

An entry here beats the book. Amounts are text or numbers.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from typing import Any

from pricing.model import Model
from pricing.rate import STANDARD, Rate

SOURCE = "prices.toml"
ANY_MODEL = "*"

PER_MILLION = {
    "input": "input_text",
    "output": "output_text",
    "cache_read": "cache_read",
    "cache_write": "cache_write_5m",
    "cache_write_1h": "cache_write_1h",
    "input_audio": "input_audio",
    "output_audio": "output_audio",
    "input_image": "input_image",
    "output_image": "output_image",
    "reasoning": "reasoning",
}
PER_THOUSAND = {"web_search": "tool:web_search", "file_search": "tool:file_search", "request": "request"}

USD_MAX = 10**6
PERMILLE_OF_PERCENT = 10

_FIELDS = {
    "rate": {"provider", "model", "since", "tier", "source", *PER_MILLION, *PER_THOUSAND},
    "alias": {"provider", "name", "model"},
    "discount": {"provider", "model", "percent", "since", "until"},
}


class PricesFileError(ValueError):
    """The user's file of prices is wrong. Says where and what would be right."""

    def __init__(self, path: Path, reason: str, *, line: int | None = None, field: str | None = None) -> None:
        place = str(path) if line is None else f"{path}, line {line}"
        super().__init__(f"{place}: {field}: {reason}" if field else f"{place}: {reason}")
        self.path = path
        self.line = line
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    provider: str
    model: str | None  # None: all models
    permille: int
    since: date | None
    until: date | None

    def holds(self, model: str, day: date) -> bool:
        return (
            self.model in (None, model)
            and (self.since is None or self.since <= day)
            and (self.until is None or day <= self.until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What a user says about prices. `version` changes with the file's content."""

    version: str = ""
    models: Mapping[tuple[str, str], Model] = field(default_factory=dict)  # by provider and lower-case name
    aliases: Mapping[tuple[str, str], str] = field(default_factory=dict)
    discounts: tuple[Discount, ...] = ()

    def discount_permille(self, provider: str, model: str, at: datetime) -> int:
        """The largest discount that holds; they do not add up."""
        held = (
            each.permille
            for each in self.discounts
            if each.provider == provider and each.holds(model.lower(), at.date())
        )
        return max(held, default=0)


def read_overrides(path: Path) -> Overrides:
    """Read a user's file; PricesFileError if anything in it is not understood. No file, no overrides."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Overrides()
    except OSError as error:
        raise PricesFileError(path, error.strerror or "cannot be read") from error
    try:
        text = content.decode()
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise PricesFileError(path, "is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise PricesFileError(path, f"is no TOML: {str(error)[:200]}") from error
    reader = _Reader(path, text, document, recorded=date.min)
    return Overrides(
        version=sha256(content).hexdigest()[:8],
        models=reader.models(),
        aliases={
            (entry.text("provider"), entry.text("name").lower()): entry.text("model").lower()
            for entry in reader.entries("alias")
        },
        discounts=tuple(reader.discounts()),
    )


class _Entry:
    """One table of the file, asked field by field."""

    def __init__(self, path: Path, line: int | None, values: Mapping[str, Any]) -> None:
        self._path = path
        self._line = line
        self.values = values

    def wrong(self, field: str, reason: str) -> PricesFileError:
        return PricesFileError(self._path, reason, line=self._line, field=field)

    def text(self, name: str) -> str:
        value = self.values.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(name, "is missing" if value is None else "must be a text that is not empty")
        return value.strip()

    def day(self, name: str) -> date | None:
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, datetime) or not isinstance(value, date):
            raise self.wrong(name, "must be a day, written like 2026-03-01 without quotes")
        return value

    def amount(self, name: str, unit: str, maximum: int) -> Decimal:
        value = self.values.get(name)
        try:
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise InvalidOperation
            amount = Decimal(repr(value) if isinstance(value, float) else value)
        except InvalidOperation:
            raise self.wrong(name, f"must be {unit}, not {value!r:.60}") from None
        if not amount.is_finite() or not 0 <= amount <= maximum:
            # A whole number of thousands of digits has no text.
            said = f"{amount:.6g}" if isinstance(value, int) else f"{value!r:.60}"
            raise self.wrong(name, f"must be {unit} between 0 and {maximum}, not {said}")
        return amount

    def whole(self, name: str, unit: str, maximum: int, per: int) -> int:
        """An amount in units of which one makes `per`; what is finer than one is refused, not cut."""
        amount = self.amount(name, unit, maximum) * per
        if amount != amount.to_integral_value():
            raise self.wrong(
                name, f"is finer than {Decimal(1) / per:f} {unit}, which is the least that counts"
            )
        return int(amount)


class _Reader:
    def __init__(self, path: Path, text: str, document: Mapping[str, Any], *, recorded: date) -> None:
        self._path = path
        self._text = text
        self._document = document
        self._recorded = recorded
        for name in document:
            if name not in _FIELDS:
                raise PricesFileError(path, f"[[{name}]] is not one of {', '.join(_FIELDS)}")

    def entries(self, table: str) -> Iterator[_Entry]:
        listed = self._document.get(table, [])
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise PricesFileError(self._path, f"write [[{table}]] with two brackets")
        lines = [
            number
            for number, line in enumerate(self._text.splitlines(), start=1)
            if re.match(rf"\s*\[\[\s*{table}\s*\]\]", line)
        ]
        for index, values in enumerate(listed):
            entry = _Entry(self._path, lines[index] if len(lines) == len(listed) else None, values)
            for name in values:
                if name not in _FIELDS[table]:
                    raise entry.wrong(name, f"is not one of {', '.join(sorted(_FIELDS[table]))}")
            yield entry

    def models(self) -> dict[tuple[str, str], Model]:
        rates: dict[tuple[str, str], list[Rate]] = {}
        for entry in self.entries("rate"):
            rate = self._rate(entry)
            rows = rates.setdefault((rate.provider, rate.model), [])
            if any((row.tier, row.since) == (rate.tier, rate.since) for row in rows):
                raise entry.wrong("since", "is that of another [[rate]] of the same model and tier")
            rows.append(rate)
        return {
            (provider, name): Model(provider=provider, id=name, clauses=(["=", name],), rates=tuple(rows))
            for (provider, name), rows in rates.items()
        }

    def _rate(self, entry: _Entry) -> Rate:
        picousd = {
            bucket: entry.whole(name, "US dollars per million tokens", USD_MAX, 10**6)
            for name, bucket in PER_MILLION.items()
            if name in entry.values
        } | {
            bucket: entry.whole(name, "US dollars per thousand uses", USD_MAX, 10**9)
            for name, bucket in PER_THOUSAND.items()
            if name in entry.values
        }
        if not picousd:
            raise entry.wrong("input", "is missing: an entry needs at least one price")
        return Rate(
            provider=entry.text("provider"),
            model=entry.text("model").lower(),
            tier=entry.text("tier") if "tier" in entry.values else STANDARD,
            since=entry.day("since"),
            recorded=self._recorded,
            source=SOURCE,
            url=entry.text("source") if "source" in entry.values else "",
            picousd=picousd,
        )

    def discounts(self) -> Iterator[Discount]:
        for entry in self.entries("discount"):
            since, until = entry.day("since"), entry.day("until")
            if since is not None and until is not None and since >= until:
                raise entry.wrong("until", "is not after `since`, so the discount never holds")
            yield Discount(
                provider=entry.text("provider"),
                model=entry.text("model").lower() if "model" in entry.values else None,
                permille=entry.whole("percent", "percent", 100, PERMILLE_OF_PERCENT),
                since=since,
                until=until,
            )
