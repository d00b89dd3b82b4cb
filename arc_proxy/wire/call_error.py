"""
What a provider says went wrong, in the provider's own words. No I/O.

`error.type` falls back to `error.status` (Google), then `error.code` (OpenRouter, Azure), then to what
stands at the top level (Mistral, AWS).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from arc_proxy.call import CallError
from arc_proxy.wire.document import JsonObject, as_text, compact

MESSAGE_CHARS_MAX = 4000

_MESSAGE_FIELDS = ("message", "Message", "detail", "error_description", "msg", "errorMessage", "title")


def read_error(document: JsonObject) -> CallError | None:
    """The error that a document carries under `error`; None where it carries none."""
    error = document.get("error")
    if isinstance(error, dict) and error:
        return CallError(
            type=_first_word(error.get("type"), error.get("status"), error.get("code")),
            message=_message(error),
        )
    if isinstance(error, list) and error:  # Hugging Face's, one text for each field
        error = "; ".join(each if isinstance(each, str) else compact(each) for each in error)
    if isinstance(error, str) and error:
        # Beside an error that is a text, xAI's `code` is a word of HTTP's, and no type of it.
        said = _first_word(document.get("__type"), document.get("type"))
        return CallError(type=said, message=error[:MESSAGE_CHARS_MAX])
    return None


def read_refusal(document: JsonObject) -> CallError:
    """The error of a response whose status says that it is one, whatever its body looks like."""
    error = read_error(document)
    return error or CallError(type=_top_level_type(document), message=_message(document))


def read_refusal_text(body: bytes, headers: Iterable[tuple[str, str]]) -> CallError:
    """The same for a body that is no JSON: a page of some proxy on the way, or nothing."""
    text = body[: 4 * MESSAGE_CHARS_MAX].decode(errors="replace").strip()[:MESSAGE_CHARS_MAX]
    return CallError(type=header_type(headers), message=text or None)


def header_type(headers: Iterable[tuple[str, str]]) -> str | None:
    """AWS names the exception in a header: `ValidationException:http://internal.amazon.com/...`."""
    for name, value in headers:
        if name.lower() == "x-amzn-errortype":
            return value.partition(":")[0] or None
    return None


def _top_level_type(document: JsonObject) -> str | None:
    return _first_word(document.get("__type"), document.get("type"), document.get("code"))


def _first_word(*values: Any) -> str | None:
    for value in values:
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def _message(error: JsonObject) -> str | None:
    for field in _MESSAGE_FIELDS:
        value = error.get(field)
        if isinstance(value, dict | list) and value:
            return compact(value)[:MESSAGE_CHARS_MAX]
        if as_text(value):
            return str(value)[:MESSAGE_CHARS_MAX]
    return None
