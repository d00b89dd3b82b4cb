"""The list of runs: what its URL asks for, page by page, and the same as a file."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from arc_proxy.dashboard.runs import PAGE_RUNS
from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.store.write import save
from arc_proxy.token import api_token
from pricing.book import load_book
from tests.dashboard.attacks import HOSTILE, SECRET
from tests.dashboard.test_page import Elements
from tests.store.conftest import BASE_NS, build_call

HEADERS = {"authorization": f"Bearer {api_token(SECRET)}"}
ALL = "since=all"


def run(number, name, **more):
    fields = {
        "grouping_run_id": name,
        "grouping_agent": "finance",
        "grouping_rule": "header",
        "at_ms": BASE_NS // 10**6 + number * 1000,
    }
    return build_call(number, **fields | more)


@pytest.fixture
def runs(store):
    """Four runs, one of them of a sub-agent, one that failed with an issue."""
    first = run(1, "first", grouping_session_id="talk")
    cut = run(4, "cut", grouping_agent="support", grouping_tags={"team": "blue"}, status=500)
    cut = replace(cut, reply=replace(cut.reply, model="claude-x", output_text=None, message=None))
    save(store, [first, run(2, "part", grouping_parent_run_id="first"), run(3, "second"), cut])
    analyse_due(store, load_book(), BASE_NS + 10**13)
    return store


async def shown(console, query):
    async with console("GET", f"/_arc/runs?{query}", headers=HEADERS) as response:
        assert response.status == 200, await response.text()
        return Elements(await response.text())


def names(page):
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    return [link.partition("id=")[2].partition("&")[0] for link in links if link.startswith("/_arc/run?")]


FILTERS = {
    "all of them, sub-agents below their parent": ("", ["cut", "second", "first", "part"]),
    "one agent's": ("agent=support", ["cut"]),
    "one conversation's": ("session=talk", ["first"]),
    "those that failed": ("state=failed", ["cut"]),
    "those that did not": ("state=ok&agent=finance", ["second", "part", "first"]),
    "those with a tag": ("tag=team%3Dblue", ["cut"]),
    "those of a model": ("model=claude-x", ["cut"]),
    "those of an issue": ("issue=1", ["cut"]),
    "those of an outcome": ("outcome=success", []),
    "those of a framework": ("framework=langgraph", []),
    "those of a name that is a pattern": ("model=%25", []),
    "those of a time": ("until=2026-09-21", []),
}


@pytest.mark.parametrize(("query", "found"), FILTERS.values(), ids=FILTERS)
async def test_the_url_says_which_runs(console, runs, query, found):
    assert names(await shown(console, f"{ALL}&{query}")) == found


@pytest.mark.parametrize("query", FILTERS.values(), ids=FILTERS)
async def test_the_same_url_gives_the_data(console, runs, query):
    asked, found = query
    async with console("GET", f"/_arc/runs.json?{ALL}&{asked}", headers=HEADERS) as response:
        assert response.content_type == "application/json"
        assert {row["run_id"] for row in json.loads(await response.read())} == set(found)
    async with console("GET", f"/_arc/runs.csv?{ALL}&{asked}", headers=HEADERS) as response:
        assert "attachment" in response.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(await response.text(), newline="")))
    assert {row["run_id"] for row in rows} == set(found)


async def test_pages_follow_each_other_without_a_gap(console, store):
    save(store, [run(number, f"r{number}") for number in range(1, 2 * PAGE_RUNS + 3)])
    seen, query = [], ALL
    while query:
        page = await shown(console, query)
        seen += names(page)
        older = [each["href"] for tag, each in page.elements if tag == "a" and each.get("rel") == "next"]
        query = older[0].partition("?")[2] if older else ""
    assert seen == [f"r{number}" for number in range(2 * PAGE_RUNS + 2, 0, -1)]


MISTAKES = {
    "a state that is none": ("state=open", "known are failed, ok"),
    "an issue that is no number": ("issue=x", "is no number of an issue"),
    "an issue beyond all numbers": (f"issue={10**30}", "is no number of an issue"),
    "a place beyond all numbers": (f"after={10**25}.1", "is no place in the list"),
    "a tag without a value": ("tag=team", "expected name=value"),
    "a time that is none": ("since=yesterday", "is no time"),
    "a place that is none": ("after=1.x", "is no place in the list"),
}


@pytest.mark.parametrize(("query", "said"), MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("path", ["runs", "runs.json", "runs.csv"])
async def test_a_mistake_in_the_url_is_said(console, runs, path, query, said):
    async with console("GET", f"/_arc/{path}?{query}", headers=HEADERS) as response:
        assert response.status == 400
        assert said in await response.text()


@pytest.mark.parametrize("query", ["since=all", "since=all&agent=nobody", "since=24h"])
async def test_an_empty_list_says_why(console, store, query):
    text = (await shown(console, query)).text
    assert ("arc-proxy run" in text) == (query == "since=all")


async def test_captured_names_are_text(console, store):
    save(store, [run(number, text, grouping_agent=text) for number, text in enumerate(HOSTILE, 1)])
    page = await shown(console, ALL)
    assert [tag for tag, _ in page.elements if tag in ("img", "iframe", "b")] == []
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 1
    assert HOSTILE[0] in page.text
    for text in HOSTILE:
        async with console(
            "GET", "/_arc/runs", params={"agent": text, "since": "all"}, headers=HEADERS
        ) as answer:
            assert (await answer.text()).count("<script") == 1
