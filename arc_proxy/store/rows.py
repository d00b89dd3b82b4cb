"""
A Call as the columns of its rows, and back. No SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from arc_proxy.call import Call, Kind
from arc_proxy.journal.record import Ended
from arc_proxy.store.bounds import (
    INT_MAX,
    NANOUSD_MAX,
    TEXT_MAX,
    TOKENS_MAX,
    WORD_MAX,
    json_text,
    load_json,
    share,
    some_word,
    whole,
    word,
)
from arc_proxy.store.chain import Place
from pricing.cost import NOT_BILLED, CostGrade
from pricing.usage import Usage

Row = dict[str, Any]

TOKENS = (
    "input_text",
    "input_audio",
    "input_image",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output_text",
    "output_audio",
    "output_image",
    "reasoning",
)
TOKEN_COLUMNS = tuple(f"{bucket}_tokens" for bucket in TOKENS)

_FAILED = frozenset({Ended.TRUNCATED, Ended.UPSTREAM_ERROR, Ended.REFUSED})


class CallKeys(NamedTuple):
    """Keys of the rows that a call's row points at."""

    writer_id: int
    agent_id: int
    run_key: int
    session_key: int | None
    series_id: int
    rate_key: int | None


def series_name(call: Call, agent_id: int) -> tuple[int, str, str, str, str]:
    model = call.reply.model or call.prompt.model or ""
    return (agent_id, some_word(call.provider), some_word(call.dialect), some_word(model), str(call.kind))


def rate_name(call: Call) -> tuple[str, str] | None:
    """(rate id, table version), "" for what the cost does not have."""
    cost = call.cost
    if cost.rate_id is None and cost.table_version is None:
        return None
    return (some_word(cost.rate_id or ""), some_word(cost.table_version or ""))


def call_row(call: Call, keys: CallKeys, place: Place) -> Row:
    """Every column of the call table but `id`."""
    grouping, prompt, reply, cost, usage = call.grouping, call.prompt, call.reply, call.cost, call.usage
    error = reply.error
    row: Row = {
        "call_id": call.call_id,
        "writer_id": keys.writer_id,
        "agent_id": keys.agent_id,
        "run_key": keys.run_key,
        "session_key": keys.session_key,
        "series_id": keys.series_id,
        "rate_key": keys.rate_key,
        "parent_run_id": grouping.parent_run_id,
        "user": grouping.user,
        "version": grouping.version,
        "grouping_rule": grouping.rule,
        "grouping_confidence": share(grouping.confidence),
        "tags": json_text({some_word(k): some_word(v) for k, v in grouping.tags.items()}),
        "provider": call.provider,
        "dialect": call.dialect,
        "endpoint": call.endpoint,
        "kind": call.kind.value,
        "stream": prompt.stream,
        "started_ns": call.started_ns,
        "first_byte_ns": call.first_byte_ns,
        "duration_ns": call.duration_ns,
        "status": call.status,
        "ended": call.ended.value,
        "captured": call.captured.value,
        "unsecured": call.unsecured,
        "failed": is_failed(call),
        "attempt_of": call.attempt_of,
        "attempt": call.attempt,
        "model_requested": prompt.model,
        "model": reply.model or None,
        "response_id": reply.response_id,
        "request_id": call.request_id,
        "finish_reason": reply.finish_reason,
        "error_type": error.type if error else None,
        "error_message": word(error.message, TEXT_MAX) if error else None,
        "server_tools": json_text([some_word(name) for name in reply.server_tools]),
        "messages": len(prompt.messages),
        "node_id": place.node_id,
        "reply_message_id": place.reply_message_id,
        "usage_grade": call.usage_grade.value,
        "input_text_tokens": usage.input_text,
        "input_audio_tokens": usage.input_audio,
        "input_image_tokens": usage.input_image,
        "cache_read_tokens": usage.cache_read,
        "cache_write_5m_tokens": usage.cache_write_5m,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "output_text_tokens": usage.output_text,
        "output_audio_tokens": usage.output_audio,
        "output_image_tokens": usage.output_image,
        "reasoning_tokens": usage.reasoning,
        "tool_units": json_text({some_word(k): whole(v, TOKENS_MAX) for k, v in usage.tool_units.items()}),
        "cost_nanousd": None if cost.grade is CostGrade.UNKNOWN else whole(cost.nanousd or 0, NANOUSD_MAX),
        "cost_grade": cost.grade.value,
        "cost_reason": word(cost.reason, TEXT_MAX) or None,
        "disputed_nanousd": None
        if cost.disputed_nanousd is None
        else whole(cost.disputed_nanousd, NANOUSD_MAX),
        "request_bytes": call.request_bytes,
        "response_bytes": call.response_bytes,
        "framework": call.framework,
        "auxiliary": call.auxiliary,
        "estimated_by": call.estimated_by,
        "separated_by": grouping.separated_by,
    }
    _keep_within_bounds(row)
    return row


