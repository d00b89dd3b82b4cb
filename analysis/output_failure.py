"""
What is wrong with an answer although the provider sent it whole: nothing in it, no JSON where JSON was asked
for, a tool call written as text, a refusal in words of its own. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from analysis.argument_failure import ARGUMENTS_CHARACTERS_MAX, schema_errors
from analysis.failure import EVIDENCE_CHARACTERS_MAX, Failure, FailureCode
from analysis.finish_reason import is_partial
from analysis.request import offered_tools, read_object, wanted_form
from arc_proxy.call import Call, Kind
from arc_proxy.journal.record import Ended

_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n```\s*\Z", re.DOTALL)
# How models write calls that their server did not parse: Hermes and Qwen, Mistral, Llama, DeepSeek.
# Source: https://docs.vllm.ai/en/latest/features/tool_calling.html
_CALL_TAGS = re.compile(
    r"<tool_call>|\[TOOL_CALLS\]|<\|python_tag\|>|<function=[\w.-]+>|<\uff5ctool\u2581calls\u2581begin\uff5c>|<\|tool_calls_section_begin\|>"
)


def output_failures(call: Call) -> Iterator[Failure]:
    """Of an answer that came whole. What its finish reason says is `call_failure`'s."""
    reply = call.reply
    if call.kind is not Kind.GENERATION or call.ended is not Ended.COMPLETE or not reply.finished:
        return
    if reply.error is not None or call.status is None or call.status >= 400:
        return
    refusal = _refusal(call)
    if refusal:
        yield _failure(FailureCode.OUTPUT_REFUSAL, call, refusal, "reply.refusal", cause="refusal")
        return
    text = reply.output_text or ""
    if not text.strip() and not reply.tool_calls:
        if _is_empty(call):
            message = f"no text and no call, finish reason {reply.finish_reason}"
            yield _failure(FailureCode.OUTPUT_EMPTY, call, message, "reply.output_text")
        return
    if not reply.tool_calls:
        yield from _call_as_text(call, text)
        yield from _no_json(call, text)


def _refusal(call: Call) -> str:
    """OpenAI's own field for a refusal, in chat's message or in a part of a response's."""
    if call.reply.message is None or b'"refusal"' not in call.reply.message:
        return ""
    message = read_object(call.reply.message)
    content = message.get("content")
    parts = (
        [message, *(part for part in content if isinstance(part, dict))]
        if isinstance(content, list)
        else [message]
    )
    said = (part.get("refusal") for part in parts)
    return next((text for text in said if isinstance(text, str) and text), "")


def _is_empty(call: Call) -> bool:
    reply = call.reply
    if reply.server_tools or is_partial(reply.finish_reason):
        return False
    message = reply.message or b""
    # Audio, pictures and compacted histories are no text, and something all the same.
    return not any(
        sign in message for sign in (b'"audio"', b'"inlineData"', b'"image', b'"compaction', b'"data"')
    )


def _call_as_text(call: Call, text: str) -> Iterator[Failure]:
    offered = offered_tools(call.prompt)
    if not offered:
        return
    sign = _CALL_TAGS.search(text)
    if sign is not None or _is_call(text, offered):
        cause = sign[0] if sign is not None else "JSON"
        yield _failure(FailureCode.TOOL_CALL_AS_TEXT, call, text, "reply.output_text", cause=cause)


def _is_call(text: str, offered: Mapping[str, object]) -> bool:
    """Whether the whole answer is an object that names a tool and its arguments."""
    found = _parse(_unfenced(text.strip()))
    if not isinstance(found, dict):
        return False
    name = found.get("name", found.get("tool", found.get("function")))
    return (
        isinstance(name, str)
        and name in offered
        and any(key in found for key in ("arguments", "parameters", "args"))
    )


def _no_json(call: Call, text: str) -> Iterator[Failure]:
    form = wanted_form(call.prompt.parameters)
    if form is None or len(text) > ARGUMENTS_CHARACTERS_MAX:
        return
    bare = _unfenced(text.strip())
    note = " (in a code fence)" if bare != text.strip() else ""
    value = _parse(bare)
    if value is _NONE:
        message = f"the answer is no JSON{note}: {text}"
        yield _failure(FailureCode.OUTPUT_INVALID_JSON, call, message, "reply.output_text", cause="no JSON")
        return
    errors = schema_errors(form.schema, value) if form.schema else []
    if errors:
        path, keyword, said = errors[0]
        cause = f"answer{path} {keyword}"
        yield _failure(
            FailureCode.OUTPUT_INVALID_JSON,
            call,
            f"answer{path}{note}: {said}",
            "reply.output_text",
            cause=cause,
        )
    elif note:
        message = f"the JSON stands in a code fence: {text}"
        yield _failure(
            FailureCode.OUTPUT_INVALID_JSON, call, message, "reply.output_text", cause="in a code fence"
        )


_NONE = object()


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NONE


def _unfenced(text: str) -> str:
    fenced = _FENCE.match(text)
    return fenced[1].strip() if fenced else text


def _failure(code: FailureCode, call: Call, message: str, field: str, *, cause: str = "") -> Failure:
    return Failure(code, message[:EVIDENCE_CHARACTERS_MAX], field, call_id=call.call_id, cause=cause)
