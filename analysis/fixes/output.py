"""
Fixes of answers: cut, empty, refused, no JSON, a tool call written as text. Pure.

Sources: https://platform.openai.com/docs/guides/structured-outputs#refusals,
https://docs.claude.com/en/api/handling-stop-reasons, https://ai.google.dev/gemini-api/docs/safety-settings,
https://docs.vllm.ai/en/latest/features/tool_calling/,
https://docs.sglang.ai/advanced_features/tool_parser.html,
https://github.com/ggml-org/llama.cpp/blob/master/docs/function-calling.md
"""

from __future__ import annotations

import math
import re

from analysis.fixes.fix import Remedy, Snippet, watched_runs
from analysis.fixes.idiom import Idiom, idiom_of, language_of, vendor_of
from analysis.fixes.observed import Observed
from analysis.fixes.quote import name, shell_word
from analysis.fixes.settings import output_limit_line
from analysis.fixes.structured import structured, unfenced

_ROOM = 1.4  # over the 99th percentile of whole answers: those that were cut would have been longer
_OUTPUT_MAX = 64_000


def truncated(observed: Observed) -> Remedy:
    limit, p99 = _limit(observed), observed.number("p99_output_tokens")
    tokens = _roomy(p99, limit)
    at = f" at {limit[0]}={limit[1]}" if limit else ""
    usual = f" The 99th percentile of whole answers is {p99} tokens." if p99 else ""
    note = f"{limit[1]} now" if limit else ""
    if p99:
        note = f"{note + '; ' if note else ''}99 % of whole answers have up to {p99}"
    who = name(observed.agent) or "the agent"
    return Remedy(
        title=f"Answers are cut{at}: raise it to {tokens}",
        what=f"The model hit its limit{at}, {observed.times}.{usual}",
        why=f"What {who} reads then is half an answer: JSON that does not end, or a tool call without its "
        "last arguments. With a reasoning model the reasoning counts too, so that nothing may be left for "
        "the answer. A higher limit costs nothing where answers are short: only what is written is billed.",
        advice=f"Raise the limit to {tokens}, and treat an answer with this finish reason as failed.",
        guard=output_limit_line(observed, tokens, note),
        patch=_limit_and_check(observed, output_limit_line(observed, tokens, note)),
        check=f"no answer with finish reason length or max_tokens in the next {watched_runs(observed)} runs",
    )


def _limit(observed: Observed) -> tuple[str, int] | None:
    """The parameter and its tokens, of the subject "max_tokens=256", the evidence or the facts."""
    for text in (observed.subject, observed.seen):
        found = re.search(r"\b(max\w{2,40}) ?= ?(\d{1,9})\b", text)
        if found:
            return found[1], int(found[2])
    number = observed.number("max_tokens")
    return ("max_tokens", number) if number else None


def _roomy(p99: int | None, limit: tuple[str, int] | None) -> int:
    """Above the usual answer and above the limit that cut, in round numbers."""
    wanted = max((p99 or 0) * _ROOM, (limit[1] if limit else 0) * (1.5 if p99 else 4)) or 4096
    step = 10 ** max(int(math.log10(wanted)) - 1, 1)
    return int(min(math.ceil(wanted / step) * step, max(_OUTPUT_MAX, limit[1] if limit else 0)))


_CUT_CHECKS = {
    Idiom.OPENAI_CHAT: 'response.choices[0].finish_reason == "length"',
    Idiom.OPENAI_RESPONSES: 'response.status == "incomplete"',
    Idiom.ANTHROPIC: 'message.stop_reason == "max_tokens"',
    Idiom.VERCEL: 'result.finishReason === "length"',
    Idiom.OPENAI_NODE: 'response.choices[0].finish_reason === "length"',
    Idiom.ANTHROPIC_NODE: 'message.stop_reason === "max_tokens"',
}


def _limit_and_check(observed: Observed, line: Snippet) -> Snippet:
    is_cut = _CUT_CHECKS.get(idiom_of(observed), "")
    if not is_cut:
        return line
    if line.language == "typescript":
        return Snippet(f'{line.text}\nif ({is_cut}) throw new Error("the answer was cut");', line.language)
    return Snippet(f'{line.text}\nif {is_cut}:\n    raise ValueError("the answer was cut")', line.language)


