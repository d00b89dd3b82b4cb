"""
What the text of a tool's result says of itself: an error, nothing, or an answer. Pure.

Most formats have no flag for a failed tool, so what programs say when they fail has to be known: envelopes
in JSON, exit codes, tracebacks, and the first words of shells, compilers, databases and HTTP clients. Only
what stands at the front counts, or at the end where an exit code or a traceback stands: documents, logs and
search results quote errors in their middle. What an agent was told ("user not found") is an answer unless
it is said as an error.

Sources of the forms: https://modelcontextprotocol.io/specification/2025-06-18/server/tools (`isError`),
https://docs.anthropic.com/en/docs/agents-and-tools/tool-use (`is_error`), https://www.jsonrpc.org/specification
(`error`), https://www.rfc-editor.org/rfc/rfc9457 (problem details), https://spec.graphql.org (`errors`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from analysis.complaints import (
    DATABASE,
    DECORATION,
    ERROR_TAG,
    EXCEPTION,
    EXIT_CODE,
    FAILING,
    LEADING,
    NOTHING,
    RAISED,
    SHELL,
    TITLE,
    TRACEBACK,
    UNAVAILABLE,
)
from analysis.complaints import EMPTY as EMPTY_WORDS

MESSAGE_MAX = 300
# A result longer than this that begins with a word like "failed" is a text on failing.
_SHORT = 2_000
_DEPTH_MAX = 4
_HEAD_LINES = 40


class Verdict(StrEnum):
    ANSWER = "answer"
    EMPTY = "empty"  # it worked, and there was nothing
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class ToolResult:
    verdict: Verdict
    message: str = ""  # of an error: its telling line, 300 characters at most


ANSWER, EMPTY = ToolResult(Verdict.ANSWER), ToolResult(Verdict.EMPTY)


def read_tool_result(text: str, *, is_error: bool = False) -> ToolResult:
    """`is_error`: the format's own flag was set. That it was not set proves nothing."""
    found = _read(text, 0)
    if is_error and found.verdict is not Verdict.ERROR:
        return _error(_first_line(text) or "(no text)")
    return found


def _read(text: str, depth: int) -> ToolResult:
    text = _undecorated(text)
    if not text or text.lower() in NOTHING:
        return EMPTY
    if text[0] in '{["' and depth < _DEPTH_MAX:
        try:
            return _read_json(json.loads(text), depth)
        except (ValueError, RecursionError):
            pass
    return _read_text(text)


def _error(message: str) -> ToolResult:
    return ToolResult(Verdict.ERROR, " ".join(message.split())[:MESSAGE_MAX])


# JSON.

_ERROR_KEYS = ("error", "errors", "exception", "error_message", "errormessage", "err")
_TELLING_KEYS = (
    *(
        *_ERROR_KEYS,
        "stderr",
        "message",
        "msg",
        "detail",
        "details",
        "reason",
        "description",
        "title",
        "text",
    ),
    *("code", "type", "content", "result", "output", "stdout", "data", "response"),
)
_PART_KEYS = frozenset({"type", "text", "annotations"})
_FLAGS = frozenset({"iserror", "is_error", "haserror", "has_error", "failed"})
_OKS = frozenset({"success", "ok", "succeeded", "successful"})
_EXIT_KEYS = frozenset({"exit_code", "exitcode", "returncode", "return_code", "exit_status", "exitstatus"})
_STATUS_KEYS = frozenset({"status", "status_code", "statuscode", "http_status", "state", "result_status"})
_FAILED_WORDS = frozenset(
    {"error", "failed", "failure", "fail", "exception", "errored", "timeout", "timed_out"}
)
_NO_ERROR = frozenset({"", "none", "null", "no", "false", "ok", "0", "no error", "success"})
_WRAPPERS = frozenset(
    {"result", "output", "content", "response", "text", "data", "value", "observation", "stdout"}
)


def _read_json(value: Any, depth: int) -> ToolResult:
    match value:
        case None | "":
            return EMPTY
        case str():
            return _read(value, depth + 1)
        case dict():
            return _read_object(value, depth) if value else EMPTY
        case list():
            return _read_list(value, depth) if value else EMPTY
        case _:
            return ANSWER


def _read_object(value: Mapping[str, Any], depth: int) -> ToolResult:
    fields = {str(name).lower(): each for name, each in value.items()}
    if _says_error(fields):
        return _error(_message_of(value))
    if isinstance(fields.get("content"), list) and _are_parts(fields["content"]):
        return _read_list(fields["content"], depth)
    if len(fields) == 1 and depth < _DEPTH_MAX:
        [(name, inner)] = fields.items()
        if name in _WRAPPERS:
            return _read_json(inner, depth + 1)
    return EMPTY if _holds_nothing(fields.values()) else ANSWER


def _says_error(fields: Mapping[str, Any]) -> bool:
    if any(fields.get(name) is True for name in _FLAGS):
        return True
    if any(fields.get(name) is False for name in _OKS):
        return True
    codes = [fields[name] for name in _EXIT_KEYS & fields.keys()]
    if any(_is_int(code) and code != 0 for code in codes):
        return True
    if codes:
        return False  # what ran to a good end may well have printed errors
    if any(_is_failed(fields[name]) for name in _STATUS_KEYS & fields.keys()):
        return True
    if "message" in fields and _is_int(fields.get("code")) and _is_failed(fields["code"]):
        return True
    return any(_is_error_value(fields.get(name)) for name in _ERROR_KEYS)


