"""The list of issues: what its URL asks for, what a line says, and why it is empty."""

from __future__ import annotations

import json

import pytest

from arc_proxy.dashboard.bars import bars_of
from arc_proxy.token import api_token
from tests.dashboard.attacks import HOSTILE, SECRET
from tests.dashboard.test_page import Elements
from tests.dashboard.troubles import CUT, OVERLOADED
from tests.store.runs import NOW_NS, Traffic

HEADERS = {"authorization": f"Bearer {api_token(SECRET)}"}


async def shown(console, query=""):
    async with console("GET", f"/_arc/issues?{query}", headers=HEADERS) as response:
        assert response.status == 200, await response.text()
        return Elements(await response.text())


def numbers(page):
    links = [attributes.get("href", "") for tag, attributes in page.elements if tag == "a"]
    return [int(link.partition("id=")[2]) for link in links if link.startswith("/_arc/issue?")]


FILTERS = {
    "all of them, the worst first": ("", {CUT, OVERLOADED}),
    "one agent's": ("agent=support", {OVERLOADED}),
    "those of a code": ("code=output.truncated", {CUT}),
    "those of a severity": ("severity=info", set()),
    "those of a code and another severity": ("code=output.truncated&severity=info", set()),
    "those of a short time": ("since=24h", {CUT, OVERLOADED}),
}


@pytest.mark.parametrize(("query", "found"), FILTERS.values(), ids=FILTERS)
async def test_the_url_says_which_issues(console, troubled, query, found):
    page = await shown(console, query)
    assert found <= set(numbers(page)) if not query else found == set(numbers(page)) & {CUT, OVERLOADED}


@pytest.mark.parametrize("query", ["", "agent=finance"])
async def test_the_same_url_gives_the_data(console, troubled, query):
    on_page = numbers(await shown(console, query))
    async with console("GET", f"/_arc/issues.json?{query}", headers=HEADERS) as response:
        assert 'filename="issues.json"' in response.headers["content-disposition"]
        assert [row["issue_id"] for row in json.loads(await response.read())] == on_page


async def test_a_line_says_how_often_and_since_when(console, troubled):
    page = await shown(console, "agent=finance")
    words = " ".join(page.text.split())
    assert "5 times today" in words
    [drawn] = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert (drawn["role"], drawn["aria-label"][:29]) == ("img", "In 7 runs on 2 days of the la")


EMPTY = {
    "no call ever": (False, "", "arc-proxy run"),
    "no run of the agent": (True, "agent=nobody", "There is no run of nobody in this period."),
    "nothing wrong": (True, "", "Nothing went wrong in this period"),
    "nothing of this kind": (True, "severity=fatal", "Nothing of this kind went wrong"),
}


@pytest.mark.parametrize(("has_runs", "query", "said"), EMPTY.values(), ids=EMPTY)
async def test_an_empty_list_says_why(console, store, monkeypatch, has_runs, query, said):
    monkeypatch.setattr("time.time_ns", lambda: NOW_NS)
    if has_runs:
        traffic = Traffic(store)
        traffic.runs(3, ago_ns=3600 * 10**9)
        traffic.analyse()
    assert said in (await shown(console, query)).text


MISTAKES = {
    "a code that is none": ("code=x", "known are"),
    "a severity that is none": ("severity=bad", "known are"),
    "a time that is none": ("since=yesterday", "is no time"),
}


@pytest.mark.parametrize(("query", "said"), MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("path", ["issues", "issues.json"])
async def test_a_mistake_in_the_url_is_said(console, store, path, query, said):
    async with console("GET", f"/_arc/{path}?{query}", headers=HEADERS) as response:
        assert response.status == 400
        assert said in await response.text()


async def test_captured_names_are_text(console, store, monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: NOW_NS)
    traffic = Traffic(store)
    for text in HOSTILE:
        traffic.runs(2, ago_ns=3600 * 10**9, bad=2, agent=text)
    traffic.analyse()
    page = await shown(console)
    assert len(numbers(page)) == len(HOSTILE)
    assert not [tag for tag, _ in page.elements if tag in ("img", "iframe", "b")]
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 1
    assert HOSTILE[0] in page.text
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


def test_bars_are_as_high_as_days_are_bad():
    drawn = bars_of({100: 8, 99: 4, 95: 1, 60: 50}, 100, step=4, height=16)
    assert [(bar.x, bar.y, bar.height) for bar in drawn.bars] == [(96, 14, 2), (112, 8, 8), (116, 0, 16)]
    assert drawn.says == "In 13 runs on 3 days of the last 30; most on 1970-04-11: 8."
    assert bars_of({}, 100, step=4, height=16).says == "In no run of the last 30 days."
