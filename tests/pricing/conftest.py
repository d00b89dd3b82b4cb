"""Fixtures of the pricing tests."""

from __future__ import annotations

import pytest

from pricing.book import PriceBook, load_book


@pytest.fixture(scope="session")
def book() -> PriceBook:
    """The book that ships, without anyone's own prices."""
    return load_book()
