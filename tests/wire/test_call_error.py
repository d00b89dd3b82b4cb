from __future__ import annotations

import pytest

from arc_proxy.call import CallError
from arc_proxy.wire.call_error import MESSAGE_CHARS_MAX, read_error, read_refusal, read_refusal_text

REFUSALS = {
    "openai": (
        {"error": {"type": "invalid_request_error", "code": "x", "message": "no"}},
        "invalid_request_error",
        "no",
    ),
    "anthropic": (
        {"type": "error", "error": {"type": "overloaded_error", "message": "no"}},
        "overloaded_error",
        "no",
    ),
    "google": ({"error": {"code": 404, "status": "NOT_FOUND", "message": "no"}}, "NOT_FOUND", "no"),
    "openrouter": ({"error": {"code": 429, "message": "no"}}, "429", "no"),
    "azure": ({"error": {"code": "404", "message": "no"}}, "404", "no"),
    "a code that is null": ({"error": {"code": None, "message": "no"}}, None, "no"),
    "mistral": (
        {"object": "error", "type": "invalid_model", "code": "1500", "message": "no"},
        "invalid_model",
        "no",
    ),
    "mistral, key refused": ({"detail": "Invalid API Key"}, None, "Invalid API Key"),
    "fastapi": ({"detail": [{"loc": ["body"]}]}, None, '[{"loc":["body"]}]'),
    "venice, ollama": ({"error": "model not found"}, None, "model not found"),
    "xai": ({"code": "invalid-argument", "error": "no such key"}, None, "no such key"),
    "aws": ({"__type": "ThrottlingException", "message": "slow down"}, "ThrottlingException", "slow down"),
    "cohere": ({"id": "1", "message": "no"}, None, "no"),
    "an error that is empty": ({"error": {}}, None, None),
    "hugging face": ({"error": ["a is missing", "b is not"]}, None, "a is missing; b is not"),
    "nothing": ({}, None, None),
    "fields of the wrong type": ({"error": {"type": {}, "code": True, "message": 7}}, None, None),
}


@pytest.mark.parametrize(("document", "kind", "message"), REFUSALS.values(), ids=REFUSALS)
def test_reads_a_refusal_of(document, kind, message) -> None:
    assert read_refusal(document) == CallError(type=kind, message=message)


@pytest.mark.parametrize("error", [None, {}, "", [], 0, True])
def test_a_good_response_has_no_error(error) -> None:
    assert read_error({"error": error, "type": "message", "message": "hello"}) is None


def test_a_page_is_a_message_without_a_type() -> None:
    assert read_refusal_text(b"upstream connect error", ()) == CallError(
        type=None, message="upstream connect error"
    )


def test_the_header_of_aws_names_the_exception() -> None:
    headers = [("X-Amzn-ErrorType", "ValidationException:http://internal.amazon.com/")]
    assert read_refusal_text(b"", headers) == CallError(type="ValidationException", message=None)


def test_a_long_message_is_cut() -> None:
    error = read_error({"error": {"message": "x" * 10_000_000}})
    assert error is not None
    assert len(error.message or "") == MESSAGE_CHARS_MAX
