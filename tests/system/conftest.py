from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fake_provider import FakeProvider
from tests.system.traffic import answer


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as provider:
        provider.answer = answer
        yield provider


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"
