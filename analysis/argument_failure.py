"""
Tool calls that the tools' own declarations forbid: a name that none has, arguments that do not fit. Pure.

Source: https://json-schema.org/draft/2020-12. A keyword that the draft does not know, or a schema that is
none, is no fault of the call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from analysis.failure import EVIDENCE_CHARACTERS_MAX, Failure, FailureCode
from analysis.finish_reason import is_partial
from analysis.request import offered_tools, output_limit
from arc_proxy.call import Call, ToolCall

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

# Larger ones are checked by nobody in time: a schema can make a validator work for ever.
ARGUMENTS_CHARACTERS_MAX = 100_000


def argument_failures(call: Call) -> Iterator[Failure]:
    """Of the calls that one reply makes."""
    offered = offered_tools(call.prompt)
    for tool_call in call.reply.tool_calls:
        if offered and tool_call.name not in offered:
            yield _unknown(call, tool_call, offered)
            continue
        yield from _of_arguments(call, tool_call, offered.get(tool_call.name, {}))


def _unknown(call: Call, tool_call: ToolCall, offered: Mapping[str, Any]) -> Failure:
    near = get_close_matches(tool_call.name, offered, n=1, cutoff=0.0)
    message = f"{tool_call.name} is none of the {len(offered)} tools that were offered; nearest: {near[0]}"
    return _failure(FailureCode.TOOL_UNKNOWN_NAME, call, tool_call, message, field="name")


def _of_arguments(call: Call, tool_call: ToolCall, schema: Mapping[str, Any]) -> Iterator[Failure]:
    text = tool_call.arguments.strip() or "{}"
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError) as error:
        if call.reply.finished and not _is_cut(call):
            message = f"{error}: {text}" if isinstance(error, ValueError) else "nested too deeply"
            yield _failure(
                FailureCode.TOOL_ARGS_INVALID_JSON,
                call,
                tool_call,
                message,
                cause="no JSON",
                field="arguments",
            )
        return
    if schema and isinstance(arguments, dict) and len(text) <= ARGUMENTS_CHARACTERS_MAX:
        yield from _against(call, tool_call, schema, arguments)


def _is_cut(call: Call) -> bool:
    """Whether the answer stopped at its limit: then its arguments are cut, not wrong."""
    limit = output_limit(call.prompt.parameters)
    is_at_limit = limit is not None and call.usage.output_tokens >= limit[1]
    return is_at_limit or is_partial(call.reply.finish_reason)


def _against(
    call: Call, tool_call: ToolCall, schema: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Iterator[Failure]:
    for path, keyword, message in schema_errors(schema, arguments):
        if keyword == "required":
            code = FailureCode.TOOL_ARGS_MISSING
        else:
            code = FailureCode.TOOL_ARGS_SCHEMA_INVALID
        where = f"arguments{path}"
        yield _failure(code, call, tool_call, f"{where}: {message}", cause=f"{where} {keyword}", field=where)
        return  # one call is one failure, by its first fault


def schema_errors(schema: Mapping[str, Any], value: object) -> list[tuple[str, str, str]]:
    """Path, keyword and message of what does not fit, the missing first; [] where the schema is none."""
    try:
        validator = _validator(json.dumps(schema))
        found = [] if validator is None else list(validator.iter_errors(value))
    except (RecursionError, LookupError, TypeError, ValueError):
        return []  # it refers to what is not there, or to itself
    errors = [
        (
            "".join(f"[{json.dumps(part)}]" for part in error.absolute_path),
            str(error.validator),
            error.message,
        )
        for error in found
    ]
    return sorted(errors, key=lambda error: (error[1] != "required", error))


@lru_cache(maxsize=256)
def _validator(schema: str) -> Draft202012Validator | None:
    """None for a schema that is none. Agents send the same ones with each call."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    read = json.loads(schema)
    try:
        Draft202012Validator.check_schema(read)
    except SchemaError:
        return None
    return Draft202012Validator(read)


def _failure(
    code: FailureCode, call: Call, tool_call: ToolCall, message: str, *, field: str, cause: str = ""
) -> Failure:
    return Failure(
        code,
        message[:EVIDENCE_CHARACTERS_MAX],
        f"reply.tool_calls.{field}",
        call_id=call.call_id,
        tool_call_id=tool_call.id,
        subject=tool_call.name,
        cause=cause,
    )
