"""
A request and a reply cut into what was paid for: tools, prompts, results, texts, calls. Pure.

Formats are those of `analysis.tool_use`, told apart by the words that they use. In most a type says what a
block is by its ending: `function_call`, `mcp_tool_use`, `computer_call_output`, `web_search_tool_result`, so
that a new one is mostly read right. What has no form that is known here is other text.

Sources: https://platform.openai.com/docs/api-reference/responses/create,
https://docs.claude.com/en/api/messages, https://ai.google.dev/api/generate-content,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
https://docs.cohere.com/v2/reference/chat and https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from analysis.request import DECLARATIONS, NAMESPACE, mapping
from analysis.tool_name import full_name
from arc_proxy.call import Reply

# A picture counts by its size in pixels: about a thousand tokens, of about four bytes each.
# https://platform.openai.com/docs/guides/images-vision,
# https://docs.claude.com/en/build-with-claude/vision
MEDIA_BYTES = 4000
NAME_CHARS_MAX = 200

_STUB = b"arc-media;type="  # what the wire put in the place of a picture's base64
# Claude Code's first system block. It differs from call to call, and breaks no cache.
_BILLING_HEAD = "x-anthropic-billing-header:"


class PartKind(StrEnum):
    """What a part of a call's cost was paid for. Values may be stored: append, never rename."""

    TOOL_SCHEMA = "tool_schema"
    SYSTEM = "system"
    USER = "user"
    TOOL_RESULT = "tool_result"
    EARLIER_TEXT = "earlier_text"  # of the assistant, sent again as all that is earlier
    EARLIER_REASONING = "earlier_reasoning"
    EARLIER_ARGUMENTS = "earlier_arguments"
    OUTPUT = "output"
    REASONING = "reasoning"
    ARGUMENTS = "arguments"
    SERVER_TOOL = "server_tool"  # the provider's own: their fees, and the room that they take in a request
    CACHE_BREAK = "cache_break"
    OTHER = "other"


# As people read them; what is earlier was sent again.
PART_NAMES = {
    PartKind.TOOL_SCHEMA: "tool schemas",
    PartKind.SYSTEM: "system prompt",
    PartKind.USER: "user text",
    PartKind.TOOL_RESULT: "tool results",
    PartKind.EARLIER_TEXT: "earlier answers",
    PartKind.EARLIER_REASONING: "earlier reasoning",
    PartKind.EARLIER_ARGUMENTS: "earlier tool calls",
    PartKind.OUTPUT: "answers",
    PartKind.REASONING: "reasoning",
    PartKind.ARGUMENTS: "tool calls",
    PartKind.SERVER_TOOL: "the provider's own tools",
    PartKind.CACHE_BREAK: "broken caches",
    PartKind.OTHER: "other",
}


@dataclass(frozen=True, slots=True)
class Part:
    """
    `name`: the tool's; of a result "" where only the call that it answers says it. `content`: what the model
    sees of it, without ids and without marks for the cache. `weight`: its bytes, pictures as MEDIA_BYTES.
    """

    kind: PartKind
    name: str
    content: bytes
    weight: int
    call_id: str = ""


class Placed(NamedTuple):
    """A part of one request, under the name that the whole of it gives it."""

    part: Part
    name: str
    message_index: int


def place(cuts: Iterable[tuple[int, Iterable[Part]]]) -> list[Placed]:
    """Parts of messages, each with its message's index, results under the names of their tools."""
    names: dict[str, str] = {}
    unanswered: list[str] = []
    placed = []
    for index, parts in cuts:
        for part in parts:
            name = part.name
            if part.kind is PartKind.EARLIER_ARGUMENTS:
                unanswered.append(name)
                if part.call_id:
                    names[part.call_id] = name
            elif part.kind is PartKind.TOOL_RESULT:
                name = name or _answered(part, names, unanswered)
                if name in unanswered:
                    unanswered.remove(name)
            placed.append(Placed(part, name, index))
    return placed


