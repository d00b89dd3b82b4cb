"""
What to change about an issue: `fix_for(observed)`. No I/O, and nothing but the standard library.

    observed, quote        what was seen; hostile text as data
    fix                    the noun Fix, and how much of a change the evidence allows
    idiom                  in whose words: the framework or SDK
    settings, history,     what a change is made of: lines, trimming, schemas, wrappers of tools
    structured, guard,
    nothing
    causes, arguments,     what messages mean, how arguments differ, where a provider's pages are
    vendor
    provider ... hint     one module for each family of codes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from analysis.failure import FailureCode
from analysis.fixes import (
    ending,
    exception,
    hint,
    loop,
    output,
    provider,
    refused,
    request,
    stream,
    tool,
    tool_arguments,
    tool_schema,
)
from analysis.fixes.fix import Fix, Level, Remedy, fix_of
from analysis.fixes.observed import Observed

__all__ = ["Fix", "Level", "Observed", "fix_for"]

_REMEDIES: Mapping[FailureCode, Callable[[Observed], Remedy]] = {
    FailureCode.AUTH: provider.auth,
    FailureCode.BAD_REQUEST: request.bad_request,
    FailureCode.CONNECTION: provider.connection,
    FailureCode.CONTEXT_OVERFLOW: provider.context_overflow,
    FailureCode.OVERLOADED: provider.overloaded,
    FailureCode.QUOTA_EXHAUSTED: provider.quota_exhausted,
    FailureCode.RATE_LIMITED: provider.rate_limited,
    FailureCode.SERVER_ERROR: provider.server_error,
    FailureCode.TIMEOUT: provider.timeout,
    FailureCode.TOOL_PARSER_FAILED: tool_schema.unread_call,
    FailureCode.TOOL_SCHEMA_REJECTED: tool_schema.rejected,
    FailureCode.OUTPUT_EMPTY: output.empty,
    FailureCode.OUTPUT_INVALID_JSON: output.invalid_json,
    FailureCode.OUTPUT_REFUSAL: output.refusal,
    FailureCode.OUTPUT_TRUNCATED: output.truncated,
    FailureCode.TOOL_CALL_AS_TEXT: output.tool_call_as_text,
    FailureCode.STREAM_ABORTED: stream.aborted,
    FailureCode.CLIENT_CLOSED: stream.client_closed,
    FailureCode.PROXY_REFUSED: refused.proxy_refused,
    FailureCode.TOOL_ERROR: tool.error,
    FailureCode.TOOL_EMPTY_RESULT: tool.empty_result,
    FailureCode.TOOL_ERROR_REPEATED: tool.error,
    FailureCode.TOOL_ERROR_CONSECUTIVE: tool.error,
    FailureCode.TOOL_ERROR_UNRECOVERED: tool.error,
    FailureCode.TOOL_UNKNOWN_NAME: tool.unknown_name,
    FailureCode.TOOL_ARGS_INVALID_JSON: tool_arguments.invalid_json,
    FailureCode.TOOL_ARGS_MISSING: tool_arguments.missing,
    FailureCode.TOOL_ARGS_SCHEMA_INVALID: tool_arguments.schema_invalid,
    FailureCode.TOOL_ARGS_UNGROUNDED: tool_arguments.ungrounded,
    FailureCode.REPEATED_CALL: loop.repeated_call,
    FailureCode.REPEATED_TEXT: loop.repeated_text,
    FailureCode.NO_FINAL_ANSWER: ending.no_final_answer,
    FailureCode.INFRA_ABORT: ending.infra_abort,
    FailureCode.STEP_CAP: ending.step_cap,
    FailureCode.TOKEN_GROWTH: ending.token_growth,
    FailureCode.FINAL_GIVEUP: ending.final_giveup,
    FailureCode.EXCEPTION: exception.raised,
    FailureCode.REFUSAL_PHRASE: hint.refusal_phrase,
    FailureCode.CLAIM_WITHOUT_ACTION: hint.claim_without_action,
    FailureCode.HANDOFF: hint.handoff,
    FailureCode.FRUSTRATION: hint.frustration,
}


def fix_for(observed: Observed) -> Fix:
    """In the words of the framework that made the calls, by as much as was seen."""
    return fix_of(_REMEDIES[observed.code](observed), observed)
