"""Hints: what is taken for one, and what only looks so."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.failure import HINTS, Failure, FailureCode
from analysis.reliability import failure_loss
from analysis.run_failure import run_failures
from analysis.tool_name import hands_over, only_reads
from arc_proxy.call import Call
from tests.analysis.talk import call, result, run_of, says, user

ASK = user("Cancel order 7, please.")
CANCEL = {"type": "function", "function": {"name": "cancel_order", "parameters": {"type": "object"}}}
LOOK = {"type": "function", "function": {"name": "get_order", "parameters": {"type": "object"}}}


def found(calls: list[Call], wanted: frozenset[FailureCode] = HINTS) -> list[Failure]:
    return [each for each in run_failures(calls, is_over=True, hints=wanted) if each.code in HINTS]


def codes(calls: list[Call]) -> list[str]:
    return [str(each.code) for each in found(calls)]


def answered(text: str, *, used: str | None = None, tools: list[Any] | None = None) -> list[Call]:
    """A run of one question and one answer, with one tool used before it."""
    before = [says(None, ("c1", used, '{"id":"7"}')), result("c1", "fine")] if used else []
    return run_of(ASK, *before, says(text), tools=tools if tools is not None else [LOOK, CANCEL])


REFUSALS = {
    "sorry, and cannot": ("I'm sorry, but I can't assist with that request.", True),
    "with a curly apostrophe": ("I\u2019m sorry, but I can\u2019t assist with that request.", True),
    "unfortunately": ("Unfortunately, I cannot split the payment across two cards.", True),
    "a model that says what it is": ("As an AI language model, I cannot give legal advice.", True),
    "without an apology": ("I won't help with that.", True),
    "not finding is another thing": ("I'm sorry, but I couldn't find your order. I cannot locate it.", False),
    "pity without a refusal": ("I'm sorry to hear that your tablet broke. I can replace it.", False),
    "a limit that is told in passing": ("I can help. I can't start before you confirm.", False),
    "at the end of a long answer": ("It is done. " * 60 + "I'm sorry, but I can't assist with more.", False),
}


@pytest.mark.parametrize(("text", "is_refusal"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusing_phrase_is(text, is_refusal):
    assert codes(answered(text)) == (["output.refusal_phrase"] if is_refusal else [])


CLAIMS = {
    "a change that no tool made": ("Your order has been cancelled.", None, True),
    "in the first person": ("I've updated the address for you.", None, True),
    "after a look only": ("Your order has been successfully cancelled.", "get_order", True),
    "after the call that made it": ("Your order has been cancelled.", "cancel_order", False),
    "after a call of which nothing is known": ("Your order has been cancelled.", "bash", False),
    "a state of before": ("Your order has already been cancelled.", "get_order", False),
    "a condition": ("Once the order has been cancelled, you will get a mail.", None, False),
    "a question": ("Has the order been cancelled, or have you been refunded?", None, False),
    "a plan": ("I will cancel the order.", None, False),
    "somebody else's doing": ("Your order has been delivered.", "get_order", False),
}


@pytest.mark.parametrize(("text", "used", "is_claim"), CLAIMS.values(), ids=CLAIMS)
def test_a_claim_without_an_action_is(text, used, is_claim):
    assert codes(answered(text, used=used)) == (["output.claim_without_action"] if is_claim else [])


def test_where_no_tools_are_offered_none_could_have_acted():
    assert codes(answered("Your order has been cancelled.", tools=[])) == []


def test_what_stands_behind_an_id_may_have_acted():
    parameters = {"previous_response_id": "resp_1"}
    calls = run_of(ASK, says("Your order has been cancelled."), tools=[CANCEL], parameters=parameters)
    assert codes(calls) == []


def test_a_claim_is_told_once():
    talk = [ASK, says("It has been cancelled."), user("And the other?"), says("It has been cancelled, too.")]
    [claim] = found(run_of(*talk, tools=[CANCEL]))
    assert (claim.call_id, claim.evidence) == ("call-1", "It has been cancelled.")


def test_a_hand_over_is_told_once_for_each_tool():
    steps = [
        step
        for number, name in enumerate(["escalate", "transfer_to_human", "escalate"])
        for step in (says(None, (f"c{number}", name, f'{{"n":{number}}}')), result(f"c{number}", "ok"))
    ]
    handed = found(run_of(ASK, *steps, says("Somebody will call you.")))
    assert [(each.code, each.subject) for each in handed] == [
        ("run.handoff", "escalate"),
        ("run.handoff", "transfer_to_human"),
    ]


NAMES = {
    "transfer_to_human_agents": (True, False),
    "transferToBilling": (True, False),
    "handoff": (True, False),
    "hand_off_to_support": (True, False),
    "escalate_ticket": (True, False),
    "transfer_money": (False, False),
    "handle_request": (False, False),
    "get_order": (False, True),
    "search-flights": (False, True),
    "list_and_delete": (False, False),
    "bash": (False, False),
}


@pytest.mark.parametrize(("name", "said"), NAMES.items())
def test_a_tools_name_says(name, said):
    assert (hands_over(name), only_reads(name)) == said


TURNS = {
    "anger": ("This is ridiculous! Get me a human.", True),
    "what was said before": ("I already told you my zip code.", True),
    "what was not asked for": ("That's not what I asked for.", True),
    "still wrong": ("It is still wrong.", True),
    "a new wish": ("Could you check again with this zip code: 98186?", False),
    "thanks": ("Thanks, that's all. You have been very patient.", False),
    "a correction of oneself": ("Sorry, I gave you the wrong number.", False),
    "a joke": ("Shall I tell you a joke instead?", False),
    "a document": ("This is useless. " * 100, False),
    "what a framework puts there": ("<system-reminder>This is useless.</system-reminder>", False),
}


@pytest.mark.parametrize(("text", "is_annoyed"), TURNS.values(), ids=TURNS)
def test_a_later_turn_of_the_user_is_annoyed(text, is_annoyed):
    calls = run_of(ASK, says("What is your zip code?"), user(text), says("One moment."))
    assert codes(calls) == (["user.frustration"] if is_annoyed else [])


def test_it_is_told_by_the_call_that_first_has_it():
    talk = [
        ASK,
        says("Where?"),
        user("I already told you."),
        says("One moment."),
        user("Well?"),
        says("Done."),
    ]
    [annoyed] = found(run_of(*talk))
    assert (annoyed.call_id, annoyed.message_index) == ("call-3", 2)


def test_a_first_turn_answers_nobody():
    assert codes(run_of(user("This is ridiculous!"), says("What is?"))) == []


def test_turns_of_an_earlier_run_are_not_told_again():
    earlier = [ASK, says("Where?"), user("I already told you."), says("One moment."), user("Well?")]
    assert codes([call(1, earlier, says("Here."))]) == []


def test_a_hint_is_looked_for_only_where_it_is_wanted():
    calls = run_of(user("Go."), says("I'm sorry, but I can't assist with that."))
    assert not [each for each in run_failures(calls, is_over=True) if each.code in HINTS]
    assert found(calls, frozenset({FailureCode.HANDOFF})) == []


@pytest.mark.parametrize("code", sorted(HINTS))
def test_a_hint_counts_in_no_score(code):
    assert failure_loss(Failure(code, "", "messages")) == 0.0
