"""
Fixes of agents that go in circles. Pure.

Sources: https://docs.langchain.com/oss/python/langchain/middleware/custom,
https://docs.langchain.com/oss/python/langchain/middleware/built-in,
https://ai-sdk.dev/docs/agents/loop-control
"""

from __future__ import annotations

from analysis.fixes.fix import Remedy, Snippet, watched_runs
from analysis.fixes.guard import REFUSE_REPEATS, guard
from analysis.fixes.idiom import Idiom, idiom_of, language_of
from analysis.fixes.observed import Observed
from analysis.fixes.quote import literal, plain
from analysis.fixes.settings import steps_line

_TEXTS_MAX = 2
_STEPS_MAX = 15
_SHOWN_CHARACTERS_MAX = 120


def repeated_call(observed: Observed) -> Remedy:
    tool, arguments, result = observed.called("a tool"), observed.fact("arguments"), observed.result
    call = plain(observed.examples[0].evidence, _SHOWN_CHARACTERS_MAX) if observed.examples else ""
    with_these = f" with {plain(arguments, _SHOWN_CHARACTERS_MAX)}" if arguments else ""
    what = f"{tool} was called again{with_these}" if arguments or not call else f"{call} was called again"
    same = f" It answered the same each time: {plain(result, _SHOWN_CHARACTERS_MAX)}." if result else ""
    most = max((each.times for each in observed.examples), default=1)
    up_to = f", up to {most} times in a row" if most > 1 else ""
    return Remedy(
        title=f"{tool} is called again with the same arguments, and answers the same",
        what=f"{what} {observed.times}{up_to}, and nothing had changed in between.{same}",
        why="The model did not take the result for an answer: it is empty, too long to be found again, or "
        "does not say that there is no more. Each round costs a step and the whole prompt. Polling is no "
        "fault; leave a tool that waits for something out of this.",
        advice=f"Answer a repeated call of {tool} with the earlier result and a word that it is the same.",
        guard=guard(REFUSE_REPEATS, observed),
        patch=refuse_repeats(observed),
        check=f"no repeated call of {tool} in the next {watched_runs(observed)} runs, or it is refused at "
        "once",
    )


def refuse_repeats(observed: Observed) -> Snippet:
    """For all tools, by what the conversation already has, where a framework shows it to a tool."""
    match idiom_of(observed):
        case Idiom.LANGCHAIN:
            return Snippet(
                """\
from langchain.agents.middleware import wrap_tool_call
from langchain_core.messages import AIMessage, ToolMessage

# Tools whose answer no other call changes, and that wait for nothing.
ONCE = {$tool}


@wrap_tool_call
def refuse_repeats(request, handler):
    call, messages = request.tool_call, request.state["messages"]
    if call["name"] not in ONCE:
        return handler(request)
    results = {each.tool_call_id: each.content for each in messages if isinstance(each, ToolMessage)}
    for message in messages:
        for earlier in message.tool_calls if isinstance(message, AIMessage) else []:
            is_same = (earlier["name"], earlier["args"]) == (call["name"], call["args"])
            if is_same and earlier["id"] in results:
                told = f"You have made this call already. Its result was: {results[earlier['id']]}"
                return ToolMessage(told, tool_call_id=call["id"])
    return handler(request)


agent = create_agent(..., middleware=[refuse_repeats])""".replace(
                    "$tool", literal(observed.subject or "your_tool")
                )
            )
        case Idiom.VERCEL:
            return Snippet(
                """\
function isLooping({ steps }) {
  const keys = steps.flatMap((step) =>
    step.toolCalls.map((call) => call.toolName + JSON.stringify(call.input)));
  return keys.some((key) => keys.filter((other) => other === key).length >= 3);
}

const result = await generateText({
  ...options,
  stopWhen: [stepCountIs(20), isLooping],
});""",
                "typescript",
            )
    return guard(REFUSE_REPEATS, observed)


