"""
What has to be counted of a call: the texts of its prompt and its reply, and the tokens beside them. Pure.

OpenAI's framing is known to the token: three for the reply, four for each message (two and four with models
that reason), more around tools. Measured on recorded calls; the first of it is documented too:
https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from arc_proxy.call import Prompt, Reply
from arc_proxy.tokens.tools import tools_text

_MESSAGE = 4
_REPLY = 3
_REPLY_REASONING = 2
_TOOL_CALL = 7
_PARALLEL = 16  # beyond the first call of a message
_CALL_ITEM = 12  # of a response's prompt, with its result
_TOOLS_BESIDE_SYSTEM = 5
_TOOLS_ALONE = 9
_TOOLS_REASONING = 85
_SCHEMA = 25  # around a schema that the answer has to keep to
_REASONS = re.compile(r"(?:^|/)(?:o\d|gpt-[5-9])")
_CLIENTS_TOOLS = frozenset({"function", "custom"})  # of others the provider puts results into the prompt
_OUTPUTS = ("output", "content")


@dataclass(slots=True)
class Parts:
    """`beside`: tokens that no text shows. `uncounted`: what nobody can count from here, such as "image"."""

    texts: list[str] = field(default_factory=list)
    beside: int = 0
    uncounted: set[str] = field(default_factory=set)


def prompt_parts(prompt: Prompt, dialect: str) -> Parts:
    parts = Parts()
    is_response = dialect == "openai.responses"
    reasons = hides_thoughts(prompt.model)
    tools, messages = _split(prompt.messages)
    parts.beside += _REPLY_REASONING if reasons else _REPLY
    has_system = False
    for message in messages:
        parts.beside += _MESSAGE
        has_system = has_system or message.get("role") in ("system", "developer")
        _add_message(parts, message)
    functions = [tool for tool in tools if isinstance(tool, dict)]
    if functions:
        parts.texts.append(tools_text(functions))
        parts.beside += _TOOLS_BESIDE_SYSTEM if has_system else _TOOLS_ALONE
        parts.beside += _TOOLS_REASONING if reasons and not is_response else 0
        own = {str(tool["type"]) for tool in functions if "type" in tool} - _CLIENTS_TOOLS
        parts.uncounted |= own if is_response else set()
    schema = None if is_response else _schema_of(prompt.parameters)
    if schema is not None:
        parts.texts.append(_json(schema))
        parts.beside += _SCHEMA
    for name in ("previous_response_id", "conversation", "prompt"):
        if prompt.parameters.get(name):
            parts.uncounted.add("what the provider has stored")
    return parts


def reply_parts(reply: Reply) -> Parts:
    """Of a reply; what a model thought and did not show is not in it."""
    parts = Parts()
    if reply.output_text:
        parts.texts.append(reply.output_text)
    if reply.message is not None:
        message = _load(reply.message)
        for name in ("reasoning_content", "reasoning"):
            if isinstance(message, dict) and isinstance(message.get(name), str):
                parts.texts.append(message[name])
    for call in reply.tool_calls:
        parts.texts += [call.name, call.arguments]
        parts.beside += _TOOL_CALL
    return parts


def hides_thoughts(model: str | None) -> bool:
    """Whether the model thinks more than it shows, so that what it shows is not all that is billed."""
    return bool(_REASONS.search(model or ""))


def _split(messages: Sequence[bytes]) -> tuple[list[Any], list[dict[str, Any]]]:
    loaded = [each for each in map(_load, messages) if isinstance(each, dict)]
    if loaded and isinstance(loaded[0].get("tools"), list) and "role" not in loaded[0]:
        return loaded[0]["tools"], loaded[1:]
    return [], loaded


def _add_message(parts: Parts, message: Mapping[str, Any]) -> None:
    functions = list(_functions(message))
    if message not in functions and isinstance(message.get("name"), str):
        parts.texts.append(message["name"])
    if isinstance(message.get("reasoning_content"), str):
        parts.texts.append(message["reasoning_content"])
    for output in _OUTPUTS:
        parts.texts += _texts(parts, message.get(output))
    calls = len(functions) if "tool_calls" in message else 0
    parts.beside += _TOOL_CALL * calls + _PARALLEL * max(0, calls - 1)
    parts.beside += _CALL_ITEM if message in functions else 0
    for function in functions:
        arguments = function.get("arguments", function.get("input", ""))
        parts.texts += [str(function.get("name") or ""), _json(arguments)]


def _functions(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The functions that a message calls: it may be such a call itself."""
    if message.get("type") in ("function_call", "custom_tool_call"):
        yield message
    calls = message.get("tool_calls")
    inner = (
        [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    )
    yield from (each for each in (*inner, message.get("function_call")) if isinstance(each, dict))


def _texts(parts: Parts, content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
        return
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            text = part.get("text", part.get("refusal"))
            if isinstance(text, str):
                yield text
            else:
                parts.uncounted.add(str(part.get("type") or "part"))


def _schema_of(parameters: Mapping[str, Any]) -> Any:
    """The JSON schema that an answer is held to. In a response's prompt it costs nothing."""
    form = parameters.get("response_format")
    inner = form.get("json_schema") if isinstance(form, dict) else None
    return inner.get("schema") if isinstance(inner, dict) else None


def _load(message: bytes) -> Any:
    try:
        return orjson.loads(message)
    except orjson.JSONDecodeError:
        return None


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
