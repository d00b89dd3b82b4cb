"""
What lies compressed: the envelope of a call, the content of a message. No SQL.

A payload is one JSON object under zstd, with a dictionary of what nearly every envelope says, since most are
too short to repeat themselves. Byte 0 names the dictionary (append, never change one). Absent keys are
empty or null. zstd and not zlib, because it takes a third of the time for the same size: measured on a
4 KB request with its envelope, 80 us instead of 225 us.

    method target url      of the request          detail       how it ended, in words
    parameters             the request body without messages and tools
    usage                  the provider's own object            output       output_text, see below
    tools                  [[id, name, arguments], ...]         lines        of the cost, rate null: its own
    tier finished events   of the reply                         notes        of the cost
    request response       headers, as [name, value, name, value, ...]
    chunks                 [microseconds since the one before, bytes, ...] of the response's pieces

Output text and arguments mostly stand in the reply's message too. There they are [offset, length] of the JSON
string in that message.

A message's content is a zstd frame, or as it is where that is not smaller. Canonical JSON never begins with
the byte that a frame begins with; anything that does is compressed whatever it costs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from arc_proxy.call import Call, ChunkTime, ToolCall
from arc_proxy.store.bounds import dump_json, load_json
from pricing.cost import CostLine

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MESSAGE_LEVEL = 3
_ENVELOPE_LEVEL = 6  # a seventh smaller for 13 us more
_FRAME_FIRST = b"\x28"
_MAY_BE_EMPTY = ("output", "usage", "url", "tier")
_FOREIGN = ("parameters", "usage")  # the client's and the provider's own objects, of any depth
_PLAIN_MAX = 160  # bytes below which compression gains nothing worth its time

_COMMON = (
    b'"lines":[["cache_write_1h",["cache_write_5m",["input_audio",["output_audio",["reasoning",["tool:web_search",'
    b'"error_message","prompt_cache_key","store":false,"service_tier":"auto","parallel_tool_calls":true,'
    b'"reasoning":{"effort":"medium","summary":"auto"},"text":{"format":{"type":"text"},"verbosity":"medium"},'
    b'"thinking":{"type":"enabled","budget_tokens":,"tool_choice":{"type":"auto"},"tool_choice":"auto",'
    b'"stop_sequences":[],"stop":null,"top_p":1.0,"top_k":,"presence_penalty":0,"frequency_penalty":0,"seed":,'
    b'"response_format":{"type":"json_schema","json_schema":{"name":,"strict":true,"schema":,'
    b'"metadata":{"user_id":"user_","stream_options":{"include_usage":true},"max_completion_tokens":,'
    b'"max_output_tokens":,"max_tokens":4096,"temperature":0.0,"stream":true,"n":1,'
    b'"x-stainless-retry-count","0","x-stainless-read-timeout","600","x-stainless-timeout","600",'
    b'"x-stainless-runtime-version","v22.","x-stainless-async","async:asyncio","x-stainless-async","false",'
    b'"X-Stainless-Lang","python","X-Stainless-Package-Version","1.","X-Stainless-OS","Linux","MacOS",'
    b'"X-Stainless-Arch","arm64","X-Stainless-Arch","x64","X-Stainless-Runtime","CPython","node",'
    b'"X-Stainless-Runtime-Version","3.12.","X-Stainless-Async","X-Stainless-Retry-Count",'
    b'"anthropic-beta","interleaved-thinking-2025-05-14,claude-code-20250219","anthropic-version","2023-06-01",'
    b'"X-Api-Key","cut-","x-api-key","cut-","Authorization","Bearer cut-","authorization","Bearer cut-",'
    b'"x-arc-run-id","x-arc-session-id","x-arc-agent","x-arc-tags","traceparent","00-",'
    b'"Accept-Encoding","gzip, deflate, br, zstd","accept-encoding","gzip, deflate",'
    b'"Connection","keep-alive",'
    b'"User-Agent","OpenAI/Python 1.","User-Agent","AsyncOpenAI/Python 1.","User-Agent",'
    b'"Anthropic/Python 0.",'
    b'"Accept","application/json","Content-Type","application/json","Content-Length","Host","127.0.0.1:8000",'
    b'"request":["host","127.0.0.1:8000","accept","*/*","content-type","application/json","content-length",'
    b'"user-agent","strict-transport-security","max-age=31536000; includeSubDomains; preload",'
    b'"X-Content-Type-Options","nosniff","access-control-expose-headers","X-Request-ID","alt-svc",'
    b'"h3=\\":443\\"; ma=86400","cf-cache-status","DYNAMIC","CF-RAY","Server","cloudflare","server",'
    b'"cloudflare","Via",'
    b'"x-envoy-upstream-service-time","openai-organization","openai-project","openai-version","2020-10-01",'
    b'"openai-processing-ms","x-ratelimit-limit-requests","10000","x-ratelimit-limit-tokens","30000000",'
    b'"x-ratelimit-remaining-requests","9999","x-ratelimit-remaining-tokens","29999",'
    b'"x-ratelimit-reset-requests","6ms","x-ratelimit-reset-tokens","0s","retry-after","x-should-retry","true",'
    b'"anthropic-ratelimit-input-tokens-limit","anthropic-ratelimit-input-tokens-remaining",'
    b'"anthropic-ratelimit-input-tokens-reset","2026-","anthropic-ratelimit-output-tokens-limit",'
    b'"anthropic-ratelimit-output-tokens-remaining","anthropic-ratelimit-output-tokens-reset",'
    b'"anthropic-ratelimit-requests-limit","anthropic-ratelimit-requests-remaining",'
    b'"anthropic-ratelimit-requests-reset","anthropic-organization-id","request-id","req_","x-request-id","req_",'
    b'"Transfer-Encoding","chunked","transfer-encoding","chunked","Cache-Control","no-cache","Content-Encoding",'
    b'"gzip","Vary","Accept-Encoding","Date","Mon, Tue, Wed, Thu, Fri, Sat, Sun, Jan 2026 00:00:00 GMT",'
    b'"response":["Content-Type","text/event-stream; charset=utf-8","content-type","application/json",'
    b'"lines":[["input_text",,["output_text",,["cache_read",,"events":,"finished":true,'
    b'"tier":"standard","usage":{"prompt_tokens":,"completion_tokens":,"total_tokens":,'
    b'"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":'
    b'{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},'
    b'"usage":{"input_tokens":,"input_tokens_details":{"cached_tokens":0},"output_tokens":,'
    b'"output_tokens_details":{"reasoning_tokens":0},"usage":{"input_tokens":,"cache_creation_input_tokens":0,'
    b'"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},'
    b'"output_tokens":,"service_tier":"standard","output":"","parameters":{"temperature":,"max_tokens":,'
    b'"url":"https://api.anthropic.com/v1/messages","url":"https://api.openai.com/v1/responses",'
    b'"url":"https://api.openai.com/v1/chat/completions","target":"/anthropic/v1/messages",'
    b'"target":"/openai/v1/responses","target":"/openai/v1/chat/completions",{"method":"POST",'
)
_DICTIONARIES = (zstd.ZstdDict(_COMMON, is_raw=True),)
_NEWEST = len(_DICTIONARIES) - 1
# One of each for all: making one takes longer than compressing a message.
_MESSAGES = zstd.ZstdCompressor(_MESSAGE_LEVEL)
_ENVELOPES = zstd.ZstdCompressor(_ENVELOPE_LEVEL, zstd_dict=_DICTIONARIES[_NEWEST].as_digested_dict)


def pack_call(call: Call) -> bytes:
    """What of a call is only read with that call in hand."""
    prompt, reply, cost = call.prompt, call.reply, call.cost
    message = reply.message or b""
    envelope = {
        "method": call.method,
        "target": call.target,
        "url": call.url,
        "parameters": prompt.parameters,
        "output": _text_or_place(reply.output_text, message),
        "usage": reply.usage,
        "tier": reply.service_tier,
        "finished": reply.finished,
        "events": reply.events,
        "tools": [[tool.id, tool.name, _text_or_place(tool.arguments, message)] for tool in reply.tool_calls],
        "lines": [
            [
                line.bucket,
                line.units,
                line.rate_picousd,
                None if line.rate_id == cost.rate_id else line.rate_id,
            ]
            for line in cost.lines
        ],
        "notes": cost.notes,
        "detail": call.ended_detail,
        "response": [part for field in call.response_headers for part in field],
        "request": [part for field in call.request_headers for part in field],
        "chunks": _pack_chunks(call.chunk_times),
    }
    # An empty text, a cost of nothing, an empty usage are said; other empty values are the same as none.
    said = {
        name: value
        for name, value in envelope.items()
        if value or (name in _MAY_BE_EMPTY and value is not None)
    }
    try:
        content = dump_json(said)
    except ValueError:
        content = dump_json({name: value for name, value in said.items() if name not in _FOREIGN})
    return bytes([_NEWEST]) + _frame(_ENVELOPES, content)


def unpack_call(packed: bytes) -> dict[str, Any]:
    """The object that `pack_call` packed."""
    envelope = load_json(zstd.decompress(packed[1:], _DICTIONARIES[packed[0]]))
    assert isinstance(envelope, dict)
    return envelope


def pack_message(content: bytes) -> bytes:
    if len(content) < _PLAIN_MAX and not content.startswith(_FRAME_FIRST):
        return content
    packed = _frame(_MESSAGES, content)
    return packed if len(packed) < len(content) or content.startswith(_FRAME_FIRST) else content


def unpack_message(packed: bytes) -> bytes:
    return zstd.decompress(packed) if packed.startswith(_FRAME_FIRST) else packed


def output_text(envelope: Mapping[str, Any], message: bytes | None) -> str | None:
    """`message` is the reply's."""
    return _text_at(envelope.get("output"), message)


