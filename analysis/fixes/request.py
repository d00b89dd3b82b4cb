"""
Fixes of requests that a provider refuses as they are: their messages and parameters. Pure.

Sources: https://platform.openai.com/docs/guides/function-calling,
https://docs.claude.com/en/docs/agents-and-tools/tool-use/implement-tool-use,
https://platform.openai.com/docs/guides/reasoning, https://ai.google.dev/gemini-api/docs/function-calling
"""

from __future__ import annotations

import re
from collections.abc import Callable

from analysis.fixes.fix import Remedy, Snippet
from analysis.fixes.idiom import Idiom, idiom_of, language_of, vendor_of
from analysis.fixes.observed import Observed
from analysis.fixes.quote import json_literal, literal, name, shell_word
from analysis.fixes.settings import output_limit_line
from analysis.fixes.vendor import refused, vendor, vendor_name

_CALL_ID = re.compile(r"\b(?:call|toolu|fc|chatcmpl-tool)_[\w-]{3,60}")

_ANSWER_CHAT = """\
def answer_open_calls(messages):
    \"\"\"Each tool call gets a result, as the API demands; those that never ran get one that says so.\"\"\"
    answered = {each.get("tool_call_id") for each in messages}
    whole = []
    for message in messages:
        whole.append(message)
        for call in message.get("tool_calls") or []:
            if call["id"] not in answered:
                result = "Not run: interrupted."
                whole.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    return whole


request["messages"] = answer_open_calls(request["messages"])  # before each call"""
_ANSWER_RESPONSES = """\
def answer_open_calls(items):
    \"\"\"Each function call gets an output, as the API demands; one that never ran says so.\"\"\"
    answered = {each["call_id"] for each in items if each.get("type") == "function_call_output"}
    whole = []
    for item in items:
        whole.append(item)
        if item.get("type") == "function_call" and item["call_id"] not in answered:
            output = "Not run: interrupted."
            whole.append({"type": "function_call_output", "call_id": item["call_id"], "output": output})
    return whole


request["input"] = answer_open_calls(request["input"])  # before each call"""
_ANSWER_ANTHROPIC = """\
def answer_open_calls(messages):
    \"\"\"The message after a tool_use begins with its tool_result, as the API demands.\"\"\"
    whole = []
    for place, message in enumerate(messages):
        whole.append(message)
        if message["role"] != "assistant" or isinstance(message["content"], str):
            continue
        later = messages[place + 1]["content"] if place + 1 < len(messages) else []
        blocks = [{"type": "text", "text": later}] if isinstance(later, str) else list(later)
        answered = {each.get("tool_use_id") for each in blocks}
        missing = [
            {"type": "tool_result", "tool_use_id": each["id"], "content": "Not run.", "is_error": True}
            for each in message["content"]
            if each["type"] == "tool_use" and each["id"] not in answered
        ]
        if missing and place + 1 < len(messages):
            messages[place + 1] = {"role": "user", "content": missing + blocks}
        elif missing:
            whole.append({"role": "user", "content": missing})
    return whole


request["messages"] = answer_open_calls(request["messages"])  # before each call"""
_ANSWER_LANGCHAIN = """\
from langchain.agents.middleware import wrap_model_call
from langchain_core.messages import AIMessage, ToolMessage


@wrap_model_call
def answer_open_calls(request, handler):
    \"\"\"Each tool call gets a result, as the API demands; those that never ran get one that says so.\"\"\"
    answered = {each.tool_call_id for each in request.messages if isinstance(each, ToolMessage)}
    whole = []
    for message in request.messages:
        whole.append(message)
        for call in message.tool_calls if isinstance(message, AIMessage) else []:
            if call["id"] not in answered:
                whole.append(ToolMessage("Not run: interrupted.", tool_call_id=call["id"]))
    return handler(request.override(messages=whole))


agent = create_agent(..., middleware=[answer_open_calls])"""
_ANSWER_TYPESCRIPT = """\
function answerOpenCalls(messages) {
  const answered = new Set(messages.map((each) => each.tool_call_id));
  return messages.flatMap((message) => [
    message,
    ...(message.tool_calls ?? [])
      .filter((call) => !answered.has(call.id))
      .map((call) => ({ role: "tool", tool_call_id: call.id, content: "Not run: interrupted." })),
  ]);
}

request.messages = answerOpenCalls(request.messages); // before each call"""
_ANSWER_VERCEL = """\
function answerOpenCalls(messages: ModelMessage[]): ModelMessage[] {
  const parts = messages.flatMap((each) => (Array.isArray(each.content) ? each.content : []));
  const answered = new Set(parts.flatMap((each) => (each.type === "tool-result" ? [each.toolCallId] : [])));
  return messages.flatMap((message) => {
    if (message.role !== "assistant" || typeof message.content === "string") return [message];
    const open = message.content.flatMap((each) =>
      each.type === "tool-call" && !answered.has(each.toolCallId)
        ? [{
            type: "tool-result" as const,
            toolCallId: each.toolCallId,
            toolName: each.toolName,
            output: { type: "text" as const, value: "Not run: interrupted." },
          }]
        : [],
    );
    return open.length ? [message, { role: "tool" as const, content: open }] : [message];
  });
}"""


