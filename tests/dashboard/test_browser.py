"""The page in a real browser: what it makes of hostile text, and whether its own parts still work."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from tests.dashboard.attacks import HOSTILE

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def browser(tmp_path):
    if BROWSER is None:
        pytest.skip("no chromium on this machine")

    async def show(url: str, *options: str) -> str:
        """The document as it stands after scripts have run, and the browser's own complaints."""
        process = await asyncio.create_subprocess_exec(
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=12000",
            "--enable-logging=stderr",
            *options,
            url,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, complaints = await asyncio.wait_for(process.communicate(), 90)
        return out.decode() + "\n".join(
            line for line in complaints.decode().splitlines() if "CONSOLE" in line
        )

    return show


async def test_a_browser_runs_nothing_that_was_captured(browser, login_link):
    document = await browser(login_link, "--dump-dom")
    assert "<title>arc-proxy</title>" in document
    assert document.count("<script") == 2  # our own, by their address
    assert "<img" not in document
    assert HOSTILE[0].replace("<", "&lt;").replace(">", "&gt;") in document


async def test_the_policy_lets_the_pages_own_parts_work(browser, login_link):
    document = await browser(login_link, "--dump-dom")
    assert "Content Security Policy" not in document
    assert "Refused to" not in document


@pytest.mark.parametrize("size", ["1280,900", "500,900"])
async def test_the_page_can_be_drawn(browser, login_link, tmp_path, size):
    await browser(login_link, f"--window-size={size}", f"--screenshot={tmp_path / 'page.png'}")
    assert (tmp_path / "page.png").stat().st_size > 10_000


async def test_the_page_of_an_issue_works_in_a_browser(browser, login_link, troubled):
    await browser(login_link, "--dump-dom")  # the profile keeps the cookie
    there = login_link.partition("login?")[0] + "issue?id=1"
    document = await browser(there, "--dump-dom")
    assert "Content Security Policy" not in document
    assert "CONSOLE" not in document
    assert '<button type="button" data-copy="change" aria-live="polite">Copy</button>' in document
    assert document.count('<form method="post"') == 3
    assert "<svg" in document
