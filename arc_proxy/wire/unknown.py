"""
The fallback: what nearly every JSON API says in the same place, whatever dialect it speaks. No I/O.

Model, id, usage and error stand at the top level, or they are not known; of usage a few other places are
looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from arc_proxy.call import Prompt, Reply
from arc_proxy.wire.call_error import read_error
from arc_proxy.wire.dialect import Dialect
from arc_proxy.wire.document import JsonObject, as_text, canonical, overlay, read_object
from arc_proxy.wire.stream import StreamEvent

_PROMPT_FIELDS = frozenset({"model", "stream", "messages", "tools"})
_PARAMETER_CHARS_MAX = 1000
_TOP_LEVEL_COUNTS = ("prompt_eval_count", "eval_count", "inputTextTokenCount")


def read_prompt(body: JsonObject) -> Prompt:
    """Messages where they are called so; of the rest only the plain values: it may hold anything."""
    messages = [canonical({"tools": body["tools"]})] if body.get("tools") else []
    spoken = body.get("messages")
    if isinstance(spoken, list):
        messages += map(canonical, spoken)
    return Prompt(
        model=as_text(body.get("model")),
        stream=body.get("stream") is True,
        messages=tuple(messages),
        parameters={
            field: value
            for field, value in body.items()
            if field not in _PROMPT_FIELDS
            and (
                isinstance(value, bool | int | float)
                or (isinstance(value, str) and len(value) <= _PARAMETER_CHARS_MAX)
            )
        },
    )


def read_reply(body: JsonObject) -> Reply:
    usage = body.get("usage")
    if usage is None:
        usage = _read_other_usage(body)
    return Reply(
        model=as_text(body.get("model")),
        response_id=as_text(body.get("id")),
        usage=usage if isinstance(usage, dict) else None,
        error=read_error(body),
        finished=True,
    )


def _read_other_usage(body: JsonObject) -> JsonObject | None:
    """Counts under another name (Cohere's, Google's), or at the top level (Ollama's, Titan's)."""
    meta = body.get("meta")
    if isinstance(meta, dict) and "billed_units" in meta:
        return meta
    google = body.get("usageMetadata")
    if isinstance(google, dict):
        return google
    return {field: body[field] for field in _TOP_LEVEL_COUNTS if field in body} or None


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    reply = Reply()
    usage: JsonObject | None = None
    finished = False
    count = 0
    for event in events:
        count += 1
        if event.data == b"[DONE]":
            finished = True
        document = read_object(event.data)
        if document is None:
            continue
        said = read_reply(document)
        usage = overlay(usage, said.usage)
        reply = Reply(
            model=reply.model or said.model,
            response_id=reply.response_id or said.response_id,
            error=said.error or reply.error,
        )
    return replace(reply, usage=usage, finished=finished or reply.error is not None, events=count)


def read_text(_body: bytes, _content_type: str) -> Reply:
    """A body that is no JSON is finished when all of it is there."""
    return Reply(finished=True)


UNKNOWN = Dialect(
    name="unknown",
    read_prompt=read_prompt,
    read_reply=read_reply,
    read_stream=read_stream,
    read_text=read_text,
)
