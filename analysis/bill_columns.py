"""Any CSV as a bill, by a map of its columns: `day=date,model=model_name,cost=amount_usd`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.bill import BilledRow, BillError, keys_of, parse_count, parse_day, parse_money

FIELDS = ("day", "model", "cost", "input", "output", "requests", "key", "provider")


@dataclass(frozen=True, slots=True)
class Columns:
    """Field -> the column that has it. `day` is there, and a cost, tokens or requests."""

    names: Mapping[str, str]

    def read_row(self, row: Mapping[str, str], where: str, provider: str) -> BilledRow | None:
        """A line of the file; `provider`: whose bill it is where no column says so."""
        said = {field: (row.get(column) or "").strip() for field, column in self.names.items()}
        owner = said.get("provider", "").lower() or provider
        if not owner:
            raise BillError(f"{where}: it does not say whose bill it is")
        return BilledRow(
            day=parse_day(said["day"], where),
            provider=owner,
            model=said.get("model", ""),
            keys=keys_of(said, ("key",)),
            requests=parse_count(said.get("requests"), where, self.names.get("requests", "")),
            input_tokens=parse_count(said.get("input"), where, self.names.get("input", "")),
            output_tokens=parse_count(said.get("output"), where, self.names.get("output", "")),
            nanousd=parse_money(said.get("cost"), where, self.names.get("cost", "")),
        )


def parse_columns(text: str) -> Columns:
    """BillError for a map that cannot be used."""
    names: dict[str, str] = {}
    for pair in text.split(","):
        field, equals, column = (part.strip() for part in pair.partition("="))
        if not equals or not column:
            raise BillError(f"each column is FIELD=NAME, and {pair.strip()!r:.60} is not")
        if field not in FIELDS:
            raise BillError(f"{field!r:.40} is not one of {', '.join(FIELDS)}")
        names[field] = column
    if "day" not in names or not names.keys() & {"cost", "input", "output", "requests"}:
        raise BillError("a bill needs `day` and one of `cost`, `input`, `output`, `requests`")
    return Columns(names)
