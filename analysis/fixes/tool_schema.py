"""
Fixes of tool schemas that a provider refuses, and of calls that its server cannot read. Pure.

Sources: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas,
https://docs.claude.com/en/docs/agents-and-tools/tool-use/implement-tool-use,
https://ai.google.dev/gemini-api/docs/function-calling, https://docs.vllm.ai/en/latest/features/tool_calling/
"""

from __future__ import annotations

import json
import re

from analysis.fixes.fix import Remedy, Snippet, watched_runs
from analysis.fixes.idiom import Idiom, idiom_of, language_of, vendor_of
from analysis.fixes.observed import Observed
from analysis.fixes.quote import name
from analysis.fixes.settings import retries_line
from analysis.fixes.vendor import refused, vendor_name


def rejected(observed: Observed) -> Remedy:
    tool, path = _tool_of_schema(observed), observed.fact("schema_path") or _path(observed.message)
    where = f" at {path}" if path else ""
    rule, example = _schema_rule(observed)
    about = f"The schema of {tool}" if tool else "A tool's schema"
    return Remedy(
        title=f"{about} is refused{where}",
        what=refused(observed),
        why=f"{rule} The whole request is refused, so no run gets as far as its first answer.",
        advice=f"Correct the schema{f' of {tool}' if tool else ''}{where}.",
        guard=Snippet(json.dumps({path.rsplit(".", 1)[-1]: example} if path else example, indent=2), "json"),
    )


def _tool_of_schema(observed: Observed) -> str:
    quoted = re.search(r"function ['\"`]([\w.\-]{1,64})['\"`]", observed.message)
    own = observed.subject if observed.subject != observed.provider else ""
    return name(own) or (quoted[1] if quoted else "")


def _path(message: str) -> str:
    context = re.search(r"In context=\(([^)]{0,100})\)", message)
    if context:
        return ".".join(re.findall(r"['\"]([^'\"]+)['\"]", context[1]))
    found = re.search(
        r"\b(?:tools\.\d+\.[\w.]{1,80}|tools\[\d+\][\w.\[\]]{0,80}"
        r"|\w*function_declarations\[[\w.\[\]]{1,80})",
        message,
    )
    return found[0] if found else ""


def _schema_rule(observed: Observed) -> tuple[str, dict[str, object]]:
    """What the provider wants, and a schema that has it."""
    said = observed.seen.lower()
    text = {"type": "string", "description": "what it is, with an example"}
    if "items" in said:
        return (
            "An array must say what is in it.",
            {"type": "array", "items": {"type": "string"}, "description": "one id each"},
        )
    if "additionalproperties" in said or "strict" in said or "'required' is required" in said:
        return (
            (
                "With strict, each object forbids other properties and requires all of its own; one that may "
                "be left out has null among its types."
            ),
            {
                "type": "object",
                "properties": {"id": text, "note": {"type": ["string", "null"]}},
                "required": ["id", "note"],
                "additionalProperties": False,
            },
        )
    if re.search(r"oneof|allof|anyof|\$ref|not permitted|too complex|unsupported", said):
        return (
            "The provider takes a part of JSON Schema only: at the top no oneOf, anyOf or allOf.",
            {
                "type": "object",
                "properties": {"kind": {"type": "string", "enum": ["a", "b"]}, "id": text},
                "required": ["kind", "id"],
            },
        )
    if re.search(r"pattern|\^\[a-z|invalid.{0,20}name|name.{0,30}match", said):
        return (
            "A tool's name has letters, digits, _ and - only, 64 at most.",
            {
                "name": "look_up_order",
                "description": "Finds an order by its id",
                "parameters": {"type": "object", "properties": {"id": text}, "required": ["id"]},
            },
        )
    return (
        "A tool's parameters are an object with properties, each of which has a type.",
        {"type": "object", "properties": {"id": text}, "required": ["id"]},
    )  # fmt: skip


def unread_call(observed: Observed) -> Remedy:
    who = vendor_name(observed)
    is_local = re.search(
        r"vllm|sglang|ollama|localhost|127\.0\.0\.1", f"{observed.provider} {observed.fact('host')}"
    )
    at_home = (
        " On a server of your own, look whether --tool-call-parser is the one for this model."
        if is_local
        else ""
    )
    return Remedy(
        title=f"{name(observed.model) or 'The model'} writes tool calls that {who} cannot read",
        what=f"The model's call could not be read {observed.times}: {observed.quoted or 'no message'}.",
        why="The model wrote a call with broken JSON, or in another form than the server reads: likelier "
        f"with long arguments, many tools and a high temperature. Another try mostly goes well.{at_home}",
        advice="Try the same request once more, with temperature 0; shorten arguments, and offer fewer "
        "tools.",
        guard=_once_more(observed),
        check=f"no provider.tool_parser_failed in the next {watched_runs(observed)} runs that is not made "
        "good",
    )


def _once_more(observed: Observed) -> Snippet:
    if language_of(idiom_of(observed)) == "typescript":
        return Snippet(
            """\
async function askAgain(ask, request) {
  try {
    return await ask(request);
  } catch (error) {
    if (!/tool|function/i.test(String(error))) throw error;
    return await ask({ ...request, temperature: 0 }); // one more try, and no other
  }
}""",
            "typescript",
        )
    if vendor_of(observed) == "google" and idiom_of(observed) in (Idiom.GOOGLE, Idiom.PLAIN):
        return Snippet(
            """\
UNREAD = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL")


def generate(client, **request):
    response = client.models.generate_content(**request)
    if response.candidates and response.candidates[0].finish_reason.name in UNREAD:
        response = client.models.generate_content(**request)  # one more try, and no other
    return response"""
        )
    if idiom_of(observed) in (Idiom.PLAIN, Idiom.OPENAI_CHAT, Idiom.OPENAI_RESPONSES, Idiom.ANTHROPIC):
        return Snippet(
            """\
def ask_again(ask, **request):
    try:
        return ask(**request)
    except Exception as error:
        if "tool" not in str(error) and "function" not in str(error):
            raise
        return ask(**request | {"temperature": 0})  # one more try, and no other"""
        )
    return retries_line(observed, 3)
