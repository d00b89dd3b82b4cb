"""
Fixes of tools: errors, empty results, names and arguments that do not fit. Pure.

Sources: https://docs.langchain.com/oss/python/langchain/middleware/built-in,
https://ai.pydantic.dev/tools-advanced/#tool-retries, https://openai.github.io/openai-agents-python/tools/,
https://platform.openai.com/docs/guides/function-calling#strict-mode,
https://docs.claude.com/en/docs/agents-and-tools/tool-use/implement-tool-use,
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
from analysis.fixes.idiom import Idiom, idiom_of, language_of, vendor_of
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
    differs = difference(observed)
    how = f" Of the failing calls, {differs}." if differs else _called_with(observed)
    return Remedy(
        title=_title(observed, tool),
        what=f"{tool} {_answered(observed)} {observed.times}.{how}",
        why=f"{_sentence(cause.filled(cause.why))}{_because(observed)}",
        advice=_advice(observed, cause),
        guard=_guard(observed, cause, hint),
        patch=_patch(observed, cause, hint),
        check=_check(observed, tool),
    )


def _title(observed: Observed, tool: str) -> str:
    said, differs = plain(observed.message, 80), difference(observed)
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


def _advice(observed: Observed, cause: Cause) -> str:
    key, pattern = pattern_of(observed)
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
    return f"Say in it that {lookup} comes first." if lookup else ""


def _guard(observed: Observed, cause: Cause, hint: str) -> Snippet:
    if observed.code is FailureCode.TOOL_ERROR_CONSECUTIVE:
        return guard(STOP_AFTER_ERRORS, observed, hint=hint, number=_ERRORS_MAX)
    key, pattern = pattern_of(observed)
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
    if own is None or pattern_of(observed)[1] or observed.code is FailureCode.TOOL_ERROR_CONSECUTIVE:
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
        guard=guard(SAY_WHEN_EMPTY, observed, hint=hint),
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


def arguments_invalid_json(observed: Observed) -> Remedy:
    tool = observed.called("the tool")
    return Remedy(
        title=f"The arguments of {tool} are no JSON",
        what=f"The model wrote arguments for {tool} that cannot be read "
        f"{observed.times}{_quoted_evidence(observed)}.",
        why="Mostly a quote or a line break in a long text was not escaped: code, SQL or a document as an "
        "argument. Strict mode makes the provider write valid JSON; small open models have no such mode.",
        advice=f"Set strict on {tool}; where there is no strict mode, send the parser's error back as the "
        "result.",
        guard=_strict(observed),
        patch=_strict(observed) if _has_strict(observed) else _read_or_tell(observed),
        check=f"no tool.args_invalid_json of {tool} in the next {watched_runs(observed)} runs",
    )


def arguments_missing(observed: Observed) -> Remedy:
    tool = observed.called("the tool")
    field = _missing_field(observed)
    named = f"{field}" if field else "a required argument"
    return Remedy(
        title=f"{tool} is called without {named}",
        what=f"{named} was missing in calls of {tool} {observed.times}{_quoted_evidence(observed)}.",
        why=f"The model did not know a value for {named}, or did not see that it is needed: without strict "
        "mode “required” is a wish.",
        advice=f"Set strict on {tool}, and say in the description of {named} where its value comes from.",
        guard=_strict(observed, field),
        check=f"no call of {tool} without {named} in the next {watched_runs(observed)} runs",
    )


def _missing_field(observed: Observed) -> str:
    found = re.search(r"['\"]([\w.\-]{1,80})['\"] is a required property", observed.seen)
    return found[1] if found else observed.fact("parameter")


def arguments_schema_invalid(observed: Observed) -> Remedy:
    tool = observed.called("the tool")
    path = observed.fact("schema_path") or _argument_path(observed)
    where = path or "an argument"
    expected = observed.fact("expected")
    values = f" Allowed is {expected}." if expected else ""
    return Remedy(
        title=f"{tool} is called with {where} that its schema does not allow",
        what=f"{where} of {tool} did not fit {observed.times}{_quoted_evidence(observed)}.{values}",
        why="The schema says it, but nothing makes the model keep to it: without strict mode a schema is "
        "a hint. A tool that takes it all the same may do something else than was meant.",
        advice=f"Set strict on {tool}, and name the allowed values of {where} in its description.",
        guard=_strict(observed, _last_name(path), expected),
        check=f"no tool.args_schema_invalid of {tool} at {where} in the next {watched_runs(observed)} runs",
    )


def _argument_path(observed: Observed) -> str:
    found = re.search(r"arguments((?:\[[^\]]{1,60}\])+)", observed.seen)
    return ".".join(re.findall(r"[\w\-]+", found[1])) if found else ""


def _last_name(path: str) -> str:
    names = [part for part in re.findall(r"[A-Za-z_][\w\-]*", path) if part != "arguments"]
    return names[-1] if names else ""


def arguments_ungrounded(observed: Observed) -> Remedy:
    tool, parameter, value = observed.called("the tool"), observed.fact("parameter"), observed.fact("value")
    what = f"{parameter}={value}" if parameter and value else parameter or value or "an id"
    lookup = lookup_tool(observed, "lookup")
    first = f"Call {lookup} first" if lookup else "Look it up first"
    return Remedy(
        title=f"{tool} is called with {what}, which stands nowhere in the conversation",
        what=f"{tool} got {what} {observed.times}{_quoted_evidence(observed)}; no earlier message or "
        "result has it.",
        why="The model made it up, or rebuilt it from a pattern. If such an id exists by chance, the tool "
        "acts on the wrong record. Ids that are computed (a date, a sum) are no fault.",
        advice=f"{first}, and say so in the description of {parameter or 'the parameter'}.",
        guard=_grounded(observed, first),
        check=f"no made-up id in a call of {tool} in the next {watched_runs(observed)} runs",
    )


def _grounded(observed: Observed, first: str) -> Snippet:
    """Refuses an id that no message has, before the tool acts on it."""
    parameter = observed.fact("parameter") or "id"
    hint = f"{first}; use an id as it stands in a result or in the user's words."
    if language_of(idiom_of(observed)) == "typescript":
        return Snippet(
            f"""\