def _answered(part: Part, names: Mapping[str, str], unanswered: list[str]) -> str:
    """By its id, and where a format gives none in the order of the calls."""
    if part.call_id:
        return names.get(part.call_id, "")
    return unanswered[0] if unanswered else ""


def cut_message(message: bytes) -> tuple[Part, ...]:
    """The parts of one message of a `Prompt`, or of a reply. Never raises."""
    try:
        return tuple(_cut(json.loads(message), PartKind.OTHER))
    except (ValueError, RecursionError):
        return (Part(PartKind.OTHER, "", message, len(message)),)


def cut_reply(reply: Reply) -> tuple[Part, ...]:
    """What a model wrote. What the provider's own tools gave it stands in a reply too, and is no output."""
    found = cut_message(reply.message) if reply.message is not None else tuple(_written(reply))
    return tuple(
        Part(_OF_REPLY.get(part.kind, PartKind.OUTPUT), part.name, part.content, part.weight)
        for part in found
        if part.kind not in _NO_OUTPUT
    )


_NO_OUTPUT = frozenset({PartKind.TOOL_RESULT, PartKind.TOOL_SCHEMA, PartKind.SERVER_TOOL})
_OF_REPLY = {
    PartKind.EARLIER_REASONING: PartKind.REASONING,
    PartKind.EARLIER_ARGUMENTS: PartKind.ARGUMENTS,
}


def _written(reply: Reply) -> Iterator[Part]:
    if reply.output_text:
        yield _part(PartKind.EARLIER_TEXT, reply.output_text)
    for call in reply.tool_calls:
        yield _part(PartKind.EARLIER_ARGUMENTS, call.name + call.arguments, call.name)


_KINDS_OF_ROLES = {
    "system": PartKind.SYSTEM,
    "developer": PartKind.SYSTEM,
    "user": PartKind.USER,
    "assistant": PartKind.EARLIER_TEXT,
    "model": PartKind.EARLIER_TEXT,
    "chatbot": PartKind.EARLIER_TEXT,
    "tool": PartKind.TOOL_RESULT,
    "function": PartKind.TOOL_RESULT,
}
_KINDS_OF_TYPES = {  # of blocks that hold others, whose endings would say something else
    "message": PartKind.OTHER,
    "user_input": PartKind.USER,
    "model_output": PartKind.EARLIER_TEXT,
}
_TEXTS = ("content", "parts", "message", "refusal")
_CALLS = ("tool_calls", "function_call")
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "tool_plan")
_MARKS = frozenset({"cache_control", "cachePoint", "id", "status", "index"})


def _cut(message: Any, kind: PartKind) -> Iterator[Part]:
    """`kind` where nothing in the message says another."""
    if isinstance(message, list):
        for each in message:
            yield from _cut(each, kind)
    elif not isinstance(message, dict):
        yield _part(kind, message)
    elif "role" not in message and ("tools" in message or "functions" in message):
        yield from _cut_tools(message.get("tools", message.get("functions")))
    elif "role" not in message and "prompt" in message:  # of completions, before there were messages
        yield from _cut_content(message["prompt"], PartKind.USER)
    elif (role := _word(message.get("role"))) or _word(message.get("type")) in _KINDS_OF_TYPES:
        said = _KINDS_OF_ROLES.get(role.lower())
        yield from _cut_turn(message, said or _KINDS_OF_TYPES.get(_word(message.get("type")), kind))
    else:
        yield from _cut_block(message, kind)


def _cut_turn(message: Mapping[str, Any], kind: PartKind) -> Iterator[Part]:
    if kind is PartKind.TOOL_RESULT:
        yield from _cut_results(message)
        return
    found = False
    for field in _THOUGHTS:
        if message.get(field):
            found = True
            yield _part(PartKind.EARLIER_REASONING, message[field])
            break  # of several that say the same
    for field in _TEXTS:
        if message.get(field):
            found = True
            yield from _cut_content(message[field], kind)
    for image in _as_list(message.get("images")):  # Ollama's
        yield Part(kind, "", json_bytes(image), MEDIA_BYTES)
    for field in _CALLS:
        for call in _as_list(message.get(field)):
            found = True
            yield _call(mapping(call))
    if not found and not message.keys() & {*_TEXTS, *_CALLS}:
        yield _part(kind, _unmarked(message))


