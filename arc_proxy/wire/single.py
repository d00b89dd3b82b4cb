"""
Dialects that are no conversation: one thing is asked, one document answers it. No I/O.

Sources: https://docs.cohere.com/reference/embed, https://docs.ollama.com/api/embed,
https://www.alibabacloud.com/help/en/model-studio/text-embedding-synchronous-api,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html (Titan, Nova, Cohere),
https://docs.cohere.com/reference/rerank and https://platform.openai.com/docs/api-reference/moderations

What is asked is one message, be it one text or a batch of a thousand. What comes back (vectors,
scores) is not kept: nobody reads it in a report, and it is a hundred times its text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from arc_proxy.call import Prompt
from arc_proxy.wire import unknown
from arc_proxy.wire.dialect import Dialect
from arc_proxy.wire.document import JsonObject, canonical
from arc_proxy.wire.prompt import prompt_of


def asking(*fields: str) -> Callable[[JsonObject], Prompt]:
    """A reader of requests that ask with these fields."""
    taken = frozenset({"model", "stream", *fields})

    def read_prompt(body: JsonObject) -> Prompt:
        asked = {field: body[field] for field in fields if body.get(field)}
        prompt = prompt_of(body, [canonical(asked)] if asked else [], None, taken)
        given = prompt.parameters.get("parameters")  # DashScope's stand in an object of their own
        if not isinstance(given, dict):
            return prompt
        rest = {field: value for field, value in prompt.parameters.items() if field != "parameters"}
        return replace(prompt, parameters=rest | given)

    return read_prompt


def _single(name: str, *fields: str) -> Dialect:
    return Dialect(
        name=name,
        read_prompt=asking(*fields),
        read_reply=unknown.read_reply,
        read_stream=unknown.read_stream,
    )


COHERE_EMBED = _single("cohere.embed", "texts", "images", "inputs")
OLLAMA_EMBED = _single("ollama.embed", "input", "prompt")
DASHSCOPE_EMBED = _single("dashscope.embed", "input")
BEDROCK_EMBED = _single(
    "bedrock.embed",
    *("inputText", "inputImage", "texts", "images", "inputs"),
    *("singleEmbeddingParams", "segmentedEmbeddingParams"),
)
RERANK = _single("rerank", "query", "documents", "input")
MODERATION = _single("openai.moderation", "input")
SINGLE_DIALECTS = (COHERE_EMBED, OLLAMA_EMBED, DASHSCOPE_EMBED, BEDROCK_EMBED, RERANK, MODERATION)
