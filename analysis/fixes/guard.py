"""
Wrappers for one tool, each a few lines that go under the framework's own decorator. Pure.

In Python a wrapper keeps the tool's signature, of which frameworks make its schema; in TypeScript it wraps
`execute`. Where frameworks hang them: https://docs.langchain.com/oss/python/langchain/tools,
https://ai.pydantic.dev/tools/, https://openai.github.io/openai-agents-python/tools/,
https://docs.crewai.com/concepts/tools,
https://docs.llamaindex.ai/en/stable/module_guides/deploying/agents/tools/,
https://googleapis.github.io/python-genai/, https://ai-sdk.dev/docs/ai-sdk-core/tools-and-tool-calling
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from analysis.fixes.fix import Snippet
from analysis.fixes.idiom import Idiom, idiom_of, language_of
from analysis.fixes.nothing import NO_TEST, EmptyTest
from analysis.fixes.observed import Observed
from analysis.fixes.quote import hint_literal, identifier, json_literal, literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """
    In templates $hint is a text for the model, as a literal, $n a number, and $found_empty a condition on
    `text`, the result as text.
    """

    python: str
    python_name: str
    typescript: str
    typescript_name: str


REFUSE_REPEATS = Wrapper(
    python_name="refuse_repeats",
    python="""\
import functools
import json
from contextvars import ContextVar

EARLIER = ContextVar("earlier")  # where a run starts: EARLIER.set(dict())


def refuse_repeats(tool):
    @functools.wraps(tool)
    def guarded(*args, **kwargs):
        earlier = EARLIER.get(dict())
        key = json.dumps([tool.__name__, args, kwargs], sort_keys=True, default=repr)
        if key in earlier:
            return (
                f"You have called {tool.__name__} with these arguments already. Its result was: "
                f"{earlier[key]}\\nUse it, or call with other arguments."
            )
        earlier[key] = tool(*args, **kwargs)
        return earlier[key]

    return guarded""",
    typescript_name="refuseRepeats",
    typescript="""\
function refuseRepeats(name, execute) {
  const earlier = new Map(); // wrap anew for each run
  return async (input, options) => {
    const key = JSON.stringify(input);
    if (earlier.has(key)) {
      const result = JSON.stringify(earlier.get(key));
      return `You have called ${name} with these arguments already. Its result was: ${result}\\n`
        + "Use it, or call with other arguments.";
    }
    const result = await execute(input, options);
    earlier.set(key, result);
    return result;
  };
}""",
)
EXPLAIN_ERRORS = Wrapper(
    python_name="explain_errors",
    python="""\
import functools

HINT = $hint


def explain_errors(tool):
    \"\"\"For a tool that answers with a text: its errors end with what to do next.\"\"\"

    @functools.wraps(tool)
    def guarded(*args, **kwargs):
        try:
            result = tool(*args, **kwargs)
        except Exception as error:
            result = f"Error: {type(error).__name__}: {error}"
        return f"{result}\\n{HINT}" if str(result).startswith("Error") else result

    return guarded""",
    typescript_name="explainErrors",
    typescript="""\
const HINT = $hint;

function explainErrors(execute) {
  return async (input, options) => {
    const result = await execute(input, options).catch((error) => `Error: ${error}`);
    return String(result).startsWith("Error") ? `${result}\\n${HINT}` : result;
  };
}""",
)
RETRY = Wrapper(
    python_name="retry",
    python="""\
import functools
import random
import time

HINT = $hint


def retry(tool, attempts=$n):
    \"\"\"Again after 1, 2, 4 ... seconds; only for a tool that may run twice.\"\"\"

    @functools.wraps(tool)
    def guarded(*args, **kwargs):
        for attempt in range(attempts):
            try:
                return tool(*args, **kwargs)
            except OSError as error:  # as all of requests' are; of httpx: httpx.HTTPError
                if attempt == attempts - 1:
                    return f"Error: {error} after {attempts} attempts. {HINT}"
                time.sleep(2**attempt * random.uniform(0.5, 1))

    return guarded""",
    typescript_name="retry",
    typescript="""\
const HINT = $hint;

function retry(execute, attempts = $n) { // only for a tool that may run twice
  return async (input, options) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await execute(input, options);
      } catch (error) {
        if (attempt === attempts) return `Error: ${error} after ${attempts} attempts. ${HINT}`;
        await new Promise((wake) => setTimeout(wake, 500 * 2 ** attempt * (0.5 + Math.random() / 2)));
      }
    }
  };
}""",
)
STOP_AFTER_ERRORS = Wrapper(
    python_name="stop_after_errors",
    python="""\
import functools
from contextvars import ContextVar

HINT = $hint
ERRORS = ContextVar("errors")  # where a run starts: ERRORS.set(dict())


def stop_after_errors(tool, errors_max=$n):
    name = tool.__name__

    @functools.wraps(tool)
    def guarded(*args, **kwargs):
        errors = ERRORS.get(dict())
        if errors.get(name, 0) >= errors_max:
            return f"{name} failed {errors_max} times in a row and is off for this run. {HINT}"
        try:
            result = tool(*args, **kwargs)
        except Exception as error:
            result = f"Error: {type(error).__name__}: {error}"
        errors[name] = errors.get(name, 0) + 1 if str(result).startswith("Error") else 0
        return result

    return guarded""",
    typescript_name="stopAfterErrors",
    typescript="""\