def _cut_content(content: Any, kind: PartKind) -> Iterator[Part]:
    for block in _as_list(content):
        if isinstance(block, dict):
            yield from _cut_block(block, kind)
        else:
            yield _part(kind, block)


def _cut_results(message: Mapping[str, Any]) -> Iterator[Part]:
    """A message that is a result, or has some in parts (Gemini's), or in a list (Cohere's of old)."""
    several = message.get("tool_results")
    if isinstance(several, list):
        for each in map(mapping, several):
            yield _part(PartKind.TOOL_RESULT, each.get("outputs"), _name(mapping(each.get("call"))))
    elif isinstance(message.get("parts"), list):
        yield from _cut_content(message["parts"], PartKind.TOOL_RESULT)
    else:
        yield _result(message)


def _cut_block(block: Mapping[str, Any], kind: PartKind) -> Iterator[Part]:
    """A part of a message's content, or an item that stands by itself."""
    said = block.get("type")
    form = said if isinstance(said, str) else ""
    wrapped = next((key for key in _WRAPPERS if isinstance(block.get(key), dict)), None)
    if wrapped is not None:
        yield _WRAPPERS[wrapped](mapping(block[wrapped]))
    elif form.endswith(_RESULT_ENDS):
        yield _result(block)
    elif form.endswith(_CALL_ENDS):
        yield _call(block)
        for field in _OUTPUTS:
            if block.get(field):
                yield _part(PartKind.TOOL_RESULT, block[field], _name(block), _id(block))
    elif _is_thought(block, form):
        yield _part(PartKind.EARLIER_REASONING, _thought(block))
    elif isinstance(text := block.get("text"), str):
        yield _part(kind, _BILLING_HEAD if text.startswith(_BILLING_HEAD) else text)
    elif rest := _unmarked(block):
        content = json_bytes(rest)
        is_media = form in _MEDIA_TYPES or any(key in block for key in _MEDIA_KEYS)
        weight = max(_weight(content), MEDIA_BYTES) if is_media else _weight(content)
        yield Part(kind, "", content, weight)


_RESULT_ENDS = ("_result", "_output")
_CALL_ENDS = ("_call", "_use")
_OUTPUTS = ("output", "outputs", "results", "error")
_THOUGHT_TYPES = frozenset({"thinking", "redacted_thinking", "reasoning", "thought"})
_MEDIA_TYPES = frozenset(
    {"image", "image_url", "input_image", "input_audio", "audio", "video", "video_url", "document"}
    | {"file", "input_file"}
)
_MEDIA_KEYS = ("inlineData", "inline_data", "fileData", "file_data", "image", "document", "video")


def _is_thought(block: Mapping[str, Any], form: str) -> bool:
    return form in _THOUGHT_TYPES or block.get("thought") is True or "reasoningContent" in block


def _thought(block: Mapping[str, Any]) -> Any:
    """The text where there is one: signatures beside it are no tokens."""
    inner = mapping(mapping(block.get("reasoningContent")).get("reasoningText")) or block
    for field in ("thinking", "text", "summary", "content"):
        if inner.get(field):
            return inner[field]
    return _unmarked(block)


def _call(block: Mapping[str, Any]) -> Part:
    inner = next((each for key in ("function", "custom") if (each := mapping(block.get(key)))), block)
    own = _name(inner)
    name = full_name(_word(block.get("namespace")), own) if own else _stem(block)
    fields = ("arguments", "input", "args", "parameters", "action", "code", "queries")
    said = next((inner[field] for field in fields if inner.get(field)), "")
    content = name.encode(errors="replace") + _bytes(said)
    return Part(PartKind.EARLIER_ARGUMENTS, name, content, _weight(content), _id(block) or _id(inner))


def _result(block: Mapping[str, Any]) -> Part:
    fields = ("content", "output", "result", "response")
    said = next((block[field] for field in fields if field in block), None)
    name = _name(block) or _word(block.get("tool_name"))
    if not name and not _id(block):
        name = _stem(block)
    return _part(PartKind.TOOL_RESULT, said, name, _id(block))


