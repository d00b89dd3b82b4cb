"""
A response of the realtime API, put together from its events. No I/O.

Sources: https://platform.openai.com/docs/api-reference/realtime-server-events
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from arc_proxy.call import CallError, Reply, ToolCall
from arc_proxy.errors import WireError
from arc_proxy.wire.call_error import read_error, read_refusal
from arc_proxy.wire.document import (
    JsonObject,
    arguments_text,
    as_list,
    as_object,
    as_text,
    canonical_or_none,
    read_object,
)
from arc_proxy.wire.realtime_items import bare_item, texts_of

# What is said before the last event, and counts only where that never comes.
KEPT_EVENTS = frozenset(
    {
        "response.output_item.done",
        "response.output_text.delta",
        "response.text.delta",
        "response.output_audio_transcript.delta",
        "response.audio_transcript.delta",
    }
)


def read_reply(events: list[bytes], model: str | None) -> Reply:
    """The last event carries all of the response; of one that was cut short what did arrive."""
    documents = [document for event in events if (document := read_object(event)) is not None]
    last = documents[-1] if documents else {}
    if last.get("type") == "error":
        return Reply(model=model, error=read_refusal(last | {"type": None}), finished=True)
    is_done = last.get("type") == "response.done"
    response = as_object(last.get("response")) if is_done else {}
    items = [as_object(item) for item in as_list(response.get("output"))] if is_done else _arrived(documents)
    said = list(chain.from_iterable(texts_of(item) for item in items if item.get("type") == "message"))
    usage = response.get("usage")
    return Reply(
        model=model,
        response_id=as_text(response.get("id")),
        finish_reason=_finish_reason(response),
        output_text="".join(said) if said else None,
        tool_calls=tuple(_tool_call(item) for item in items if item.get("type") == "function_call"),
        server_tools=tuple("mcp_call" for item in items if item.get("type") == "mcp_call"),
        usage=usage if isinstance(usage, dict) else None,
        error=_error(response),
        message=_message(items),
        finished=is_done,
        events=len(documents),
    )


def _arrived(documents: list[JsonObject]) -> list[JsonObject]:
    """The items that are whole, and the beginnings of others."""
    items: dict[Any, JsonObject] = {}
    pieces: dict[Any, list[str]] = {}
    for document in documents:
        if document.get("type") == "response.output_item.done":
            item = as_object(document.get("item"))
            items[item.get("id")] = item
            pieces.pop(item.get("id"), None)
        elif isinstance(document.get("delta"), str):
            pieces.setdefault(document.get("item_id"), []).append(document["delta"])
    for item_id, texts in pieces.items():
        content = [{"type": "output_text", "text": "".join(texts)}]
        items[item_id] = {"type": "message", "role": "assistant", "content": content}
    return list(items.values())


def _message(items: list[JsonObject]) -> bytes | None:
    return canonical_or_none([bare_item(item) for item in items]) if items else None


def _finish_reason(response: JsonObject) -> str | None:
    return as_text(as_object(response.get("status_details")).get("reason")) or as_text(response.get("status"))


def _error(response: JsonObject) -> CallError | None:
    return read_error(as_object(response.get("status_details")))


def _tool_call(item: JsonObject) -> ToolCall:
    try:
        arguments = arguments_text(item.get("arguments"))
    except WireError:
        arguments = ""
    return ToolCall(
        id=as_text(item.get("call_id")) or as_text(item.get("id")),
        name=as_text(item.get("name")) or "",
        arguments=arguments,
    )
