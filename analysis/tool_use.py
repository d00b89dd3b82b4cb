"""
The tool calls of a conversation with their results, in any format that providers speak. Pure.

A result is matched by the id of its call; where a format gives none (Gemini, Ollama), by the tool's name, in
the order of the calls.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.tool_result import Verdict, read_tool_result

_CALL_TYPES = ("function_call", "custom_tool_call", "tool_use", "mcp_call")
_RESULT_TYPES = ("function_call_output", "custom_tool_call_output", "tool_result")


@dataclass(slots=True)
class ToolUse:
    """One call of a tool. `result` is None while nothing has come back."""

    name: str
    call_id: str | None
    arguments: str  # JSON as the model wrote it, or compact
    message_index: int  # of the message with the call
    result: str | None = None
    is_flagged: bool = False  # the format's own sign of an error
    result_index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStanding:
    """How one tool fared."""

    name: str
    calls: int
    errors: int
    empty: int
    unanswered: int
    error: str  # the one that came most often; "" without any


def tool_uses(messages: Iterable[Mapping[str, Any]]) -> list[ToolUse]:
    """The calls in order. What has no form that is known here is no call."""
    uses: list[ToolUse] = []
    for index, message in enumerate(messages):
        for item in _items(message):
            call = _call_of(item, index)
            if call is not None:
                uses.append(call)
            answer = _answer_of(item)
            if answer is not None:
                _match(uses, answer, index)
    return uses


def is_of_user(message: Mapping[str, Any]) -> bool:
    """Whether the user speaks, and not a tool in the user's name."""
    return message.get("role") == "user" and not any(_answer_of(item) for item in _items(message))


def stand(uses: Sequence[ToolUse]) -> list[ToolStanding]:
    """Per tool, in the order of their first calls."""
    by_name: dict[str, list[ToolUse]] = {}
    for use in uses:
        by_name.setdefault(use.name, []).append(use)
    return [_standing(name, each) for name, each in by_name.items()]


def _standing(name: str, uses: Sequence[ToolUse]) -> ToolStanding:
    read = [read_tool_result(use.result, is_error=use.is_flagged) for use in uses if use.result is not None]
    messages = Counter(each.message for each in read if each.verdict is Verdict.ERROR)
    return ToolStanding(
        name=name,
        calls=len(uses),
        errors=messages.total(),
        empty=sum(each.verdict is Verdict.EMPTY for each in read),
        unanswered=len(uses) - len(read),
        error=messages.most_common(1)[0][0] if messages else "",
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    call_id: str | None
    name: str | None
    text: str
    is_flagged: bool


def _items(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The message itself, its parts, and its calls: wherever a call or a result may stand."""
    yield message
    for key in ("content", "parts", "tool_calls"):
        inner = message.get(key)
        if isinstance(inner, list):
            yield from (each for each in inner if isinstance(each, dict))
    if isinstance(message.get("function_call"), dict):
        yield {"function": message["function_call"]}


def _call_of(item: Mapping[str, Any], index: int) -> ToolUse | None:
    if item.get("type") in _CALL_TYPES and isinstance(item.get("name"), str):
        arguments = item.get("arguments", item.get("input"))
        return ToolUse(item["name"], _word(item.get("call_id") or item.get("id")), _json(arguments), index)
    for key in ("function", "functionCall", "toolUse"):
        inner = item.get(key)
        if isinstance(inner, dict) and isinstance(inner.get("name"), str) and "role" not in item:
            arguments = inner.get("arguments", inner.get("args", inner.get("input")))
            call_id = item.get("id") or inner.get("id") or inner.get("toolUseId")
            return ToolUse(inner["name"], _word(call_id), _json(arguments), index)
    return None


def _answer_of(item: Mapping[str, Any]) -> _Answer | None:
    if item.get("role") in ("tool", "function") or item.get("type") in _RESULT_TYPES:
        call_id = item.get("tool_call_id") or item.get("tool_use_id") or item.get("call_id")
        name = item.get("name") or item.get("tool_name")
        content = item["content"] if "content" in item else item.get("output")
        return _Answer(_word(call_id), _word(name), _text(content), item.get("is_error") is True)
    if item.get("type") == "mcp_call":
        is_flagged = bool(item.get("error"))
        said = item["error"] if is_flagged else item.get("output")
        return _Answer(_word(item.get("id")), None, _text(said), is_flagged)
    result = item.get("functionResponse")
    if isinstance(result, dict):
        return _Answer(
            _word(result.get("id")),
            _word(result.get("name")),
            _text(result.get("response")),
            False,
        )
    result = item.get("toolResult")
    if isinstance(result, dict):
        call_id, status = result.get("toolUseId"), result.get("status")
        return _Answer(_word(call_id), None, _text(result.get("content")), status == "error")
    return None


def _match(uses: Sequence[ToolUse], answer: _Answer, index: int) -> None:
    open_uses = [use for use in uses if use.result is None]
    if answer.call_id is not None:
        found = [use for use in open_uses if use.call_id == answer.call_id]
    else:
        found = [use for use in open_uses if answer.name in (None, use.name)]
    if found:
        found[0].result = answer.text
        found[0].is_flagged = answer.is_flagged
        found[0].result_index = index


def _text(content: Any) -> str:
    """Text parts as one text; anything else as JSON."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list) and all(isinstance(each, dict) for each in content):
        texts = [each.get("text") for each in content]
        if all(isinstance(each, str) for each in texts):
            return "\n".join(str(each) for each in texts)
        if len(content) == 1 and "json" in content[0]:
            return _json(content[0]["json"])
    return _json(content)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
