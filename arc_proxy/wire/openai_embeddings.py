"""
The dialect of OpenAI's embeddings. No I/O.

Source: https://platform.openai.com/docs/api-reference/embeddings

The vectors are not kept: nobody reads them in a report, and they are a hundred times their text.
"""

from __future__ import annotations

from arc_proxy.call import Prompt, Reply
from arc_proxy.wire import unknown
from arc_proxy.wire.dialect import Dialect
from arc_proxy.wire.document import JsonObject, as_text, canonical

_PROMPT_FIELDS = frozenset({"model", "input"})


def read_prompt(body: JsonObject) -> Prompt:
    """The input is one message, be it one text or a batch of a thousand."""
    return Prompt(
        model=as_text(body.get("model")),
        messages=(canonical({"input": body["input"]}),) if body.get("input") else (),
        parameters={field: value for field, value in body.items() if field not in _PROMPT_FIELDS},
    )


def read_reply(body: JsonObject) -> Reply:
    return unknown.read_reply(body)


OPENAI_EMBEDDINGS = Dialect(
    name="openai.embeddings",
    read_prompt=read_prompt,
    read_reply=read_reply,
    read_stream=unknown.read_stream,
)