def bad_request(observed: Observed) -> Remedy:
    for words, remedy in _BAD_REQUESTS:
        if words.search(observed.seen):
            return remedy(observed)
    return _some_field(observed)


def _open_call(observed: Observed) -> Remedy:
    found = _CALL_ID.search(observed.seen)
    call = found[0] if found else "a tool call"
    return Remedy(
        title=f"{call} has no result in the messages that follow it",
        what=refused(observed),
        why="After a message with tool calls the API wants one result for each of them, at once. A tool "
        "that raised, was cancelled or was cut from the history left its call open, and from then on "
        f"every request of this conversation is refused.{_at_message(observed)}",
        advice=f"Append a result for {call}, if only one that says that it was not run.",
        guard=_answer_open_calls(observed),
    )


def _answer_open_calls(observed: Observed) -> Snippet:
    match idiom_of(observed):
        case Idiom.LANGCHAIN:
            text = _ANSWER_LANGCHAIN
        case Idiom.OPENAI_RESPONSES | Idiom.OPENAI_AGENTS:
            text = _ANSWER_RESPONSES
        case Idiom.ANTHROPIC:
            text = _ANSWER_ANTHROPIC
        case Idiom.VERCEL:
            text = _ANSWER_VERCEL
        case Idiom.OPENAI_NODE | Idiom.ANTHROPIC_NODE:
            text = _ANSWER_TYPESCRIPT
        case _:
            text = _ANSWER_ANTHROPIC if vendor_of(observed) == "anthropic" else _ANSWER_CHAT
    return Snippet(text, language_of(idiom_of(observed)))


def _orphan_result(observed: Observed) -> Remedy:
    return Remedy(
        title="A tool result stands without the call that it answers",
        what=refused(observed),
        why="The history was cut between a tool call and its result, so that the result came first. Cuts "
        f"are safe only in front of a user's message.{_at_message(observed)}",
        advice="Cut the history in front of a user's message, never between a call and its result.",
        guard=_cut_at_user(observed),
    )


def _cut_at_user(observed: Observed) -> Snippet:
    if language_of(idiom_of(observed)) == "typescript":
        return Snippet(
            """\
function recent(messages, count = 20) {
  // The first of those that stay is a user's message, so that no result loses its call.
  const place = messages.findIndex((each, place) =>
    place >= messages.length - count && each.role === "user" && typeof each.content === "string");
  return place < 0 ? messages : messages.slice(place);
}""",
            "typescript",
        )
    if idiom_of(observed) is Idiom.LANGCHAIN:
        return Snippet(
            """\
from langchain_core.messages import trim_messages

recent = trim_messages(
    messages,
    strategy="last",
    token_counter="approximate",
    max_tokens=50_000,
    start_on="human",  # so that no result loses its call
    include_system=True,
)"""
        )
    return Snippet(
        """\
def recent(messages, count=20):
    \"\"\"The latest messages, from a user's own on, so that no result loses its call.\"\"\"
    for place in range(max(len(messages) - count, 0), len(messages)):
        message = messages[place]
        if message["role"] == "user" and isinstance(message["content"], str):
            return messages[place:]
    return messages"""
    )


def _unknown_model(observed: Observed) -> Remedy:
    known, model = vendor(observed), name(observed.model)
    listing = f" Ask {known.models} which there are." if known else ""
    return Remedy(
        title=f"{vendor_name(observed)} has no model {model or 'of this name'} for this key",
        what=refused(observed),
        why="The name is misspelt, the model was retired, or this key's project has no access to it. "
        f"Names differ between providers that serve the same model.{listing}",
        advice=f"Take a name from the provider's list of models instead of {model or 'the present one'}.",
        guard=_model_list(observed),
    )


