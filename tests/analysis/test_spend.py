"""Where the money went: it sums up, the planted waste is named first, and it is quick."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest

from analysis.parts import PartKind
from analysis.run_share import share_call, share_run
from analysis.spend import NAMES_MAX, OTHER_NAMES, Spend, sum_run, sum_spend
from analysis.waste import card_parts, wasted
from pricing.cost import Cost, CostGrade
from tests.analysis.spending import FORMATS, Step, Talk, plain_talk, run_of, words

PLANTED = (
    "a tool never called",
    "a result re-sent",
    "a date in the system prompt",
    "an early message edited",
)


def spend_of_run(calls) -> Spend:
    return sum_run(share_run(calls))


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


def test_no_money_is_in_two_parts_of_the_card():
    chance = random.Random(5)
    talk = plain_talk(chance)
    for waste in PLANTED[:3]:
        plant(waste, talk, chance)
    spend = spend_of_run(run_of(talk, FORMATS["OpenAI's chat"], caches=True))
    parts = card_parts(spend, parts_max=100)
    assert sum(part.usd for part in parts) <= spend.nanousd / 10**9
    assert sum(part.usd for part in parts) > 0.9 * spend.nanousd / 10**9
    assert card_parts(spend) == parts[:3]


def test_tools_that_nothing_calls_are_one_line():
    talk = plain_talk(random.Random(6))
    talk.tools |= {f"mcp__x_{at}": "A tool. " * 50 for at in range(30)}
    spend = spend_of_run(run_of(talk, FORMATS["Gemini"], caches=False))
    assert card_parts(spend)[0].text == "30 tools called 0 times (mcp__x_10 ...)"
    assert sum(each.kind is PartKind.TOOL_SCHEMA for each in wasted(spend)) == 30


def test_a_tool_that_one_run_of_many_called_is_no_waste():
    idle, busy = plain_talk(random.Random(8)), plain_talk(random.Random(9))
    for talk in (idle, busy):
        talk.tools = {"find": "Find.", "rare": "A tool. " * 500}
        talk.steps = [Step("find", {}, "7")]
    busy.steps = [Step("rare", {}, "7")]
    runs = [spend_of_run(run_of(talk, FORMATS["Cohere"], caches=False)) for talk in (idle, idle, busy)]
    assert [each.name for each in wasted(sum_spend(runs[:2]))] == ["rare"]
    assert [each.name for each in wasted(sum_spend(runs))] == []


def test_a_tool_that_a_reply_nobody_saw_called_is_no_waste():
    talk = plain_talk(random.Random(8))
    talk.tools = {"find": "Find.", "rare": "A tool. " * 500}
    talk.steps = [Step("rare", {}, "7"), Step("find", {}, "7")]
    calls = run_of(talk, FORMATS["OpenAI's chat"], caches=False)[1:]
    assert wasted(spend_of_run(calls)) == []


def test_a_run_costs_what_it_cost_in_the_mean():
    talk = plain_talk(random.Random(10))
    plant("a tool never called", talk, random.Random(10))
    run = spend_of_run(run_of(talk, FORMATS["Ollama"], caches=False))
    several = sum_spend([run] * 5)
    assert several.runs == 5
    assert several.nanousd == 5 * run.nanousd
    assert several.parts == {key: 5 * nanousd for key, nanousd in run.parts.items()}
    assert card_parts(several) == card_parts(run)


def test_calls_of_unknown_cost_are_counted_apart():
    calls = run_of(plain_talk(random.Random(11)), FORMATS["OpenAI's chat"], caches=False)
    unknown, plan = (
        Cost(nanousd=None, grade=CostGrade.UNKNOWN),
        Cost(nanousd=7, grade=CostGrade.API_EQUIVALENT),
    )
    spend = spend_of_run([*calls, replace(calls[0], cost=unknown), replace(calls[1], cost=plan)])
    assert (spend.calls, spend.unknown_calls, spend.plan_calls) == (len(calls), 1, 1)
    assert spend.nanousd == sum(call.cost.nanousd for call in calls)


def test_nothing_known_makes_no_card():
    calls = run_of(plain_talk(random.Random(11)), FORMATS["OpenAI's chat"], caches=False)
    unknown = Cost(nanousd=None, grade=CostGrade.UNKNOWN)
    assert card_parts(spend_of_run(replace(call, cost=unknown) for call in calls)) == []
    assert card_parts(Spend()) == []


def run_with_tools(first, count):
    talk = plain_talk(random.Random(12))
    talk.tools = {f"tool_{at}": "A tool." for at in range(first, first + count)}
    talk.steps = [Step(f"tool_{first}", {}, "7")]
    return run_of(talk, FORMATS["OpenAI's chat"], caches=False)


@pytest.mark.parametrize("count", [100, 1000])
def test_however_many_names_there_are_memory_is_bounded_and_sums_are_exact(count):
    runs = [run_with_tools(first, count) for first in range(0, 10 * count, count)]
    spend = sum_spend(spend_of_run(calls) for calls in runs)
    assert (
        spend.nanousd == sum(spend.parts.values()) == sum(call.cost.nanousd for run in runs for call in run)
    )
    assert len(spend.parts) <= NAMES_MAX + len(PartKind)
    assert max(map(len, (spend.called, spend.resent, spend.broken))) <= 2 * NAMES_MAX
    assert spend.parts[PartKind.TOOL_SCHEMA, OTHER_NAMES] > 0
    assert {each.name for each in wasted(spend)}.isdisjoint({OTHER_NAMES, "tool_0"})


def test_a_prompt_of_200_messages_takes_well_under_5_ms():
    chance = random.Random(13)
    talk = plain_talk(chance)
    talk.steps = [Step("tool_0", {"id": str(at)}, words(chance, 1500)) for at in range(100)]
    talk.edit = lambda number, messages: _prepend(messages[0], f"Now: {number // 2:05}. ")
    for name, form in FORMATS.items():
        calls = run_of(talk, form, caches=True)
        taken = min(_seconds(lambda calls=calls: list(share_run(calls))) for _ in range(2)) / len(calls)
        alone = min(_seconds(lambda calls=calls: share_call(calls[-1])) for _ in range(2))
        print(f"{name:22} {1000 * taken:.2f} ms a call in its run, {1000 * alone:.2f} ms alone")
        assert taken < 0.005


def _seconds(work):
    before = time.process_time()
    work()
    return time.process_time() - before