def repeated_text(observed: Observed) -> Remedy:
    text = observed.quoted
    most = max((each.times for each in observed.examples), default=1)
    again = f" {most} times in one run" if most > 1 else " again"
    return Remedy(
        title="The agent says the same again" + (f": {plain(observed.message, 70)}" if text else ""),
        what=f"The agent said {text or 'the same text'}{again}; it did so {observed.times}.",
        why="Nothing that the model reads tells it that this was said or done before, so the likeliest "
        "next text is the same. Mostly a tool's result is missing, or the user's answer does not reach it.",
        advice="Stop the run, or say what has been done so far, when a text comes for the second time.",
        guard=_stop_repeating(observed),
        check=f"no text comes twice in the next {watched_runs(observed)} runs",
    )


_TELLING = {
    Idiom.PYDANTIC_AI: """\
from pydantic_ai import Agent
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart

TOLD = "You said this before. Say what is missing, or give your answer."


def tell_when_repeating(messages):
    parts = [part for each in messages if isinstance(each, ModelResponse) for part in each.parts]
    texts = [part.content.strip() for part in parts if isinstance(part, TextPart)]
    if len(set(texts)) < len(texts) and TOLD not in str(messages):
        return [*messages, ModelRequest.user_text_prompt(TOLD)]
    return messages


agent = Agent(..., capabilities=[ProcessHistory(tell_when_repeating)])""",
    Idiom.OPENAI_AGENTS: """\
from agents import RunConfig, Runner
from agents.run import ModelInputData

TOLD = "You said this before. Say what is missing, or give your answer."


def tell_when_repeating(data):
    items = data.model_data.input
    texts = [str(each["content"]) for each in items if each.get("role") == "assistant"]
    if len(set(texts)) < len(texts):
        items = [*items, {"role": "user", "content": TOLD}]
    return ModelInputData(input=items, instructions=data.model_data.instructions)


config = RunConfig(call_model_input_filter=tell_when_repeating)
result = Runner.run_sync(agent, input, run_config=config)""",
}


def _stop_repeating(observed: Observed) -> Snippet:
    idiom = idiom_of(observed)
    if idiom is Idiom.VERCEL:
        return Snippet(
            """\
function saysTheSame({ steps }) {
  const texts = steps.map((step) => step.text.trim()).filter((text) => text.length > 30);
  return new Set(texts).size < texts.length;
}

const result = await generateText({ ...options, stopWhen: [stepCountIs(20), saysTheSame] });""",
            "typescript",
        )
    if language_of(idiom) == "typescript":
        return Snippet(
            """\
function saysTheSame(messages) {
  const texts = messages
    .filter((each) => each.role === "assistant" && typeof each.content === "string")
    .map((each) => each.content.trim())
    .filter((text) => text.length > 30);
  return new Set(texts).size < texts.length;
}

if (saysTheSame(messages)) {
  messages.push({ role: "user", content: "You said this before. Say what is missing, or give your answer." });
}""",
            "typescript",
        )
    if idiom is Idiom.LANGCHAIN:
        return Snippet(
            """\
from langchain.agents.middleware import before_model
from langchain_core.messages import AIMessage, HumanMessage

TOLD = "You said this before. Say what is missing, or give your answer."


@before_model
def stop_repeating(state, runtime):
    texts = [each.text.strip() for each in state["messages"] if isinstance(each, AIMessage)]
    long = [text for text in texts if len(text) > 30]
    is_told = any(each.text == TOLD for each in state["messages"])
    if len(set(long)) < len(long) and not is_told:
        return {"messages": [HumanMessage(TOLD)]}


agent = create_agent(..., middleware=[stop_repeating])"""
        )
    if idiom in (Idiom.CREWAI, Idiom.LLAMA_INDEX):
        return steps_line(observed, _STEPS_MAX)  # they let nobody into the loop
    if idiom in _TELLING:
        return Snippet(_TELLING[idiom])
    return Snippet(
        f"""\
def says_the_same(messages, times={_TEXTS_MAX}):
    \"\"\"Whether the assistant's last text was said before in this run.\"\"\"
    texts = [
        " ".join(each["content"].split())
        for each in messages
        if each["role"] == "assistant" and isinstance(each["content"], str)
    ]
    return bool(texts) and len(texts[-1]) > 30 and texts.count(texts[-1]) >= times


if says_the_same(messages):
    told = "You said this before. Say what is missing, or give your answer."
    messages.append({{"role": "user", "content": told}})  # the second time, end the run"""
    )