def _model_list(observed: Observed) -> Snippet:
    known = vendor(observed)
    address = known.models if known else "https://YOUR-PROVIDER/v1/models"
    header = (known.header if known else "Authorization: Bearer $KEY").replace(
        "$KEY", f"${known.key}" if known else "$API_KEY"
    )
    version = ' -H "anthropic-version: 2023-06-01"' if known and known.key.startswith("ANTHROPIC") else ""
    wanted = shell_word(observed.model.split("-")[0] or "model")
    return Snippet(f'curl -s {address} \\\n  -H "{header}"{version} | grep -i {wanted}', "sh")


def _parameter(observed: Observed) -> Remedy:
    quoted = re.search(r"['\"`]([\w.\[\]]{2,60})['\"`]", observed.message)
    parameter = observed.fact("parameter") or (quoted[1] if quoted else "") or "the named parameter"
    instead = re.search(r"use ['\"`]([\w.]{2,60})['\"`] instead", observed.message, re.I)
    model = name(observed.model) or "this model"
    change = (
        f"Send {instead[1]} instead of {parameter}." if instead else f"Leave {parameter} out for {model}."
    )
    return Remedy(
        title=f"{model} does not take {parameter}" + (f": send {instead[1]}" if instead else ""),
        what=refused(observed),
        why="Models of one provider differ in what they take: reasoning models refuse temperature, top_p "
        f"and max_tokens. The request has {parameter} for all of them, and the refusal comes every time.",
        advice=change,
        guard=_parameter_change(observed, parameter, instead[1] if instead else ""),
    )


def _parameter_change(observed: Observed, parameter: str, instead: str) -> Snippet:
    is_limit = "max" in parameter and instead
    limit = observed.number(parameter) or observed.number("max_tokens")
    if is_limit and limit:
        return output_limit_line(observed, limit, f"instead of {parameter}", instead)
    language = language_of(idiom_of(observed))
    if language == "typescript":
        key = json_literal(parameter)
        moved = f"request[{json_literal(instead)}] = request[{key}];\n" if instead else ""
        return Snippet(f"{moved}delete request[{key}];", language)
    if instead:
        return Snippet(f"request[{literal(instead)}] = request.pop({literal(parameter)})", language)
    # A default keeps `pop` from raising where it is not there.
    return Snippet(f"request.pop({literal(parameter)}, 0)  # {name(observed.model)} refuses it", language)


def _limit_too_large(observed: Observed) -> Remedy:
    numbers = [int(each) for each in re.findall(r"\d{3,9}", observed.message.replace(",", ""))]
    most = min(numbers) if len(numbers) > 1 else None
    asked = max(numbers, default=0)
    to = f" to {most}" if most else ""
    return Remedy(
        title=f"The limit of the answer is over what {name(observed.model) or 'the model'} can write: "
        f"lower it{to}",
        what=refused(observed),
        why=f"{asked or 'More tokens'} for one answer is more than the model's own "
        f"maximum{f' of {most}' if most else ''}.",
        advice=f"Lower the limit{to}.",
        guard=output_limit_line(observed, most or 4096, f"{asked} is refused" if asked else ""),
    )


def _roles(observed: Observed) -> Remedy:
    return Remedy(
        title="The messages do not alternate as the API wants",
        what=refused(observed),
        why=f"Two messages of one role follow each other, or the first is no user's.{_at_message(observed)}",
        advice="Join neighbouring messages of one role before each call.",
        guard=_join_roles(observed),
    )


def _join_roles(observed: Observed) -> Snippet:
    if language_of(idiom_of(observed)) == "typescript":
        return Snippet(
            """\
function joined(messages) {
  const parts = (content) => (typeof content === "string" ? [{ type: "text", text: content }] : content);
  const whole = [];
  for (const message of messages) {
    const last = whole.at(-1);
    if (last && last.role === message.role && message.role === "user")
      last.content = [...parts(last.content), ...parts(message.content)];
    else whole.push({ ...message });
  }
  return whole;
}""",
            "typescript",
        )
    return Snippet(
        """\
def joined(messages):
    \"\"\"Neighbouring messages of the user become one.\"\"\"

    def parts(content):
        return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)

    whole = []
    for message in messages:
        if whole and whole[-1]["role"] == message["role"] == "user":
            content = parts(whole[-1]["content"]) + parts(message["content"])
            whole[-1] = {"role": "user", "content": content}
        else:
            whole.append(message)
    return whole


request["messages"] = joined(request["messages"])  # before each call"""
    )


