"""
What one call says went wrong with it: the provider's errors, its finish reason, how it ended. Pure.

Providers word the same trouble differently, and the same status means different things: OpenAI's 429 is a
rate limit or an empty purse, Google's 400 may be a wrong key, Anthropic's 400 an empty purse. So words come
before statuses. Sources: https://platform.openai.com/docs/guides/error-codes,
https://docs.anthropic.com/en/api/errors, https://ai.google.dev/gemini-api/docs/troubleshooting,
https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html.
"""

from __future__ import annotations

import re

from analysis.failure import Failure, FailureCode
from analysis.finish_reason import OVERFLOWN, REFUSED, UNPARSED, is_cut
from arc_proxy.call import CallError, Kind
from arc_proxy.journal.record import Ended


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.I)


# The first that is found in the error's type and message.
_BY_WORDS = (
    (
        FailureCode.QUOTA_EXHAUSTED,
        _words(
            *("insufficient_quota", "billing_error", "credit balance is too low"),
            "insufficient (?:balance|credits|funds)",
            *("(?:out of|not enough|no) credits", "quota_?exceeded.*billing"),
            *("check your plan and billing details", "exceeded your current quota"),
            *("payment required", "account is (?:not active|in arrears|overdue)", "arrearage"),
        ),
    ),
    (
        FailureCode.CONTEXT_OVERFLOW,
        _words(
            *("context_length_exceeded", "exceed_context_size", "(?:maximum|available) context"),
            "context (?:length|window)",
            *("prompt is too long", "input is too long", "input token count"),
            "too many (?:input )?tokens in (?:the )?",
            *("request_too_large", "reduce the length of the", r"input \(\d+ tokens\) is too large"),
            "string_above_max_length",
        ),
    ),
    (
        FailureCode.TOOL_SCHEMA_REJECTED,
        _words(
            *("invalid_function_parameters", r"tools\.\d+\.", "function_declarations"),
            "invalid schema for function",
            *("tool schema", "strict tools", r"tools\[\d+\]\.(?:function\.)?parameters"),
            "schemas? (?:is|are) too complex",
            *("schemas? contains too many", "input_schema"),
        ),
    ),
    (
        FailureCode.TOOL_PARSER_FAILED,
        _words(
            *("tool_use_failed", "could not locate tool call"),
            "failed to (?:parse|call) (?:a )?(?:tool|function)",
            *("tool call validation failed", "tool parser"),
        ),
    ),
    (
        FailureCode.OUTPUT_REFUSAL,
        _words(
            *("content_policy_violation", "content_filter", "responsibleaipolicyviolation"),
            "moderation_blocked",
            *("content management policy", "data_inspection_failed"),
            "blocked by (?:our )?(?:content|safety)",
        ),
    ),
    (
        FailureCode.AUTH,
        _words(
            *("authentication", "invalid_api_key", "invalid ?api-?key", "unauthenticated"),
            "permission_(?:error|denied)",
            *("api[ -]key (?:not valid|is invalid|provided)", "incorrect api key", "accessdenied"),
            "unrecognizedclient",
            *("invalidsignature", "expiredtoken", "signature expired", "unauthorized"),
        ),
    ),
    (
        FailureCode.RATE_LIMITED,
        _words(
            *("rate[_ ]?limit", "too_?many_?requests", "resource_?exhausted", "throttl"),
            "tokens per (?:min|day)",
        ),
    ),
    (
        FailureCode.OVERLOADED,
        _words(
            *("overloaded", r"\bunavailable\b", "serviceunavailable", "model_?not_?ready"),
            *("at capacity", "high demand"),
        ),
    ),
    (
        FailureCode.TIMEOUT,
        _words(
            *("timeout_error", "deadline_exceeded", "modeltimeout", "timed out", "upstream_timeout"),
            "gateway time-?out",
        ),
    ),
)  # fmt: skip

_BY_STATUS = {
    401: FailureCode.AUTH,
    402: FailureCode.QUOTA_EXHAUSTED,
    403: FailureCode.AUTH,
    408: FailureCode.TIMEOUT,
    413: FailureCode.CONTEXT_OVERFLOW,
    429: FailureCode.RATE_LIMITED,
    503: FailureCode.OVERLOADED,
    504: FailureCode.TIMEOUT,
    529: FailureCode.OVERLOADED,
}
# Google's word for a per-minute limit is also "exceeded your current quota, check your plan and billing".
_MINUTE_LIMIT = _words("resource_exhausted", "per_?minute", "perminute", "retry in")


def call_failure(
    *,
    status: int | None,
    ended: Ended,
    error: CallError | None,
    finish_reason: str | None,
    kind: Kind,
    detail: str = "",
) -> Failure | None:
    """
    The failure of a call, None for one that went well or still goes on.

    `detail` is what the gateway noted of how it ended. A reply that was cut by a limit or refused counts for
    generations alone.
    """
    if ended is Ended.REFUSED:
        said = error.message if error is not None else None
        return Failure(FailureCode.PROXY_REFUSED, said or detail or "arc-proxy refused it", "ended")
    if error is not None or (status is not None and status >= 400):
        return _of_error(status, ended, error, detail)
    match ended:
        case Ended.UPSTREAM_ERROR:
            return Failure(FailureCode.CONNECTION, detail or "no response", "ended")
        case Ended.TRUNCATED:
            return Failure(FailureCode.STREAM_ABORTED, detail or "the stream ended before its end", "ended")
        case Ended.CLIENT_CLOSED:
            return Failure(FailureCode.CLIENT_CLOSED, detail or "the client left", "ended")
    return _of_finish(finish_reason) if kind is Kind.GENERATION and finish_reason else None


def _of_error(status: int | None, ended: Ended, error: CallError | None, detail: str) -> Failure:
    said = _said(error)
    field = "error.message" if said else "status"
    code = _by_words(said) or _BY_STATUS.get(status or 0)
    if code is None and ended is Ended.UPSTREAM_ERROR:
        code = FailureCode.CONNECTION  # our own answer, as there was none
    if code is None:
        is_client_fault = status is not None and 400 <= status < 500
        code = FailureCode.BAD_REQUEST if is_client_fault else FailureCode.SERVER_ERROR
    return Failure(code, said or detail or f"HTTP {status}", field)


def _by_words(said: str) -> FailureCode | None:
    for code, words in _BY_WORDS:
        if words.search(said):
            if code is FailureCode.QUOTA_EXHAUSTED and _MINUTE_LIMIT.search(said):
                return FailureCode.RATE_LIMITED
            return code
    return None


def _of_finish(reason: str) -> Failure | None:
    word = reason.lower()
    code = (
        FailureCode.OUTPUT_TRUNCATED if is_cut(word)
        else FailureCode.OUTPUT_REFUSAL if word in REFUSED
        else FailureCode.TOOL_PARSER_FAILED if word in UNPARSED
        else FailureCode.CONTEXT_OVERFLOW if word in OVERFLOWN
        else None
    )  # fmt: skip
    return None if code is None else Failure(code, f"finish reason {reason}", "finish_reason")


def _said(error: CallError | None) -> str:
    return "" if error is None else ": ".join(part for part in (error.type, error.message) if part)
