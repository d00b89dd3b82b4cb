"""Ids that a model made up, and those that only look so."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.failure import FailureCode
from analysis.issue_facts import facts_of
from analysis.run_failure import run_failures
from arc_proxy.call import Call, Captured
from tests.analysis.talk import BASE_NS, call, result, run_of, says, user

NOT_FOUND = "Error: order not found"
GET = {
    "type": "function",
    "function": {
        "name": "get_order",
        "description": "Of one order, such as #W5550001.",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string", "examples": ["#W7770002"], "default": "#W8880003"}},
        },
    },
}


def asked(
    value: Any,
    *,
    name: str = "get_order",
    parameter: str = "order_id",
    said: str = "Where is my order?",
    answer: str | None = NOT_FOUND,
    before: tuple[dict[str, Any], ...] = (),
    tools: list[Any] | None = None,
    **more: Any,
) -> list[Call]:
    """A run in which a tool is called with a value, and answers."""
    use = says(None, ("c1", name, json.dumps({parameter: value})))
    end = [result("c1", answer)] if answer is not None else []
    return run_of(user(said), *before, use, *end, says("I am sorry."), tools=tools, **more)


def made_up(calls: list[Call]) -> list[str]:
    found = run_failures(calls, is_over=True)
    return [each.cause for each in found if each.code is FailureCode.TOOL_ARGS_UNGROUNDED]


MADE_UP = {
    "a placeholder": asked("#W0004321"),
    "an id that looks right": asked("#W9348897"),
    "a name with a number": asked("yusuf_rossi_4321", parameter="user_id", said="I am Yusuf Rossi."),
    "a wrong copy": asked("fatima_johnson_75812", parameter="userId", said="I am fatima_johnson_7581."),
    "a number": asked(9348897, parameter="product_id"),
    "a uuid": asked("0b1c9d3e-7a52-4f6b-9c1d-2e3f4a5b6c7d", parameter="uuid"),
    "in a list": asked(["#W9348897"], parameter="order_ids"),
    "where something was cancelled by it": asked("#W9348897", name="cancel_order", answer="cancelled"),
    "by a tool of a server": asked("#W9348897", name="shop__deleteOrder", answer='{"ok": true}'),
}  # fmt: skip


@pytest.mark.parametrize("calls", MADE_UP.values(), ids=MADE_UP)
def test_an_id_from_nowhere(calls):
    assert len(made_up(calls)) == 1


GROUNDED = {
    "said by the user": asked("#W9348897", said="Where is #W9348897?"),
    "said in another form": asked("#W9348897", said="Where is w 934-8897?"),
    "with a prefix to a number": asked("#W9348897", said="Where is order 9348897?"),
    "with zeros before a number": asked("#W0009348", said="Where is order 9348?"),
    "in an earlier result": asked(
        "#W9348897",
        before=(says(None, ("c0", "list_orders", "{}")), result("c0", '{"orders":["#W9348897"]}')),
    ),
    "behind a line's end": asked("9348897", parameter="id", said="My orders:\n9348897\n"),
    "of parts that were said": asked("rossi_9620_hamburg", parameter="user_id", said="Rossi, Hamburg, 9620"),
    "as a list in one text": asked("1111222,3333444", parameter="item_ids", said="1111222 and 3333444"),
    "the next one of a row": asked("#W1000002", said="The one after #W1000001."),
    "in the tool's description": asked("#W5550001", tools=[GET]),
    "an example of the schema": asked("#W7770002", tools=[GET]),
    "a default of the schema": asked("#W8880003", tools=[GET]),
    "in the system prompt": asked(
        "#W9348897", before=({"role": "system", "content": "The customer's order is #W9348897."},)
    ),
    "the clock": asked(f"run-{BASE_NS // 10**9 + 7}", parameter="job_id"),
    "the clock in milliseconds": asked(str(BASE_NS // 10**6), parameter="job_id"),
    "a date": asked("report-2026-11-24", parameter="report_id"),
    "a date in one word": asked("report_20261124_1030", parameter="report_id"),
    "a key that the caller makes": asked("req-9348897", parameter="idempotency_id"),
    "a thread of its own": asked("thread-9348897", parameter="thread_id"),
    "an id of a new thing": asked("ORD-9348897", name="create_order", answer='{"ok": true}'),
    "known to the world": asked("1706.03762", parameter="paper_id", name="get_paper", answer="Attention ..."),
    "known, and there is nothing to it": asked("1706.03762", parameter="paper_id", answer="[]"),
    "a step of a plan of its own": asked("task-10010", name="update_plan", parameter="id", answer="ok"),
    "known, and the service is down": asked("1706.03762", parameter="paper_id", answer="Error: HTTP 503"),
    "a policy that is read": asked("#W9348897", name="get_return_policy", answer="30 days"),
    "no answer yet": asked("#W9348897", answer=None),
    "no id by its name": asked("9348897", parameter="amount"),
    "a zip code": asked("19122", parameter="zip_code"),
    "a word": asked("priority", parameter="queue_id"),
    "a small number": asked(12, parameter="page_id"),
    "a counter": asked("item_1", parameter="item_id"),
    "a counter with zeros": asked("step_001", parameter="item_id", name="update_item", answer="ok"),
    "a path": asked("a/b/9348897", parameter="file_id"),
    "a sentence": asked("the order 9348897", parameter="order_id"),
}  # fmt: skip


@pytest.mark.parametrize("calls", GROUNDED.values(), ids=GROUNDED)
def test_an_id_that_was_read_or_needs_no_reading(calls):
    assert made_up(calls) == []


PICTURE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]}
HIDDEN = {
    "a picture": asked("#W9348897", before=(PICTURE,)),
    "a history that the provider keeps": asked("#W9348897", parameters={"previous_response_id": "resp_1"}),
    "a conversation that the provider keeps": asked("#W9348897", parameters={"conversation": "conv_1"}),
    "a cached prompt": asked("#W9348897", parameters={"cachedContent": "cachedContents/1"}),
    "a prompt by name": asked("#W9348897", parameters={"prompt": {"id": "pmpt_1"}}),
    "a search of the provider's": [
        replace(each, reply=replace(each.reply, server_tools=("web_search",)))
        for each in asked("#W9348897", before=(says("I looked."), user("And?")))
    ],
    "a body that was not kept": asked("#W9348897", captured=Captured.HEAD),
}


@pytest.mark.parametrize("calls", HIDDEN.values(), ids=HIDDEN)
def test_what_was_read_and_cannot_be_seen_proves_nothing(calls):
    assert made_up(calls) == []


def test_an_id_is_told_once_by_the_call_that_gave_it_first():
    steps = [
        (says(None, (f"c{n}", "get_order", '{"order_id":"#W9348897"}')), result(f"c{n}", NOT_FOUND))
        for n in (1, 2)
    ]
    calls = run_of(user("?"), *steps[0], *steps[1], says("Sorry."))
    [failure] = [f for f in run_failures(calls, is_over=True) if f.code is FailureCode.TOOL_ARGS_UNGROUNDED]
    assert (failure.call_id, failure.tool_call_id, failure.subject) == ("call-1", "c1", "get_order")
    assert failure.field == 'reply.tool_calls.arguments["order_id"]'
    facts = facts_of(failure, calls)
    assert (facts["parameter"], facts["value"]) == ("order_id", "#W9348897")


def test_a_chain_of_responses_that_was_seen_whole_is_no_secret():
    first = call(1, [user("Where is it?")], says("Which?"), tools=[GET])
    first = replace(first, reply=replace(first.reply, response_id="resp_1"))
    more = {"parameters": {"previous_response_id": "resp_1"}}
    second = call(2, [user("Mine.")], says(None, ("c1", "get_order", '{"order_id":"#W9348897"}')), **more)
    second = replace(second, reply=replace(second.reply, response_id="resp_2"))
    third = call(3, [result("c1", NOT_FOUND)], says("No."), parameters={"previous_response_id": "resp_2"})
    assert made_up([first, second, third]) == ["order_id"]


@given(
    st.text(max_size=70) | st.integers() | st.lists(st.text(alphabet="ab19#_-", max_size=12), max_size=3),
    st.text(max_size=40),
)
def test_any_argument_is_judged_and_one_that_was_said_is_grounded(value, said):
    calls = asked(value, said=f"{said} {value if isinstance(value, str) else json.dumps(value)}")
    assert made_up(calls) == []