def _empty_text(observed: Observed) -> Remedy:
    return Remedy(
        title="A message without text is sent",
        what=refused(observed),
        why="An answer or a tool result was empty, and was put into the history as it was, so that every "
        f"later request of the conversation is refused.{_at_message(observed)}",
        advice="Leave empty messages out, and give an empty tool result a text such as “(no output)”.",
        guard=_fill_empty(observed),
    )


def _fill_empty(observed: Observed) -> Snippet:
    if language_of(idiom_of(observed)) == "typescript":
        return Snippet(
            """\
request.messages = request.messages
  .filter((each) => each.role === "tool" || each.tool_calls || each.content?.length)
  .map((each) => (each.role === "tool" && !each.content ? { ...each, content: "(no output)" } : each));""",
            "typescript",
        )
    return Snippet(
        """\
request["messages"] = [
    {**each, "content": "(no output)"} if each["role"] == "tool" and not each["content"] else each
    for each in request["messages"]
    if each["role"] == "tool" or each.get("tool_calls") or each["content"]
]"""
    )


def _thinking(observed: Observed) -> Remedy:
    return Remedy(
        title="The model's own reasoning is missing from the history that is sent back",
        what=refused(observed),
        why="While tools are in use, the API wants the reasoning of the last answer back, unchanged, in "
        "front of its tool calls. A history that keeps only text and calls has lost "
        f"it.{_at_message(observed)}",
        advice="Append the whole content of an answer to the history, not its text alone.",
        guard=_whole_content(observed),
    )


def _whole_content(observed: Observed) -> Snippet:
    language = language_of(idiom_of(observed))
    if language == "typescript":
        return Snippet('messages.push({ role: "assistant", content: message.content }); // whole', language)
    lines = {
        "anthropic": 'messages.append({"role": "assistant", "content": message.content})',
        "google": "contents.append(response.candidates[0].content)  # with its thought signatures",
        "openai": "items += response.output  # reasoning items with the calls",
    }
    return Snippet(lines[vendor_of(observed)], language)


def _some_field(observed: Observed) -> Remedy:
    parameter = observed.fact("parameter") or name(
        observed.subject if observed.subject != observed.provider else ""
    )
    about = f": {parameter}" if parameter else ""
    status = observed.fact("status")
    return Remedy(
        title=f"{vendor_name(observed)} refuses the request{about}{f' (HTTP {status})' if status else ''}",
        what=refused(observed),
        why="The request is wrong in itself, so that a retry fails in the same "
        f"way.{_at_message(observed)} The message names what is wrong; compare the body with one of a call "
        "that went well.",
        advice="Correct what the message names, and stop retrying on status 400.",
        guard=_show_request(observed),
    )


def _show_request(observed: Observed) -> Snippet:
    call = observed.examples[0].call_id if observed.examples else ""
    shown = f"arc-proxy show {shell_word(call)}" if call else "arc-proxy issues"
    return Snippet(f"{shown}   # the refused request, with the provider's answer", "sh")


_BAD_REQUESTS: tuple[tuple[re.Pattern[str], Callable[[Observed], Remedy]], ...] = tuple(
    (re.compile(pattern, re.I), remedy)
    for pattern, remedy in (
        (
            (r"must be followed by tool messages|without `?tool_result`? blocks|no tool output found"
            r"|did not have response messages|function response parts|tool_call_id.{0,40}without"),
            _open_call,
        ),
        (
            (r"must be a response to a prece+ding message|unexpected `?tool_use_id|no tool call found"
            r"|tool_result.{0,60}without|function response turn comes immediately after"),
            _orphan_result,
        ),
        (
            (r"model.{0,80}(?:does not exist|not found|not supported for)|model_not_found"
            r"|not_found.{0,20}model"),
            _unknown_model,
        ),
        (r"max_\w*tokens.{0,60}(?:too large|>|maximum|at most|exceed)", _limit_too_large),
        (
            (r"unsupported (?:parameter|value)|unrecognized request argument|extra inputs are not permitted"
            r"|unknown (?:parameter|name)|cannot both be specified|not support(?:ed)?.{0,40}with this model"
            r"|is deprecated for this model"),
            _parameter,
        ),
        (r"thinking|reasoning.{0,40}(?:item|content)|thought_?signature", _thinking),
        (r"alternate|roles must|first message must|role.{0,20}order", _roles),
        (
            (r"non-?empty|must have (?:text|content)|cannot be empty|content.{0,20}(?:null|empty)"
            r"|minimum length"),
            _empty_text,
        ),
    )
)  # fmt: skip


def _at_message(observed: Observed) -> str:
    place = observed.examples[0].message_index if observed.examples else -1
    return f" It is about message {place} of the request." if place is not None and place >= 0 else ""
