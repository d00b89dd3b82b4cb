"""The page of a run and of a call: what they show, where they lead, and that captured text stays text."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from arc_proxy.call import CallError, Grouping
from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.store.write import save
from arc_proxy.token import api_token
from pricing.book import load_book
from pricing.cost import Cost, CostGrade, CostLine
from tests.analysis.talk import BASE_NS, call, result, run_of, says, user
from tests.dashboard.attacks import HOSTILE, SECRET
from tests.dashboard.test_page import Elements

HEADERS = {"authorization": f"Bearer {api_token(SECRET)}"}
FACTS = {"rule": "header", "confidence": 1.0}


def named(calls, run_id, agent="finance", parent=None):
    grouping = Grouping(run_id=run_id, agent=agent, parent_run_id=parent, **FACTS)
    return [replace(each, call_id=f"{run_id}-{each.call_id}", grouping=grouping) for each in calls]


@pytest.fixture
def talked(store):
    """A run of two steps whose tool failed, with a sub-agent's run of one."""
    broken = "Error: no such record 7"
    steps = [user("What is 7?"), says(None, ("c1", "look_up", '{"id":"7"}')), result("c1", broken)]
    save(store, named(run_of(*steps, says("I do not know.")), "task"))
    save(store, named([call(3, [user("Look.")], says("Here."))], "part", parent="task"))
    analyse_due(store, load_book(), BASE_NS + 10**14)
    return store


async def get(console, path, status=200, **query):
    async with console("GET", f"/_arc/{path}?{urlencode(query)}", headers=HEADERS) as response:
        assert response.status == status
        return await response.text()


def links(text):
    return [each["href"] for tag, each in Elements(text).elements if tag == "a"]


async def test_a_run_has_its_steps_its_failures_and_its_sub_agents(console, talked):
    text = await get(console, "run", id="task", agent="finance")
    found = links(text)
    assert [link for link in found if "call?id=task" in link] == [
        "/_arc/call?id=task-call-1",
        "/_arc/call?id=task-call-3",
    ]
    assert "/_arc/run?id=part&agent=finance" in found
    assert "/_arc/issue?id=1" in found
    shown = Elements(text).text
    assert "tool.error" in shown
    assert "no such record 7" in shown
    bars = [each["aria-label"] for tag, each in Elements(text).elements if tag == "svg"]
    assert bars[0] == "begins after 0.0 ms, ends after 0.0 ms"
    assert bars[1].startswith("begins after 2")


@pytest.mark.parametrize(
    ("came_from", "leads"),
    {
        "/_arc/runs?agent=finance": "/_arc/runs?agent=finance",
        "": "/_arc/runs",
        "https://evil.example/": "/_arc/runs",
        "//evil.example/_arc/runs": "/_arc/runs",
        "/_arc/runsaway": "/_arc/runs",
        "javascript:alert(1)": "/_arc/runs",
    }.items(),
)
async def test_a_run_leads_back_to_the_list_it_was_opened_from(console, talked, came_from, leads):
    text = await get(console, "run", id="task", **{"from": came_from})
    up = [each["href"] for tag, each in Elements(text).elements if tag == "a" and "data-up" in each]
    assert up == [leads]


async def test_the_run_of_a_sub_agent_leads_to_its_parent(console, talked):
    assert "/_arc/run?id=task" in links(await get(console, "run", id="part"))


async def test_a_run_is_given_as_data(console, talked):
    body = json.loads(await get(console, "run.json", id="task"))
    assert (body["run_id"], len(body["calls_list"])) == ("task", 2)
    assert "no run nobody" in json.loads(await get(console, "run.json", 404, id="nobody"))["error"]["message"]


async def test_a_call_shows_what_is_new_since_the_step_before(console, talked):
    text = await get(console, "call", id="task-call-3")
    assert "2 messages re-sent from the step before" in text
    shown = Elements(text).text
    assert "no such record 7" in shown
    assert "I do not know." in shown
    found = links(text)
    assert "/_arc/call?id=task-call-1" in found
    assert "/_arc/run?id=task&agent=finance" in found


@pytest.mark.parametrize("path", ["run", "call", "issue"])
@pytest.mark.parametrize("name", ["", "nobody", "\x00", "%", "'; drop table run"])
async def test_what_is_not_there_is_said(console, talked, path, name):
    async with console("GET", f"/_arc/{path}?{urlencode({'id': name})}", headers=HEADERS) as response:
        assert response.status in (400, 404)
        assert "arc-proxy" in await response.text()


@pytest.mark.parametrize("text", HOSTILE)
async def test_captured_text_is_text_in_every_field(console, store, text):
    talk = [user(text), says(text, ("c1", text, text)), result("c1", text), says(text)]
    calls = named(run_of(*talk), text, agent=text)
    hostile = [
        replace(
            each,
            grouping=replace(each.grouping, user=text, version=text, tags={text: text}),
            url=text,
            target=text,
            ended_detail=text,
            framework=text,
            request_headers=((text, text),),
            response_headers=((text, text),),
            reply=replace(
                each.reply, model=text, finish_reason=text, error=CallError(type=text, message=text)
            ),
        )
        for each in calls
    ]
    save(store, hostile)
    analyse_due(store, load_book(), BASE_NS + 10**14)
    run_page = await get(console, "run", id=text, agent=text)
    call_ids = [link for link in links(run_page) if link.startswith("/_arc/call?")]
    assert len(call_ids) == 2
    pages = [run_page]
    for link in call_ids:
        async with console("GET", link, headers=HEADERS) as response:
            assert response.status == 200
            pages.append(await response.text())
    for page in pages:
        seen = Elements(page)
        assert [tag for tag, _ in seen.elements if tag in ("img", "iframe", "object", "style")] == []
        assert len([tag for tag, _ in seen.elements if tag == "script"]) == 1
        assert "\x1b" not in seen.text


async def test_a_run_is_the_one_that_was_asked_for(console, store):
    """By its whole id and its agent: a beginning, or another agent's run, is another run."""
    calls = run_of(user("Hi."), says("Hello."))
    for run_id, agent in (("task-10", "a"), ("same", "a"), ("same", "b")):
        save(
            store, named([replace(each, call_id=f"{agent}-{each.call_id}") for each in calls], run_id, agent)
        )
    for query in ({"id": "task-1", "agent": "a"}, {"id": "task-10", "agent": "nobody"}, {"id": "same"}):
        await get(console, "run", 404, **query)
    for agent in ("a", "b"):
        body = json.loads(await get(console, "run.json", id="same", agent=agent))
        assert body["agent"] == agent
    assert json.loads(await get(console, "run.json", id="task-10"))["run_id"] == "task-10"
    await get(console, "call", 404, id="task-10-a-call")


async def test_a_call_says_how_its_cost_was_computed_and_what_is_left_out(console, store):
    [asked] = named(run_of(user("Hi."), says("x" * 20_500)), "long")
    lines = (CostLine(bucket="input_text", units=10, rate_picousd=150_000, rate_id="r"),)
    save(store, [replace(asked, cost=Cost(nanousd=2, grade=CostGrade.COMPUTED, rate_id="r", lines=lines))])
    text = Elements(await get(console, "call", id=asked.call_id)).text
    assert "10 x $0.15 a million" in " ".join(text.split())
    assert "[500 more characters]" in text