def _is_failed(status: Any) -> bool:
    if _is_int(status):
        return bool(400 <= status <= 599)
    return isinstance(status, str) and status.lower() in _FAILED_WORDS


def _is_error_value(value: Any) -> bool:
    """Not of `"error": null`, `"errors": []`, `"errors": 0` or `"error": "none"`."""
    if isinstance(value, str):
        return value.strip().lower() not in _NO_ERROR
    return value is True or (isinstance(value, dict | list) and bool(value))


def _read_list(values: list[Any], depth: int) -> ToolResult:
    if _are_parts(values):
        return _read("\n".join(each["text"] for each in values), depth + 1)
    if all(isinstance(each, dict) for each in values):
        read = [_read_object(each, depth + 1) for each in values] if depth < _DEPTH_MAX else [ANSWER]
        if all(each.verdict is Verdict.ERROR for each in read):
            return read[0]
    return ANSWER


def _are_parts(values: list[Any]) -> bool:
    """Text parts, as MCP and the providers' formats have them."""
    return bool(values) and all(
        isinstance(each, dict) and isinstance(each.get("text"), str) and each.keys() <= _PART_KEYS
        for each in values
    )


def _holds_nothing(values: Iterable[Any]) -> bool:
    """Lists, all of them empty, beside at most counts of nothing and words: `{"rows": [], "total": 0}`."""
    lists, objects, numbers = [], [], []
    for each in values:
        if isinstance(each, list):
            lists.append(each)
        elif isinstance(each, dict):
            objects.append(each)
        elif _is_int(each):
            numbers.append(each)
    return bool(lists) and not any(lists) and not any(objects) and not any(numbers)


def _message_of(value: Any, depth: int = 0) -> str:
    """What an envelope says went wrong."""
    if isinstance(value, str):
        return _telling_line(value)
    if isinstance(value, list):
        return _message_of(value[0], depth + 1) if value and depth < _DEPTH_MAX else ""
    if not isinstance(value, dict) or depth >= _DEPTH_MAX:
        return "" if value is None or value is True else str(value)
    fields = {str(name).lower(): each for name, each in value.items()}
    for name in _TELLING_KEYS:
        if _is_error_value(fields.get(name)) and fields[name] is not True:
            said = _message_of(fields[name], depth + 1)
            if said:
                return said
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# Text.


def _undecorated(text: str) -> str:
    """Without white space, fences and words that only say that a result follows."""
    at = 0
    while found := DECORATION.match(text, at):
        at = found.end()
    return text[at:].strip().removesuffix("```").rstrip()


def _read_text(text: str) -> ToolResult:
    tag = ERROR_TAG.match(text)
    if tag:
        return _error(_telling_line(text[tag.end() :].partition("</")[0]))
    exit_code = _exit_code(text)
    if exit_code == 0:
        return ANSWER
    if exit_code is not None:
        return _error(_telling_line(text))
    if EMPTY_WORDS.match(text) and len(text) < _SHORT:
        return EMPTY
    if _ends_in_traceback(text):
        return _error(_telling_line(text))
    first = _first_line(text)
    if TITLE.match(first):
        return ANSWER
    if LEADING.match(first) or EXCEPTION.match(first):
        return _error(_telling_line(text))
    if len(text) <= _SHORT and (FAILING.match(first) or DATABASE.search(first)):
        return _error(first)
    if len(text) <= MESSAGE_MAX and "\n" not in text and text[0] != "<" and UNAVAILABLE.search(first):
        return _error(first)
    return _error(first) if _is_shell_failing(text) else ANSWER


def _exit_code(text: str) -> int | None:
    """Said in the first line or the last, as tools that run programs do."""
    lines = text.splitlines()
    for line in (lines[0], lines[-1]):
        found = EXIT_CODE.search(line[-200:])
        if found:
            return int(found[1])
    return None


def _ends_in_traceback(text: str) -> bool:
    found = TRACEBACK.search(text)
    return found is not None and (found.start() == 0 or any(map(RAISED.match, text.splitlines()[-3:])))


def _is_shell_failing(text: str) -> bool:
    """Whether half of what a shell printed is complaints: `find` complains of one folder and lists others."""
    lines = [line for line in text.splitlines()[:_HEAD_LINES] if line.strip()]
    failing = sum(1 for line in lines if SHELL.match(line[:600]))
    return failing * 2 >= len(lines)


def _telling_line(text: str) -> str:
    """The line that says what went wrong: of a traceback the last, of others the first."""
    if TRACEBACK.search(text):
        for line in reversed(text.splitlines()):
            if RAISED.match(line):
                return line
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines[:2]:
        # "Command failed with exit code 1" says less than what stands below it.
        if not EXIT_CODE.search(line):
            return line
    return lines[0] if lines else ""


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:600]
