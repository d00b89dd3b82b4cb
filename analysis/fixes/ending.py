"""
Fixes of how runs end: without an answer, at a cap, on a broken provider, in giving up; and of growth. Pure.

Sources: https://docs.langchain.com/oss/python/langgraph/graph-api#recursion-limit,
https://openai.github.io/openai-agents-python/running_agents/, https://ai.pydantic.dev/agents/#usage-limits,
https://docs.crewai.com/concepts/agents, https://ai-sdk.dev/docs/agents/loop-control
"""

from __future__ import annotations

import re

from analysis.failure import FailureCode
from analysis.fixes.fix import Remedy, Snippet, watched_runs
from analysis.fixes.guard import CAP_RESULT, EXPLAIN_ERRORS, guard
from analysis.fixes.history import trim
from analysis.fixes.idiom import Idiom, idiom_of, language_of, vendor_of
from analysis.fixes.loop import refuse_repeats
from analysis.fixes.observed import Observed
from analysis.fixes.quote import identifier, name
from analysis.fixes.settings import fallback, retries_line, steps_line
from analysis.fixes.vendor import vendor_name

_STEPS_DEFAULT = 20
_STEPS_MAX = 200
_GROWN_TOKENS = 50_000
_CAPPED_CHARACTERS = 20_000


def no_final_answer(observed: Observed) -> Remedy:
    tool = observed.called("")
    is_left = "client left" in observed.seen
    steps = observed.number("steps")
    after = f", after {steps} calls" if steps else ""
    last = (
        f"the last answer calls {tool}, and nothing came after it" if tool else "the last answer has no end"
    )
    if is_left:
        last = "the agent closed the connection during the last answer"
    return Remedy(
        title=f"Runs stop at a call of {tool} without an answer" if tool else "Runs stop without an answer",
        what=f"{last[0].upper()}{last[1:]}, {observed.times}{after}.",
        why=f"{f'Either {tool} raised and took the run with it, ' if tool else 'Either a tool raised, '}or "
        "a cap on steps or time ended the loop, or the process went away. The user sees nothing, and what "
        "the run found is lost.",
        advice="Catch what tools raise, and at the cap ask once more for an answer, with tools forbidden.",
        guard=_answer_at_cap(observed),
        check=f"each of the next {watched_runs(observed)} runs ends with a text",
    )


def _answer_at_cap(observed: Observed) -> Snippet:
    """The framework's way to end with an answer instead of an exception."""
    text = {
        Idiom.LANGCHAIN: """\
from itertools import takewhile

from langchain.agents.middleware import wrap_model_call

STEPS_MAX = 20
NO_TOOL = "none"


@wrap_model_call
def answer_at_cap(request, handler):
    turn = takewhile(lambda each: each.type != "human", reversed(request.messages))
    asked = sum(each.type == "ai" for each in turn)
    if asked >= STEPS_MAX:
        request = request.override(tool_choice=NO_TOOL)  # so it answers
    return handler(request)


agent = create_agent(..., middleware=[answer_at_cap])""",
        Idiom.OPENAI_AGENTS: """\
from agents import RunErrorHandlerResult, Runner


def partial_answer(data):
    return RunErrorHandlerResult(final_output="Stopped at the cap; nothing was decided.")


result = Runner.run_sync(agent, input, max_turns=20, error_handlers={"max_turns": partial_answer})""",
        Idiom.PYDANTIC_AI: """\
from pydantic_ai import UsageLimitExceeded, UsageLimits, capture_run_messages

with capture_run_messages() as messages:
    try:
        answer = agent.run_sync(prompt, usage_limits=UsageLimits(request_limit=20)).output
    except UsageLimitExceeded:
        # No tool may be called now, so it answers from what was found.
        told, settings = "Answer from what you have.", {"tool_choice": "none"}
        answer = agent.run_sync(told, message_history=messages, model_settings=settings).output""",
        Idiom.VERCEL: """\
const STEPS_MAX = 20;
const result = await generateText({
  ...options,
  stopWhen: stepCountIs(STEPS_MAX),
  // In the last step no tool can be called, so the model answers.
  prepareStep: ({ stepNumber }) => (stepNumber === STEPS_MAX - 1 ? { toolChoice: "none" } : {}),
});""".replace("{}", "undefined"),
    }.get(idiom_of(observed))
    if text is not None:
        if vendor_of(observed) == "anthropic":
            text = text.replace('NO_TOOL = "none"', 'NO_TOOL = {"type": "none"}')
        return Snippet(text, language_of(idiom_of(observed)))
    if idiom_of(observed) in (Idiom.CREWAI, Idiom.LLAMA_INDEX):
        return steps_line(observed, _STEPS_DEFAULT)
    return _answer_in_loop(observed)