_WORDS = (
    "call_id",
    "parent_run_id",
    "user",
    "version",
    "grouping_rule",
    "provider",
    "dialect",
    "endpoint",
    "attempt_of",
    "model_requested",
    "model",
    "response_id",
    "request_id",
    "finish_reason",
    "error_type",
    "framework",
    "auxiliary",
    "estimated_by",
)
_NUMBERS = (
    "started_ns",
    "first_byte_ns",
    "duration_ns",
    "status",
    "attempt",
    "request_bytes",
    "response_bytes",
)


def _keep_within_bounds(row: Row) -> None:
    """One look at each value, since nearly all of them are as they should be."""
    for name in _WORDS:
        text = row[name]
        if text is not None and (len(text) > WORD_MAX or not text.isascii() or "\0" in text):
            row[name] = word(text)
    for name in _NUMBERS:
        number = row[name]
        if number is not None and not 0 <= number <= INT_MAX:
            row[name] = whole(number)
    for name in TOKEN_COLUMNS:
        if not 0 <= row[name] <= TOKENS_MAX:
            row[name] = whole(row[name], TOKENS_MAX)


def tool_call_rows(call: Call, call_key: int) -> list[Row]:
    return [
        {
            "call_key": call_key,
            "position": position,
            "tool_call_id": word(tool_call.id),
            "name": some_word(tool_call.name),
        }
        for position, tool_call in enumerate(call.reply.tool_calls)
    ]


def tag_rows(row: Mapping[str, Any]) -> list[Row]:
    """Tags of a call's row, to search by."""
    if row["tags"] is None:
        return []
    return [
        {"run_key": row["run_key"], "call_key": row["id"], "name": name, "value": value}
        for name, value in load_json(row["tags"]).items()
    ]


def is_failed(call: Call) -> bool:
    """Did the call go wrong? A client that left, or our own death, is no failure of the call."""
    error = call.reply.error
    return (
        call.ended in _FAILED
        or (call.status is not None and call.status >= 400)
        or (error is not None and bool(error.type or error.message))
    )


def tokens_of(row: Mapping[str, Any]) -> list[int]:
    """Of TOKEN_COLUMNS, for sums: none where nothing is billed, as a retrieval repeats another call's."""
    if row["cost_reason"] == NOT_BILLED:
        return [0] * len(TOKEN_COLUMNS)
    return [row[column] for column in TOKEN_COLUMNS]


def usage_of(row: Mapping[str, Any]) -> Usage:
    buckets = {bucket: row[column] for bucket, column in zip(TOKENS, TOKEN_COLUMNS, strict=True)}
    return Usage(**buckets, tool_units=load_json(row["tool_units"] or "{}"))


def is_step(row: Mapping[str, Any]) -> bool:
    return row["kind"] == Kind.GENERATION and row["attempt_of"] is None
