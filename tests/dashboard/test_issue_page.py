"""One issue: what its page says, where it leads, and that what it quotes stays text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arc_proxy.call import CallError
from arc_proxy.store.write import save
from arc_proxy.token import api_token
from tests.dashboard.attacks import HOSTILE, SECRET
from tests.dashboard.test_page import Elements
from tests.dashboard.troubles import CUT
from tests.store.conftest import build_call
from tests.store.runs import NOW_NS, Traffic

HEADERS = {"authorization": f"Bearer {api_token(SECRET)}"}


async def shown(console, number=CUT, more=""):
    async with console("GET", f"/_arc/issue?id={number}{more}", headers=HEADERS) as response:
        assert response.status == 200, await response.text()
        return Elements(await response.text())


def links(page):
    return [attributes.get("href", "") for tag, attributes in page.elements if tag == "a"]


SAYS = {
    "what it is": "answer cut at",
    "whose": "agent finance",
    "how often": "7 times in 7 of 40 runs",
    "the message": "finish reason length",
    "where the message was": "finish_reason",
    "with which version it began": "It began with version 2 of the agent.",
    "the change": "max_tokens",
    "how to tell that it helped": "Whether it worked: no answer",
    "what to type, to who has no cookie": f"arc-proxy fix {CUT} --applied",
}


@pytest.mark.parametrize("said", SAYS.values(), ids=SAYS)
async def test_the_page_says(console, troubled, said):
    assert said in " ".join((await shown(console)).text.split())


async def test_the_page_leads_to_the_run_the_call_and_the_list(console, troubled):
    found = links(await shown(console))
    assert len([link for link in found if link.startswith("/_arc/run?")]) == 1 + 7
    assert [link for link in found if link.startswith("/_arc/call?id=")]
    assert f"/_arc/runs?since=all&issue={CUT}" in found


async def test_who_came_with_the_api_token_gets_no_form(console, troubled):
    assert not [tag for tag, _ in (await shown(console)).elements if tag == "form"]


NOT_THERE = {
    "no such issue": ("99", 404, "There is no issue 99"),
    "no number": ("x", 400, "is no number of an issue"),
    "too large a number": ("9" * 30, 400, "is no number of an issue"),
    "a digit of another script": ("%D9%A1", 400, "is no number of an issue"),
    "nothing": ("", 400, "is no number of an issue"),
}


@pytest.mark.parametrize(("number", "status", "said"), NOT_THERE.values(), ids=NOT_THERE)
async def test_what_is_no_issue_is_said(console, troubled, number, status, said):
    async with console("GET", f"/_arc/issue?id={number}", headers=HEADERS) as response:
        assert (response.status, response.content_type) == (status, "text/html")
        assert said in Elements(await response.text()).text


@pytest.mark.parametrize("word", ["bogus", HOSTILE[0]])
async def test_only_our_own_words_are_said_back(console, troubled, word):
    page = await shown(console, more=f"&said={word}")
    assert not [attributes for _, attributes in page.elements if attributes.get("class") == "said"]


async def test_captured_text_is_text_in_every_field(console, store, monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: NOW_NS)
    for number, text in enumerate(HOSTILE, 1):
        failed = build_call(
            number,
            status=400,
            grouping_run_id=text,
            grouping_agent=text,
            grouping_version=text,
            grouping_rule="header",
            at_ms=NOW_NS // 10**6 - 3_600_000 + number,
        )
        reply = replace(failed.reply, error=CallError(type=text, message=text), message=None)
        save(store, [replace(failed, reply=reply)])
    Traffic(store).analyse()
    for number in range(1, len(HOSTILE) + 1):
        page = await shown(console, number)
        assert not [tag for tag, _ in page.elements if tag in ("img", "iframe", "b", "object")]
        assert len([tag for tag, _ in page.elements if tag == "script"]) == 2
        assert not [name for _, each in page.elements for name in each if name.startswith("on")]
        assert not [link for link in links(page) if link.startswith("javascript")]
        assert "\x1b" not in page.text
        assert "\u202e" not in page.text