const HINT = {hint_literal(hint, is_typescript=True)};

function refuseUnseen(execute, parameter = {json_literal(parameter)}) {{
  return async (input, options) => {{
    const seen = JSON.stringify(options.messages);
    if (!seen.includes(String(input[parameter])))
      return `Error: ${{parameter}} ${{input[parameter]}} stands in no message. ${{HINT}}`;
    return await execute(input, options);
  }};
}}""",
            "typescript",
        )
    if idiom_of(observed) is Idiom.LANGCHAIN:
        return Snippet(
            f"""\
from langchain.agents.middleware import wrap_tool_call
from langchain_core.messages import ToolMessage

TOOL, PARAMETER = {literal(observed.subject or "your_tool")}, {literal(parameter)}
HINT = {hint_literal(hint)}


@wrap_tool_call
def refuse_unseen(request, handler):
    call = request.tool_call
    value = str(call["args"].get(PARAMETER, ""))
    seen = "\\n".join(str(each.content) for each in request.state["messages"])
    if call["name"] == TOOL and value not in seen:
        told = f"Error: {{PARAMETER}} {{value}} stands in no message. {{HINT}}"
        return ToolMessage(told, tool_call_id=call["id"], status="error")
    return handler(request)


agent = create_agent(..., middleware=[refuse_unseen])"""
        )
    return Snippet(
        f"""\
HINT = {hint_literal(hint)}


def unseen(messages, arguments, parameter={literal(parameter)}):
    \"\"\"What to answer instead of calling the tool; "" where the value was seen before.\"\"\"
    value = str(arguments.get(parameter, ""))
    texts = [str(each["content"]) for each in messages if each["role"] != "assistant"]
    if any(value in text for text in texts):
        return ""
    return f"Error: {{parameter}} {{value}} stands in no message. {{HINT}}\""""
    )


