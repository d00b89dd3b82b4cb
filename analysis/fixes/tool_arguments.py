"""
Fixes of arguments that a model wrote: no JSON, something missing, not in the schema, made up. Pure.

Sources: https://platform.openai.com/docs/guides/function-calling#strict-mode,
https://docs.claude.com/en/docs/agents-and-tools/tool-use/implement-tool-use,
https://docs.langchain.com/oss/python/langchain/middleware/custom, https://ai.pydantic.dev/tools-advanced/
"""

from __future__ import annotations

import json
import re

from analysis.fixes.causes import lookup_tool
from analysis.fixes.fix import Remedy, Snippet, watched_runs
from analysis.fixes.idiom import Idiom, idiom_of, language_of, vendor_of
from analysis.fixes.observed import Observed
from analysis.fixes.quote import hint_literal, identifier, json_literal, literal, plain


def invalid_json(observed: Observed) -> Remedy:
    tool = observed.called("the tool")
    return Remedy(
        title=f"The arguments of {tool} are no JSON",
        what=f"The model wrote arguments for {tool} that cannot be read {observed.times}{observed.saying}.",
        why="Mostly a quote or a line break in a long text was not escaped: code, SQL or a document as an "
        "argument. Strict mode makes the provider write valid JSON; small open models have no such mode.",
        advice=f"Set strict on {tool}; where there is no strict mode, send the parser's error back as the "
        "result.",
        guard=_strict(observed),
        patch=_strict(observed) if _has_strict(observed) else _read_or_tell(observed),
        check=f"no tool.args_invalid_json of {tool} in the next {watched_runs(observed)} runs",
    )


def missing(observed: Observed) -> Remedy:
    tool = observed.called("the tool")
    field = _missing_field(observed)
    named = f"{field}" if field else "a required argument"
    return Remedy(
        title=f"{tool} is called without {named}",
        what=f"{named} was missing in calls of {tool} {observed.times}{observed.saying}.",
        why=f"The model did not know a value for {named}, or did not see that it is needed: without strict "
        "mode “required” is a wish.",
        advice=f"Set strict on {tool}, and say in the description of {named} where its value comes from.",
        guard=_strict(observed, field),
        check=f"no call of {tool} without {named} in the next {watched_runs(observed)} runs",
    )


def _missing_field(observed: Observed) -> str:
    found = re.search(r"['\"]([\w.\-]{1,80})['\"] is a required property", observed.seen)
    return found[1] if found else observed.fact("parameter")


def schema_invalid(observed: Observed) -> Remedy:
    tool = observed.called("the tool")
    path = observed.fact("schema_path") or _argument_path(observed)
    where = path or "an argument"
    expected = observed.fact("expected")
    values = f" Allowed is {expected}." if expected else ""
    given = re.search(r": (.{1,60}?) is (?:not|too|less|greater)\b", observed.seen)
    gets = f"{plain(given[1])} as {where}" if given else f"a value of {where}"
    return Remedy(
        title=f"{tool} gets {gets}, which its schema does not allow",
        what=f"{where} of {tool} did not fit {observed.times}{observed.saying}.{values}",
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


def ungrounded(observed: Observed) -> Remedy:
    tool, parameter, value = observed.called("the tool"), observed.fact("parameter"), observed.fact("value")
    what = f"{parameter}={value}" if parameter and value else parameter or value or "an id"
    lookup = lookup_tool(observed, "lookup")
    first = f"Call {lookup} first" if lookup else "Look it up first"
    return Remedy(
        title=f"{tool} is called with {what}, which stands nowhere in the conversation",
        what=f"{tool} got {what} {observed.times}{observed.saying}; no earlier message or result has it.",
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
