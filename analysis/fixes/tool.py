"""
Fixes of tools: errors, empty results, names that none has. Pure.

Sources: https://docs.langchain.com/oss/python/langchain/middleware/built-in,
https://ai.pydantic.dev/tools-advanced/#tool-retries, https://openai.github.io/openai-agents-python/tools/,
https://ai-sdk.dev/docs/ai-sdk-core/tools-and-tool-calling#tool-call-repair
"""

from __future__ import annotations

import json
import re
from difflib import get_close_matches

from analysis.failure import FailureCode
from analysis.fixes.arguments import difference, failing_arguments, pattern_of
from analysis.fixes.causes import Cause, cause_of, lookup_tool
from analysis.fixes.fix import Remedy, Snippet, watched_runs
from analysis.fixes.guard import EXPLAIN_ERRORS, RETRY, SAY_WHEN_EMPTY, STOP_AFTER_ERRORS, guard
from analysis.fixes.idiom import Idiom, idiom_of
from analysis.fixes.nothing import empty_test
from analysis.fixes.observed import Observed
from analysis.fixes.quote import hint_literal, identifier, json_literal, literal, name, plain

_ERRORS_MAX = 3
_ARGUMENTS_CHARACTERS_MAX = 120
# Frameworks that make a tool's schema from its signature.
_FROM_SIGNATURE = frozenset(
    {Idiom.LANGCHAIN, Idiom.PYDANTIC_AI, Idiom.OPENAI_AGENTS, Idiom.CREWAI, Idiom.LLAMA_INDEX}
)


def error(observed: Observed) -> Remedy:
    """Of all codes of tool errors: what the message means, and what the model should be told."""
    cause = cause_of(observed)
    tool, hint = observed.called("the tool"), _hint(observed, cause)
    differs = _difference(observed, cause)
    how = f" Of the failing calls, {differs}." if differs else _called_with(observed)
    return Remedy(
        title=_title(observed, tool, differs),
        what=f"{tool} {_answered(observed)} {observed.times}.{how}",
        why=f"{_sentence(cause.filled(cause.why))}{_because(observed)}",
        advice=_advice(observed, cause),
        guard=_guard(observed, cause, hint),
        patch=_patch(observed, cause, hint),
        check=_check(observed, tool),
    )


def _title(observed: Observed, tool: str, differs: str) -> str:
    said = plain(observed.message, 80)
    if differs:
        return f"{tool} fails where {differs}"
    match observed.code:
        case FailureCode.TOOL_ERROR_REPEATED:
            return f"{tool} fails with the same error again and again" + (f": {said}" if said else "")
        case FailureCode.TOOL_ERROR_CONSECUTIVE:
            return f"Tools fail several times in a row, {tool} last" + (f": {said}" if said else "")
        case FailureCode.TOOL_ERROR_UNRECOVERED:
            return f"Runs end on an error of {tool}" + (f": {said}" if said else "")
    return f"{tool} fails: {said}" if said else f"{tool} fails"


def _answered(observed: Observed) -> str:
    return f"answered {observed.quoted}" if observed.quoted else "failed"


def _called_with(observed: Observed) -> str:
    arguments = observed.fact("arguments")
    return f" It was called with {plain(arguments, _ARGUMENTS_CHARACTERS_MAX)}." if arguments else ""


def _because(observed: Observed) -> str:
    """What the code adds to the cause of the error."""
    match observed.code:
        case FailureCode.TOOL_ERROR_REPEATED:
            return " The model got the same error before and did not learn from it what to do instead."
        case FailureCode.TOOL_ERROR_CONSECUTIVE:
            return (
                " Runs with three or more tool errors mostly fail, so that going on costs and does not help."
            )
        case FailureCode.TOOL_ERROR_UNRECOVERED:
            return " It was the last thing that the model saw, and the run ended on it."
    return ""


def _difference(observed: Observed, cause: Cause) -> str:
    return difference(observed) if cause.is_about_arguments else ""


def _pattern(observed: Observed, cause: Cause) -> tuple[str, str]:
    return pattern_of(observed) if cause.is_about_arguments else ("", "")


def _advice(observed: Observed, cause: Cause) -> str:
    key, pattern = _pattern(observed, cause)
    if pattern and observed.code is not FailureCode.TOOL_ERROR_CONSECUTIVE:
        return f"Say in the tool's schema how {name(key)} looks: the model reads it before it calls."
    return f"{cause.advice} {_looked_up(observed, cause)}".strip()


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _hint(observed: Observed, cause: Cause) -> str:
    lookup = lookup_tool(observed, cause.needs) if cause.needs else ""
    return f"{cause.filled(cause.hint)} {lookup} tells what there is." if lookup else cause.filled(cause.hint)


