"""One call's cost shared among its parts, and a run's: who pays for what, to the nanodollar."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.parts import PartKind
from analysis.run_share import share_call, share_run
from arc_proxy.call import Prompt, Reply, ToolCall
from pricing.cost import Cost, CostGrade
from pricing.lines import CostLine, nanousd
from pricing.usage import TOKEN_BUCKETS, Usage
from tests.analysis.spending import FORMATS, RATE, Step, paid, plain_talk, priced, run_of, words
from tests.analysis.talk import BASE_NS, canonical
from tests.analysis.test_parts import ANY_MESSAGE

# Three parts of a thousand bytes each, and a fourth.
SYSTEM = {"role": "system", "content": "s" * 1000}
USER = {"role": "user", "content": "u" * 1000}
EARLIER = {"role": "assistant", "content": "a" * 1000}
ASKED = Prompt(model="m", messages=tuple(map(canonical, (SYSTEM, USER, EARLIER, USER))))
SAID = Reply(output_text="b" * 300, tool_calls=(ToolCall(id="c", name="find", arguments="c" * 96),))


def shares_of(usage, reply=SAID, prompt=ASKED, **more):
    spend = share_call(paid(1, prompt, reply, usage, **more))
    assert sum(share.nanousd for share in spend.shares) == spend.nanousd
    return {(share.kind, share.name): share.nanousd for share in spend.shares}


# Nanodollars: a token is 3000 fresh, 300 from the cache, 3750 and 6000 into it, 15000 out.
CALLS = {
    "input by bytes": (
        Usage(input_text=400),
        {(PartKind.SYSTEM, ""): 300_000, (PartKind.USER, ""): 600_000, (PartKind.EARLIER_TEXT, ""): 300_000},
    ),
    "cached tokens to the first parts": (
        Usage(cache_read=150, input_text=250),
        {
            (PartKind.SYSTEM, ""): 30_000,
            (PartKind.USER, ""): 15_000 + 150_000 + 300_000,
            (PartKind.EARLIER_TEXT, ""): 300_000,
        },
    ),
    "what is written to the cache to the next, the longer life first": (
        Usage(cache_read=100, cache_write_5m=100, cache_write_1h=100, input_text=100),
        {
            (PartKind.SYSTEM, ""): 30_000,
            (PartKind.USER, ""): 600_000 + 300_000,
            (PartKind.EARLIER_TEXT, ""): 375_000,
        },
    ),
    "output by bytes, calls by their tool": (
        Usage(output_text=40),
        {(PartKind.OUTPUT, ""): 450_000, (PartKind.ARGUMENTS, "find"): 150_000},
    ),
    "reasoning by its tokens": (
        Usage(output_text=100, reasoning=60),
        {
            (PartKind.REASONING, ""): 900_000,
            (PartKind.OUTPUT, ""): 450_000,
            (PartKind.ARGUMENTS, "find"): 150_000,
        },
    ),
    "more reasoning than output": (
        Usage(output_text=40, reasoning=60),
        {(PartKind.REASONING, ""): 600_000},
    ),
    "fees of the provider's tools": (
        Usage(output_text=4, tool_units={"web_search": 2}),
        {
            (PartKind.SERVER_TOOL, "web_search"): 20_000_000,
            (PartKind.OUTPUT, ""): 45_000,
            (PartKind.ARGUMENTS, "find"): 15_000,
        },
    ),
}


@pytest.mark.parametrize(("usage", "shares"), CALLS.values(), ids=CALLS)
def test_shares(usage, shares):
    assert shares_of(usage) == shares


def line(bucket, units, rate_picousd):
    return CostLine(bucket=bucket, units=units, rate_picousd=rate_picousd, rate_id="r")


def cost_of(*lines, grade=CostGrade.COMPUTED):
    return Cost(nanousd=nanousd(sum(each.picousd for each in lines)), grade=grade, lines=lines)


INPUT, OUTPUT = line("input_text", 400, 3_000_000), line("output_text", 40, 15_000_000)
THIRD = 1_200_000, 600_000  # nanodollars of those two
COSTS = {
    "an uplift on tokens alone": (
        cost_of(INPUT, OUTPUT, line("uplift:us", 1, 180_000_000), line("tool:x", 1, 10**9)),
        {PartKind.USER: 660_000, PartKind.OUTPUT: 495_000, PartKind.SERVER_TOOL: 1_000_000},
    ),
    "a discount off all": (
        cost_of(INPUT, OUTPUT, line("discount", 1, -900_000_000)),
        {PartKind.USER: 300_000, PartKind.OUTPUT: 225_000},
    ),
    "more discount than cost": (
        cost_of(INPUT, OUTPUT, line("discount", 1, -3_600_000_000)),
        {PartKind.USER: -600_000, PartKind.OUTPUT: -450_000},
    ),
    "a fee for the request": (
        cost_of(INPUT, OUTPUT, line("request", 1, 7_000)),
        {PartKind.USER: 600_000, PartKind.OUTPUT: 450_000, PartKind.OTHER: 7},
    ),
    "reasoning with a price of its own": (
        cost_of(INPUT, OUTPUT, line("reasoning", 10, 9_000_000)),
        {PartKind.USER: 600_000, PartKind.OUTPUT: 450_000, PartKind.REASONING: 90_000},
    ),
    "a provider's own sum, by what tokens mostly cost": (
        cost_of(line("provider", 1, 1_800_000_000), grade=CostGrade.PROVIDER_REPORTED),
        {PartKind.USER: 600_000, PartKind.OUTPUT: 450_000},
    ),
    "a sum without lines": (
        Cost(nanousd=1_800_000, grade=CostGrade.COMPUTED),
        {PartKind.USER: 600_000, PartKind.OUTPUT: 450_000},
    ),
}


@pytest.mark.parametrize(("cost", "shares"), COSTS.values(), ids=COSTS)
def test_shares_of_a_cost_with(cost, shares):
    usage = Usage(input_text=400, output_text=40)
    found = shares_of(usage, cost=cost)
    by_kind = {kind: sum(paid for (each, _), paid in found.items() if each is kind) for kind in shares}
    assert by_kind == pytest.approx(shares, abs=1)


def test_a_providers_own_sum_is_divided_by_the_price_row():
    cost = cost_of(line("provider", 1, 3_600_000_000), grade=CostGrade.PROVIDER_REPORTED)
    usage = Usage(cache_read=400, output_text=4)
    call = paid(1, ASKED, SAID, usage, cost=cost)
    row = replace(RATE, picousd={"cache_read": 1_000_000, "output_text": 50_000_000})
    shares = {share.kind: share.nanousd for share in share_call(call, row).shares}
    assert shares[PartKind.SYSTEM] == 600_000
    assert shares[PartKind.OUTPUT] == 900_000


def test_what_was_not_captured_is_other():
    usage = Usage(input_text=400, output_text=40)
    assert shares_of(usage, Reply(), Prompt()) == {
        (PartKind.OTHER, "input"): 1_200_000,
        (PartKind.OUTPUT, ""): 600_000,
    }


UNSHARED = {
    "an unknown cost": (Cost(nanousd=None, grade=CostGrade.UNKNOWN), False),
    "a plan's": (Cost(nanousd=7, grade=CostGrade.API_EQUIVALENT), True),
}


@pytest.mark.parametrize(("cost", "is_plan"), UNSHARED.values(), ids=UNSHARED)
def test_is_not_shared(cost, is_plan):
    spend = share_call(paid(1, ASKED, SAID, Usage(input_text=400), cost=cost))
    assert (spend.nanousd, spend.shares, spend.is_plan) == (None, (), is_plan)
    assert spend.called == ("find",)


USAGES = st.builds(
    Usage,
    **{bucket: st.integers(0, 10**6) for bucket in TOKEN_BUCKETS},
    reasoning=st.integers(0, 10**6),
    tool_units=st.dictionaries(st.sampled_from(["web_search", "x"]), st.integers(0, 5)),
)
LINES = st.lists(
    st.builds(
        line,
        st.sampled_from(
            [*TOKEN_BUCKETS, "reasoning", "request", "tool:x", "uplift:us", "discount", "provider", "?"]
        ),
        st.integers(0, 10**6),
        st.integers(-(10**9), 10**12),
    )
)
COSTS_OF_ANY_LINES = LINES.map(lambda lines: cost_of(*lines))
MESSAGES = st.lists(
    ANY_MESSAGE.map(lambda message: json.dumps(message).encode()) | st.binary(max_size=20), max_size=8
)


@given(st.lists(st.tuples(MESSAGES, MESSAGES, USAGES, COSTS_OF_ANY_LINES | st.none()), max_size=4))
def test_whatever_was_sent_the_shares_sum_to_the_cost_and_have_its_sign(asked):
    calls = []
    for number, (messages, said, usage, cost) in enumerate(asked):
        prompt = Prompt(model="m", messages=tuple(messages))
        reply = Reply(message=said[0] if said else None, output_text="x")
        calls.append(paid(number, prompt, reply, usage, cost=cost or priced(usage)))
    for call, spend in zip(calls, share_run(calls, lambda _call: RATE), strict=True):
        assert spend.nanousd == call.cost.nanousd == sum(share.nanousd for share in spend.shares)
        assert all((share.nanousd > 0) == (spend.nanousd > 0) for share in spend.shares)


@given(st.integers(0, 2**32), st.sampled_from(list(FORMATS)), st.booleans())
def test_the_shares_of_an_agents_calls_sum_to_their_costs(seed, form, caches):
    calls = run_of(plain_talk(random.Random(seed)), FORMATS[form], caches=caches)
    for call, spend in zip(calls, share_run(calls), strict=True):
        assert spend.nanousd == call.cost.nanousd == sum(share.nanousd for share in spend.shares)
        assert {share.kind for share in spend.shares}.isdisjoint({PartKind.OTHER, PartKind.CACHE_BREAK})


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_a_result_is_known_again_each_time_it_is_sent(form):
    talk = plain_talk(random.Random(7))
    talk.steps = [Step("find", {"id": str(at)}, f"the same {'x' * 100}") for at in range(4)]
    sent = []
    for spend in share_run(run_of(talk, form, caches=False)):
        results = [share for share in spend.shares if share.kind is PartKind.TOOL_RESULT]
        assert {share.name for share in results} <= {"find"}
        sent.append({share.result: share.sent for share in results})
    assert sent == [{}, {1: 1}, {1: 2, 2: 1}, {1: 3, 2: 2, 3: 1}, {1: 4, 2: 3, 3: 2, 4: 1}]


def test_a_stored_conversation_is_part_of_the_request_that_names_it():
    first = Prompt(model="m", messages=(canonical(SYSTEM), canonical(USER)))
    item = [{"type": "function_call", "call_id": "a", "name": "find", "arguments": "{}"}]
    reply = Reply(response_id="r1", message=canonical(item))
    answer = canonical({"type": "function_call_output", "call_id": "a", "output": "o" * 1000})
    second = Prompt(
        model="m", messages=(canonical(SYSTEM), answer), parameters={"previous_response_id": "r1"}
    )
    calls = [
        paid(1, first, reply, Usage(input_text=200), dialect="openai.responses"),
        paid(2, second, SAID, Usage(input_text=300), dialect="openai.responses"),
    ]
    shares = {(share.kind, share.name): share.nanousd for share in list(share_run(calls))[1].shares}
    assert shares[PartKind.USER, ""] == pytest.approx(300_000, rel=0.01)
    assert shares[PartKind.TOOL_RESULT, "find"] == pytest.approx(300_000, rel=0.01)


def test_a_stored_conversation_that_nobody_saw_is_other():
    prompt = Prompt(messages=(canonical(USER),), parameters={"previous_response_id": "r0"})
    shares = shares_of(Usage(input_text=1000), SAID, prompt, dialect="openai.responses")
    assert shares == {(PartKind.OTHER, "stored by the provider"): 2_250_000, (PartKind.USER, ""): 750_000}


def test_the_schema_of_an_answer_takes_room_too():
    form = {"type": "json_schema", "json_schema": {"schema": {"enum": ["x" * 987]}}}
    prompt = Prompt(messages=(canonical(USER),), parameters={"response_format": form})
    shares = shares_of(Usage(input_text=200), SAID, prompt)
    assert shares == {(PartKind.SYSTEM, "answer schema"): 300_000, (PartKind.USER, ""): 300_000}


def broken_run(edit, *, form="OpenAI's chat", steps=6, **more):
    """The spend of each call, of a run whose requests `edit` changes, and of the same run without."""
    chance = random.Random(3)
    talk = plain_talk(chance)
    talk.steps = [Step("tool_0", {"id": str(at)}, words(chance, 800)) for at in range(steps)]
    plain = run_of(talk, FORMATS[form], caches=True)
    talk.edit = edit
    calls = [replace(call, **more) for call in run_of(talk, FORMATS[form], caches=True)]
    return calls, plain


def prepend(at, text):
    def edit(number, messages):
        if number >= 3:
            messages[at]["content"] = text(number) + messages[at]["content"]

    return edit


EDITS = {
    "a date in the system prompt": (prepend(0, lambda number: f"{number:04}"), 1, PartKind.SYSTEM),
    "an early message": (prepend(1, lambda number: f"{number:04}"), 2, PartKind.USER),
}


@pytest.mark.parametrize("form", ["OpenAI's chat", "Anthropic's messages", "Cohere"])
@pytest.mark.parametrize(("edit", "index", "kind"), EDITS.values(), ids=EDITS)
def test_a_broken_cache_costs_what_the_run_would_have_saved_without(edit, index, kind, form):
    calls, plain = broken_run(edit, form=form)
    spends = list(share_run(calls))
    found = [spend.cache_break for spend in spends]
    assert [each is not None for each in found] == [False, False, False, True, True, True, True]
    assert {(each.message_index, each.kind) for each in found if each} == {(index, kind)}
    excess = sum(call.cost.nanousd for call in calls) - sum(call.cost.nanousd for call in plain)
    assert sum(each.nanousd for each in found if each) == pytest.approx(excess, rel=0.15)
    for spend in spends:
        breaks = [share for share in spend.shares if share.kind is PartKind.CACHE_BREAK]
        assert [share.nanousd for share in breaks] == (
            [spend.cache_break.nanousd] if spend.cache_break else []
        )


def test_a_tool_that_is_added_breaks_the_cache_at_the_tools():
    calls, _ = broken_run(lambda _number, _messages: None)
    tools = json.loads(calls[4].prompt.messages[0])
    tools["tools"].insert(0, {"type": "function", "function": {"name": "new"}})
    more = (canonical(tools), *calls[4].prompt.messages[1:])
    usage = replace(calls[4].usage, input_text=calls[4].usage.input_tokens, cache_read=0)
    calls[4] = replace(calls[4], prompt=Prompt(messages=more), usage=usage, cost=priced(usage))
    found = list(share_run(calls))[4].cache_break
    assert (found.message_index, found.kind, found.name) == (0, PartKind.TOOL_SCHEMA, "new")


def nothing(_number, _messages):
    pass


def reminder(number, messages):
    messages.append({"role": "user", "content": f"{9 - number} steps are left. " + "Hurry. " * 200})


def no_breaks_in(calls):
    return all(spend.cache_break is None for spend in share_run(calls))


UNBROKEN = {
    "that only grows": broken_run(nothing)[0],
    "with a last message that is new each time": broken_run(reminder)[0],
    "whose provider's cache is not in use": [
        replace(call, usage=usage, cost=priced(usage))
        for call in broken_run(EDITS["an early message"][0])[0]
        for usage in [Usage(input_text=call.usage.input_tokens)]
    ],
    "so slow that the cache was gone anyway": [
        replace(call, started_ns=BASE_NS + at * 600 * 10**9)
        for at, call in enumerate(broken_run(EDITS["an early message"][0])[0])
    ],
    "that another model goes on with": [
        replace(call, reply=replace(call.reply, model=f"m{at // 3}"))
        for at, call in enumerate(broken_run(prepend(1, lambda _number: "New: "))[0])
    ],
    "of conversations that take turns": [
        call
        for pair in zip(
            run_of(plain_talk(random.Random(1)), FORMATS["OpenAI's chat"], caches=True),
            run_of(plain_talk(random.Random(2)), FORMATS["OpenAI's chat"], caches=True),
            strict=False,
        )
        for call in pair
    ],
}


@pytest.mark.parametrize("calls", UNBROKEN.values(), ids=UNBROKEN)
def test_no_cache_breaks_in_a_run(calls):
    assert no_breaks_in(calls)


def test_a_cache_that_never_worked_is_found_with_the_price_row():
    calls, _ = broken_run(lambda number, messages: prepend(0, lambda _: f"{number:04}")(3, messages))
    assert no_breaks_in(calls)
    found = [spend.cache_break for spend in share_run(calls, lambda _call: RATE)]
    assert [each is not None for each in found] == [False] + [True] * 6


def test_marks_for_the_cache_that_move_on_break_nothing():
    def mark(_number, messages):
        block = {"type": "text", "text": messages[-1]["content"], "cache_control": {"type": "ephemeral"}}
        if isinstance(messages[-1]["content"], str):
            messages[-1]["content"] = [block]
        else:
            messages[-1]["content"][-1]["cache_control"] = {"type": "ephemeral"}

    assert no_breaks_in(broken_run(mark, form="Anthropic's messages")[0])
