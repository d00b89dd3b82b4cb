"""The price book of a data folder: what ships, what `prices update` added, and the user's prices.toml."""

from __future__ import annotations

from arc_proxy.cli.folder import Folder
from arc_proxy.errors import ConfigError
from pricing.book import PriceBook, PricesFileError, load_book

OWN_PRICES = "prices.toml"
UPDATES = "prices"


def open_book(folder: Folder) -> PriceBook:
    """The book under the user's files. Raises ConfigError for a mistake in one of them."""
    try:
        return load_book(folder.path / OWN_PRICES, layers=folder.path / UPDATES)
    except PricesFileError as error:
        raise ConfigError(f"{error}.") from None