def empty(observed: Observed) -> Remedy:
    is_anthropic = vendor_of(observed) == "anthropic"
    why = (
        "After tool results Claude answers with nothing if a text stands behind them in the same message: "
        "it has learnt from the history that the user always speaks next."
        if is_anthropic
        else "The model ended its turn without text or call: the reasoning used up the limit, or the "
        "history ends so that there is nothing to say."
    )
    return Remedy(
        title=f"{name(observed.model) or 'The model'} answers with nothing",
        what=f"The answer had no text and no tool call {observed.times}.",
        why=why,
        advice="Send tool results alone, without a text behind them; ask “Please continue” once on an "
        "empty answer.",
        guard=_continue(observed),
        check=f"no output.empty in the next {watched_runs(observed)} runs that is not followed by an answer",
    )


def _continue(observed: Observed) -> Snippet:
    if language_of(idiom_of(observed)) == "typescript":
        return Snippet(
            """\
async function askUntilSaid(ask, messages) {
  const answer = await ask(messages);
  if (answer.text || answer.toolCalls?.length) return answer;
  return await ask([...messages, { role: "user", content: "Please continue." }]); // once
}""",
            "typescript",
        )
    if idiom_of(observed) is Idiom.LANGCHAIN:
        return Snippet(
            """\
from langchain.agents.middleware import wrap_model_call
from langchain_core.messages import HumanMessage


@wrap_model_call
def ask_until_said(request, handler):
    response = handler(request)
    answer = response.result[0]
    if answer.text or answer.tool_calls:
        return response
    return handler(request.override(messages=[*request.messages, HumanMessage("Please continue.")]))


agent = create_agent(..., middleware=[ask_until_said])"""
        )
    if idiom_of(observed) is Idiom.PYDANTIC_AI:
        return Snippet(
            """\
from pydantic_ai import Agent

# Pydantic AI asks again on an empty answer, once unless told otherwise.
agent = Agent(..., retries=3)"""
        )
    return Snippet(
        """\
def ask_until_said(ask, messages):
    \"\"\"`ask(messages)` returns an answer's text and its tool calls.\"\"\"
    text, calls = ask(messages)
    if text or calls:
        return text, calls
    return ask([*messages, {"role": "user", "content": "Please continue."}])  # once"""
    )


def invalid_json(observed: Observed) -> Remedy:
    said = observed.seen
    path = re.search(r"answer((?:\[[^\]]{1,60}\])+)", said)
    field = path[1] if path else ""
    if "code fence" in said and not field:
        return Remedy(
            title="The answer's JSON stands in a code fence, which json.loads does not read",
            what=f"The answer was fenced JSON {observed.times}.",
            why="The model writes Markdown as it does in a chat. JSON mode asks for an object, and some "
            "servers that speak OpenAI's API do not enforce it.",
            advice="Take the fence off before reading, and ask for a schema that the provider enforces.",
            guard=unfenced(observed),
            patch=structured(observed),
            check=f"no fenced answer in the next {watched_runs(observed)} runs",
        )
    where = f" at {name(field)}" if field else ""
    return Remedy(
        title=f"The answer does not fit its schema{where}" if field else "The answer is no JSON",
        what=f"An answer that should be JSON was not{where} {observed.times}: "
        f"{observed.quoted or 'no message'}.",
        why="The form was asked for in words, or in JSON mode, which promises JSON but not these fields. "
        "A schema that the provider enforces leaves the model no other way to write.",
        advice="Ask with a schema that the provider enforces, instead of in the prompt.",
        guard=structured(observed),
        check=f"no output.invalid_json in the next {watched_runs(observed)} runs",
    )  # fmt: skip


def refusal(observed: Observed) -> Remedy:
    category = observed.fact("category") or _category(observed.seen)
    of = f" ({category})" if category else ""
    return Remedy(
        title=f"{name(observed.model) or 'The model'} refuses to answer{of}",
        what=f"The answer was a refusal{of} {observed.times}: {observed.quoted or 'without words'}.",
        why="A filter or the model itself saw something that it may not do. It may be meant, and then "
        "your program should say so to the user. If not, look at the last message before it: mostly a "
        "quoted document or a tool result, not the question, set it off.",
        advice="Handle a refusal as an answer of its own; where it is wrong, rephrase or ask a second model.",
        guard=_handle_refusal(observed),
        check=f"the share of refusals in the next {watched_runs(observed)} runs is lower, and none is read "
        "as an answer",
    )


