"""
Rows as views and as Calls. The statements that read them stand here, so that columns and fields meet once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select

from arc_proxy.call import Call, CallError, Captured, Grouping, Kind, Prompt, Reply
from arc_proxy.journal.record import Ended
from arc_proxy.store import payload, tables
from arc_proxy.store.bounds import load_json
from arc_proxy.store.bulk import dicts, rows_in
from arc_proxy.store.chain import read_messages, read_talks
from arc_proxy.store.payload import unpack_call
from arc_proxy.store.rows import usage_of
from arc_proxy.store.run_rows import cost_grade
from arc_proxy.store.views import CallLine, CallRow, FactRow, RunRow
from pricing.cost import Cost, CostGrade
from pricing.usage import UsageGrade

LINES: Select[Any] = (
    select(
        tables.call,
        tables.agent.c.name.label("agent"),
        tables.run.c.run_id,
        tables.run.c.parent_run_id.label("run_parent_run_id"),
        tables.session.c.session_id,
        tables.segment.c.writer,
        tables.rate.c.rate_id,
        tables.rate.c.table_version,
    )
    .join(tables.run, tables.run.c.id == tables.call.c.run_key)
    .join(tables.agent, tables.agent.c.id == tables.call.c.agent_id)
    .join(tables.segment, tables.segment.c.id == tables.call.c.writer_id)
    .outerjoin(
        tables.session,
        tables.session.c.id == func.coalesce(tables.call.c.session_key, tables.run.c.session_key),
    )
    .outerjoin(tables.rate, tables.rate.c.id == tables.call.c.rate_key)
)
RUNS: Select[Any] = (
    select(tables.run, tables.agent.c.name.label("agent"), tables.session.c.session_id)
    .join(tables.agent, tables.agent.c.id == tables.run.c.agent_id)
    .outerjoin(tables.session, tables.session.c.id == tables.run.c.session_key)
)
FACTS: Select[Any] = select(tables.fact, tables.segment.c.writer).join(
    tables.segment, tables.segment.c.id == tables.fact.c.writer_id
)

# Columns that become fields as they are.
_PLAIN_OF_CALL = (
    "call_id",
    "writer",
    "attempt_of",
    "attempt",
    "run_key",
    "run_id",
    "session_id",
    "user",
    "version",
    "grouping_rule",
    "grouping_confidence",
    "provider",
    "dialect",
    "endpoint",
    "stream",
    "started_ns",
    "first_byte_ns",
    "duration_ns",
    "status",
    "unsecured",
    "failed",
    "model_requested",
    "model",
    "response_id",
    "request_id",
    "finish_reason",
    "messages",
    "cost_nanousd",
    "disputed_nanousd",
    "request_bytes",
    "response_bytes",
    "framework",
    "auxiliary",
    "estimated_by",
)
_PLAIN_OF_RUN = (
    "run_id",
    "session_id",
    "parent_run_id",
    "user",
    "version",
    "framework",
    "grouping_rule",
    "grouping_confidence",
    "started_ns",
    "ended_ns",
    "calls",
    "attempts",
    "steps",
    "auxiliary_calls",
    "errors",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "api_nanousd",
    "unpriced_calls",
    "estimated_calls",
    "partial_calls",
    "api_calls",
    "announced",
    "exceptions",
    "outcome",
    "outcome_source",
    "failed",
)


def call_line(row: Mapping[str, Any]) -> CallLine:
    """A row of LINES."""
    return CallLine(**_line_fields(row))


def run_row(row: Mapping[str, Any]) -> RunRow:
    """A row of RUNS. One that was announced and of which no call was seen may have gone past us: no $0."""
    calls = row["attempts"] + row["auxiliary_calls"]
    grade = cost_grade(row, calls) if calls else CostGrade.UNKNOWN
    cost = row["api_nanousd"] if grade is CostGrade.API_EQUIVALENT else row["cost_nanousd"]
    return RunRow(
        key=row["id"],
        agent=row["agent"] or None,
        cost_nanousd=None if grade is CostGrade.UNKNOWN else cost,
        cost_grade=grade,
        models=tuple(load_json(row["models"])),
        tags=load_json(row["tags"] or "{}"),
        **{name: row[name] for name in _PLAIN_OF_RUN},
    )


def fact_rows(connection: Connection, statement: Select[Any]) -> tuple[FactRow, ...]:
    """What a statement made of FACTS finds."""
    return tuple(
        FactRow(
            writer=row["writer"],
            fact_id=row["fact_id"],
            at_ns=row["at_ns"],
            type=row["type"],
            run_key=row["run_key"],
            run_id=row["run_id"],
            body=load_json(row["body"]),
        )
        for row in dicts(connection, statement)
    )


def call_rows(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[CallRow]:
    """Rows of LINES with their bodies, in the same order."""
    envelopes = _envelopes(connection, rows)
    messages = read_messages(connection, _present(rows, "reply_message_id"))
    return [_call_row(row, envelopes[row["id"]], messages.get(row["reply_message_id"])) for row in rows]


def whole_calls(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Call]:
    """Rows of LINES as the calls that were saved, in the same order; times of pieces to the microsecond."""
    envelopes = _envelopes(connection, rows)
    replies = read_messages(connection, _present(rows, "reply_message_id"))
    talks = read_talks(connection, _present(rows, "node_id"))
    return [
        _whole_call(
            row,
            envelopes[row["id"]],
            talks.get(row["node_id"], ()),
            replies.get(row["reply_message_id"]),
        )
        for row in rows
    ]


def tools_asked(connection: Connection, call_keys: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """By key of a call, the tools that its answer asks for, in order."""
    found: dict[int, list[tuple[int, str]]] = {}
    keys = {(key,) for key in call_keys}
    for key, position, name in rows_in(connection, tables.tool_call, ("call_key",), keys, "position", "name"):
        found.setdefault(key, []).append((position, name))
    return {key: tuple(name for _, name in sorted(asked)) for key, asked in found.items()}


def _envelopes(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[int, Any]:
    keys = {(row["id"],) for row in rows}
    return {
        key: unpack_call(content)
        for key, content in rows_in(connection, tables.payload, ("call_key",), keys, "content")
    }


def _present(rows: Iterable[Mapping[str, Any]], column: str) -> set[int]:
    return {row[column] for row in rows if row[column] is not None}


def _whole_call(
    row: Mapping[str, Any], envelope: Mapping[str, Any], messages: tuple[bytes, ...], message: bytes | None
) -> Call:
    line = call_line(row)
    return Call(
        call_id=line.call_id,
        writer=line.writer,
        grouping=_grouping(line, row),
        provider=line.provider,
        dialect=line.dialect,
        endpoint=line.endpoint,
        kind=line.kind,
        method=envelope.get("method", ""),
        target=envelope.get("target", ""),
        url=envelope.get("url"),
        started_ns=line.started_ns,
        first_byte_ns=line.first_byte_ns,
        duration_ns=line.duration_ns,
        status=line.status,
        ended=line.ended,
        ended_detail=envelope.get("detail", ""),
        captured=line.captured,
        unsecured=line.unsecured,
        prompt=Prompt(
            model=line.model_requested,
            stream=line.stream,
            messages=messages,
            parameters=envelope.get("parameters", {}),
        ),
        reply=_reply(line, envelope, message),
        usage=line.usage,
        usage_grade=line.usage_grade,
        cost=Cost(
            nanousd=line.cost_nanousd,
            grade=line.cost_grade,
            lines=payload.cost_lines(envelope, line.rate_id),
            rate_id=line.rate_id,
            table_version=line.table_version,
            reason=line.cost_reason,
            notes=tuple(envelope.get("notes", ())),
            disputed_nanousd=line.disputed_nanousd,
        ),
        attempt_of=line.attempt_of,
        attempt=line.attempt,
        request_bytes=line.request_bytes,
        response_bytes=line.response_bytes,
        request_headers=payload.headers(envelope, "request"),
        response_headers=payload.headers(envelope, "response"),
        chunk_times=payload.chunk_times(envelope),
        request_id=line.request_id,
        framework=line.framework,
        auxiliary=line.auxiliary,
        estimated_by=line.estimated_by,
    )


def _line_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: row[name] for name in _PLAIN_OF_CALL}
    error_type, error_message = row["error_type"], row["error_message"]
    has_error = error_type is not None or error_message is not None
    fields |= {
        "key": row["id"],
        "agent": row["agent"] or None,
        "parent_run_id": row["parent_run_id"] or row["run_parent_run_id"],
        "tags": load_json(row["tags"] or "{}"),
        "kind": Kind(row["kind"]),
        "ended": Ended(row["ended"]),
        "captured": Captured(row["captured"]),
        "error": CallError(type=error_type, message=error_message) if has_error else None,
        "server_tools": tuple(load_json(row["server_tools"] or "[]")),
        "usage": usage_of(row),
        "usage_grade": UsageGrade(row["usage_grade"]),
        "cost_grade": CostGrade(row["cost_grade"]),
        "cost_reason": row["cost_reason"] or "",
        "rate_id": row["rate_id"] or None,
        "table_version": row["table_version"] or None,
    }
    return fields


def _call_row(row: Mapping[str, Any], envelope: Mapping[str, Any], message: bytes | None) -> CallRow:
    return CallRow(
        **_line_fields(row),
        output_text=payload.output_text(envelope, message),
        usage_raw=envelope.get("usage"),
        tool_calls=payload.tool_calls(envelope, message),
        ended_detail=envelope.get("detail", ""),
    )


def _grouping(line: CallLine, row: Mapping[str, Any]) -> Grouping:
    """What the call itself said; the line has what its run knows as well."""
    return Grouping(
        run_id=line.run_id,
        agent=line.agent,
        session_id=line.session_id if row["session_key"] is not None else None,
        parent_run_id=row["parent_run_id"],
        user=line.user,
        version=line.version,
        tags=line.tags,
        rule=line.grouping_rule,
        confidence=line.grouping_confidence,
        separated_by=row["separated_by"],
    )


def _reply(line: CallLine, envelope: Mapping[str, Any], message: bytes | None) -> Reply:
    return Reply(
        model=line.model,
        response_id=line.response_id,
        finish_reason=line.finish_reason,
        output_text=payload.output_text(envelope, message),
        tool_calls=payload.tool_calls(envelope, message),
        server_tools=line.server_tools,
        usage=envelope.get("usage"),
        service_tier=envelope.get("tier"),
        error=line.error,
        message=message,
        finished=envelope.get("finished", False),
        events=envelope.get("events", 0),
    )