def _answer_in_loop(observed: Observed) -> Snippet:
    function = identifier(observed.subject, "the tool")
    if language_of(idiom_of(observed)) == "typescript":
        return Snippet(
            """\
const STEPS_MAX = 20;
for (let step = 1; step <= STEPS_MAX; step++) {
  const toolChoice = step === STEPS_MAX ? "none" : "auto"; // in the last step it has to answer
  const reply = await ask(messages, tools, toolChoice);
  messages.push(reply.message);
  if (!reply.calls.length) break;
  for (const call of reply.calls) {
    messages.push(await runTool(call).catch((error) => resultOf(call, `Error: ${error}`)));
  }
}""",
            "typescript",
        )
    return Snippet(
        f"""\
STEPS_MAX = 20

for step in range(1, STEPS_MAX + 1):
    tool_choice = "auto" if step < STEPS_MAX else "none"  # in the last step it has to answer
    reply = ask(messages, tools, tool_choice)  # Anthropic's form: {{"type": "none"}}
    messages.append(reply.message)
    if not reply.calls:
        break
    for call in reply.calls:
        try:
            messages.append(run_tool(call))
        except Exception as error:  # an exception of {function} does not end the run
            messages.append(result_of(call, f"Error: {{error}}"))"""
    )


def infra_abort(observed: Observed) -> Remedy:
    who = vendor_name(observed)
    failed = name(observed.cause) if observed.cause in set(FailureCode) else "an error of the provider"
    steps = observed.number("steps")
    lost = f" {steps} calls were paid for and lost." if steps else ""
    return Remedy(
        title=f"Runs are lost when a call to {who} fails ({failed})",
        what=f"The last call failed with {failed}, and nothing came after it, {observed.times}.{lost}",
        why="An error of the provider that retries could not hide went up through the agent and ended the "
        "run, with all that it had found. A later try mostly goes well.",
        advice="Retry longer, ask a second model, and keep the messages so that the run can go on.",
        guard=retries_line(observed, 5),
        patch=_resumed(observed),
        check=f"none of the next {watched_runs(observed)} runs ends on a failed call to {who}",
    )


def _resumed(observed: Observed) -> Snippet:
    """Retries and a second model, and how a run goes on where it broke if its framework keeps the state."""
    match idiom_of(observed):
        case Idiom.LANGCHAIN:
            return Snippet(
                f"""\
{fallback(observed).text}

# With a checkpointer a run that broke goes on where it was:
#     agent = create_agent(..., checkpointer=checkpointer)
#     agent.invoke(None, config={{"configurable": {{"thread_id": run_id}}}})"""
            )
    return fallback(observed)


def step_cap(observed: Observed) -> Remedy:
    steps = observed.number("steps") or _steps_said(observed)
    good = observed.number("p95_good_steps")
    wanted = min(max(round((good or steps or _STEPS_DEFAULT) * 1.5), (steps or 0) + 5), _STEPS_MAX)
    at = f" {steps}" if steps else ""
    usual = f" 95 of 100 runs that went well took up to {good}." if good else ""
    is_loop = bool(good and steps and good < steps * 0.6)
    why = (
        "Runs that go well are done long before the cap, so that a higher one only makes the lost ones "
        f"dearer: look for what they repeat in the last of their {steps} steps."
        if is_loop
        else "The cap is near what good runs need, so that longer tasks are cut before their answer."
    )
    then = f"good ones need up to {good}" if is_loop else f"raise it to {wanted}"
    return Remedy(
        title=f"Runs end at the cap of{at or ' their'} steps: {then}",
        what=f"Runs ended after{at or ' the same number of'} calls, {observed.times}.{usual}",
        why=why,
        advice="Leave the cap, and refuse repeated calls."
        if is_loop
        else f"Raise the cap to {wanted} steps.",
        guard=refuse_repeats(observed) if is_loop else steps_line(observed, wanted),
        patch=refuse_repeats(observed) if is_loop else _cap_and_answer(observed, wanted),
        check=f"of the next {watched_runs(observed)} runs none ends at{at or ' the cap of'} steps without "
        "an answer",
    )


