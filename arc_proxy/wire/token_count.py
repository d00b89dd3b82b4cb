"""
Requests that only ask how many tokens a prompt has. What they are told is their usage; none of it is billed.

Sources: https://platform.claude.com/docs/en/api/messages/count_tokens (`input_tokens`),
https://platform.openai.com/docs/api-reference/responses/input-tokens (`input_tokens`),
https://ai.google.dev/api/tokens (`totalTokens`) and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html (`inputTokens`)
"""

from __future__ import annotations

from dataclasses import replace

from arc_proxy.call import Reply
from arc_proxy.wire import unknown
from arc_proxy.wire.dialect import Dialect
from arc_proxy.wire.document import JsonObject

_COUNTED = ("input_tokens", "inputTokens", "totalTokens")


def read_reply(body: JsonObject) -> Reply:
    counts = {field: body[field] for field in _COUNTED if field in body}
    return replace(unknown.read_reply(body), usage=counts or None)


TOKEN_COUNT = Dialect(
    name="token_count",
    read_prompt=unknown.read_prompt,
    read_reply=read_reply,
    read_stream=unknown.read_stream,
)
