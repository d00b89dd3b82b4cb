"""The trouble that providers put into words, statuses and finish reasons, and how a call may end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.call_failure import call_failure
from analysis.failure import SEVERITY, Severity
from analysis.failure import FailureCode as Code
from arc_proxy.call import CallError, Kind
from arc_proxy.journal.record import Ended

EXCEEDED = "You exceeded your current quota, please check your plan and billing details"
INVALID = "invalid_request_error"

# Status, type and message of an error, and the code.
ERRORS = {
    "OpenAI, a wrong key": (401, INVALID, "Incorrect API key provided: x", Code.AUTH),
    "Google, a wrong key": (400, "INVALID_ARGUMENT", "API key not valid. Please pass", Code.AUTH),
    "xAI, a wrong key": (400, None, "Incorrect API key provided.", Code.AUTH),
    "Anthropic, a key without rights": (403, "permission_error", "Your key may not", Code.AUTH),
    "Bedrock, a model without access": (403, "AccessDeniedException", "no access", Code.AUTH),
    "OpenAI, too many requests": (429, "requests", "Rate limit reached for gpt-5", Code.RATE_LIMITED),
    "OpenAI, an empty purse": (429, "insufficient_quota", EXCEEDED, Code.QUOTA_EXHAUSTED),
    "OpenAI, an empty purse by its words alone": (
        429,
        "server_error",
        "You exceeded your current quota.",
        Code.QUOTA_EXHAUSTED,
    ),
    "Google, too many requests a minute": (429, "RESOURCE_EXHAUSTED", EXCEEDED, Code.RATE_LIMITED),
    "Anthropic, an empty purse": (400, INVALID, "credit balance is too low", Code.QUOTA_EXHAUSTED),
    "DeepSeek, an empty purse": (402, "unknown_error", "Insufficient Balance", Code.QUOTA_EXHAUSTED),
    "Bedrock, too many requests": (429, "ThrottlingException", "Too many tokens, wait", Code.RATE_LIMITED),
    "Anthropic, overloaded": (529, "overloaded_error", "Overloaded", Code.OVERLOADED),
    "Anthropic, overloaded within a stream": (200, "overloaded_error", "Overloaded", Code.OVERLOADED),
    "Google, unavailable": (503, "UNAVAILABLE", "The model is overloaded.", Code.OVERLOADED),
    "a gateway's page": (503, None, "upstream connect error", Code.OVERLOADED),
    "OpenAI, broken": (500, "server_error", "The server had an error", Code.SERVER_ERROR),
    "Anthropic, broken": (500, "api_error", "Internal server error", Code.SERVER_ERROR),
    "a gateway without words": (502, None, None, Code.SERVER_ERROR),
    "too slow": (504, "timeout_error", "Request timed out", Code.TIMEOUT),
    "Google, too slow": (504, "DEADLINE_EXCEEDED", "Deadline expired", Code.TIMEOUT),
    "OpenAI, too long": (400, INVALID, "maximum context length is 128000", Code.CONTEXT_OVERFLOW),
    "Anthropic, too long": (400, INVALID, "prompt is too long: 210000", Code.CONTEXT_OVERFLOW),
    "Anthropic, too large": (413, "request_too_large", "too large", Code.CONTEXT_OVERFLOW),
    "Google, too long": (400, "INVALID_ARGUMENT", "The input token count (9) exceeds", Code.CONTEXT_OVERFLOW),
    "Bedrock, too long": (400, "ValidationException", "Input is too long for it.", Code.CONTEXT_OVERFLOW),
    "llama.cpp, too long": (400, "exceed_context_size_error", "(2009 tokens) exceeds", Code.CONTEXT_OVERFLOW),
    "OpenAI, a wrong schema": (400, INVALID, "Invalid schema for function 'f'", Code.TOOL_SCHEMA_REJECTED),
    "Anthropic, a wrong schema": (400, INVALID, "tools.0.custom.input_schema: no", Code.TOOL_SCHEMA_REJECTED),
    "Google, a schema": (400, "INVALID_ARGUMENT", "function_declarations[0]: no", Code.TOOL_SCHEMA_REJECTED),
    "Groq, a call that could not be read": (400, INVALID, "tool_use_failed: no", Code.TOOL_PARSER_FAILED),
    "Azure, a filter": (400, "content_filter", "It was filtered", Code.OUTPUT_REFUSAL),
    "an unknown model": (404, "not_found_error", "model: claude-9", Code.BAD_REQUEST),
    "a wrong parameter": (400, INVALID, "Unknown parameter: 'x'.", Code.BAD_REQUEST),
    "an error without a status": (None, "server_error", "oops", Code.SERVER_ERROR),
}  # fmt: skip


def failure(**changes):
    facts = {
        "status": 200,
        "ended": Ended.COMPLETE,
        "error": None,
        "finish_reason": "stop",
        "kind": Kind.GENERATION,
    }
    return call_failure(**facts | changes)


@pytest.mark.parametrize(("status", "type_", "message", "code"), ERRORS.values(), ids=ERRORS)
def test_an_error_of_a_provider(status, type_, message, code):
    error = CallError(type=type_, message=message) if type_ or message else None
    found = failure(status=status, error=error, finish_reason=None)
    assert found is not None
    assert found.code is code
    assert found.evidence
    assert (message or "HTTP") in found.evidence


FINISHES = {
    **dict.fromkeys(["length", "max_tokens", "MAX_TOKENS", "max_output_tokens"], Code.OUTPUT_TRUNCATED),
    **dict.fromkeys(["refusal", "content_filter", "SAFETY", "PROHIBITED_CONTENT"], Code.OUTPUT_REFUSAL),
    **dict.fromkeys(["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"], Code.TOOL_PARSER_FAILED),
    "model_context_window_exceeded": Code.CONTEXT_OVERFLOW,
    **dict.fromkeys(["stop", "end_turn", "STOP", "tool_calls", "completed", None], None),
}


@pytest.mark.parametrize(("reason", "code"), FINISHES.items())
def test_a_finish_reason(reason, code):
    found = failure(finish_reason=reason)
    assert (found and found.code) is code


ENDS = {
    "cut by the upstream": (Ended.TRUNCATED, 200, Code.STREAM_ABORTED),
    "left by the client": (Ended.CLIENT_CLOSED, 200, Code.CLIENT_CLOSED),
    "left before an answer": (Ended.CLIENT_CLOSED, None, Code.CLIENT_CLOSED),
    "no connection": (Ended.UPSTREAM_ERROR, None, Code.CONNECTION),
    "the proxy was killed, which is no trouble of the agent's": (Ended.INTERRUPTED, 200, None),
    "well": (Ended.COMPLETE, 200, None),
}


@pytest.mark.parametrize(("ended", "status", "code"), ENDS.values(), ids=ENDS)
def test_an_end(ended, status, code):
    found = failure(ended=ended, status=status)
    assert (found and found.code) is code


def test_our_own_answer_for_an_upstream_that_is_not_there_is_a_lost_connection():
    error = CallError(type="arc_proxy_error", message="Nothing listens at 127.0.0.1:1.")
    found = failure(status=502, ended=Ended.UPSTREAM_ERROR, error=error)
    assert found is not None
    assert found.code is Code.CONNECTION


def test_what_arc_proxy_would_not_forward_is_its_own_word():
    error = CallError(type="unknown_prefix", message="There is no provider x.")
    found = failure(status=404, ended=Ended.REFUSED, error=error)
    assert found is not None
    assert (found.code, found.severity) == (Code.PROXY_REFUSED, Severity.FATAL)


def test_a_short_limit_of_an_embedding_is_none():
    assert failure(finish_reason="length", kind=Kind.EMBEDDING) is None


def test_every_code_has_a_severity():
    assert set(SEVERITY) == set(Code)


@given(
    st.none() | st.integers(100, 599),
    st.sampled_from(Ended),
    st.none() | st.builds(CallError, type=st.none() | st.text(), message=st.none() | st.text()),
    st.none() | st.text(),
)
def test_anything_is_judged(status, ended, error, reason):
    found = failure(status=status, ended=ended, error=error, finish_reason=reason)
    assert found is None or found.evidence