def _category(said: str) -> str:
    found = re.search(
        r"\b(hate|violence|sexual|self[-_]harm|jailbreak|safety|prohibited_content|blocklist|spii|recitation"
        r"|content_filter|protected_material)\b",
        said,
        re.I,
    )
    return found[1].lower() if found else ""


_REFUSAL_CHECKS = {
    Idiom.OPENAI_CHAT: """\
choice = response.choices[0]
if choice.message.refusal or choice.finish_reason == "content_filter":
    return_to_user(choice.message.refusal or "This was refused.")  # no answer to be parsed""",
    Idiom.OPENAI_RESPONSES: """\
refusals = [
    part.refusal
    for item in response.output
    if item.type == "message"
    for part in item.content
    if part.type == "refusal"
]
if refusals:
    return_to_user(refusals[0])  # no answer to be parsed""",
    Idiom.ANTHROPIC: """\
if message.stop_reason == "refusal":
    return_to_user("This was refused.")
    messages.pop()  # the refused turn; left in, it is refused again""",
    Idiom.GOOGLE: """\
blocked = response.prompt_feedback and response.prompt_feedback.block_reason
reason = response.candidates[0].finish_reason if response.candidates else blocked
if blocked or (reason and reason.name in ("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION")):
    return_to_user(f"This was refused: {reason}")""",
    Idiom.LANGCHAIN: """\
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRefusalMiddleware

# A refusal counts as an error, upon which the second model is asked.
middleware = [ModelFallbackMiddleware("provider:second-model"), ModelRefusalMiddleware()]
agent = create_agent(..., middleware=middleware)""",
    Idiom.OPENAI_AGENTS: """\
from agents import RunErrorHandlerResult, Runner


def tell_user(data):
    return RunErrorHandlerResult(final_output=f"This was refused: {data.error}")


result = Runner.run_sync(agent, input, error_handlers={"model_refusal": tell_user})""",
    Idiom.PYDANTIC_AI: """\
from pydantic_ai import Agent
from pydantic_ai.capabilities import RaiseContentFilterError
from pydantic_ai.exceptions import ContentFilterError

agent = Agent(..., capabilities=[RaiseContentFilterError()])
try:
    answer = agent.run_sync(prompt).output
except ContentFilterError:
    answer = "This was refused."  # or ask a second model""",
    Idiom.VERCEL: """\
if (result.finishReason === "content-filter") return { refused: true }; // no answer to be parsed""",
}


def _handle_refusal(observed: Observed) -> Snippet:
    idiom = idiom_of(observed)
    if idiom in _REFUSAL_CHECKS:
        return Snippet(_REFUSAL_CHECKS[idiom], language_of(idiom))
    return _refused_reply(language_of(idiom))


def _refused_reply(language: str) -> Snippet:
    if language == "typescript":
        return Snippet(
            """\
const REFUSED = ["content_filter", "refusal"];
const isRefused = REFUSED.includes(reply.stop_reason ?? reply.choices?.[0].finish_reason);
if (isRefused) return { refused: true }; // no answer to be parsed""",
            language,
        )
    return Snippet(
        """\
REFUSED = ("content_filter", "refusal", "SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION")


def is_refused(reply):
    \"\"\"`reply`: the body of a response, of OpenAI, Anthropic or Google.\"\"\"
    choice = (reply.get("choices") or reply.get("candidates") or [reply])[0]
    reason = choice.get("finish_reason") or choice.get("stop_reason") or choice.get("finishReason")
    return reason in REFUSED or bool(choice.get("message", dict()).get("refusal"))""",
        language,
    )


