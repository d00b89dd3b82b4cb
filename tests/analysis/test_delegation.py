"""The sort of a sub-agent: what the call that starts it says, found again by the brief."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.delegation import GIVEN_MAX, Delegation, delegation_of, sort_of
from arc_proxy.call import Call, Grouping
from tests.analysis.talk import call, canonical, says, user

BRIEF = "Find the login bug.\nSay where it is."
REMINDER = {"type": "text", "text": "<system-reminder>Today is Friday.</system-reminder>"}


def starts(name: str, arguments: dict[str, str]) -> Call:
    return call(1, [user("Fix it.")], says(None, ("c", name, canonical(arguments).decode())))


def started(*messages: dict[str, Any], parent: str | None = "run") -> Call:
    asked = call(2, list(messages), says("It is in login.py."))
    return replace(asked, grouping=Grouping(run_id="part", parent_run_id=parent))


CLAUDE_CODE = starts("Agent", {"description": "Look", "prompt": BRIEF, "subagent_type": "Explore"})
BLOCKS = {"role": "user", "content": [REMINDER, {"type": "text", "text": BRIEF}]}

# What starts the sub-agent, its first request, and its sort.
TALKS: dict[str, tuple[Call, Call, str | None]] = {
    "Claude Code": (CLAUDE_CODE, started(BLOCKS), "Explore"),
    "Codex": (
        starts("spawn_agent", {"agent_type": "worker", "message": BRIEF}),
        started(
            {"role": "user", "type": "message", "content": [{"type": "input_text", "text": "<cwd>/x</cwd>"}]},
            {"role": "user", "type": "message", "content": [{"type": "input_text", "text": BRIEF}]},
        ),
        "worker",
    ),
    "deepagents": (
        starts("task", {"subagent_type": "critic", "description": BRIEF}),
        started({"role": "system", "content": "You criticise."}, user(BRIEF)),
        "critic",
    ),
    "with room around the brief": (CLAUDE_CODE, started(user(f"\n{BRIEF} ")), "Explore"),
    "with a reminder behind the brief": (
        CLAUDE_CODE,
        started({"role": "user", "content": [{"type": "text", "text": BRIEF}, REMINDER]}),
        "Explore",
    ),
    "that names no sort": (starts("Agent", {"prompt": BRIEF}), started(user(BRIEF)), None),
    "with another brief": (CLAUDE_CODE, started(user("Write a test.")), None),
    "that is told so only later": (
        CLAUDE_CODE,
        started(user("Write a test."), says("Done."), user(BRIEF)),
        None,
    ),
    "that has no parent": (CLAUDE_CODE, started(user(BRIEF), parent=None), None),
    "in arguments that are no object": (
        call(1, [], says(None, ("c", "Agent", '["subagent_type"]'))),
        started(user(BRIEF)),
        None,
    ),
    "in arguments that were cut": (
        call(1, [], says(None, ("c", "Agent", '{"subagent_type":"Expl'))),
        started(user(BRIEF)),
        None,
    ),
}


@pytest.mark.parametrize(("above", "below", "sort"), TALKS.values(), ids=TALKS)
def test_a_sub_agent(above, below, sort):
    given_briefs, told = delegation_of([above]).given, delegation_of([below]).told
    assert sort_of(told, given_briefs) == sort


def test_a_run_without_sub_agents_keeps_nothing():
    assert not delegation_of([call(1, [user("Fix it.")], says("Done."))])
    assert delegation_of([]) == Delegation()


def test_what_is_kept_is_bounded():
    many = [
        starts("Agent", {"prompt": f"Look at {number}.", "subagent_type": "Explore" * 100})
        for number in range(2 * GIVEN_MAX)
    ]
    kept = delegation_of(many).given
    assert len(kept) == GIVEN_MAX
    assert max(map(len, kept.values())) == 60
    [told] = [delegation_of([started(*[user(f"text {number}") for number in range(50)])]).told]
    assert len(told) == 8


_ANY = st.recursive(
    st.none() | st.booleans() | st.text(max_size=9) | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "user", "content", "text", "type"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(_ANY, st.text(max_size=30))
def test_anything_can_be_read(message, arguments):
    asked = started(user("x"))
    prompt = replace(asked.prompt, messages=(canonical_or(message),))
    reply = replace(asked.reply, tool_calls=CLAUDE_CODE.reply.tool_calls)
    odd = replace(reply.tool_calls[0], arguments='"agent_type' + arguments)
    delegation_of([replace(asked, prompt=prompt, reply=replace(reply, tool_calls=(odd,)))])


def canonical_or(message: Any) -> bytes:
    try:
        return canonical(message)
    except UnicodeEncodeError:
        return b'{"role":"user","content":"\\ud800"}'