def tool_calls(envelope: Mapping[str, Any], message: bytes | None) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(id=tool_id, name=name, arguments=_text_at(arguments, message) or "")
        for tool_id, name, arguments in envelope.get("tools", ())
    )


def cost_lines(envelope: Mapping[str, Any], rate_id: str | None) -> tuple[CostLine, ...]:
    """`rate_id` is that of the call's cost."""
    return tuple(
        CostLine(bucket=bucket, units=units, rate_picousd=rate_picousd, rate_id=other or rate_id or "")
        for bucket, units, rate_picousd, other in envelope.get("lines", ())
    )


def headers(envelope: Mapping[str, Any], side: str) -> tuple[tuple[str, str], ...]:
    parts = envelope.get(side, ())
    return tuple(zip(parts[::2], parts[1::2], strict=True))


def chunk_times(envelope: Mapping[str, Any]) -> tuple[ChunkTime, ...]:
    """To the microsecond."""
    numbers = envelope.get("chunks", ())
    times, after_us = [], 0
    for step_us, size in zip(numbers[::2], numbers[1::2], strict=True):
        after_us += step_us
        times.append(ChunkTime(after_ns=after_us * 1000, size=size))
    return tuple(times)


def _text_or_place(text: str | None, message: bytes) -> str | list[int] | None:
    if not text:
        return text
    quoted = dump_json(text)
    at = message.find(quoted)
    return text if at < 0 else [at, len(quoted)]


def _text_at(kept: str | list[int] | None, message: bytes | None) -> str | None:
    if not isinstance(kept, list):
        return kept
    at, length = kept
    assert message is not None, "a place is only kept where there is a message"
    text = load_json(message[at : at + length])
    assert isinstance(text, str)
    return text


def _pack_chunks(times: Iterable[ChunkTime]) -> list[int]:
    numbers, before_us = [], 0
    for time in times:
        after_us = time.after_ns // 1000
        numbers += [after_us - before_us, time.size]
        before_us = after_us
    return numbers


def _frame(compressor: zstd.ZstdCompressor, content: bytes) -> bytes:
    return compressor.compress(content, mode=zstd.ZstdCompressor.FLUSH_FRAME)