def _looked_up(observed: Observed, cause: Cause) -> str:
    lookup = lookup_tool(observed, cause.needs) if cause.needs else ""
    return f"Say in the description that {lookup} comes first." if lookup else ""


def _guard(observed: Observed, cause: Cause, hint: str) -> Snippet:
    if observed.code is FailureCode.TOOL_ERROR_CONSECUTIVE:
        return guard(STOP_AFTER_ERRORS, observed, hint=hint, number=_ERRORS_MAX)
    key, pattern = _pattern(observed, cause)
    if pattern:
        return _pattern_schema(observed, key, pattern)
    if cause.is_passing:
        return guard(RETRY, observed, hint=hint, number=3)
    return guard(EXPLAIN_ERRORS, observed, hint=hint)


def _pattern_schema(observed: Observed, key: str, pattern: str) -> Snippet:
    """The parameter with its form, where the framework takes a tool's schema from."""
    failing = failing_arguments(observed)[key]
    working = json.loads(observed.facts["working_arguments"])[key]
    told = (
        f"As it stands in an earlier result, such as {plain(str(working), 40)}, not {plain(str(failing), 40)}"
    )
    idiom = idiom_of(observed)
    if idiom is Idiom.VERCEL:
        field = f"z.string().regex(new RegExp({json_literal(pattern)}))\n  .describe({json_literal(told)})"
        return Snippet(f"{json_literal(key)}: {field},", "typescript")
    if idiom in _FROM_SIGNATURE:
        parameter = identifier(key, "parameter")
        return Snippet(
            f"""\
from typing import Annotated

from pydantic import Field

Form = Annotated[
    str,
    Field(
        pattern={literal(pattern)},
        description={literal(told)},
    ),
]


# On the tool:
#     def {identifier(observed.subject, "your_tool")}({parameter}: Form):"""
        )
    schema = {"type": "string", "pattern": pattern, "description": told}
    return Snippet(json.dumps({plain(key, 80): schema}, indent=2), "json")


def _patch(observed: Observed, cause: Cause, hint: str) -> Snippet:
    """The framework's own place for errors of tools, where it has one that does more than a wrapper."""
    own = {
        Idiom.LANGCHAIN: _langchain_errors,
        Idiom.OPENAI_AGENTS: _openai_agents_errors,
        Idiom.PYDANTIC_AI: _pydantic_ai_errors,
    }.get(idiom_of(observed))
    if own is None or _pattern(observed, cause)[1] or observed.code is FailureCode.TOOL_ERROR_CONSECUTIVE:
        return _guard(observed, cause, hint)
    return Snippet(own(observed, cause, hint))


def _langchain_errors(observed: Observed, cause: Cause, hint: str) -> str:
    tools = f"tools=[{literal(observed.subject)}]" if observed.subject else "tools=tools"
    retry = (
        f'\n        ToolRetryMiddleware(max_retries=2, {tools}, on_failure="error"),'
        if cause.is_passing
        else ""
    )
    more = ", ToolRetryMiddleware" if cause.is_passing else ""
    return f"""\
from langchain.agents import create_agent
from langchain.agents.middleware import ToolErrorMiddleware{more}

HINT = {hint_literal(hint)}

agent = create_agent(
    ...,
    middleware=[
        # The model reads what went wrong and what to do, and the run goes on.
        ToolErrorMiddleware(lambda error, call: f"Error: {{error}}. {{HINT}}", {tools}),{retry}
    ],
)"""


def _openai_agents_errors(observed: Observed, cause: Cause, hint: str) -> str:
    function = identifier(observed.subject, "your_tool")
    return f"""\
from agents import function_tool

HINT = {hint_literal(hint)}


def tell_model(context, error):
    # Unless it is told, the SDK hides the error: the model reads only that one occurred.
    return f"Error: {{error}}. {{HINT}}"


# On the tool:
#     @function_tool(failure_error_function=tell_model)
#     def {function}(...):"""


def _pydantic_ai_errors(observed: Observed, cause: Cause, hint: str) -> str:
    function = identifier(observed.subject, "your_tool")
    return f"""\
import functools

from pydantic_ai import ModelRetry

HINT = {hint_literal(hint)}


def retried_by_model(tool):
    @functools.wraps(tool)
    def guarded(*args, **kwargs):
        try:
            return tool(*args, **kwargs)
        except Exception as error:  # the model is asked to call again, as often as `retries` allows
            raise ModelRetry(f"{{error}}. {{HINT}}") from error

    return guarded


# Under the tool's own decorator:
#     @agent.tool_plain(retries=2)
#     @retried_by_model
#     def {function}(...):"""