# What a model writes, and the parser of vLLM that reads it.
_PARSERS = (
    (re.compile(r"<function=|qwen3[-_.]?coder", re.I), "qwen3_coder"),
    (re.compile(r"tool_calls_section_begin|kimi", re.I), "kimi_k2"),
    (re.compile(r"\uff5ctool|deepseek[-_.]?v?3", re.I), "deepseek_v3"),
    (re.compile(r"\[TOOL_CALLS\]|mistral|mixtral|devstral|ministral", re.I), "mistral"),
    (re.compile(r"python_tag|llama-?[34]", re.I), "llama3_json"),
    (re.compile(r"glm-?4", re.I), "glm45"),
    (re.compile(r"granite", re.I), "granite"),
    (re.compile(r"gpt-?oss", re.I), "openai"),
    (re.compile(r"<tool_call>|qwen|hermes", re.I), "hermes"),
)
# Who serves models with their own parsers, so that no flag of ours can help.
_HOSTED = frozenset({"openai", "anthropic", "google", "azure", "bedrock", "mistral", "cohere", "xai"})


def tool_call_as_text(observed: Observed) -> Remedy:
    model = name(observed.model) or "the model"
    where = observed.fact("host") or "the server"
    parser = next(
        (each for words, each in _PARSERS if words.search(f"{observed.seen} {observed.model}")), "hermes"
    )
    is_hosted = observed.provider.strip().lower() in _HOSTED
    advice = (
        "Read calls out of the text until the model writes them as calls, and take examples of calls out "
        "of the prompt."
        if is_hosted
        else f"Start the server with the tool parser of this model: {parser}."
    )
    why = (
        "The model copies a form of calls that it was shown in the prompt or in the history."
        if is_hosted
        else f"The model calls tools, but {where} hands its words on as text: no tool parser is set, or "
        "that of another model. The agent sees an answer without calls and stops, so that every run of it "
        "fails so."
    )
    return Remedy(
        title=f"{model} calls tools in its text, where the agent does not see them",
        what=f"Tools were offered, and the answer was text with a call in it {observed.times}: "
        f"{observed.quoted}."
        if observed.quoted
        else f"Tools were offered, and the answer was text with a call in it {observed.times}.",
        why=why,
        advice=advice,
        guard=_calls_in_text(observed) if is_hosted else _serve(observed, parser),
        check=f"no output.tool_call_as_text in the next {watched_runs(observed)} runs, and tools are called",
    )  # fmt: skip


def _serve(observed: Observed, parser: str) -> Snippet:
    if observed.provider.strip().lower() == "ollama":
        model = shell_word(observed.model or "your-model")
        return Snippet(
            f"""\
# Ollama reads calls by the model's own template; "tools" must stand among its capabilities:
ollama show {model} | grep -A4 Capabilities
ollama pull {model}   # a newer template, where "tools" is missing""",
            "sh",
        )
    return Snippet(
        f"""\
vllm serve {shell_word(observed.model or "your-model")} \\
  --enable-auto-tool-choice --tool-call-parser {parser}
# SGLang: --tool-call-parser qwen25, llama3, mistral ...; llama.cpp: llama-server --jinja""",
        "sh",
    )


def _calls_in_text(observed: Observed) -> Snippet:
    if language_of(idiom_of(observed)) == "typescript":
        return Snippet(
            """\
// {"name": ..., "arguments": ...}, alone or in <tool_call> tags
function callsIn(text: string) {
  const tagged = [...text.matchAll(/<tool_call>\\s*([\\s\\S]*?)\\s*<\\/tool_call>/g)].map((each) => each[1]);
  return (tagged.length ? tagged : [text]).flatMap((each) => {
    try {
      const call = JSON.parse(each);
      return call.name ? [call] : [];
    } catch {
      return [];
    }
  });
}""",
            "typescript",
        )
    return Snippet(
        """\
import json
import re

CALL = re.compile(r"<tool_call>\\s*(.*?)\\s*</tool_call>", re.DOTALL)


def calls_in(text):
    \"\"\"Calls that a model wrote as text: {"name": ..., "arguments": ...}, alone or in tags.\"\"\"
    for written in CALL.findall(text) or [text]:
        try:
            call = json.loads(written)
        except ValueError:
            continue
        if isinstance(call, dict) and "name" in call:
            yield call["name"], call.get("arguments") or call.get("parameters")"""
    )
