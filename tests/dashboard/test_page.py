from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from arc_proxy.dashboard.page import make_page, render_page
from arc_proxy.dashboard.rendering import static_file
from arc_proxy.report.document import Document, Empty
from arc_proxy.token import api_token
from tests.dashboard.attacks import HOSTILE, SECRET


class Elements(HTMLParser):
    """What a browser would make of a page: elements, their attributes, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("alone", [True, False])
def test_captured_text_is_text(document, alone):
    page = Elements(render_page(make_page(document), alone=alone))
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    ours = [{"src": f"/_arc/static/{name}.js", "defer": None} for name in ("page", "refresh")]
    assert scripts == ([] if alone else ours)
    assert not [tag for tag, _ in page.elements if tag in ("img", "iframe", "object", "form")]
    assert not [
        name for _, attributes in page.elements for name in attributes if name.startswith(("on", "hx-"))
    ]
    for text in HOSTILE[:4]:
        assert text in page.text
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


def test_a_file_that_stands_alone_allows_its_own_sheet_and_nothing_else(document):
    html = render_page(make_page(document), alone=True)
    sheet = re.search(r"<style>(.*?)</style>", html, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    policy = re.search(r'http-equiv="content-security-policy" content="([^"]*)"', html)[1]
    assert policy.replace("&#39;", "'") == f"default-src 'none'; style-src 'sha256-{digest}'"
    assert sheet.encode() == static_file("arc.css")
    assert "/_arc/" not in html


def test_an_empty_page_says_what_to_type():
    empty = Empty("No call yet.", "arc-proxy run -- python my_agent.py")
    document = Document(title="arc-proxy", period="", updated="", empty=empty)
    assert "arc-proxy run -- python my_agent.py" in render_page(make_page(document))


async def test_the_page_marks_the_period_it_shows(console):
    headers = {"authorization": f"Bearer {api_token(SECRET)}"}
    async with console("GET", "/_arc/?since=7d", headers=headers) as response:
        assert response.content_type == "text/html"
        page = Elements(await response.text())
    links = [attributes for tag, attributes in page.elements if tag == "a"]
    assert [link["href"] for link in links if "aria-current" in link] == ["/_arc/", "?since=7d"]
    async with console("GET", "/_arc/?since=%3Cscript%3E", headers=headers) as response:
        assert "<script>" not in (await response.text()).replace('<script src="/_arc/', "")


@pytest.mark.parametrize("name", ["..%2fpage.py", "nope.css", "%2e%2e/page.py", ""])
async def test_only_our_own_files_are_served(console, name):
    async with console("GET", f"/_arc/static/{name}") as response:
        assert response.status in (401, 404)