def _quoted_evidence(observed: Observed) -> str:
    return f": {observed.quoted}" if observed.quoted else ""


def _has_strict(observed: Observed) -> bool:
    return observed.provider.strip().lower() in ("openai", "azure", "anthropic") or idiom_of(observed) in (
        Idiom.OPENAI_RESPONSES,
        Idiom.OPENAI_AGENTS,
    )


_STRICT_LANGCHAIN = """\
from langchain.agents.middleware import wrap_model_call


@wrap_model_call
def strict_tools(request, handler):
    \"\"\"The provider writes arguments by the tools' schemas.\"\"\"
    return handler(request.override(model_settings={**request.model_settings, "strict": True}))


agent = create_agent(..., middleware=[strict_tools])
# Without an agent: model.bind_tools(tools, strict=True)"""


def _strict(observed: Observed, parameter: str = "", expected: str = "") -> Snippet:
    """The tool with strict set, in the form that its framework or API takes."""
    function = identifier(observed.subject, "your_tool")
    match idiom_of(observed):
        case Idiom.LANGCHAIN:
            text = _STRICT_LANGCHAIN
        case Idiom.PYDANTIC_AI:
            text = (
                f"from pydantic_ai import Agent, Tool\n\nagent = Agent(..., tools=[Tool({function}, "
                "strict=True, max_retries=2)])"
            )
        case Idiom.OPENAI_AGENTS:
            text = (
                f"from agents import function_tool\n\ntool = function_tool({function}, strict_mode=True)  # "
                "set unless you turned it off"
            )
        case Idiom.VERCEL:
            key = json_literal(observed.subject or "yourTool")
            return Snippet(f"{key}: tool({{ ...definition, strict: true }}),", "typescript")
        case _:
            return Snippet(json.dumps(_strict_tool(observed, parameter, expected), indent=2), "json")
    return Snippet(text)


def _strict_tool(observed: Observed, parameter: str, expected: str) -> dict[str, object]:
    field: dict[str, object] = {
        "type": "string",
        "description": "where its value comes from, with an example",
    }
    allowed = _allowed(expected)
    if allowed:
        field["enum"] = allowed
    key = plain(parameter, 80) or "id"
    schema: dict[str, object] = {
        "type": "object",
        "properties": {key: field},
        "required": [key],
        "additionalProperties": False,
    }
    tool_name = plain(observed.subject, 64) or "your_tool"
    if vendor_of(observed) == "anthropic":
        return {"name": tool_name, "strict": True, "input_schema": schema}
    if "responses" in observed.dialect:
        return {"type": "function", "name": tool_name, "strict": True, "parameters": schema}
    if vendor_of(observed) == "google":
        return {
            "name": tool_name,
            "parameters": {key: value for key, value in schema.items() if key[0] != "a"},
        }
    return {"type": "function", "function": {"name": tool_name, "strict": True, "parameters": schema}}


def _allowed(expected: str) -> list[str]:
    try:
        found = json.loads(expected)
    except (ValueError, RecursionError):
        return []
    return (
        [plain(each, 80) for each in found[:20] if isinstance(each, str)] if isinstance(found, list) else []
    )


def _read_or_tell(observed: Observed) -> Snippet:
    if language_of(idiom_of(observed)) == "typescript":
        return Snippet(
            """\
async function runTool(tool, text: string) {
  let input;
  try {
    input = JSON.parse(text);
  } catch (error) {
    return `Error: the arguments are no JSON: ${error}. Escape quotes and line breaks, and call again.`;
  }
  return await tool(input);
}""",
            "typescript",
        )
    return Snippet(
        """\
import json


def run_tool(tool, text):
    try:
        arguments = json.loads(text) if text.strip() else dict()
    except ValueError as error:
        return f"Error: the arguments are no JSON: {error}. Escape quotes and line breaks, and call again."
    return tool(**arguments)"""
    )