def _steps_said(observed: Observed) -> int | None:
    found = re.search(r"\b(\d{1,4})\b", observed.seen)
    return int(found[1]) if found and int(found[1]) else None


def _cap_and_answer(observed: Observed, steps: int) -> Snippet:
    line = steps_line(observed, steps)
    if idiom_of(observed) in (Idiom.LANGCHAIN, Idiom.VERCEL, Idiom.OPENAI_AGENTS):
        answer = _answer_at_cap(observed)
        capped = re.sub(r"(STEPS_MAX = |max_turns=)\d+", rf"\g<1>{steps}", answer.text)
        text = capped if idiom_of(observed) is not Idiom.LANGCHAIN else f"{capped}\n{line.text}"
        return Snippet(text, answer.language)
    return line


def token_growth(observed: Observed) -> Remedy:
    per_step, prompt = observed.number("tokens_per_step"), observed.number("prompt_tokens")
    window, largest = observed.number("window"), observed.fact("largest_tool")
    its_tokens = observed.number("largest_tool_tokens")
    grows = f" by {per_step:,} tokens a step" if per_step else ""
    now = f" It has {prompt:,} now" + (f" of {window:,}." if window else ".") if prompt else ""
    left = ""
    if per_step and prompt and window and window > prompt:
        left = f" At this rate it is full in {(window - prompt) // per_step} steps."
    part = f" {name(largest)}'s results are {its_tokens:,} of them." if largest and its_tokens else ""
    trigger = min(round(window * 0.5), _GROWN_TOKENS * 2) if window else _GROWN_TOKENS
    whose = name(largest) or observed.called("the tool with the longest results")
    return Remedy(
        title=f"The prompt grows{grows}: cap {whose}",
        what=f"The prompt grew{grows} {observed.times}.{now}{left}{part}",
        why="Each step sends all earlier results again: a result of 10,000 tokens in step 2 of 20 is paid "
        "18 times, and the run ends when the window is full.",
        advice=f"Cap what {whose} returns, and drop older results from {trigger:,} tokens on.",
        guard=guard(CAP_RESULT, observed, number=_CAPPED_CHARACTERS, tool=largest or observed.subject),
        patch=trim(observed, trigger),
        check=f"no prompt of more than {trigger * 5 // 4:,} tokens in the next {watched_runs(observed)} runs",
    )


def final_giveup(observed: Observed) -> Remedy:
    tool = observed.called("")
    before = f" The last tool before it was {tool}." if tool else ""
    hint = "If nothing is found, try once more in other words, with fewer filters, before you say so."
    return Remedy(
        title="Runs end in “could not find”" + (f" after {tool}" if tool else ""),
        what=f"The last answer gave up {observed.times}{observed.saying}.{before}",
        why="Where there was an answer to find, the search did not reach it: one wording was tried, the "
        "result was empty, or a tool failed before. Where there was none, this is the right answer.",
        advice="Ask for a second try in other words before giving up, in the tool's answer and in the "
        "prompt.",
        guard=guard(EXPLAIN_ERRORS, observed, hint=hint),
        patch=_second_try(observed),
        check=f"fewer of the next {watched_runs(observed)} runs end so, and reported outcomes do not get "
        "worse",
    )


def _second_try(observed: Observed) -> Snippet:
    return Snippet(
        """\
Before you answer that something cannot be found:
1. Search once more in other words, and once with fewer filters.
2. If that finds nothing, say what you searched for and where, and what would help to find it.""",
        "text",
    )