def _check(observed: Observed, tool: str) -> str:
    runs = watched_runs(observed)
    if observed.code is FailureCode.TOOL_ERROR_CONSECUTIVE:
        return f"no run with {_ERRORS_MAX} tool errors in a row among the next {runs}"
    if observed.code is FailureCode.TOOL_ERROR_UNRECOVERED:
        return f"none of the next {runs} runs ends on an error of {tool}"
    message = " with this message" if observed.quoted else ""
    return f"no {observed.code} of {tool}{message} in the next {runs} runs"


def empty_result(observed: Observed) -> Remedy:
    tool, arguments, result = observed.called("the tool"), observed.fact("arguments"), observed.result
    asked = f" for {plain(arguments, _ARGUMENTS_CHARACTERS_MAX)}" if arguments else ""
    said = f" ({result})" if result else ""
    seen = observed.facts.get("result") or observed.message
    related = lookup_tool(observed, "lookup")
    hint = "Check the spelling, or ask for less at once: fewer filters, a wider range."
    if related:
        hint += f" {related} tells what there is."
    return Remedy(
        title=f"{tool} answers with nothing, and does not say what it looked for",
        what=f"{tool} returned nothing{said}{asked} {observed.times}.",
        why="An empty result does not say whether nothing matched, the filter was wrong, or the tool "
        "failed quietly. Models then ask the same again, or make up an answer. If nothing there is right, "
        "this is no fault; it still helps to say so.",
        advice=f"Let {tool} return a text such as “0 rows for <query>”, with what to try next.",
        guard=guard(SAY_WHEN_EMPTY, observed, hint=hint, found_empty=empty_test(seen)),
        check=f"no empty result of {tool} in the next {watched_runs(observed)} runs",
    )


def unknown_name(observed: Observed) -> Remedy:
    called = observed.called("a tool")
    offered = [each.strip() for each in observed.fact("tools").split(",") if each.strip()]
    told = re.search(r"nearest: (\S{1,80})", observed.seen)
    near = next(iter(get_close_matches(observed.subject, offered, n=1, cutoff=0.3)), "") or (
        told[1] if told else ""
    )
    meant = f" Nearest: {name(near)}." if near else ""
    listed = f" Offered were {plain(', '.join(offered), 160)}." if offered else ""
    return Remedy(
        title=f"The model calls {called}, which is not among its tools"
        + (f": it means {name(near)}" if near else ""),
        what=f"{called} was called {observed.times}, and no tool of that name was offered.{listed}{meant}",
        why="The name comes from somewhere: the system prompt, an example, an earlier part of the "
        "conversation with other tools, or the docs of another agent. The model believes it as much as "
        "the list of tools.",
        advice=f"Take {called} out of the prompt" + (f", or write {name(near)} there" if near else "") + ".",
        guard=_name_answer(observed, near),
        check=f"no call of {called} in the next {watched_runs(observed)} runs",
    )


def _name_answer(observed: Observed, near: str) -> Snippet:
    """What is answered to such a call, so that the model can correct itself."""
    match idiom_of(observed):
        case Idiom.OPENAI_AGENTS:
            return Snippet(
                """\
from agents import RunConfig, Runner

# Unless it is told, the SDK raises ModelBehaviorError and the run is lost.
config = RunConfig(tool_not_found_behavior="return_error_to_model")
result = Runner.run_sync(agent, input, run_config=config)"""
            )
        case Idiom.VERCEL:
            renamed = (
                f"toolName: {json_literal(near)}" if near else "toolName: nearest(toolCall.toolName, tools)"
            )
            return Snippet(
                f"""\
import {{ generateText, NoSuchToolError }} from "ai";

const result = await generateText({{
  ...options,
  experimental_repairToolCall: async ({{ toolCall, tools, error }}) =>
    NoSuchToolError.isInstance(error) ? {{ ...toolCall, {renamed} }} : null,
}});""",
                "typescript",
            )
        case Idiom.OPENAI_NODE | Idiom.ANTHROPIC_NODE:
            return Snippet(
                """\
const tool = tools[call.name];
const result = tool
  ? await tool(call.arguments)
  : `Error: there is no tool ${call.name}. Tools: ${Object.keys(tools).join(", ")}.`;""",
                "typescript",
            )
    also = (
        f"\nSAME = {{{literal(observed.subject)}: {literal(near)}}}  # names that mean one tool\n"
        if near
        else ""
    )
    lookup = "SAME.get(name, name)" if near else "name"
    return Snippet(
        f"""\
from difflib import get_close_matches
{also}

def run_tool(tools, name, arguments):
    name = {lookup}
    if name not in tools:
        near = ", ".join(get_close_matches(name, tools, n=3, cutoff=0.3)) or ", ".join(tools)
        return f"Error: there is no tool {{name}}. Did you mean: {{near}}?"
    return tools[name](**arguments)"""
    )
