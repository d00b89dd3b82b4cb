"""Messages of any dialect as a person reads them: who speaks, and what. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from arc_proxy.call import Reply
from arc_proxy.format import clean, clean_block, plural

_TEXTS = ("text", "thinking", "input_text", "output_text", "refusal", "summary_text", "content")


def speaker_and_text(message: bytes) -> tuple[str, str]:
    """
    The role, and the text with whatever is no text named in brackets.

    A message is canonical JSON of its dialect; one that has no form known here is shown as that JSON.
    """
    try:
        body = orjson.loads(message)
    except orjson.JSONDecodeError:
        return "?", clean_block(message.decode(errors="replace"))
    if not isinstance(body, dict):
        return "?", clean_block(message.decode(errors="replace"))
    if isinstance(body.get("tools"), list) and "role" not in body:
        names = [_tool_name(tool) for tool in body["tools"]]
        return "tools", f"{plural(len(names), 'schema')}: {', '.join(clean(name, 40) for name in names)}"
    role = body.get("role") or body.get("type") or "?"
    parts = [*_parts(body.get("content")), *_parts(body.get("parts")), *_calls(body.get("tool_calls"))]
    if not parts:
        parts = list(_part(body))
    return clean(str(role), 20), clean_block("\n".join(part for part in parts if part))


def reply_text(reply: Reply) -> str:
    """What a reply said, for people: its text, its tool calls, its error."""
    parts = [reply.output_text or ""]
    parts += [f"[calls {call.name}({call.arguments})]" for call in reply.tool_calls]
    return clean_block("\n".join(part for part in parts if part))


def shorten(text: str, lines_max: int, cells_max: int) -> Iterable[str]:
    """The first lines, each cut, and how much there is beyond them."""
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines[:lines_max]:
        yield clean(line, cells_max)
    if len(lines) > lines_max:
        yield f"... {plural(len(lines) - lines_max, 'more line')}"


def _tool_name(tool: Any) -> str:
    if not isinstance(tool, dict):
        return "?"
    function = tool.get("function")
    named = function if isinstance(function, dict) else tool
    return str(named.get("name") or tool.get("type") or "?")


def _parts(content: Any) -> Iterable[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            yield from _part(part)


def _part(part: Any) -> Iterable[str]:
    if not isinstance(part, dict):
        yield str(part)
        return
    kind = str(part.get("type", ""))
    if kind in ("tool_use", "function_call", "server_tool_use"):
        arguments = part.get("input", part.get("arguments", ""))
        text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
        yield f"[calls {part.get('name')}({text})]"
        return
    if kind in ("tool_result", "function_call_output"):
        inner = part.get("content", part.get("output"))
        yield f"[result of {part.get('tool_use_id') or part.get('call_id')}] " + "\n".join(_parts(inner))
        return
    texts = [part[name] for name in _TEXTS if isinstance(part.get(name), str)]
    yield from texts or [f"[{kind or 'part'}]"]


def _calls(calls: Any) -> Iterable[str]:
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield f"[calls {function.get('name')}({function.get('arguments')})]"
