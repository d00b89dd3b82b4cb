"""A fix is told on the pages of a real installation, and its commands say the same."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime

import aiohttp
import pytest
from sqlalchemy import select

from arc_proxy.store import tables
from arc_proxy.store.engine import open_store, reading
from tests.cli.test_issues_command import cut_short
from tests.dashboard.test_page import Elements
from tests.report.traffic import NOW, call, write_har
from tests.system.installation import Installation


def days_ago(days: float) -> float:
    """Before this moment, in days before the moment that the traffic of tests counts from."""
    return days - (datetime.now(UTC) - NOW).total_seconds() / 86_400


class Browser:
    """Keeps its cookie, and sends what a browser says of the page that a form is on."""

    def __init__(self, session: aiohttp.ClientSession, installation: Installation) -> None:
        self._session = session
        self._origin = f"http://127.0.0.1:{installation.port}"

    async def show(self, path: str) -> Elements:
        async with self._session.get(self._origin + path) as response:
            assert response.status == 200, await response.text()
            return Elements(await response.text())

    async def press(self, page: Elements, word: str) -> Elements:
        """Press the button of the form that says the word, on a page that `show` gave."""
        assert [each for tag, each in page.elements if each.get("action") == f"/_arc/issue/{word}"]
        fields = {each["name"]: each["value"] for tag, each in page.elements if tag == "input"}
        own = {"Origin": self._origin, "Sec-Fetch-Site": "same-origin"}
        target = f"{self._origin}/_arc/issue/{word}"
        async with self._session.post(target, data=fields, headers=own) as response:
            assert response.status == 200, await response.text()
            return Elements(await response.text())


@pytest.fixture
def installation(tmp_path):
    with Installation(tmp_path / "data", None) as running:
        yield running


def bring(installation, tmp_path, name, entries):
    installation.cli("import", str(write_har(tmp_path / name, entries)))


def told(data_dir):
    store = open_store(data_dir / "arc.db")
    with reading(store) as connection:
        types = Counter(connection.execute(select(tables.fact.c.type)).scalars())
    store.close()
    return types


def words(page):
    return " ".join(page.text.split())


async def test_a_fix_that_is_applied_on_its_page_is_told_everywhere(installation, tmp_path):
    earlier = [
        *(cut_short("finance", f"t{n}", days_ago(2)) for n in range(7)),
        *(call("finance", f"r{n}", days_ago=days_ago(3)) for n in range(33)),
    ]
    bring(installation, tmp_path, "earlier.har", earlier)
    link = re.search(r"http\S+login\?token=\S+", installation.cli("open", "--print"))[0]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get(link) as response:
            assert response.status == 200
        browser = Browser(session, installation)
        page = await browser.show("/_arc/issues")
        links = [each["href"] for tag, each in page.elements if tag == "a"]
        [there] = [link for link in links if link.startswith("/_arc/issue?")]
        page = await browser.show(there)
        applied = await browser.press(page, "applied")
        assert "Noted: from now on" in words(applied)
        assert "too early to tell: 0 of 0 runs since, was 7 of 40" in words(applied)
        await browser.press(page, "applied")  # twice
        await browser.press(page, "useful")
        assert "Fixes of output.truncated were useful 1 of 1 time." in words(await browser.show(there))
        assert told(tmp_path / "data") == {"fix_applied": 1, "fix_vote": 1}
        assert "too early, 0 of 0 runs" in words(await browser.show("/_arc/issues"))
    assert "too early, 0 of 0 runs" in " ".join(installation.cli("issues").split())
