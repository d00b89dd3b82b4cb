"""Where the money went: it sums up, the planted waste is named first, and it is quick."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from analysis.spend import card_parts, spend_of_run, wasted
from tests.analysis.spending import FORMATS, Step, Talk, plain_talk, run_of, words

PLANTED = (
    "a tool never called",
    "a result re-sent",
    "a date in the system prompt",
    "an early message edited",
)


def plant(waste: str, talk: Talk, chance: random.Random) -> str:
    """What the card has to name."""
    if waste == "a tool never called":
        talk.tools["mcp__x"] = words(chance, chance.randint(4000, 9000))
        return "tool mcp__x called 0 times"
    if waste == "a result re-sent":
        talk.steps[0] = replace(talk.steps[0], tool="get_prices", result=words(chance, 12_000))
        talk.steps.append(replace(talk.steps[0], result="short"))
        talk.steps.append(Step(next(iter(talk.tools)), {}, "short"))
        talk.tools["get_prices"] = "Prices."
        return f"get_prices result re-sent {len(talk.steps) - 1}x"
    if waste == "a date in the system prompt":
        talk.edit = lambda number, messages: _prepend(messages[0], f"Now: {number // 2 + 10000}. ")
        return "by a change of the system prompt (message 1)"
    size = chance.randint(1000, 3000)
    talk.edit = lambda number, messages: _prepend(messages[1], words(random.Random(number // 2), size))
    return "by a change of the user text (message 2)"


def _prepend(message, text):
    if "parts" in message:
        message["parts"][0]["text"] = text + message["parts"][0]["text"]
    else:
        message["content"] = text + message["content"]


def agents():
    """20 agents: a waste, a format, a seed. What breaks a cache needs one."""
    for seed in range(20):
        waste = PLANTED[seed % len(PLANTED)]
        yield pytest.param(waste, list(FORMATS)[seed % len(FORMATS)], seed, id=f"{seed}: {waste}")


@pytest.mark.parametrize(("waste", "form", "seed"), list(agents()))
def test_the_planted_waste_is_named_first(waste, form, seed):
    chance = random.Random(seed)
    talk = plain_talk(chance)
    named = plant(waste, talk, chance)
    breaks = waste in PLANTED[2:]
    calls = run_of(talk, FORMATS[form], caches=breaks or chance.random() < 0.5)
    spend = spend_of_run(calls)
    assert sum(spend.parts.values()) == spend.nanousd == sum(call.cost.nanousd for call in calls)
    first = card_parts(spend)[0]
    assert named in first.text
    assert first.usd == pytest.approx(wasted(spend)[0].nanousd / 10**9)
