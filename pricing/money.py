"""Money as text, and of what prices are. Exact, whatever the amount."""

from __future__ import annotations

PICO_PER_USD = 10**12
NANO_PER_USD = 10**9
USD_PLACES = 12


def priced_units(bucket: str) -> tuple[int, str]:
    """Of how many units a bucket's price is shown, and what they are called: 1,000,000 "million tokens"."""
    if bucket == "request":
        return 1, "request"
    return (1000, "thousand uses") if bucket.startswith("tool:") else (1_000_000, "million tokens")


def usd_text(picousd: int) -> str:
    """Picodollars as exact decimal text in dollars, at least two places: "1.25", "0.000037"."""
    sign = "-" if picousd < 0 else ""
    whole, rest = divmod(abs(picousd), PICO_PER_USD)
    decimals = f"{rest:0{USD_PLACES}d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"