_WRAPPERS: Mapping[str, Callable[[Mapping[str, Any]], Part]] = {  # Gemini's and Bedrock's
    "functionCall": _call,
    "function_call": _call,
    "toolUse": _call,
    "functionResponse": _result,
    "function_response": _result,
    "toolResult": _result,
}


def _cut_tools(tools: Any) -> Iterator[Part]:
    for tool in _as_list(tools):
        listed = next((tool[key] for key in DECLARATIONS if key in mapping(tool)), None)
        if listed is not None:
            yield from _cut_tools(listed)
        elif mapping(tool).get("type") == NAMESPACE and (inner := _as_list(tool.get("tools"))):
            yield from _cut_namespace(tool, list(map(mapping, inner)))
        elif rest := _unmarked(mapping(tool)):
            yield _tool(rest)


def _cut_namespace(space: Mapping[str, Any], tools: list[Mapping[str, Any]]) -> Iterator[Part]:
    """Its tools under their full names. What the namespace says of itself goes with the first."""
    said = {field: value for field, value in _unmarked(space).items() if field != "tools"}
    head = json_bytes(said)
    for tool in filter(None, map(_unmarked, tools)):
        part = _tool(tool)
        name = full_name(_name(space), part.name)[:NAME_CHARS_MAX]
        yield replace(part, name=name, content=head + part.content, weight=len(head) + part.weight)
        head = b""


_TOOL_WRAPPERS = ("function", "custom", "toolSpec")
_OWN_TYPES = frozenset({"function", "custom", NAMESPACE})


def _tool(tool: Mapping[str, Any]) -> Part:
    inner = next((each for key in _TOOL_WRAPPERS if (each := mapping(tool.get(key)))), tool)
    name, form = _name(inner), tool.get("type")
    is_own = bool(name) and (form is None or str(form) in _OWN_TYPES or "input_schema" in tool)
    label = name or _word(tool.get("server_label")) or _word(form) or next(iter(tool))[:NAME_CHARS_MAX]
    content = json_bytes(tool)
    # https://docs.claude.com/en/agents-and-tools/tool-use/tool-search-tool: in no prompt until it is found.
    weight = 0 if tool.get("defer_loading") is True else len(content)
    return Part(PartKind.TOOL_SCHEMA if is_own else PartKind.SERVER_TOOL, label, content, weight)


def _part(kind: PartKind, value: Any, name: str = "", call_id: str = "") -> Part:
    content = _bytes(value)
    return Part(kind, name, content, _weight(content), call_id)


def _bytes(value: Any) -> bytes:
    """A text, or texts in a list, as the model sees them; anything else as JSON."""
    if isinstance(value, str):
        return value.encode(errors="replace")
    if value is None:
        return b""
    if isinstance(value, list) and value:
        texts = [mapping(each).get("text") for each in value]
        if all(isinstance(each, str) for each in texts):
            return "\n".join(map(str, texts)).encode(errors="replace")
    return json_bytes(value)


def _weight(content: bytes) -> int:
    return len(content) + MEDIA_BYTES * content.count(_STUB)


def json_bytes(value: Any) -> bytes:
    """What a model sees of a value that is no text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _unmarked(block: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in block.items() if field not in _MARKS}


def _stem(block: Mapping[str, Any]) -> str:
    """`web_search` of web_search_call and web_search_tool_result: what names a tool without a name."""
    stem = _word(block.get("type"))
    for end in ("_output", "_result", "_call", "_use", "_tool"):
        stem = stem.removesuffix(end)
    return stem


def _name(block: Mapping[str, Any]) -> str:
    return _word(block.get("name"))


def _word(value: Any) -> str:
    return value[:NAME_CHARS_MAX] if isinstance(value, str) else ""


def _id(block: Mapping[str, Any]) -> str:
    for field in ("call_id", "tool_call_id", "tool_use_id", "toolUseId", "id"):
        if isinstance(block.get(field), str) and block[field]:
            return str(block[field])
    return ""


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
