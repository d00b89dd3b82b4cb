"""
The dialects of OpenAI's images and audio, also of those who took them over. No I/O.

Sources: https://platform.openai.com/docs/api-reference/images, .../images-streaming and .../audio

What is made (pictures, speech) is not kept: what counts is what it was asked for and what it used. Speech is
no JSON, and a transcript is plain text where the request wants it so. Requests with a file are forms, see
`form_data`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from arc_proxy.call import CallError, Reply
from arc_proxy.wire import unknown
from arc_proxy.wire.call_error import read_error
from arc_proxy.wire.dialect import Dialect
from arc_proxy.wire.document import JsonObject, as_text, overlay, read_object
from arc_proxy.wire.single import asking
from arc_proxy.wire.stream import StreamEvent

_DONE = b"[DONE]"
_TEXT_CHARS_MAX = 1_000_000
# `image_generation.completed`, `image_edit.completed`, `transcript.text.done`, `speech.audio.done`
_ENDS = (".completed", ".done")
_NO_TEXT = b"\0"  # stands in sound of every kind, and in no text


def read_reply(body: JsonObject) -> Reply:
    text = body.get("text")
    return replace(unknown.read_reply(body), output_text=text if isinstance(text, str) else None)


def read_text(body: bytes, content_type: str) -> Reply:
    """Of a body that is no JSON: sound, or a transcript (`text`, `srt`, `vtt`)."""
    if not body or _NO_TEXT in body or content_type.lower().startswith("audio/"):
        return Reply(finished=True)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return Reply(finished=True)
    return Reply(output_text=text[:_TEXT_CHARS_MAX], finished=True)


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    model: str | None = None
    usage: JsonObject | None = None
    error: CallError | None = None
    whole: str | None = None
    pieces: list[str] = []
    finished = False
    count = 0
    for event in events:
        count += 1
        document = read_object(event.data)
        if document is None:
            finished = finished or event.data.startswith(_DONE)
            continue
        kind = as_text(document.get("type")) or event.name
        model = model or as_text(document.get("model"))
        usage = overlay(usage, document.get("usage"))
        error = read_error(document) or error
        finished = finished or kind.endswith(_ENDS) or error is not None
        if kind == "transcript.text.delta" and isinstance(document.get("delta"), str):
            pieces.append(document["delta"])
        elif kind == "transcript.text.done" and isinstance(document.get("text"), str):
            whole = document["text"]
    if whole is None and pieces:
        whole = "".join(pieces)
    return Reply(model=model, output_text=whole, usage=usage, error=error, finished=finished, events=count)


OPENAI_IMAGES = Dialect(
    name="openai.images",
    read_prompt=asking("prompt", "image", "images", "mask"),
    read_reply=unknown.read_reply,
    read_stream=read_stream,
)

OPENAI_AUDIO = Dialect(
    name="openai.audio",
    read_prompt=asking("input", "instructions", "prompt", "file", "input_audio"),
    read_reply=read_reply,
    read_stream=read_stream,
    read_text=read_text,
)