const HINT = $hint;

function stopAfterErrors(name, execute, errorsMax = $n) {
  let errors = 0; // wrap anew for each run
  return async (input, options) => {
    if (errors >= errorsMax) {
      return `${name} failed ${errors} times in a row and is off for this run. ${HINT}`;
    }
    const result = await execute(input, options).catch((error) => `Error: ${error}`);
    errors = String(result).startsWith("Error") ? errors + 1 : 0;
    return result;
  };
}""",
)
SAY_WHEN_EMPTY = Wrapper(
    python_name="say_when_empty",
    python="""\
import functools
import json

HINT = $hint


def says_nothing(result):
    if hasattr(result, "__len__") and not len(result):
        return True
    text = result if isinstance(result, str) else json.dumps(result, default=str)
    was_seen = $found_empty
    return was_seen or text.strip() in ("", "[]", "null")


def say_when_empty(tool):
    @functools.wraps(tool)
    def guarded(*args, **kwargs):
        result = tool(*args, **kwargs)
        if says_nothing(result):
            asked = ", ".join(f"{key}={value!r}" for key, value in kwargs.items()) or repr(args)
            return f"0 results of {tool.__name__} for {asked}. {HINT}"
        return result

    return guarded""",
    typescript_name="sayWhenEmpty",
    typescript="""\
const HINT = $hint;

function saysNothing(result) {
  const text = typeof result === "string" ? result : JSON.stringify(result) ?? "";
  const wasSeen = $found_empty;
  return wasSeen || ["", "[]", "null"].includes(text.trim());
}

function sayWhenEmpty(name, execute) {
  return async (input, options) => {
    const result = await execute(input, options);
    const asked = JSON.stringify(input);
    return saysNothing(result) ? `0 results of ${name} for ${asked}. ${HINT}` : result;
  };
}""",
)
CAP_RESULT = Wrapper(
    python_name="cap_result",
    python="""\
import functools


def cap_result(tool, characters=$n):
    @functools.wraps(tool)
    def guarded(*args, **kwargs):
        text = str(tool(*args, **kwargs))
        if len(text) <= characters:
            return text
        return f"{text[:characters]}\\n[{len(text) - characters} more characters: ask for a part of it]"

    return guarded""",
    typescript_name="capResult",
    typescript="""\
function capResult(execute, characters = $n) {
  return async (input, options) => {
    const result = await execute(input, options);
    const text = typeof result === "string" ? result : JSON.stringify(result);
    const more = text.length - characters;
    return more > 0 ? `${text.slice(0, characters)}\\n[${more} more characters: ask for a part of it]` : text;
  };
}""",
)

# Where a decorator of our own goes: under the framework's.
_DECORATORS = {
    Idiom.LANGCHAIN: "@tool",
    Idiom.PYDANTIC_AI: "@agent.tool_plain",
    Idiom.OPENAI_AGENTS: "@function_tool",
    Idiom.CREWAI: "@tool",
}
_NAMED = ("refuseRepeats", "stopAfterErrors", "sayWhenEmpty")  # take the tool's name as well


def guard(
    wrapper: Wrapper,
    observed: Observed,
    *,
    hint: str = "",
    number: int = 3,
    tool: str = "",
    found_empty: EmptyTest = NO_TEST,
) -> Snippet:
    """`tool`: another one than the subject; `hint`: what the model should do, in a sentence."""
    idiom = idiom_of(observed)
    is_typescript = language_of(idiom) == "typescript"
    told = hint or "Do not repeat this call: go on with what you have, or say what is missing."
    name = tool or observed.subject
    # Safely, as TypeScript has its own `${names}`.
    body = Template(wrapper.typescript if is_typescript else wrapper.python).safe_substitute(
        hint=hint_literal(told, is_typescript=is_typescript),
        n=number,
        found_empty=found_empty.typescript if is_typescript else found_empty.python,
    )
    hook = _typescript_hook(wrapper, name) if is_typescript else _python_hook(wrapper, idiom, name)
    return Snippet(f"{body}\n\n\n{hook}", language_of(idiom))


def _python_hook(wrapper: Wrapper, idiom: Idiom, tool: str) -> str:
    function = identifier(tool, "your_tool")
    if idiom in _DECORATORS:
        lines = [_DECORATORS[idiom], f"@{wrapper.python_name}", f"def {function}(...):"]
        where = "Under the tool's own decorator (of an async tool, make `guarded` async and await the tool):"
        return "\n".join([f"# {where}", *(f"#     {line}" for line in lines)])
    if idiom is Idiom.LLAMA_INDEX:
        return f"# FunctionTool.from_defaults(fn={wrapper.python_name}({function}))"
    if idiom is Idiom.GOOGLE:
        return f"# types.GenerateContentConfig(tools=[{wrapper.python_name}({function})])"
    key = literal(tool or "your_tool")
    return f"# Where your loop looks its tools up:\n#     TOOLS[{key}] = {wrapper.python_name}({function})"


def _typescript_hook(wrapper: Wrapper, tool: str) -> str:
    key = json_literal(tool or "yourTool")
    arguments = f"{key}, execute" if wrapper.typescript_name in _NAMED else "execute"
    return f"// {key}: tool({{ ...definition, execute: {wrapper.typescript_name}({arguments}) }})"
